//! Which request may be sent once more, when nobody knows whether it has arrived? Only one that changes nothing, or nothing
//! more the second time.

use bytes::Bytes;
use parking_lot::Mutex;

use crate::message::{Kind, Message};
use crate::tools::SafeTools;

/// Knows the server's tools. The responses to `tools/list` change it, wherever they come, and so does the word that the
/// tools have changed; a request that was lost reads it.
#[derive(Debug, Default)]
pub(crate) struct Repeatable(Mutex<SafeTools>);

impl Repeatable {
    /// Learns from the server's response to `tools/list`.
    pub(crate) fn note_tools(&self, request: &Message, answer: &Message) {
        self.0.lock().learn(request, answer);
    }

    /// The server's tools may have changed.
    pub(super) fn forget_tools(&self) {
        self.0.lock().forget();
    }

    /// Whether the body of a POST is a request that is safe to repeat. Reads it only now, because requests are hardly ever
    /// lost.
    pub(super) fn includes(&self, body: &Bytes) -> bool {
        let Ok(message) = Message::parse(body.clone()) else { return false };
        let Kind::Request { method, .. } = message.kind() else { return false };
        let is_safe = match &**method {
            "initialize" | "server/discover" | "ping" => true,
            "tools/list" | "prompts/list" | "resources/list" | "resources/templates/list" | "tasks/list" => true,
            "prompts/get" | "resources/read" | "tasks/get" | "completion/complete" => true,
            "tools/call" => self.0.lock().is_safe(&message),
            _ => false,
        };
        is_safe && !has_effect_beside(&message)
    }
}

/// Whether the request makes a task (2025-11-25), or answers questions of the server that it asks only once (2026-07-28).
fn has_effect_beside(request: &Message) -> bool {
    let params = request.params();
    params
        .is_some_and(|params| ["task", "inputResponses", "requestState"].iter().any(|name| params.get(name).is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_request_that_changes_nothing_is_repeatable() {
        let repeatable = Repeatable::default();
        for (body, is_repeatable) in [
            (r#"{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{}}"#, true),
            (r#"{"jsonrpc":"2.0","id":1,"method":"tools\/list"}"#, true),
            (r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"a"}}"#, true),
            (r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"a","inputResponses":{}}}"#, false),
            (r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"a","requestState":"b"}}"#, false),
            (r#"{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{}}"#, false),
            (r#"{"jsonrpc":"2.0","method":"ping"}"#, false),
            (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, false),
            (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, false),
            ("", false),
        ] {
            assert_eq!(repeatable.includes(&Bytes::from(body)), is_repeatable, "{body}");
        }
    }
}
