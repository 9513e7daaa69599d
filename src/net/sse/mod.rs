//! Bytes to server-sent events.
//!
//! The [`guard`] makes whole lines of the bytes and keeps an event to its limit. Nearly every event of MCP has one
//! `data:` line: then its value is the event, as it stands in memory, and there is nothing left to parse. Any other
//! goes line by line through eventsource-stream, which alone would panic on a byte order mark, take quadratic time for
//! large events, and lose an `id:` or `retry:` that comes without data.

mod guard;
mod parser;

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{Stream, StreamExt};

use crate::log::trace::{self, Exchange};
use guard::{Guard, Item};
use parser::Parser;

/// What an event is called that nobody has named.
const MESSAGE: &str = "message";

/// One event with data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// `message` unless the server says otherwise.
    pub name: Cow<'static, str>,
    /// Its `data` lines joined by newlines; UTF-8.
    pub data: Bytes,
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
    body: S,
    guard: Guard,
    building: Building,
    last_event_id: Option<String>,
    retry: Option<Duration>,
    exchange: Option<Exchange>,
}

/// The event under way.
#[derive(Default)]
struct Building {
    /// Unless it is the usual one.
    name: Option<Bytes>,
    data: Option<Bytes>,
    /// Counts when the event is complete.
    id: Option<String>,
    /// Takes over at the second `data:` line. Boxed: an event is moved, and hardly one has it.
    parser: Option<Box<Parser>>,
}

impl<S: Stream<Item = Result<Bytes, SseError>> + Unpin> Events<S> {
    /// `limit` is the longest event in bytes.
    pub fn new(body: S, limit: usize) -> Self {
        Self {
            body,
            guard: Guard::new(limit),
            building: Building::default(),
            last_event_id: None,
            retry: None,
            exchange: None,
        }
    }

    /// Has its events traced as those of this exchange.
    #[must_use]
    pub fn traced(self, exchange: Option<Exchange>) -> Self {
        Self { exchange, ..self }
    }

    /// The next event that has data; `None` when the stream has ended in good order. Loses nothing when dropped
    /// half-way.
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

    /// The id of the last event that had one, with or without data.
    pub fn last_event_id(&self) -> Option<String> {
        self.last_event_id.clone()
    }

    /// The delay before a reconnection that the server last asked for.
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }

    fn take(&mut self, item: Item) -> Option<Result<Event, SseError>> {
        match item {
            Item::Line(line) => {
                self.field(&line);
                None
            }
            Item::Blank => {
                let built = std::mem::take(&mut self.building);
                if let Some(id) = built.id {
                    self.last_event_id = (!id.is_empty()).then_some(id);
                }
                if let Some(parser) = built.parser {
                    return parser.finish();
                }
                let name = built.name.filter(|name| !name.is_empty());
                let name = name.map_or(MESSAGE.into(), |name| String::from_utf8_lossy(&name).into_owned().into());
                built.data.map(|data| Ok(Event { name, data }))
            }
            Item::TooLong { answer_id } => {
                self.building = Building::default();
                Some(Err(SseError::TooLong { limit: self.guard.limit(), answer_id }))
            }
        }
    }

    fn field(&mut self, line: &Bytes) {
        let colon = memchr::memchr(b':', line).unwrap_or(line.len());
        let value_at = (colon + 1 + usize::from(line.get(colon + 1) == Some(&b' '))).min(line.len());
        let building = &mut self.building;
        match (&line[..colon], &line[value_at..]) {
            (b"id", value) if !value.contains(&0) => building.id = Some(String::from_utf8_lossy(value).into_owned()),
            (b"retry", value) if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                let millis = std::str::from_utf8(value).ok().and_then(|value| value.parse().ok()).unwrap_or(u64::MAX);
                self.retry = Some(Duration::from_millis(millis));
            }
            (b"event" | b"data", _) if building.parser.is_some() => {
                building.parser.iter_mut().for_each(|parser| parser.line(line, value_at));
            }
            (b"event", value) => building.name = (value != MESSAGE.as_bytes()).then(|| line.slice(value_at..)),
            (b"data", _) if building.data.is_none() => building.data = Some(line.slice(value_at..)),
            (b"data", _) => {
                let mut parser = Parser::begin(building.name.take(), building.data.take());
                parser.line(line, value_at);
                building.parser = Some(Box::new(parser));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
