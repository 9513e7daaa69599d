//! JSON-RPC messages as text. The tests compare bytes, so messages are built as text and parsed only to look at them.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

/// The revision of the tests' client by default.
pub(crate) const REVISION: &str = "2025-06-18";

/// The routing members of a line, each as raw JSON.
#[derive(Debug, Default, Clone)]
pub(crate) struct Peek {
    pub(crate) id: Option<String>,
    pub(crate) method: Option<String>,
    pub(crate) is_response: bool,
    pub(crate) is_array: bool,
    pub(crate) is_object: bool,
}

pub(crate) fn peek(bytes: &[u8]) -> Peek {
    // The tests' own messages of many megabytes start with the members that matter here.
    if bytes.len() > 1 << 20 {
        return peek_at_head(&String::from_utf8_lossy(&bytes[..300]));
    }
    match serde_json::from_slice::<BTreeMap<String, Box<RawValue>>>(bytes) {
        Ok(members) => Peek {
            id: members.get("id").map(|id| id.get().to_owned()),
            method: members.get("method").map(|method| method.get().trim_matches('"').to_owned()),
            is_response: members.contains_key("result") || members.contains_key("error"),
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
        is_response: head.contains(r#""result":"#) || head.contains(r#""error":"#),
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

/// The `initialize` result of the tests' upstream: a server with tools, resources and prompts.
pub(crate) fn initialize_result(revision: &str) -> String {
    format!(
        r#"{{"protocolVersion":"{revision}","capabilities":{{"tools":{{"listChanged":true}},"resources":{{"subscribe":true,"listChanged":true}},"prompts":{{"listChanged":true}},"logging":{{}}}},"serverInfo":{{"name":"an-upstream","version":"7.1"}},"instructions":"mind the gap"}}"#
    )
}

pub(crate) fn value(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("not JSON ({error}): {line}"))
}

/// The code and the message of an error response.
pub(crate) fn error_of(line: &str) -> (i64, String) {
    let answer = value(line);
    let error = answer.get("error").unwrap_or_else(|| panic!("expected an error response: {line}"));
    let code = error["code"].as_i64().unwrap_or_else(|| panic!("an error's code is an integer: {line}"));
    (code, error["message"].as_str().unwrap_or_else(|| panic!("an error has a message: {line}")).to_owned())
}

/// Asserts that an error was made by the bridge: it has a code of the bridge or of the specification, and a one-line
/// message. Returns the message.
pub(crate) fn bridge_error(line: &str) -> String {
    let (code, message) = error_of(line);
    assert!(
        (-31099..=-31000).contains(&code) || [-32700, -32600, -32601, -32603].contains(&code),
        "errors of the bridge have its own codes or those of the specification: {line}"
    );
    assert!(message.contains(' ') && !message.contains('\n'), "errors of the bridge are a sentence: {line}");
    message
}

/// Asserts that the message of a bridge error contains each of these texts.
#[track_caller]
pub(crate) fn assert_error_mentions(line: &str, words: &[&str]) {
    let message = bridge_error(line);
    for word in words {
        assert!(message.to_lowercase().contains(&word.to_lowercase()), "the error should mention {word:?}: {message}");
    }
}
