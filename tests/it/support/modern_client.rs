//! The messages of a client of the modern era (2026-07-28).

use serde_json::Value;

use super::{Bridge, Upstream, value};

/// The capabilities that its requests declare by default.
pub(crate) const CAPABILITIES: &str = r#"{"sampling":{},"elicitation":{"form":{},"url":{}},"roots":{}}"#;

/// A modern request; `members` are those of its `params` besides `_meta`.
pub(crate) fn modern_request(id: &str, method: &str, members: &str) -> String {
    modern_request_with(id, method, members, CAPABILITIES, "")
}

/// A modern request with these capabilities and further members of `_meta`.
pub(crate) fn modern_request_with(id: &str, method: &str, members: &str, capabilities: &str, meta: &str) -> String {
    let comma = |text: &str| if text.is_empty() { String::new() } else { format!("{text},") };
    let (members, meta) = (comma(members), comma(meta));
    let params = format!(
        r#"{{{members}"_meta":{{{meta}"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{{"name":"a-modern-client","version":"3"}},"io.modelcontextprotocol/clientCapabilities":{capabilities}}}}}"#
    );
    super::request(id, method, &params)
}

impl Bridge {
    /// A bridge to this upstream's `/mcp` whose options declare a modern client and a legacy server.
    pub(crate) fn modern(upstream: &Upstream) -> Self {
        Self::to(&upstream.url("/mcp")).args(["--client-protocol", "modern", "--protocol", "legacy"]).start()
    }

    /// Sends a modern request and waits for its response.
    #[track_caller]
    pub(crate) fn request_modern(&mut self, id: &str, method: &str, members: &str) -> Value {
        self.send(&modern_request(id, method, members));
        value(&self.response(id))
    }
}
