//! Which server-sent events are in a response body?
//!
//! The [`guard`] splits the bytes into whole lines and limits the size of an event. Nearly every event of MCP has one
//! `data:` line: then its value is the event, as it is in memory, and nothing is left to parse. Several `data:` lines
//! are joined by eventsource-stream. Alone that crate would panic on a byte order mark, take quadratic time for
//! large events, and lose an `id:` or `retry:` without data.

mod guard;

use std::borrow::Cow;
use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use eventsource_stream::EventStream;
use futures_util::FutureExt;
use futures_util::stream::{self, Stream, StreamExt};

use crate::log::trace::{self, Exchange};
use guard::{Guard, Item};

/// The name of an event that has no `event:` line.
const MESSAGE: &str = "message";

/// A longer event id is not kept: it could not be sent back in a header.
const LONGEST_ID: usize = 8 * 1024;

/// One event with data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The value of its `event:` line, or else `message`.
    pub name: Cow<'static, str>,
    /// Its `data:` lines joined by newlines; UTF-8.
    pub data: Bytes,
}

/// Why there is no next event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SseError {
    /// The event was longer than the limit and was skipped; the stream continues.
    #[error("{} longer than {limit} bytes", if *together { "all responses that have not reached the client are together" } else { "an event is" })]
    TooLong {
        /// The limit, in bytes.
        limit: usize,
        /// The limit is that of all bodies and events which the process holds.
        together: bool,
        /// If the event was a JSON-RPC response on one line: the id, as it is spelled in the event.
        answer_id: Option<String>,
    },
    /// The stream broke.
    #[error("{0}")]
    Broken(String),
}

/// The events of one response body.
pub struct Events<S> {
    body: S,
    guard: Guard,
    partial: PartialEvent,
    last_event_id: Option<String>,
    retry: Option<Duration>,
    exchange: Option<Exchange>,
}

/// The event that is being read.
#[derive(Default)]
struct PartialEvent {
    /// `None` for an event with the name `message`.
    name: Option<Bytes>,
    data: Option<Bytes>,
    /// Becomes the last event id when the event is complete.
    id: Option<String>,
    /// All its `data:` lines, each with a line end. Empty unless there are several; hardly any event has them.
    lines: Vec<u8>,
}

impl<S: Stream<Item = Result<Bytes, SseError>> + Unpin> Events<S> {
    /// `limit` is the longest event in bytes.
    pub fn new(body: S, limit: usize) -> Self {
        Self {
            body,
            guard: Guard::new(limit),
            partial: PartialEvent::default(),
            last_event_id: None,
            retry: None,
            exchange: None,
        }
    }

    /// Traces the events as those of this exchange.
    #[must_use]
    pub fn traced(self, exchange: Option<Exchange>) -> Self {
        Self { exchange, ..self }
    }

    /// The next event that has data; `None` at the end of the stream. Cancel-safe: no event is lost when the future is
    /// dropped.
    pub async fn next(&mut self) -> Option<Result<Event, SseError>> {
        loop {
            while let Some(item) = self.guard.next() {
                if let Some(event) = self.take(item) {
                    if let Ok(Event { name, data }) = &event {
                        trace::event(self.exchange, name, data, self.last_event_id.as_deref());
                    }
                    return Some(event);
                }
            }
            match self.body.next().await? {
                Ok(chunk) => self.guard.push(chunk),
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// The event at the end of a stream that has ended, where only the blank line after it is missing. The HTML standard
    /// drops it, because it may be cut; whoever asks for it must know from its data that it is whole.
    pub fn unfinished(&mut self) -> Option<Event> {
        if let Some(line) = self.guard.unfinished_line() {
            self.field(&line);
        }
        // It must not be skipped by a resumption.
        self.partial.id = None;
        let event = self.end_of_event()?.ok()?;
        trace::event(self.exchange, &event.name, &event.data, self.last_event_id.as_deref());
        Some(event)
    }

    /// The id of the last event with an `id:` line, with or without data.
    pub fn last_event_id(&self) -> Option<String> {
        self.last_event_id.clone()
    }

    /// The delay before a reconnection, from the last `retry:` line.
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }

    fn take(&mut self, item: Item) -> Option<Result<Event, SseError>> {
        match item {
            Item::Line(line) => {
                self.field(&line);
                None
            }
            Item::Blank => self.end_of_event(),
            Item::TooLong { answer_id, limit, together } => {
                self.partial = PartialEvent::default();
                Some(Err(SseError::TooLong { limit, together, answer_id }))
            }
        }
    }

    fn end_of_event(&mut self) -> Option<Result<Event, SseError>> {
        let event = std::mem::take(&mut self.partial);
        if let Some(id) = event.id {
            self.last_event_id = (!id.is_empty()).then_some(id);
        }
        let name = event.name.filter(|name| !name.is_empty());
        let name = name.map_or(MESSAGE.into(), |name| String::from_utf8_lossy(&name).into_owned().into());
        let lines = self.guard.complete(event.lines);
        let data = event.data?;
        let data = if lines.is_empty() { Ok(data) } else { join(lines)? };
        Some(data.map(|data| Event { name, data }))
    }

    fn field(&mut self, line: &Bytes) {
        let colon = memchr::memchr(b':', line).unwrap_or(line.len());
        let value_at = (colon + 1 + usize::from(line.get(colon + 1) == Some(&b' '))).min(line.len());
        let partial = &mut self.partial;
        match (&line[..colon], &line[value_at..]) {
            (b"id", value) if !value.contains(&0) && value.len() <= LONGEST_ID => {
                partial.id = Some(String::from_utf8_lossy(value).into_owned());
            }
            (b"retry", value) if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                let millis = std::str::from_utf8(value).ok().and_then(|value| value.parse().ok()).unwrap_or(u64::MAX);
                self.retry = Some(Duration::from_millis(millis));
            }
            (b"event", value) => partial.name = (value != MESSAGE.as_bytes()).then(|| line.slice(value_at..)),
            (b"data", _) if partial.data.is_none() => partial.data = Some(line.slice(value_at..)),
            (b"data", value) => {
                if let Some(first) = partial.data.as_ref().filter(|_| partial.lines.is_empty()) {
                    add_line(&mut partial.lines, first);
                }
                add_line(&mut partial.lines, value);
            }
            _ => {}
        }
    }
}

fn add_line(lines: &mut Vec<u8>, value: &[u8]) {
    lines.extend_from_slice(b"data: ");
    lines.extend_from_slice(value);
    lines.push(b'\n');
}

/// The data of an event with several `data:` lines. The crate gets one line at a time, because it copies the rest of
/// its input at each line.
fn join(mut lines: Bytes) -> Option<Result<Bytes, SseError>> {
    let lines = std::iter::from_fn(move || {
        let end = memchr::memchr(b'\n', &lines)? + 1;
        Some(lines.split_to(end))
    });
    let lines = lines.chain([Bytes::from_static(b"\n")]).map(Ok::<_, Infallible>);
    let event = EventStream::new(stream::iter(lines)).next().now_or_never()??;
    Some(event.map(|event| event.data.into()).map_err(|error| SseError::Broken(error.to_string())))
}

#[cfg(test)]
mod tests;
