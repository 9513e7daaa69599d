//! Bytes to server-sent events.
//!
//! eventsource-stream parses the events, but raw bytes never reach it: on a byte order mark it panics, on large events it is
//! quadratic, and it loses an `id:` or `retry:` that comes without data. The [`Guard`] in front hands it whole lines, one event
//! at a time, notes ids and delays itself, and sets long `data:` lines aside, leaving a token in their place, so that a large
//! message is held once.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use eventsource_stream::{EventStream, EventStreamError};
use futures_util::stream::{Stream, StreamExt};

use crate::message::Oversize;

/// A `data:` line from this length on is set aside.
const LONG_LINE: usize = 16 * 1024;

/// Lines of one event are handed on in portions of about this size: the parser copies what is left of a portion at each line.
const PORTION: usize = 2 * 1024;

/// The event name under which the guard reports that an event was too long; lines from the wire cannot hold it.
const TOO_LONG: &str = "\0";

/// One event with data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// `message` unless the server says otherwise.
    pub name: String,
    /// Its `data` lines joined by newlines; UTF-8.
    pub data: Vec<u8>,
}

/// Why there is no next event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SseError {
    /// The event passed the limit and was skipped; the stream goes on.
    #[error("an event is longer than {limit} bytes")]
    TooLong {
        /// What it passed, in bytes.
        limit: usize,
        /// The id of the JSON-RPC answer it was, as spelled, if it was one on a line.
        answer_id: Option<String>,
    },
    /// The stream broke.
    #[error("{0}")]
    Broken(String),
}

/// The events of one response body.
pub struct Events<S> {
    parser: EventStream<Guard<S>>,
    notes: Arc<Mutex<Notes>>,
    limit: usize,
}

#[derive(Debug, Default)]
struct Notes {
    last_event_id: Option<String>,
    retry: Option<Duration>,
    /// Long lines of the event under way.
    aside: Vec<Vec<u8>>,
    /// Of the event that was skipped.
    answer_id: Option<String>,
}

fn lock(notes: &Mutex<Notes>) -> MutexGuard<'_, Notes> {
    notes.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: Stream<Item = Result<Bytes, SseError>> + Unpin> Events<S> {
    /// `limit` is the longest event in bytes.
    pub fn new(body: S, limit: usize) -> Self {
        let notes = Arc::<Mutex<Notes>>::default();
        let guard = Guard::new(body, limit, Arc::clone(&notes));
        Self { parser: EventStream::new(guard), notes, limit }
    }

    /// The next event that has data; `None` when the stream has ended in good order. Safe to drop between events.
    pub async fn next(&mut self) -> Option<Result<Event, SseError>> {
        let event = match self.parser.next().await? {
            Ok(event) => event,
            Err(EventStreamError::Transport(error)) => return Some(Err(error)),
            // The guard hands on UTF-8 in whole lines, which leaves neither anything to complain of.
            Err(EventStreamError::Utf8(error)) => return Some(Err(SseError::Broken(error.to_string()))),
            Err(EventStreamError::Parser(_)) => return Some(Err(SseError::Broken("no event stream".to_owned()))),
        };
        if event.event == TOO_LONG {
            let answer_id = lock(&self.notes).answer_id.take();
            return Some(Err(SseError::TooLong { limit: self.limit, answer_id }));
        }
        let data = self.restore(event.data);
        Some(Ok(Event { name: event.event, data }))
    }

    /// The id of the last event that had one, with or without data.
    pub fn last_event_id(&self) -> Option<String> {
        lock(&self.notes).last_event_id.clone()
    }

    /// The delay before a reconnection that the server last asked for.
    pub fn retry(&self) -> Option<Duration> {
        lock(&self.notes).retry
    }

    /// Puts the lines set aside where their tokens stand.
    fn restore(&self, data: String) -> Vec<u8> {
        if !data.contains('\0') {
            return data.into_bytes();
        }
        let mut aside = std::mem::take(&mut lock(&self.notes).aside);
        let mut whole = Vec::new();
        for (nth, line) in data.split('\n').enumerate() {
            let set_aside = line.strip_prefix('\0').and_then(|index| index.parse::<usize>().ok());
            let long = set_aside.and_then(|index| aside.get_mut(index)).map(std::mem::take);
            if nth == 0 && long.is_some() {
                whole = long.unwrap_or_default();
                continue;
            }
            if nth > 0 {
                whole.push(b'\n');
            }
            whole.extend_from_slice(long.as_deref().unwrap_or(line.as_bytes()));
        }
        whole
    }
}

/// A stream of whole lines in UTF-8, each ended by a newline, never two events in one item.
pub struct Guard<S> {
    body: S,
    chunk: Bytes,
    /// The beginning of a line whose end has not come.
    line: Vec<u8>,
    /// Whole lines not handed on yet.
    portion: Vec<u8>,
    /// Bytes of the event under way.
    size: usize,
    limit: usize,
    /// Stands in for the rest of an event that passed the limit.
    skipping: Option<Box<Oversize>>,
    at_start: bool,
    after_cr: bool,
    /// The `id:` of the event under way: it counts when the event is complete.
    id: Option<String>,
    notes: Arc<Mutex<Notes>>,
}

impl<S> Guard<S> {
    fn new(body: S, limit: usize, notes: Arc<Mutex<Notes>>) -> Self {
        Self {
            body,
            chunk: Bytes::new(),
            line: Vec::new(),
            portion: Vec::new(),
            size: 0,
            limit,
            skipping: None,
            at_start: true,
            after_cr: false,
            id: None,
            notes,
        }
    }

    /// Works through the chunk until something is worth handing on.
    fn advance(&mut self) -> Option<Vec<u8>> {
        while !self.chunk.is_empty() {
            if std::mem::take(&mut self.after_cr) && self.chunk[0] == b'\n' {
                self.chunk.advance(1);
                continue;
            }
            let Some(end) = memchr::memchr2(b'\n', b'\r', &self.chunk) else {
                let rest = std::mem::take(&mut self.chunk);
                self.grow(&rest);
                return None;
            };
            self.after_cr = self.chunk[end] == b'\r';
            let rest = self.chunk.split_to(end);
            self.chunk.advance(1);
            self.grow(&rest);
            let line = std::mem::take(&mut self.line);
            let ended = self.take(line);
            if ended || self.portion.len() >= PORTION {
                return Some(std::mem::take(&mut self.portion));
            }
        }
        None
    }

    fn grow(&mut self, bytes: &[u8]) {
        self.size += bytes.len();
        if self.size > self.limit && self.skipping.is_none() {
            let mut oversize = Box::new(Oversize::default());
            oversize.push(&self.line);
            self.skipping = Some(oversize);
            self.portion = Vec::new();
            lock(&self.notes).aside.clear();
        }
        if let Some(oversize) = &mut self.skipping {
            oversize.push(bytes);
            // Only whether the line is empty matters now.
            self.line.truncate(1);
            if self.line.is_empty() {
                self.line.extend(bytes.first());
            }
        } else {
            self.line.extend_from_slice(bytes);
        }
    }

    /// Takes a whole line; true if it was the empty one that ends an event.
    fn take(&mut self, mut line: Vec<u8>) -> bool {
        if std::mem::take(&mut self.at_start) && line.starts_with(b"\xEF\xBB\xBF") {
            line.drain(..3);
        }
        if line.is_empty() {
            self.complete();
            return true;
        }
        if self.skipping.is_some() {
            return false;
        }
        if std::str::from_utf8(&line).is_err() {
            // As the HTML standard decodes event streams.
            line = String::from_utf8_lossy(&line).into_owned().into_bytes();
        }
        let colon = memchr::memchr(b':', &line).unwrap_or(line.len());
        let value_at = (colon + 1 + usize::from(line.get(colon + 1) == Some(&b' '))).min(line.len());
        match (&line[..colon], &line[value_at..]) {
            (b"id", value) if !value.contains(&0) => self.id = Some(String::from_utf8_lossy(value).into_owned()),
            (b"retry", value) if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                let millis = std::str::from_utf8(value).ok().and_then(|value| value.parse().ok()).unwrap_or(u64::MAX);
                lock(&self.notes).retry = Some(Duration::from_millis(millis));
            }
            (b"event", value) if value.contains(&0) => return false,
            (b"data", value) if value.len() >= LONG_LINE => {
                line.drain(..value_at);
                let mut notes = lock(&self.notes);
                self.portion.extend_from_slice(format!("data:\0{}\n", notes.aside.len()).as_bytes());
                notes.aside.push(line);
                return false;
            }
            _ => {}
        }
        self.portion.extend_from_slice(&line);
        self.portion.push(b'\n');
        false
    }

    fn complete(&mut self) {
        if let Some(id) = self.id.take() {
            lock(&self.notes).last_event_id = (!id.is_empty()).then_some(id);
        }
        if let Some(oversize) = self.skipping.take() {
            lock(&self.notes).answer_id = oversize.answer_id().map(str::to_owned);
            // Renames the event of which the parser may know some lines.
            self.portion.extend_from_slice(format!("event:{TOO_LONG}\ndata:\0\n").as_bytes());
        }
        self.portion.push(b'\n');
        self.size = 0;
    }
}

impl<S: Stream<Item = Result<Bytes, SseError>> + Unpin> Stream for Guard<S> {
    type Item = Result<Vec<u8>, SseError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(lines) = self.advance() {
                return Poll::Ready(Some(Ok(lines)));
            }
            match ready!(Pin::new(&mut self.body).poll_next(cx)) {
                Some(Ok(chunk)) => self.chunk = chunk,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}

#[cfg(test)]
#[path = "sse_tests.rs"]
mod tests;
