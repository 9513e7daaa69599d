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

/// A request. `params` is JSON text.
pub fn request(raw_id: &str, method: &str, params: &str) -> Bytes {
    let method = json!(method);
    format!(r#"{{"jsonrpc":"2.0","id":{raw_id},"method":{method},"params":{params}}}"#).into()
}

/// A notification. `params` is JSON text.
pub fn notification(method: &str, params: &str) -> Bytes {
    let method = json!(method);
    format!(r#"{{"jsonrpc":"2.0","method":{method},"params":{params}}}"#).into()
}

/// A `ping` with this id.
pub fn ping(raw_id: &str) -> Bytes {
    format!(r#"{{"jsonrpc":"2.0","id":{raw_id},"method":"ping"}}"#).into()
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
