//! The peek agrees with a full parse, and nothing makes it panic.
#![no_main]

mod input;

use libfuzzer_sys::fuzz_target;
use mcp_ferry::message::{Id, Kind, Message, Oversize};
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    let data = &input::expanded(data)[..];
    if let Ok(text) = std::str::from_utf8(data) {
        let id = Id::from_json(text);
        std::hint::black_box(id.same_as_double(&Id::from_json("1")));
    }
    scan(data);
    let parsed = Message::parse(data.to_vec());
    let whole = serde_json::from_slice::<Value>(&one_line(data));
    match (&parsed, &whole) {
        // So many messages of a batch are not read.
        (Err(_), Ok(Value::Array(elements))) if elements.len() > 100_000 => {}
        (Err(_), Ok(whole)) => panic!("valid JSON was refused: {whole}"),
        (Ok(message), _) => check(message, whole.ok().as_ref()),
        (Err(_), Err(_)) => {}
    }
});

/// The text as `Message::parse` documents to change it.
fn one_line(data: &[u8]) -> Vec<u8> {
    let text = data.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(data).trim_ascii();
    text.iter().map(|&byte| if byte == b'\n' || byte == b'\r' { b' ' } else { byte }).collect()
}

fn check(message: &Message, whole: Option<&Value>) {
    assert!(!message.text().iter().any(|&byte| byte == b'\n' || byte == b'\r'), "the text is not one line");
    assert!(serde_json::from_slice::<&serde_json::value::RawValue>(message.text()).is_ok(), "a message is not JSON");
    assert_eq!(Message::parse(message.text().clone()).ok().as_ref(), Some(message), "a second parse gives another message");
    if let Some(whole) = whole {
        same_as_parsed(message, whole);
    }
    with_other_id(message);
    repaired(message);
    let expected: usize = match message.kind() {
        Kind::Request { .. } => 1,
        Kind::Batch(elements) => elements.iter().map(|element| element.requests().len()).sum(),
        _ => 0,
    };
    assert_eq!(message.requests().len(), expected);
}

/// The kind, id and method are those of the parsed value.
fn same_as_parsed(message: &Message, whole: &Value) {
    let id = whole.get("id");
    let method = whole.get("method").and_then(Value::as_str);
    let is_error = whole.get("error").is_some_and(|error| !error.is_null());
    let answers = whole.get("result").is_some() || is_error;
    match message.kind() {
        Kind::Batch(elements) => {
            let values = whole.as_array().expect("an array");
            assert_eq!(elements.len(), values.len());
            elements.iter().zip(values).for_each(|(element, value)| same_as_parsed(element, value));
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

/// An id is the same after a server has parsed and serialized it.
fn same_id(raw: &str, id: &Value) {
    let integer = raw.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let again = match id {
        Value::String(_) | Value::Null | Value::Bool(_) => id.to_string(),
        Value::Number(number) if integer && !number.is_f64() => number.to_string(),
        // serde_json may read the last bit of a double wrong.
        Value::Number(_) if !integer => format!("{:?}", raw.parse::<f64>().expect("a number")),
        _ => return,
    };
    assert_eq!(Id::from_json(raw), Id::from_json(&again), "{raw} came back as {again}");
}

fn with_other_id(message: &Message) {
    for raw in ["7", "\"a\"", "null"] {
        let changed = message.with_id(raw);
        let object = message.text().starts_with(b"{");
        if object && message.raw_id().is_some() {
            let grown = raw.len() as isize - message.raw_id().map_or(0, str::len) as isize;
            assert_eq!(changed.text().len() as isize - message.text().len() as isize, grown);
        }
        if matches!(message.kind(), Kind::Request { .. } | Kind::Notification { .. } | Kind::Response { .. }) {
            assert_eq!(changed.raw_id(), Some(raw));
            assert_eq!(changed.method(), message.method());
        } else if !object {
            assert_eq!(&changed, message);
        }
        assert_eq!(&changed.with_id(raw), &changed, "setting the same id again changes nothing");
        assert_eq!(Message::parse(changed.text().clone()).ok().as_ref(), Some(&changed), "a parse gives another message");
    }
}

/// A message that was made valid stays as it is, and keeps its id and method.
fn repaired(message: &Message) {
    let repaired = message.clone().repaired();
    assert_eq!(&repaired.clone().repaired(), &repaired, "a repaired message is repaired again");
    if !matches!(message.kind(), Kind::Batch(_)) {
        assert_eq!(Message::parse(repaired.text().clone()).ok().as_ref(), Some(&repaired), "a parse gives another message");
        assert_eq!((repaired.raw_id(), repaired.method()), (message.raw_id(), message.method()));
    }
}

/// The scan of a text that is too long finds the ids that the parse finds.
fn scan(data: &[u8]) {
    let mut scan = Oversize::default();
    scan.push(data);
    for size in [1, 7] {
        let mut cut = Oversize::default();
        data.chunks(size).for_each(|piece| cut.push(piece));
        let ids = |scan: &Oversize| (scan.request_id().map(str::to_owned), scan.answer_id().map(str::to_owned));
        assert_eq!(ids(&cut), ids(&scan), "in pieces of {size}");
    }
    // The scan does not unescape names, and removes white space from an id that is an array or object.
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
