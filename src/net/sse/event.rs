//! What does a stream of server-sent events consist of?

use std::borrow::Cow;

use bytes::Bytes;

/// The name of an event that has no `event:` line.
pub(super) const MESSAGE: &str = "message";

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
    #[error("an event is longer than {limit} bytes")]
    TooLong {
        /// The limit, in bytes.
        limit: usize,
        /// If the event was a JSON-RPC response on one line: the id, as it is spelled in the event.
        answer_id: Option<String>,
    },
    /// The stream broke.
    #[error("{0}")]
    Broken(String),
}
