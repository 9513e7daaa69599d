//! A server of the modern era, as far as it differs from others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::{Exchange, Upstream, value};

pub(crate) const MODERN: &str = "2026-07-28";

/// What the tests' modern upstream says to `server/discover`.
pub(crate) const DISCOVERED: &str = r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true,"listChanged":true},"prompts":{},"logging":{},"extensions":{"io.modelcontextprotocol/tasks":{}}},"instructions":"mind the gap","ttlMs":0,"cacheScope":"private","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"a-modern-upstream","version":"9"}}}"#;

/// A request as a modern client writes it; `params` are members before its `_meta`, with a comma behind.
pub(crate) fn modern_request(id: &str, method: &str, params: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{params}"_meta":{{"io.modelcontextprotocol/protocolVersion":"{MODERN}","io.modelcontextprotocol/clientCapabilities":{{}},"progressToken":1.0}}}}}}"#
    )
}

impl Exchange {
    /// What an honest, simple modern server does: nothing without the headers and the `_meta` of the era; empty
    /// results.
    pub(crate) fn modern(self) {
        if self.request.http_method != "POST" {
            return self.plain("405 Method Not Allowed", "");
        }
        if self.kind() == "initialize" {
            let data = r#""data":{"supported":["2026-07-28"],"requested":"2025-06-18"}"#;
            let error = format!(
                r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":-32022,"message":"Unsupported protocol version",{data}}}}}"#,
                self.id()
            );
            return self.respond("400 Bad Request", &[("Content-Type", "application/json")], &error);
        }
        self.has_modern_headers();
        match self.kind() {
            "server/discover" => self.result(DISCOVERED),
            "tools/list" => self.complete(r#""tools":[]"#),
            "subscriptions/listen" => {
                let (id, wanted) = (self.id(), self.params()["notifications"].to_string());
                let events = self.sse();
                events.event(&acknowledged(&id, &wanted));
                events.closed_by_client();
            }
            _ => self.complete(r#""content":[]"#),
        }
    }

    /// Asserts that the headers say what the body says, and that nothing is left of sessions.
    #[track_caller]
    pub(crate) fn has_modern_headers(&self) {
        let own = &self.params()["_meta"];
        let revision = &own["io.modelcontextprotocol/protocolVersion"];
        assert_eq!(self.header("MCP-Protocol-Version"), revision.as_str(), "the revision is mirrored");
        assert!(revision.is_string() && own["io.modelcontextprotocol/clientCapabilities"].is_object(), "{own}");
        assert_eq!(self.header("Mcp-Method"), Some(self.kind()), "the method is mirrored");
        assert_eq!(self.header("Accept"), Some("application/json, text/event-stream"));
        for header in ["Mcp-Session-Id", "Last-Event-ID"] {
            assert_eq!(self.header(header), None, "there are no sessions and no resumption any more");
        }
    }

    pub(crate) fn params(&self) -> Value {
        value(self.request.text())["params"].clone()
    }

    /// A final result with these members.
    pub(crate) fn complete(self, members: &str) {
        let comma = if members.is_empty() { "" } else { "," };
        self.result(&format!(r#"{{"resultType":"complete"{comma}{members}}}"#));
    }

    /// A result that needs more input; `members` are `inputRequests` and `requestState`.
    pub(crate) fn input_required(self, members: &str) {
        self.result(&format!(r#"{{"resultType":"input_required",{members}}}"#));
    }
}

/// The first word on a stream of subscriptions.
pub(crate) fn acknowledged(id: &str, wanted: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{{"_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}},"notifications":{wanted}}}}}"#
    )
}

/// News on a stream of subscriptions; `params` are members with a comma behind.
pub(crate) fn news(id: &str, method: &str, params: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/{method}","params":{{{params}"_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}}}}}}"#
    )
}

/// A question for the user.
pub(crate) fn elicitation(message: &str) -> String {
    json!({
        "method": "elicitation/create",
        "params": { "mode": "form", "message": message, "requestedSchema": { "type": "object", "properties": {} } },
    })
    .to_string()
}

impl Exchange {
    /// As `usual`, but of a server that has never heard of the modern era.
    pub(crate) fn legacy_only(self) {
        match self.kind() {
            "server/discover" => self.plain("400 Bad Request", "Bad Request: Server not initialized"),
            _ => self.usual(),
        }
    }
}

/// A server that is modern or legacy, whichever the switch says at the moment.
pub(crate) fn of_either_era(is_modern: &Arc<AtomicBool>) -> Upstream {
    let is_modern = Arc::clone(is_modern);
    Upstream::start(move |call| {
        if is_modern.load(Ordering::Relaxed) {
            if call.header("Mcp-Method").is_none() && !["initialize", "GET", "DELETE"].contains(&call.kind()) {
                return call.error("400 Bad Request", -32020, "there is no Mcp-Method");
            }
            return call.modern();
        }
        if call.header("mcp-session-id").is_none() && !["initialize", "GET"].contains(&call.kind()) {
            return call.error("400 Bad Request", -32000, "Bad Request: No valid session ID provided");
        }
        call.usual();
    })
}
