//! How are the few parts of a message read that the bridge itself needs?

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Id, Kind, Message};

/// The `error` of a response (JSON-RPC 2.0, section 5.1).
#[derive(Debug, Clone, Default, Deserialize)]
pub struct ErrorObject {
    /// A number in a valid response. Some servers send other values.
    #[serde(default)]
    pub code: Value,
    /// `None` where the member is missing.
    pub data: Option<Value>,
}

impl ErrorObject {
    /// The `error` of this message; `None` where it has none.
    pub fn of(message: &Message) -> Option<Self> {
        member(message, "error")
    }
}

/// The code of an error response; `None` for any other message, and for a code that is no integer.
pub fn error_code(message: &Message) -> Option<i64> {
    let Kind::Response { is_error: true, .. } = message.kind() else { return None };
    message.members()?.object("error")?.get("code")?.parse().ok()
}

/// The id that a `notifications/cancelled` names; `None` for any other message.
pub fn cancelled_id(message: &Message) -> Option<Id> {
    if message.method() != Some("notifications/cancelled") {
        return None;
    }
    message.params()?.get("requestId").map(Id::from_json)
}

/// The members of `initialize` that both its request and its result have.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Initialize {
    /// The requested revision, or the negotiated one.
    pub protocol_version: Option<String>,
    /// The client's in a request, the server's in a result.
    #[serde(default)]
    pub capabilities: Value,
    /// The client's name and version in a request.
    #[serde(default)]
    pub client_info: Value,
}

impl Initialize {
    /// The `params` of an `initialize` request.
    pub fn params(request: &Message) -> Option<Self> {
        member(request, "params")
    }

    /// The `result` of its response.
    pub fn result(response: &Message) -> Option<Self> {
        member(response, "result")
    }
}

/// Reads a member whose value is an object. A derived type would accept an array, too.
fn member<T: DeserializeOwned>(message: &Message, name: &str) -> Option<T> {
    serde_json::from_str(message.members()?.get(name).filter(|value| value.starts_with('{'))?).ok()
}
