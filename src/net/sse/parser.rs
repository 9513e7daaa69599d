//! An event of several `data:` lines, by way of eventsource-stream.

use parking_lot::Mutex;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use eventsource_stream::EventStream;
use futures_util::FutureExt;
use futures_util::stream::{Stream, StreamExt};

use super::{Event, SseError};

/// A `data:` line from this length on is set aside and a token stands in its place: the parser would hold it three
/// times over.
const LONG_LINE: usize = 16 * 1024;

/// Lines are handed on in portions of about this size: the parser copies what is left of a portion at each line.
const PORTION: usize = 2 * 1024;

pub(super) struct Parser {
    events: EventStream<Feed>,
    feed: Feed,
    portion: Vec<u8>,
    aside: Vec<Bytes>,
}

/// What the parser reads: whole lines, never more than it has asked for.
#[derive(Clone, Default)]
struct Feed(Arc<Mutex<VecDeque<Vec<u8>>>>);

impl Stream for Feed {
    type Item = Result<Vec<u8>, SseError>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.0.lock().pop_front() {
            Some(portion) => Poll::Ready(Some(Ok(portion))),
            // Nobody sleeps on this: the parser is polled once for each portion.
            None => Poll::Pending,
        }
    }
}

impl Parser {
    /// With what the event has had so far.
    pub(super) fn begin(name: Option<Bytes>, data: Option<Bytes>) -> Self {
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
        // What the server itself begins with a NUL goes aside as well: so every token is ours.
        let aside = line.len() - value_at >= LONG_LINE || line.get(value_at) == Some(&0);
        if line.starts_with(b"data") && aside {
            self.portion.extend_from_slice(format!("data:\0{}\n", self.aside.len()).as_bytes());
            self.aside.push(line.slice(value_at..));
        } else {
            self.portion.extend_from_slice(&line[..value_at]);
            if line.get(value_at) == Some(&b' ') && line.get(value_at - 1) == Some(&b':') {
                // The parser takes one space away.
                self.portion.push(b' ');
            }
            self.portion.extend_from_slice(&line[value_at..]);
            self.portion.push(b'\n');
        }
        if self.portion.len() >= PORTION {
            self.hand_on();
        }
    }

    /// The event is complete.
    pub(super) fn finish(mut self: Box<Self>) -> Option<Result<Event, SseError>> {
        self.portion.push(b'\n');
        match self.hand_on()? {
            Ok(event) => Some(Ok(Event { name: event.event.into(), data: self.restore(event.data) })),
            Err(error) => Some(Err(SseError::Broken(error.to_string()))),
        }
    }

    fn hand_on(&mut self) -> Option<Result<eventsource_stream::Event, eventsource_stream::EventStreamError<SseError>>> {
        let portion = std::mem::take(&mut self.portion);
        self.feed.0.lock().push_back(portion);
        self.events.next().now_or_never().flatten()
    }

    /// Puts the lines set aside where their tokens stand.
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
