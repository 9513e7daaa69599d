//! What is a JSON-RPC message? The raw line and a peeked view of it.
//!
//! A [`Message`] keeps the text it arrived as. Only what routing needs is looked at: kind, id, method. It is never
//! parsed into a tree and written out again, so big integers, `1.0`, key order and members nobody has heard of survive
//! to the byte. Nothing here does I/O.

mod id;
mod members;
mod oversize;
mod own_requests;
mod peek;
mod read;
mod reply;
mod scan;

use std::ops::Range;

use bytes::{Buf, Bytes, BytesMut};
use serde::de::DeserializeOwned;

pub use id::Id;
pub(crate) use members::{Change, Members, quoted};
pub use oversize::Oversize;
pub(crate) use own_requests::{OwnRequests, Waiting};
pub(crate) use peek::elements;
pub use read::{ErrorObject, Initialize, cancelled_id, error_code};
pub use reply::{
    batch, cancelled, error, list_changed, notification, notification_text, ping, progress, request, request_text,
    result, result_text,
};

/// Error codes of JSON-RPC 2.0 that the bridge itself uses. Its own lie outside the reserved range, see
/// [`crate::upstream::Failure`].
pub mod code {
    /// The line is not JSON.
    pub const PARSE_ERROR: i64 = -32700;
    /// The line is JSON, but no message.
    pub const INVALID_REQUEST: i64 = -32600;
    /// Something failed on the way.
    pub const INTERNAL_ERROR: i64 = -32603;
    /// There is no such tool here.
    pub const INVALID_PARAMS: i64 = -32602;
    /// There is no such method here.
    pub const METHOD_NOT_FOUND: i64 = -32601;
}

/// One JSON-RPC message, or a batch of them: the text as it came, on one line, and what was peeked from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    text: Bytes,
    kind: Kind,
    /// Where the `id` member's value stands in `text`.
    id_at: Option<Range<usize>>,
}

/// What a message is, as far as routing needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Wants exactly one answer. An `id` of `null` counts: it is odd, but somebody waits.
    Request {
        /// Compares as JSON does, not as text does.
        id: Id,
        /// Unescaped.
        method: Box<str>,
    },
    /// Wants none.
    Notification {
        /// Unescaped.
        method: Box<str>,
    },
    /// Answers a request.
    Response {
        /// `null` where the member is missing.
        id: Id,
        /// Has an `error` member.
        is_error: bool,
    },
    /// A JSON array (2025-03-26): its elements, each with its own text.
    Batch(Vec<Message>),
    /// JSON, but nothing of the above; the id if there is one.
    Invalid(Option<Id>),
}

/// A line that is not one JSON value.
#[derive(Debug, thiserror::Error)]
#[error("not JSON: {0}")]
pub struct NotJson(String);

impl Message {
    /// Peeks at one line or body. Raw newlines, which JSON knows only between tokens, become spaces, so that the text
    /// fits on one line; nothing else is changed but white space and a byte order mark around the value.
    pub fn parse(text: impl Into<Bytes>) -> Result<Self, NotJson> {
        let mut text: Bytes = text.into();
        if text.starts_with(b"\xEF\xBB\xBF") {
            text.advance(3);
        }
        text.truncate(text.trim_ascii_end().len());
        text.advance(text.len() - text.trim_ascii_start().len());
        if memchr::memchr2(b'\n', b'\r', &text).is_some() {
            let mut line = BytesMut::from(text);
            let mut from = 0;
            while let Some(at) = memchr::memchr2(b'\n', b'\r', &line[from..]) {
                line[from + at] = b' ';
                from += at + 1;
            }
            text = line.freeze();
        }
        Self::peek(text)
    }

    /// A batch holds no batches. Looking for them would follow the text's nesting with our own stack.
    fn element(text: Bytes) -> Result<Self, NotJson> {
        if text.starts_with(b"[") {
            Ok(Self { text, kind: Kind::Invalid(None), id_at: None })
        } else {
            Self::peek(text)
        }
    }

    /// A message that the bridge has written: its text, what it is, and its id as it stands in the text, first.
    fn built(text: String, kind: Kind, raw_id: Option<&str>) -> Self {
        const BEFORE_ID: usize = r#"{"jsonrpc":"2.0","id":"#.len();
        let id_at = raw_id.map(|raw_id| BEFORE_ID..BEFORE_ID + raw_id.len());
        Self { text: text.into(), kind, id_at }
    }

    fn peek(text: Bytes) -> Result<Self, NotJson> {
        let json = std::str::from_utf8(&text).map_err(|error| NotJson(error.to_string()))?;
        if json.starts_with('[') {
            let kind = peek::elements(json)
                .map_err(|error| NotJson(error.to_string()))?
                .into_iter()
                .map(|element| Self::element(text.slice_ref(element.as_bytes())))
                .collect::<Result<Vec<_>, _>>()
                .map(Kind::Batch)?;
            return Ok(Self { text, kind, id_at: None });
        }
        let peeked = peek::object(json).map_err(|error| NotJson(error.to_string()))?;
        let id = peeked.id.map(Id::from_json);
        let id_at = peeked.id.map(|id| {
            let start = id.as_ptr() as usize - json.as_ptr() as usize;
            start..start + id.len()
        });
        let kind = match (peeked.method, id, peeked.has_result || peeked.has_error) {
            (Some(method), Some(id), _) => Kind::Request { id, method: method.into() },
            (Some(method), None, _) => Kind::Notification { method: method.into() },
            (None, id, true) => Kind::Response { id: id.unwrap_or(Id::null()), is_error: peeked.has_error },
            (None, id, false) => Kind::Invalid(id),
        };
        Ok(Self { text, kind, id_at })
    }

    /// The text, one line without its line end.
    pub fn text(&self) -> &Bytes {
        &self.text
    }

    /// The text, for whoever writes it out.
    pub fn into_text(self) -> Bytes {
        self.text
    }

    /// The same as a string: a message is JSON, and so it is UTF-8.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text).unwrap_or_default()
    }

    /// What it is.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The method of a request or notification.
    pub fn method(&self) -> Option<&str> {
        match &self.kind {
            Kind::Request { method, .. } | Kind::Notification { method } => Some(method),
            _ => None,
        }
    }

    /// The `id` member's value as it is spelled.
    pub fn raw_id(&self) -> Option<&str> {
        std::str::from_utf8(&self.text[self.id_at.clone()?]).ok()
    }

    /// Reads the top-level members that `T` names; `None` where they are not of its shape.
    pub fn read<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.text).ok()
    }

    /// The requests in it that want an answer, with the spelling of their ids: one, or those of a batch.
    pub fn requests(&self) -> Vec<(Id, Box<str>)> {
        match &self.kind {
            Kind::Request { id, .. } => vec![(id.clone(), self.raw_id().unwrap_or("null").into())],
            Kind::Batch(elements) => elements.iter().flat_map(Self::requests).collect(),
            _ => Vec::new(),
        }
    }

    /// The same request or response with this id. For a response whose server knows the request's id only as `null` or
    /// as the nearest double: with any other than its own the client would wait for ever.
    #[must_use]
    pub fn with_id(&self, raw_id: &str) -> Self {
        let id = Id::from_json(raw_id);
        let kind = match &self.kind {
            Kind::Request { method, .. } => Kind::Request { id, method: method.clone() },
            Kind::Response { is_error, .. } => Kind::Response { id, is_error: *is_error },
            Kind::Notification { .. } | Kind::Batch(_) | Kind::Invalid(_) => return self.clone(),
        };
        let mut text = Vec::with_capacity(self.text.len() + raw_id.len() + 6);
        let start = if let Some(at) = &self.id_at {
            text.extend_from_slice(&self.text[..at.start]);
            text.extend_from_slice(raw_id.as_bytes());
            text.extend_from_slice(&self.text[at.end..]);
            at.start
        } else {
            text.extend_from_slice(b"{\"id\":");
            text.extend_from_slice(raw_id.as_bytes());
            text.push(b',');
            text.extend_from_slice(&self.text[1..]);
            b"{\"id\":".len()
        };
        Self { text: text.into(), kind, id_at: Some(start..start + raw_id.len()) }
    }
}

#[cfg(test)]
mod tests;
