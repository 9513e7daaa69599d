//! Which server-sent events are in a response body?
//!
//! The [`guard`] splits the bytes into whole lines and limits the size of an event. Nearly every event of MCP has one
//! `data:` line: then its value is the event, as it is in memory, and nothing is left to parse. Several `data:` lines
//! go one by one through eventsource-stream. Alone that crate would panic on a byte order mark, take quadratic time for
//! large events, and lose an `id:` or `retry:` without data.

mod event;
mod guard;
mod parser;

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{Stream, StreamExt};

use crate::log::trace::{self, Exchange};
use event::MESSAGE;
use guard::{Guard, Item};
use parser::Parser;

pub use event::{Event, SseError};

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
    /// Takes over at the second `data:` line. Boxed: events are moved, and hardly any has a parser.
    parser: Option<Box<Parser>>,
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
            Item::Blank => {
                let event = std::mem::take(&mut self.partial);
                if let Some(id) = event.id {
                    self.last_event_id = (!id.is_empty()).then_some(id);
                }
                let name = event.name.filter(|name| !name.is_empty());
                let name = name.map_or(MESSAGE.into(), |name| String::from_utf8_lossy(&name).into_owned().into());
                let data = event.parser.map_or(event.data.map(Ok), |mut parser| parser.finish());
                data.map(|data| data.map(|data| Event { name, data }))
            }
            Item::TooLong { answer_id } => {
                self.partial = PartialEvent::default();
                Some(Err(SseError::TooLong { limit: self.guard.limit(), answer_id }))
            }
        }
    }

    fn field(&mut self, line: &Bytes) {
        let colon = memchr::memchr(b':', line).unwrap_or(line.len());
        let value_at = (colon + 1 + usize::from(line.get(colon + 1) == Some(&b' '))).min(line.len());
        let partial = &mut self.partial;
        match (&line[..colon], &line[value_at..]) {
            (b"id", value) if !value.contains(&0) => partial.id = Some(String::from_utf8_lossy(value).into_owned()),
            (b"retry", value) if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                let millis = std::str::from_utf8(value).ok().and_then(|value| value.parse().ok()).unwrap_or(u64::MAX);
                self.retry = Some(Duration::from_millis(millis));
            }
            (b"event", value) => partial.name = (value != MESSAGE.as_bytes()).then(|| line.slice(value_at..)),
            (b"data", value) => match (&mut partial.parser, &partial.data) {
                (Some(parser), _) => parser.add(value),
                (None, Some(first)) => partial.parser.insert(Box::new(Parser::new(first))).add(value),
                (None, None) => partial.data = Some(line.slice(value_at..)),
            },
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
