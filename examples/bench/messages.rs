//! Which messages are sent, and which answers to them are right?

use std::fmt::Write;
use std::sync::Mutex;

use bytes::Bytes;
use memchr::memmem;
use serde_json::Value;

/// The form in which the server is to send an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Json,
    Sse,
}

impl Form {
    fn word(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Sse => "sse",
        }
    }
}

pub const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}"#;
pub const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
pub const SERVER_NAME: &str = "load";

pub fn echo(id: u64, form: Form) -> String {
    let form = form.word();
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"echo","arguments":{{"as":"{form}","text":"call {id}"}}}}}}"#
    )
}

/// The requests that clients send right after the handshake, each with the member that its result must have.
pub const LISTS: [(&str, &str); 3] =
    [("tools/list", "tools"), ("resources/list", "resources"), ("prompts/list", "prompts")];

pub fn list(id: u64, method: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{}}}}"#)
}

/// The answer to any method that is no call. A bridge may refuse calls of tools that are not listed.
pub fn list_result(id: &str, method: &str) -> String {
    let member = LISTS.iter().find(|(known, _)| *known == method).map(|(_, member)| *member);
    let entries = match member {
        Some("tools") => TOOLS,
        _ => "",
    };
    let result = member.map_or(String::new(), |member| format!(r#""{member}":[{entries}]"#));
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{{result}}}}}"#)
}

const TOOLS: &str = r#"{"name":"echo","inputSchema":{"type":"object"}},{"name":"large","inputSchema":{"type":"object"}},{"name":"swallow","inputSchema":{"type":"object"}},{"name":"events","inputSchema":{"type":"object"}}"#;

/// A request for a result of this many MiB.
pub fn large_result(id: u64, mib: usize, form: Form) -> String {
    let form = form.word();
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"large","arguments":{{"as":"{form}","mib":{mib}}}}}}}"#
    )
}

/// A request with an argument of this many MiB.
pub fn large_argument(id: u64, mib: usize) -> Vec<u8> {
    let head = format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"swallow","arguments":{{"mib":{mib},"text":""#
    );
    [head.as_bytes(), &payload(mib), br#""}}}"#].concat()
}

/// A request for this many notifications on the stream of the answer.
pub fn events(id: u64, count: usize) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"events","arguments":{{"count":{count}}}}}}}"#
    )
}

pub fn event(number: usize) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"level":"info","data":"event {number:06} of a long series"}}}}"#
    )
}

pub fn text_result(id: &str, text: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[{{"type":"text","text":"{text}"}}]}}}}"#)
}

/// The text inside a JSON string, in which every 64 bytes differ, so that a lost or repeated part is noticed.
pub fn payload(mib: usize) -> Bytes {
    static KEPT: Mutex<(usize, Bytes)> = Mutex::new((0, Bytes::new()));
    let mut kept = KEPT.lock().expect("no panic while held");
    if kept.0 != mib {
        let mut text = String::with_capacity(mib * 1024 * 1024);
        for row in 0..mib * 1024 * 1024 / 64 {
            let _ = write!(text, "{row:08} the quick brown fox jumps over the lazy dog, at last\\n");
        }
        *kept = (mib, text.into());
    }
    kept.1.clone()
}

/// The id of an answer to [`echo`], if the answer is right.
pub fn echoed(line: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(line).ok()?;
    let digits = text.strip_prefix(r#"{"jsonrpc":"2.0","id":"#).and_then(|rest| rest.split_once(','));
    if let Some(id) = digits.and_then(|(digits, _)| digits.parse::<u64>().ok())
        && text == text_result(&id.to_string(), &format!("call {id}"))
    {
        return Some(id);
    }
    // A bridge may write the members of the answer in another order.
    let answer: Value = serde_json::from_slice(line).ok()?;
    let id = answer["id"].as_u64()?;
    (answer["result"]["content"][0]["text"] == format!("call {id}")).then_some(id)
}

pub fn is_initialized(line: &[u8]) -> bool {
    serde_json::from_slice::<Value>(line)
        .is_ok_and(|answer| answer["id"] == 0 && answer["result"]["serverInfo"]["name"] == SERVER_NAME)
}

pub fn is_text(line: &[u8], id: u64, text: &str) -> bool {
    serde_json::from_slice::<Value>(line)
        .is_ok_and(|answer| answer["id"] == id && answer["result"]["content"][0]["text"] == text)
}

/// Whether this is the answer to [`list`].
pub fn is_list(line: &[u8], id: u64, member: &str) -> bool {
    serde_json::from_slice::<Value>(line).is_ok_and(|answer| answer["id"] == id && answer["result"][member].is_array())
}

/// Whether this is the answer to [`large_result`], complete and in order.
pub fn is_large(line: &[u8], id: u64, mib: usize) -> bool {
    let wanted = payload(mib);
    let Some(start) = memmem::find(line, &wanted[..64]) else {
        return false;
    };
    let end = start + wanted.len();
    // Without the payload the rest is small and can be parsed.
    line.get(start..end) == Some(&wanted[..]) && is_text(&[&line[..start], &line[end..]].concat(), id, "")
}

/// The number of the event in this line.
pub fn event_number(line: &[u8]) -> Option<usize> {
    const MARK: &[u8] = b"\"event ";
    let start = memmem::find(line, MARK)? + MARK.len();
    std::str::from_utf8(line.get(start..start + 6)?).ok()?.parse().ok()
}

/// Whether this is an answer, and not a request or notification from the server.
pub fn is_answer(line: &[u8]) -> bool {
    line.len() > 4096 || memmem::find(line, br#""method":"#).is_none()
}
