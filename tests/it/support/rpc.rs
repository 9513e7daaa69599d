//! JSON-RPC as text: the tests compare bytes, so nothing here goes through a tree of values unless it is only looked
//! at.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

/// The revision the tests' client speaks unless a test says otherwise.
pub(crate) const REVISION: &str = "2025-06-18";

/// What a line says about itself, each value in the letters it was written in.
#[derive(Debug, Default, Clone)]
pub(crate) struct Peek {
    pub(crate) id: Option<String>,
    pub(crate) method: Option<String>,
    pub(crate) is_answer: bool,
    pub(crate) is_array: bool,
    pub(crate) is_object: bool,
}

pub(crate) fn peek(bytes: &[u8]) -> Peek {
    // Messages of many megabytes are made by the tests themselves, with the telling members first.
    if bytes.len() > 1 << 20 {
        return peek_at_head(&String::from_utf8_lossy(&bytes[..300]));
    }
    match serde_json::from_slice::<BTreeMap<String, Box<RawValue>>>(bytes) {
        Ok(members) => Peek {
            id: members.get("id").map(|id| id.get().to_owned()),
            method: members.get("method").map(|method| method.get().trim_matches('"').to_owned()),
            is_answer: members.contains_key("result") || members.contains_key("error"),
            is_array: false,
            is_object: true,
        },
        Err(_) => Peek { is_array: serde_json::from_slice::<Vec<&RawValue>>(bytes).is_ok(), ..Peek::default() },
    }
}

fn peek_at_head(head: &str) -> Peek {
    let after = |member: &str| head.split_once(member).map(|(_, rest)| rest);
    Peek {
        id: after(r#""id":"#).and_then(|rest| rest.split([',', '}']).next()).map(str::to_owned),
        method: after(r#""method":""#).and_then(|rest| rest.split('"').next()).map(str::to_owned),
        is_answer: head.contains(r#""result":"#) || head.contains(r#""error":"#),
        is_array: false,
        is_object: head.starts_with('{'),
    }
}

pub(crate) fn request(id: &str, method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#)
}

pub(crate) fn notification(method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{params}}}"#)
}

pub(crate) fn result(id: &str, result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
}

pub(crate) fn error(id: &str, code: i64, message: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":"{message}"}}}}"#)
}

pub(crate) fn initialize(id: &str, revision: &str) -> String {
    let params = format!(
        r#"{{"protocolVersion":"{revision}","capabilities":{{"roots":{{"listChanged":true}},"sampling":{{}},"elicitation":{{}}}},"clientInfo":{{"name":"a-client","version":"1"}}}}"#
    );
    request(id, "initialize", &params)
}

pub(crate) fn initialized() -> String {
    r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#.to_owned()
}

/// What the tests' upstream says to `initialize`: a server with tools, resources and prompts.
pub(crate) fn initialize_result(revision: &str) -> String {
    format!(
        r#"{{"protocolVersion":"{revision}","capabilities":{{"tools":{{"listChanged":true}},"resources":{{"subscribe":true,"listChanged":true}},"prompts":{{"listChanged":true}},"logging":{{}}}},"serverInfo":{{"name":"an-upstream","version":"7.1"}},"instructions":"mind the gap"}}"#
    )
}

pub(crate) fn value(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("not JSON ({error}): {line}"))
}

/// The code and the sentence of an error answer.
pub(crate) fn error_of(line: &str) -> (i64, String) {
    let answer = value(line);
    let error = answer.get("error").unwrap_or_else(|| panic!("an error was due, this came: {line}"));
    let code = error["code"].as_i64().unwrap_or_else(|| panic!("an error's code is an integer: {line}"));
    (code, error["message"].as_str().unwrap_or_else(|| panic!("an error has a message: {line}")).to_owned())
}

/// An error that the bridge made itself: its own codes or the specification's, and a sentence. Gives the sentence.
pub(crate) fn own_error(line: &str) -> String {
    let (code, message) = error_of(line);
    assert!(
        (-31099..=-31000).contains(&code) || [-32700, -32600, -32601, -32603].contains(&code),
        "our own errors have codes of ours or of the specification: {line}"
    );
    assert!(message.contains(' ') && !message.contains('\n'), "our own errors are a sentence: {line}");
    message
}

/// Asserts that an own error says each of these things.
#[track_caller]
pub(crate) fn says(line: &str, words: &[&str]) {
    let message = own_error(line);
    for word in words {
        assert!(message.to_lowercase().contains(&word.to_lowercase()), "the error should speak of {word:?}: {message}");
    }
}
