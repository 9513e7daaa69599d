//! The HTML standard, 9.2.6 "Interpreting an event stream", word by word, over a stream that is all there.
//!
//! Two things are ours: an event above the limit is skipped with all it says but a delay before that, and an event's end is
//! seen even where the stream ends right after it.

use bytes::Bytes;
use mcp_ferry::http::Event;
use mcp_ferry::message::{Kind, Message};

use crate::{Said, TooLong};

/// What the stream says; of an event that is too long, its data.
pub struct Expected(Said);

impl Expected {
    pub fn compare(self, said: &Said) {
        assert_eq!(said.last_event_id, self.0.last_event_id);
        assert_eq!(said.retry, self.0.retry);
        assert_eq!(said.events.len(), self.0.events.len(), "{said:?}");
        for (said, expected) in said.events.iter().zip(&self.0.events) {
            match (said, expected) {
                (Err(TooLong(Some(id))), Err(TooLong(data))) => answers(id, data.as_deref()),
                (Err(TooLong(None)), Err(_)) => {}
                _ => assert_eq!(said, expected),
            }
        }
    }
}

/// Another request than the one that was answered must not be told that its answer is lost.
fn answers(id: &str, data: Option<&str>) {
    let data = data.unwrap_or_default().to_owned();
    // A text that breaks off or goes astray is nobody's.
    let Ok(message) = Message::parse(data.clone()) else { return };
    if data.contains("\\u") {
        return;
    }
    assert!(!matches!(message.kind(), Kind::Request { .. } | Kind::Notification { .. }), "{id} is no answer: {data}");
    assert_eq!(message.raw_id(), Some(id), "{data}");
}

pub fn interpret(bytes: &[u8], limit: usize) -> Expected {
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut said = Said::default();
    let (mut data, mut name, mut last_id) = (String::new(), String::new(), String::new());
    let mut size = 0;
    // Decoding may lengthen a line; the limit is about bytes as they came.
    let sizes = lines(bytes).into_iter().map(<[u8]>::len);
    let decoded = lines(text.as_bytes());
    assert_eq!(sizes.len(), decoded.len());
    for (line_size, line) in sizes.zip(decoded) {
        let line = std::str::from_utf8(line).expect("decoded");
        size += line_size;
        if line.is_empty() {
            if size > limit {
                said.events.push(Err(TooLong(Some(data.strip_suffix('\n').unwrap_or_default().to_owned()))));
                last_id = said.last_event_id.clone().unwrap_or_default();
            } else {
                said.last_event_id = Some(last_id.clone()).filter(|id| !id.is_empty());
                if let Some(data) = data.strip_suffix('\n') {
                    let name = if name.is_empty() { "message".to_owned() } else { name.clone() };
                    said.events.push(Ok(Event { name, data: Bytes::copy_from_slice(data.as_bytes()) }));
                }
            }
            (data, name, size) = (String::new(), String::new(), 0);
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => name = value.to_owned(),
            "data" => data = data + value + "\n",
            "id" if !value.contains('\0') => last_id = value.to_owned(),
            "retry" if size <= limit && !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                said.retry = Some(u128::from(value.parse().unwrap_or(u64::MAX)));
            }
            _ => {}
        }
    }
    Expected(said)
}

/// The lines that have an end.
fn lines(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    while let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
        lines.push(&bytes[..end]);
        bytes = &bytes[end + if bytes[end..].starts_with(b"\r\n") { 2 } else { 1 }..];
    }
    lines
}
