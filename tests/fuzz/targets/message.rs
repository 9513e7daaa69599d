//! The peeked view of a message agrees with a full parse, and no input causes a panic.
#![no_main]

mod input;

use libfuzzer_sys::fuzz_target;
use mcp_ferry::message::{Id, Kind, Message, Oversize};
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    let data = &input::stretched(data)[..];
    if let Ok(text) = std::str::from_utf8(data) {
        let id = Id::from_json(text);
        std::hint::black_box(id.same_as_double(&Id::from_json("1")));
    }
    scan(data);
    let parsed = Message::parse(data.to_vec());
    let whole = serde_json::from_slice::<Value>(&one_line(data));
    match (&parsed, &whole) {
        (Err(_), Ok(whole)) => panic!("refused, but is {whole}"),
        (Ok(message), _) => check(message, whole.ok().as_ref()),
        (Err(_), Err(_)) => {}
    }
});

/// The text that `Message::parse` keeps: without a byte order mark and surrounding white space, on one line.
fn one_line(data: &[u8]) -> Vec<u8> {
    let text = data.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(data).trim_ascii();
    text.iter().map(|&byte| if byte == b'\n' || byte == b'\r' { b' ' } else { byte }).collect()
}

fn check(message: &Message, whole: Option<&Value>) {
    assert!(!message.text().iter().any(|&byte| byte == b'\n' || byte == b'\r'), "not one line");
    assert!(serde_json::from_slice::<&serde_json::value::RawValue>(message.text()).is_ok(), "not JSON, but a message");
    assert_eq!(Message::parse(message.text().clone()).ok().as_ref(), Some(message), "another message the second time");
    if let Some(whole) = whole {
        agree(message, whole);
    }
    renamed(message);
    let wanted: usize = match message.kind() {
        Kind::Request { .. } => 1,
        Kind::Batch(elements) => elements.iter().map(|element| element.requests().len()).sum(),
        _ => 0,
    };
    assert_eq!(message.requests().len(), wanted);
}

/// The kind, id and method equal those of the parsed value.
fn agree(message: &Message, whole: &Value) {
    let id = whole.get("id");
    let method = whole.get("method").and_then(Value::as_str);
    let is_error = whole.get("error").is_some_and(|error| !error.is_null());
    let answers = whole.get("result").is_some() || is_error;
    match message.kind() {
        Kind::Batch(elements) => {
            let values = whole.as_array().expect("an array");
            assert_eq!(elements.len(), values.len());
            elements.iter().zip(values).for_each(|(element, value)| agree(element, value));
            return;
        }
        Kind::Request { method: peeked, .. } => {
            assert!(id.is_some());
            assert_eq!(Some(&**peeked), method);
        }
        Kind::Notification { method: peeked } => {
            assert!(id.is_none());
            assert_eq!(Some(&**peeked), method);
        }
        Kind::Response { is_error: peeked, id: peeked_id } => {
            assert!(method.is_none() && answers);
            assert_eq!(*peeked, is_error);
            assert!(id.is_some() || peeked_id.is_null());
        }
        Kind::Invalid(peeked) => {
            assert!(method.is_none() && !answers);
            assert_eq!(peeked.is_some(), id.is_some());
        }
    }
    assert_eq!(message.raw_id().is_some(), id.is_some());
    if let (Some(raw), Some(id)) = (message.raw_id(), id) {
        assert_eq!(serde_json::from_str::<Value>(raw).ok().as_ref(), Some(id));
        same_id(raw, id);
    }
}

/// An id stays equal after a server has parsed and printed it.
fn same_id(raw: &str, id: &Value) {
    let integer = raw.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let again = match id {
        Value::String(_) | Value::Null | Value::Bool(_) => id.to_string(),
        Value::Number(number) if integer && !number.is_f64() => number.to_string(),
        // serde_json may parse the last bit of a double incorrectly.
        Value::Number(_) if !integer => format!("{:?}", raw.parse::<f64>().expect("a number")),
        _ => return,
    };
    assert_eq!(Id::from_json(raw), Id::from_json(&again), "{raw} came back as {again}");
}

fn renamed(message: &Message) {
    for raw in ["7", "\"a\"", "null"] {
        let renamed = message.with_id(raw);
        let object = message.text().starts_with(b"{");
        if object && message.raw_id().is_some() {
            let grown = raw.len() as isize - message.raw_id().map_or(0, str::len) as isize;
            assert_eq!(renamed.text().len() as isize - message.text().len() as isize, grown);
        }
        if matches!(message.kind(), Kind::Request { .. } | Kind::Notification { .. } | Kind::Response { .. }) {
            assert_eq!(renamed.raw_id(), Some(raw));
            assert_eq!(renamed.method(), message.method());
        } else if !object {
            assert_eq!(&renamed, message);
        }
        assert_eq!(&renamed.with_id(raw), &renamed, "the same id again");
    }
}

/// The scan of a text above the limit finds the same ids as the parse.
fn scan(data: &[u8]) {
    let mut scan = Oversize::default();
    scan.push(data);
    for size in [1, 7] {
        let mut cut = Oversize::default();
        data.chunks(size).for_each(|piece| cut.push(piece));
        let ids = |scan: &Oversize| (scan.request_id().map(str::to_owned), scan.answer_id().map(str::to_owned));
        assert_eq!(ids(&cut), ids(&scan), "in pieces of {size}");
    }
    // The scan does not unescape names, and it removes white space from ids that are not valid ids.
    let Ok(Value::Object(whole)) = serde_json::from_slice(data) else { return };
    let id = whole.get("id").filter(|id| !id.is_array() && !id.is_object());
    if data.len() > 1024 || data.windows(2).any(|pair| pair == b"\\u") || id.is_none() != whole.get("id").is_none() {
        return;
    }
    let message = Message::parse(data.to_vec()).expect("JSON");
    let raw = message.raw_id();
    let has_method = whole.contains_key("method");
    assert_eq!(scan.request_id(), raw.filter(|_| has_method));
    assert_eq!(scan.answer_id(), raw.filter(|_| !has_method));
}
