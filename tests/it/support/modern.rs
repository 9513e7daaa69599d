//! How does a server of the modern era respond?

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::{Exchange, Upstream, value};

pub(crate) const MODERN: &str = "2026-07-28";

/// The `server/discover` result of the tests' modern upstream.
pub(crate) const DISCOVER_RESULT: &str = r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true,"listChanged":true},"prompts":{},"logging":{},"extensions":{"io.modelcontextprotocol/tasks":{}}},"instructions":"mind the gap","ttlMs":0,"cacheScope":"private","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"a-modern-upstream","version":"9"}}}"#;

/// A modern request without client information; `params` are the members before `_meta`, with a comma after them.
pub(crate) fn minimal_modern_request(id: &str, method: &str, params: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{params}"_meta":{{"io.modelcontextprotocol/protocolVersion":"{MODERN}","io.modelcontextprotocol/clientCapabilities":{{}},"progressToken":1.0}}}}}}"#
    )
}

impl Exchange {
    /// Responds as a simple, correct modern server: requires the headers and the `_meta` of the era and returns empty
    /// results.
    pub(crate) fn respond_as_modern(self) {
        if self.request.http_method != "POST" {
            return self.plain("405 Method Not Allowed", "");
        }
        if self.kind() == "initialize" {
            let data = r#""data":{"supported":["2026-07-28"],"requested":"2025-06-18"}"#;
            let error = format!(
                r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":-32022,"message":"Unsupported protocol version",{data}}}}}"#,
                self.id()
            );
            return self.json_with_status("400 Bad Request", &error);
        }
        self.has_modern_headers();
        match self.kind() {
            "server/discover" => self.result(DISCOVER_RESULT),
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

    /// Asserts that the headers match the body and that there is no session header.
    #[track_caller]
    pub(crate) fn has_modern_headers(&self) {
        let meta = &self.params()["_meta"];
        let revision = &meta["io.modelcontextprotocol/protocolVersion"];
        assert_eq!(self.header("MCP-Protocol-Version"), revision.as_str(), "the header repeats the revision");
        assert!(revision.is_string() && meta["io.modelcontextprotocol/clientCapabilities"].is_object(), "{meta}");
        assert_eq!(self.header("Mcp-Method"), Some(self.kind()), "the header repeats the method");
        assert_eq!(self.header("Accept"), Some("application/json, text/event-stream"));
        for header in ["Mcp-Session-Id", "Last-Event-ID"] {
            assert_eq!(self.header(header), None, "the modern era has no sessions and no resumption");
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

/// The acknowledgement, the first message on a subscription stream.
pub(crate) fn acknowledged(id: &str, wanted: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{{"_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}},"notifications":{wanted}}}}}"#
    )
}

/// A notification on a subscription stream; `params` are members with a comma after them.
pub(crate) fn subscription_notification(id: &str, method: &str, params: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/{method}","params":{{{params}"_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}}}}}}"#
    )
}

/// An elicitation input request.
pub(crate) fn elicitation(message: &str) -> String {
    json!({
        "method": "elicitation/create",
        "params": { "mode": "form", "message": message, "requestedSchema": { "type": "object", "properties": {} } },
    })
    .to_string()
}

impl Exchange {
    /// As `respond_normally`, for a server that does not know the modern era.
    pub(crate) fn respond_as_legacy_only(self) {
        match self.kind() {
            "server/discover" => self.plain("400 Bad Request", "Bad Request: Server not initialized"),
            _ => self.respond_normally(),
        }
    }
}

/// A server whose era is the current value of the switch.
pub(crate) fn server_of_either_era(is_modern: &Arc<AtomicBool>) -> Upstream {
    let is_modern = Arc::clone(is_modern);
    Upstream::start(move |call| {
        if is_modern.load(Ordering::Relaxed) {
            if call.header("Mcp-Method").is_none() && !["initialize", "GET", "DELETE"].contains(&call.kind()) {
                return call.error("400 Bad Request", -32020, "there is no Mcp-Method");
            }
            return call.respond_as_modern();
        }
        if call.header("mcp-session-id").is_none() && !["initialize", "GET"].contains(&call.kind()) {
            return call.error("400 Bad Request", -32000, "Bad Request: No valid session ID provided");
        }
        call.respond_normally();
    })
}
