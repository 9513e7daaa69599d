//! How is an event of several `data:` lines parsed? By eventsource-stream.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use eventsource_stream::EventStream;
use futures_util::FutureExt;
use futures_util::stream::{Stream, StreamExt};
use parking_lot::Mutex;

use super::event::{Event, SseError};

/// A `data:` line of this length or more is set aside, and the parser gets a token in its place: it would hold the line
/// three times.
const LONG_LINE: usize = 16 * 1024;

/// Lines are passed to the parser in portions of about this size: at each line it copies the rest of the portion.
const PORTION: usize = 2 * 1024;

pub(super) struct Parser {
    events: EventStream<Feed>,
    feed: Feed,
    portion: Vec<u8>,
    aside: Vec<Bytes>,
}

/// What the parser reads: portions of whole lines. [`Parser`] adds them and the parser of the crate takes them; shared
/// because that parser owns its input.
#[derive(Clone, Default)]
struct Feed(Arc<Mutex<VecDeque<Vec<u8>>>>);

impl Stream for Feed {
    type Item = Result<Vec<u8>, SseError>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.0.lock().pop_front() {
            Some(portion) => Poll::Ready(Some(Ok(portion))),
            // No waker is needed: the parser is polled once for each portion.
            None => Poll::Pending,
        }
    }
}

impl Parser {
    /// Begins with the lines that the event has had so far.
    pub(super) fn new(name: Option<Bytes>, data: Option<Bytes>) -> Self {
        let feed = Feed::default();
        let mut parser = Self { events: EventStream::new(feed.clone()), feed, portion: Vec::new(), aside: Vec::new() };
        for (field, value) in [("event:", name), ("data:", data)] {
            if let Some(value) = value {
                parser.line(&[field.as_bytes(), &value].concat().into(), field.len());
            }
        }
        parser
    }

    /// Takes an `event:` or `data:` line whose value begins at `value_at`.
    pub(super) fn line(&mut self, line: &Bytes, value_at: usize) {
        // A line that begins with a NUL is set aside as well, so that every token is ours.
        let aside = line.len() - value_at >= LONG_LINE || line.get(value_at) == Some(&0);
        if line.starts_with(b"data") && aside {
            self.portion.extend_from_slice(format!("data:\0{}\n", self.aside.len()).as_bytes());
            self.aside.push(line.slice(value_at..));
        } else {
            self.portion.extend_from_slice(&line[..value_at]);
            if line.get(value_at) == Some(&b' ') && line.get(value_at - 1) == Some(&b':') {
                // The parser removes one space.
                self.portion.push(b' ');
            }
            self.portion.extend_from_slice(&line[value_at..]);
            self.portion.push(b'\n');
        }
        if self.portion.len() >= PORTION {
            self.parse_portion();
        }
    }

    /// Ends the event and returns it.
    pub(super) fn finish(mut self: Box<Self>) -> Option<Result<Event, SseError>> {
        self.portion.push(b'\n');
        match self.parse_portion()? {
            Ok(event) => Some(Ok(Event { name: event.event.into(), data: self.restore(event.data) })),
            Err(error) => Some(Err(SseError::Broken(error.to_string()))),
        }
    }

    fn parse_portion(
        &mut self,
    ) -> Option<Result<eventsource_stream::Event, eventsource_stream::EventStreamError<SseError>>> {
        let portion = std::mem::take(&mut self.portion);
        self.feed.0.lock().push_back(portion);
        self.events.next().now_or_never().flatten()
    }

    /// Replaces each token by the line that was set aside.
    fn restore(&self, data: String) -> Bytes {
        if self.aside.is_empty() {
            return data.into();
        }
        let mut whole = Vec::with_capacity(data.len() + self.aside.iter().map(Bytes::len).sum::<usize>());
        for (nth, line) in data.split('\n').enumerate() {
            if nth > 0 {
                whole.push(b'\n');
            }
            let index = line.strip_prefix('\0').and_then(|index| index.parse::<usize>().ok());
            whole.extend_from_slice(index.and_then(|index| self.aside.get(index)).map_or(line.as_bytes(), |long| long));
        }
        whole.into()
    }
}
