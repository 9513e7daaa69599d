//! A reference parser: the HTML standard, 9.2.6 "Interpreting an event stream", literally, for a complete stream.
//!
//! Two rules are mcp-ferry's own: an event above the limit is skipped, except for a `retry` field before the limit, and an event
//! ends at its blank line even if the stream ends right after it.

use bytes::Bytes;
use mcp_ferry::net::Event;
use mcp_ferry::message::{Kind, Message};

use crate::{Parsed, TooLong};

/// The expected result of parsing the stream.
pub struct Expected {
    events: Vec<Outcome>,
    last_event_id: Option<String>,
    retry: Option<u128>,
}

enum Outcome {
    Event(Event),
    TooLong {
        data: Option<String>,
        /// The data is one line, and the limit was passed within it.
        in_data: bool,
    },
}

impl Expected {
    pub fn compare(&self, parsed: &Parsed, whole: bool) {
        assert_eq!(parsed.last_event_id, self.last_event_id);
        assert_eq!(parsed.retry, self.retry);
        assert_eq!(parsed.events.len(), self.events.len(), "{parsed:?}");
        for (parsed, expected) in parsed.events.iter().zip(&self.events) {
            match (parsed, expected) {
                (Err(TooLong(id)), Outcome::TooLong { data, in_data }) => {
                    check_response_id(id.as_deref(), data.as_deref(), *in_data && whole);
                }
                (Ok(parsed), Outcome::Event(expected)) => assert_eq!(parsed, expected),
                (_, Outcome::Event(expected)) => panic!("{expected:?} became {parsed:?}"),
                (_, Outcome::TooLong { .. }) => panic!("{parsed:?} is too long"),
            }
        }
    }
}

/// An id found in a skipped event must be the id of its response; with `surely` the id must be found.
fn check_response_id(id: Option<&str>, data: Option<&str>, surely: bool) {
    let Some(data) = data else { return assert_eq!(id, None, "there is no data") };
    // A truncated text has no id, and the scan does not unescape names.
    let Ok(message) = Message::parse(data.to_owned()) else { return };
    if data.contains("\\u") {
        return;
    }
    let is_response = matches!(message.kind(), Kind::Response { .. });
    let plain = message.raw_id().is_some_and(|id| id.len() < 1000 && !id.starts_with(['[', '{']));
    if id.is_some() {
        assert!(!matches!(message.kind(), Kind::Request { .. } | Kind::Notification { .. }), "not a response: {data}");
    }
    if (id.is_some() && plain) || (surely && is_response && plain && !data.contains("method")) {
        assert_eq!(id, message.raw_id(), "{data}");
    }
}

pub fn interpret(bytes: &[u8], limit: usize) -> Expected {
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    // The scan for a response does not skip a byte order mark.
    let marked = bytes.starts_with(b"\xEF\xBB\xBF");
    let mut parsed = Expected { events: Vec::new(), last_event_id: None, retry: None };
    let (mut data, mut name, mut last_id) = (String::new(), String::new(), String::new());
    let (mut size, mut in_data) = (0, false);
    // Decoding may lengthen a line; the limit counts the received bytes.
    let sizes = lines(bytes).into_iter().map(<[u8]>::len);
    let decoded = lines(text.as_bytes());
    assert_eq!(sizes.len(), decoded.len());
    for (line_size, line) in sizes.zip(decoded) {
        let line = std::str::from_utf8(line).expect("decoded");
        size += line_size;
        if line.is_empty() {
            if size > limit {
                parsed.events.push(Outcome::TooLong {
                    in_data: in_data && data.matches('\n').count() == 1,
                    data: data.strip_suffix('\n').map(str::to_owned),
                });
                last_id = parsed.last_event_id.clone().unwrap_or_default();
            } else {
                parsed.last_event_id = Some(last_id.clone()).filter(|id| !id.is_empty());
                if let Some(data) = data.strip_suffix('\n') {
                    let name = if name.is_empty() { "message".to_owned() } else { name.clone() };
                    parsed.events.push(Outcome::Event(Event { name: name.into(), data: Bytes::copy_from_slice(data.as_bytes()) }));
                }
            }
            (data, name, size, in_data) = (String::new(), String::new(), 0, false);
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        in_data |= !marked && field == "data" && size > limit && size - line_size <= limit && line_size > 5;
        match field {
            "event" => name = value.to_owned(),
            "data" => data = data + value + "\n",
            "id" if !value.contains('\0') => last_id = value.to_owned(),
            "retry" if size <= limit && !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                parsed.retry = Some(u128::from(value.parse().unwrap_or(u64::MAX)));
            }
            _ => {}
        }
    }
    parsed
}

/// The lines that end with a line break.
fn lines(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    while let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
        lines.push(&bytes[..end]);
        bytes = &bytes[end + if bytes[end..].starts_with(b"\r\n") { 2 } else { 1 }..];
    }
    lines
}
