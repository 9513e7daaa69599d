//! What is a JSON-RPC message? The raw line and a peeked view of it.
//!
//! A [`Message`] keeps the text in which it arrived. The bridge reads only what routing needs: kind, id, method. It
//! never parses a message into a tree and writes the tree out again, so big integers, `1.0`, key order and unknown
//! members stay as they are, to the byte. Nothing here does I/O.

pub mod code;
mod id;
mod members;
mod oversize;
mod own_requests;
mod peek;
mod read;
mod repair;
mod reply;

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
    batch, cancelled, error, error_text, list_changed, notification, notification_without_params, ping, progress,
    request, result,
};

/// How many messages a batch may hold.
const MOST_IN_BATCH: usize = 100_000;

/// One JSON-RPC message, or a batch of them: the original text, on one line, and what was peeked from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    text: Bytes,
    kind: Kind,
    /// The place of the `id` member's value in `text`.
    id_at: Option<Range<usize>>,
    /// A client would accept the envelope: `jsonrpc` and `error` are what they must be. For a batch: of each element.
    is_valid: bool,
}

/// The kind of a message, as far as routing needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Needs exactly one response. An `id` of `null` counts too: it is invalid, but its sender waits for a response.
    Request {
        /// Compares by its JSON value, not by its spelling.
        id: Id,
        /// Unescaped.
        method: Box<str>,
    },
    /// Needs no response.
    Notification {
        /// Unescaped.
        method: Box<str>,
    },
    /// The response to a request.
    Response {
        /// `null` where the member is missing.
        id: Id,
        /// Has an `error` member.
        is_error: bool,
    },
    /// A JSON array (2025-03-26): its elements, each with its own text.
    Batch(Vec<Message>),
    /// JSON, but not a message; with its id if it has one.
    Invalid(Option<Id>),
}

/// The error for a line that is not exactly one JSON value.
#[derive(Debug, thiserror::Error)]
#[error("not JSON: {0}")]
pub struct NotJson(String);

/// Why a text could not be read.
enum Unread {
    /// The text, which somebody may know how to decode.
    NotUtf8(Bytes, std::str::Utf8Error),
    NotJson(NotJson),
}

impl Unread {
    fn not_json(error: impl std::fmt::Display) -> Self {
        Self::NotJson(NotJson(error.to_string()))
    }
}

/// The text without the white space and the byte order mark around it, on one line.
fn one_line(mut text: Bytes) -> Bytes {
    text.advance(text.len() - text.trim_ascii_start().len());
    if text.starts_with(b"\xEF\xBB\xBF") {
        text.advance(3);
        text.advance(text.len() - text.trim_ascii_start().len());
    }
    text.truncate(text.trim_ascii_end().len());
    if memchr::memchr2(b'\n', b'\r', &text).is_none() {
        return text;
    }
    let mut line = BytesMut::from(text);
    let mut from = 0;
    while let Some(at) = memchr::memchr2(b'\n', b'\r', &line[from..]) {
        line[from + at] = b' ';
        from += at + 1;
    }
    line.freeze()
}

impl Message {
    /// Reads one line or body. Raw newlines, which JSON allows only between tokens, become spaces, so that the text
    /// fits on one line. White space and a byte order mark around the value are removed. Nothing else is changed.
    pub fn parse(text: impl Into<Bytes>) -> Result<Self, NotJson> {
        Self::peek(one_line(text.into())).map_err(|unread| match unread {
            Unread::NotUtf8(_, error) => NotJson(error.to_string()),
            Unread::NotJson(error) => error,
        })
    }

    /// The same for a text that may not be UTF-8: then what `decode` makes of it is read.
    pub fn parse_decoding(text: impl Into<Bytes>, decode: impl FnOnce(&[u8]) -> Vec<u8>) -> Result<Self, NotJson> {
        match Self::peek(one_line(text.into())) {
            Ok(message) => Ok(message),
            Err(Unread::NotUtf8(text, _)) => Self::parse(decode(&text)),
            Err(Unread::NotJson(error)) => Err(error),
        }
    }

    /// A message that the bridge has written. The id is the first member after `jsonrpc`.
    fn built(text: String, kind: Kind, raw_id: Option<&str>) -> Self {
        const BEFORE_ID: usize = r#"{"jsonrpc":"2.0","id":"#.len();
        let id_at = raw_id.map(|raw_id| BEFORE_ID..BEFORE_ID + raw_id.len());
        Self { text: text.into(), kind, id_at, is_valid: true }
    }

    fn peek(text: Bytes) -> Result<Self, Unread> {
        let json = match std::str::from_utf8(&text) {
            Ok(json) => json,
            Err(error) => return Err(Unread::NotUtf8(text, error)),
        };
        if json.starts_with('[') {
            let elements = peek::batch(json, MOST_IN_BATCH).map_err(Unread::not_json)?;
            let elements = elements.into_iter().map(|element| match text.slice_ref(element.as_bytes()) {
                // A batch in a batch is invalid; reading it would need a stack as deep as the text.
                text if text.starts_with(b"[") => {
                    Ok(Self { text, kind: Kind::Invalid(None), id_at: None, is_valid: true })
                }
                text => Self::peek(text),
            });
            let elements = elements.collect::<Result<Vec<_>, _>>()?;
            let is_valid = elements.iter().all(|element| element.is_valid);
            return Ok(Self { text, kind: Kind::Batch(elements), id_at: None, is_valid });
        }
        let peeked = peek::object(json).map_err(Unread::not_json)?;
        let id = peeked.id.map(Id::from_json);
        let id_at = peeked.id.map(|id| {
            let start = id.as_ptr() as usize - json.as_ptr() as usize;
            start..start + id.len()
        });
        // Some servers write `"error": null` beside a result.
        let is_error = peeked.error.is_some_and(|error| error != "null");
        let kind = match (peeked.method, id, peeked.result.is_some() || is_error) {
            (Some(method), Some(id), _) => Kind::Request { id, method: method.into() },
            (Some(method), None, _) => Kind::Notification { method: method.into() },
            (None, id, true) => Kind::Response { id: id.unwrap_or(Id::null()), is_error },
            (None, id, false) => Kind::Invalid(id),
        };
        let is_valid = match (&kind, peeked.error) {
            (Kind::Invalid(_), _) => true,
            (Kind::Response { .. }, Some(error)) => {
                peeked.has_version && peeked.result.is_none() && repair::is_error_object(error)
            }
            (Kind::Response { .. }, None) => peeked.has_version && peeked.result != Some("null"),
            _ => peeked.has_version,
        };
        Ok(Self { text, kind, id_at, is_valid })
    }

    /// The text, one line without its line end.
    pub fn text(&self) -> &Bytes {
        &self.text
    }

    /// The text, without a copy.
    pub fn into_text(self) -> Bytes {
        self.text
    }

    /// The text as a string. A message is JSON, and so it is UTF-8.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text).unwrap_or_default()
    }

    /// The kind.
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

    /// The `id` member's value in its original spelling.
    pub fn raw_id(&self) -> Option<&str> {
        std::str::from_utf8(&self.text[self.id_at.clone()?]).ok()
    }

    /// Whether the client can read the id of this response, which is equal to that of its request. Not each client can
    /// where its `1` comes back as `1.0`.
    pub(crate) fn has_id_as_in(&self, raw_id: &str) -> bool {
        raw_id.starts_with('"') || self.raw_id() == Some(raw_id)
    }

    /// Deserializes the message as a `T`; `None` where it has another shape.
    pub fn read<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.text).ok()
    }

    /// The requests that need a response, with the original spelling of their ids: this one, or those of the batch.
    pub fn requests(&self) -> Vec<(Id, Box<str>)> {
        match &self.kind {
            Kind::Request { id, .. } => vec![(id.clone(), self.raw_id().unwrap_or("null").into())],
            Kind::Batch(elements) => elements.iter().flat_map(Self::requests).collect(),
            _ => Vec::new(),
        }
    }

    /// The top-level members; `None` for a batch, and for JSON that is not an object.
    pub(crate) fn members(&self) -> Option<Members<'_>> {
        Members::of(self.as_str())
    }

    /// The members of `params`.
    pub(crate) fn params(&self) -> Option<Members<'_>> {
        self.members()?.object("params")
    }

    /// This message with another id, or unchanged if it has no place for one. Some servers answer with the id `null`,
    /// or with the nearest double of the id; the client would wait for ever if it did not get its own.
    #[must_use]
    pub fn with_id(&self, raw_id: &str) -> Self {
        // `{}` has no member that the id could stand before.
        if matches!(self.kind, Kind::Batch(_) | Kind::Invalid(None)) || !self.text.starts_with(b"{") {
            return self.clone();
        }
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
        let kind = self.kind.with_id(Id::from_json(raw_id));
        Self { text: text.into(), kind, id_at: Some(start..start + raw_id.len()), is_valid: self.is_valid }
    }

    /// This message with some members changed; every other byte stays. `members` are the [`members`](Self::members) of
    /// this message. A change may set the id; it must not add or remove `method`, `result` or `error`.
    #[must_use]
    pub(crate) fn edited(&self, members: &Members<'_>, changes: &[(&str, Change<'_>)]) -> Self {
        let (text, id_at) = members.with_and_find(changes, "id");
        let kind = match &id_at {
            Some(at) => self.kind.with_id(Id::from_json(&text[at.clone()])),
            None => self.kind.clone(),
        };
        Self { text: text.into(), kind, id_at, is_valid: self.is_valid }
    }
}

impl Kind {
    /// The kind of the same message with this id.
    fn with_id(&self, id: Id) -> Self {
        match self {
            Self::Request { method, .. } | Self::Notification { method } => {
                Self::Request { id, method: method.clone() }
            }
            Self::Response { is_error, .. } => Self::Response { id, is_error: *is_error },
            Self::Batch(elements) => Self::Batch(elements.clone()),
            Self::Invalid(_) => Self::Invalid(Some(id)),
        }
    }
}

#[cfg(test)]
mod tests;
