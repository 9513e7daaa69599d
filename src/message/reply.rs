//! The few messages that the bridge writes itself.

use bytes::Bytes;
use serde_json::json;

/// An error answer. `raw_id` is the id as its request spells it; `data` is left out where there is none.
pub fn error(raw_id: &str, code: i64, message: &str, data: Option<&serde_json::Value>) -> Bytes {
    let mut body = json!({ "code": code, "message": message });
    if let Some(data) = data {
        body["data"] = data.clone();
    }
    format!(r#"{{"jsonrpc":"2.0","id":{raw_id},"error":{body}}}"#).into()
}

/// A result.
pub fn result(raw_id: &str, result: &serde_json::Value) -> Bytes {
    format!(r#"{{"jsonrpc":"2.0","id":{raw_id},"result":{result}}}"#).into()
}

/// A result that is JSON text already.
pub fn result_text(raw_id: &str, result: &str) -> Bytes {
    format!(r#"{{"jsonrpc":"2.0","id":{raw_id},"result":{result}}}"#).into()
}

/// A request whose `params` are JSON text already.
pub fn request_text(raw_id: &str, method: &str, params: &str) -> Bytes {
    let method = json!(method);
    format!(r#"{{"jsonrpc":"2.0","id":{raw_id},"method":{method},"params":{params}}}"#).into()
}

/// A notification whose `params` are JSON text already.
pub fn notification_text(method: &str, params: &str) -> Bytes {
    let method = json!(method);
    format!(r#"{{"jsonrpc":"2.0","method":{method},"params":{params}}}"#).into()
}

/// A `ping` with this id.
pub fn ping(raw_id: &str) -> Bytes {
    format!(r#"{{"jsonrpc":"2.0","id":{raw_id},"method":"ping"}}"#).into()
}

/// A request of our own.
pub fn request(raw_id: &str, method: &str, params: &serde_json::Value) -> Bytes {
    let method = json!(method);
    format!(r#"{{"jsonrpc":"2.0","id":{raw_id},"method":{method},"params":{params}}}"#).into()
}

/// A notification.
pub fn notification(method: &str, params: &serde_json::Value) -> Bytes {
    let method = json!(method);
    format!(r#"{{"jsonrpc":"2.0","method":{method},"params":{params}}}"#).into()
}

/// `notifications/progress` for the request with this token, of which nobody knows how long it will take.
pub fn progress(raw_token: &str, progress: u32, text: &str) -> Bytes {
    let text = json!(text);
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{raw_token},"progress":{progress},"message":{text}}}}}"#
    )
    .into()
}

/// `notifications/cancelled` for the request with this id.
pub fn cancelled(raw_id: &str, reason: &str) -> Bytes {
    let reason = json!(reason);
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{raw_id},"reason":{reason}}}}}"#
    )
    .into()
}

/// `notifications/{tools,prompts,resources}/list_changed`.
pub fn list_changed(what: &str) -> Bytes {
    format!(r#"{{"jsonrpc":"2.0","method":"notifications/{what}/list_changed"}}"#).into()
}
