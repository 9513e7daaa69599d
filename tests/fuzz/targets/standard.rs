//! Which events does a whole stream have? The HTML standard, 9.2.6 "Interpreting an event stream", word by word.
//!
//! Four rules are our own: an event above the limit is skipped, except for a delay that comes before the limit; an event is
//! complete even if the stream ends right after it; a byte order mark may begin any line; and a very long id does not count.

use bytes::Bytes;
use mcp_ferry::net::Event;
use mcp_ferry::message::{Kind, Message};

use crate::{Read, TooLong};

/// A longer id is not kept, in bytes as they came.
const LONGEST_ID: usize = 8 * 1024;

/// What the stream means.
pub struct Expected {
    events: Vec<Outcome>,
    last_event_id: Option<String>,
    retry: Option<u128>,
}

enum Outcome {
    Event(Event),
    TooLong {
        data: Option<String>,
        /// The data is one line, and the event passed the limit in that line.
        in_data: bool,
    },
}

impl Expected {
    pub fn compare(&self, read: &Read, whole: bool) {
        assert_eq!(read.last_event_id, self.last_event_id);
        assert_eq!(read.retry, self.retry);
        assert_eq!(read.events.len(), self.events.len(), "{read:?}");
        for (read, expected) in read.events.iter().zip(&self.events) {
            match (read, expected) {
                (Err(TooLong(id)), Outcome::TooLong { data, in_data }) => {
                    check_id(id.as_deref(), data.as_deref(), *in_data && whole);
                }
                (Ok(read), Outcome::Event(expected)) => assert_eq!(read, expected),
                (_, Outcome::Event(expected)) => panic!("{expected:?} became {read:?}"),
                (_, Outcome::TooLong { .. }) => panic!("{read:?} is too long"),
            }
        }
    }
}

/// The id that was found is the id of the answer in the data, or is missing. It must not be missing if `certain`.
fn check_id(id: Option<&str>, data: Option<&str>, certain: bool) {
    let Some(data) = data else { return assert_eq!(id, None, "there is no data") };
    // Only complete messages are compared, and without escapes: the scan does not unescape names.
    let Ok(message) = Message::parse(data.to_owned()) else { return };
    if data.contains("\\u") {
        return;
    }
    let answer = matches!(message.kind(), Kind::Response { .. });
    let plain = message.raw_id().is_some_and(|id| id.len() < 1000 && !id.starts_with(['[', '{']));
    if id.is_some() {
        assert!(!matches!(message.kind(), Kind::Request { .. } | Kind::Notification { .. }), "this is not an answer: {data}");
    }
    if (id.is_some() && plain) || (certain && answer && plain && !data.contains("method")) {
        assert_eq!(id, message.raw_id(), "{data}");
    }
}

pub fn interpret(bytes: &[u8], limit: usize) -> Expected {
    let text = String::from_utf8_lossy(bytes);
    let mut expected = Expected { events: Vec::new(), last_event_id: None, retry: None };
    let (mut data, mut name, mut last_id) = (String::new(), String::new(), String::new());
    let (mut size, mut in_data) = (0, false);
    // Decoding may make a line longer; the limit counts the bytes as they came.
    let sizes = lines(bytes).into_iter().map(<[u8]>::len);
    let decoded = lines(text.as_bytes());
    assert_eq!(sizes.len(), decoded.len());
    for (line_size, line) in sizes.zip(decoded) {
        let line = std::str::from_utf8(line).expect("decoded");
        // The scan for an answer finds nothing behind a byte order mark.
        let marked = line.starts_with('\u{feff}');
        let decoded_size = line.len();
        let line = line.strip_prefix('\u{feff}').unwrap_or(line);
        size += line_size;
        if line.is_empty() {
            if size > limit {
                expected.events.push(Outcome::TooLong {
                    in_data: in_data && data.matches('\n').count() == 1,
                    data: data.strip_suffix('\n').map(str::to_owned),
                });
                last_id = expected.last_event_id.clone().unwrap_or_default();
            } else {
                expected.last_event_id = Some(last_id.clone()).filter(|id| !id.is_empty());
                if let Some(data) = data.strip_suffix('\n') {
                    let name = if name.is_empty() { "message".to_owned() } else { name.clone() };
                    expected.events.push(Outcome::Event(Event { name: name.into(), data: Bytes::copy_from_slice(data.as_bytes()) }));
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
            "id" if !value.contains('\0') && line_size - (decoded_size - value.len()) <= LONGEST_ID => last_id = value.to_owned(),
            "retry" if size <= limit && !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                expected.retry = Some(u128::from(value.parse().unwrap_or(u64::MAX)));
            }
            _ => {}
        }
    }
    expected
}

/// The lines that have a line end.
fn lines(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    while let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
        lines.push(&bytes[..end]);
        bytes = &bytes[end + if bytes[end..].starts_with(b"\r\n") { 2 } else { 1 }..];
    }
    lines
}
