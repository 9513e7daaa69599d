//! How does the bridge write messages of its own? It knows their kind and id, so it does not parse them back.
//!
//! A `result` or `params` is a [`Value`] or JSON text. JSON text, also of ids, must be valid and on one line.

use std::fmt::Display;

use serde_json::{Value, json};

use super::{Id, Kind, Message};

/// An error response. `raw_id` is the id as its request spells it; Without `data` the error has no such member.
pub fn error(raw_id: &str, code: i64, message: &str, data: Option<&Value>) -> Message {
    let mut body = json!({ "code": code, "message": message });
    if let Some(data) = data {
        body["data"] = data.clone();
    }
    error_text(raw_id, &body.to_string())
}

/// An error response whose `error` is JSON text, and not `null`.
pub fn error_text(raw_id: &str, error: &str) -> Message {
    let text = format!(r#"{{"jsonrpc":"2.0","id":{raw_id},"error":{error}}}"#);
    Message::built(text, Kind::Response { id: Id::from_json(raw_id), is_error: true }, Some(raw_id))
}

/// A successful response.
pub fn result(raw_id: &str, result: &(impl Display + ?Sized)) -> Message {
    let text = format!(r#"{{"jsonrpc":"2.0","id":{raw_id},"result":{result}}}"#);
    Message::built(text, Kind::Response { id: Id::from_json(raw_id), is_error: false }, Some(raw_id))
}

/// A request.
pub fn request(raw_id: &str, method: &str, params: &(impl Display + ?Sized)) -> Message {
    let quoted = json!(method);
    let text = format!(r#"{{"jsonrpc":"2.0","id":{raw_id},"method":{quoted},"params":{params}}}"#);
    Message::built(text, Kind::Request { id: Id::from_json(raw_id), method: method.into() }, Some(raw_id))
}

/// A `ping` request.
pub fn ping(raw_id: &str) -> Message {
    let text = format!(r#"{{"jsonrpc":"2.0","id":{raw_id},"method":"ping"}}"#);
    Message::built(text, Kind::Request { id: Id::from_json(raw_id), method: "ping".into() }, Some(raw_id))
}

/// A notification.
pub fn notification(method: &str, params: &(impl Display + ?Sized)) -> Message {
    let quoted = json!(method);
    let text = format!(r#"{{"jsonrpc":"2.0","method":{quoted},"params":{params}}}"#);
    Message::built(text, Kind::Notification { method: method.into() }, None)
}

/// `notifications/progress` for the request with this token, without a total.
pub fn progress(raw_token: &str, progress: u32, text: &str) -> Message {
    let text = json!(text);
    notification(
        "notifications/progress",
        &format!(r#"{{"progressToken":{raw_token},"progress":{progress},"message":{text}}}"#),
    )
}

/// `notifications/cancelled` for the request with this id.
pub fn cancelled(raw_id: &str, reason: &str) -> Message {
    let reason = json!(reason);
    notification("notifications/cancelled", &format!(r#"{{"requestId":{raw_id},"reason":{reason}}}"#))
}

/// `notifications/{tools,prompts,resources}/list_changed`.
pub fn list_changed(what: &str) -> Message {
    notification_without_params(&format!("notifications/{what}/list_changed"))
}

/// A notification without `params`.
pub fn notification_without_params(method: &str) -> Message {
    let quoted = json!(method);
    let text = format!(r#"{{"jsonrpc":"2.0","method":{quoted}}}"#);
    Message::built(text, Kind::Notification { method: method.into() }, None)
}

/// A batch of these messages.
pub fn batch(messages: &[&Message]) -> Message {
    let texts: Vec<_> = messages.iter().map(|message| &message.text[..]).collect();
    let text = [b"[", &texts.join(&b',')[..], b"]"].concat();
    let elements = messages.iter().map(|message| (*message).clone()).collect();
    let is_valid = messages.iter().all(|message| message.is_valid);
    Message { text: text.into(), kind: Kind::Batch(elements), id_at: None, is_valid }
}
