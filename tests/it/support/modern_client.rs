//! What a client of the modern era (2026-07-28) says.

use serde_json::Value;

use super::{Bridge, Upstream, value};

/// The capabilities its requests declare unless a test says otherwise.
pub(crate) const CAPABILITIES: &str = r#"{"sampling":{},"elicitation":{"form":{},"url":{}},"roots":{}}"#;

/// A modern request; `members` are those of its `params` besides `_meta`.
pub(crate) fn modern(id: &str, method: &str, members: &str) -> String {
    modern_with(id, method, members, CAPABILITIES, "")
}

/// The same with these capabilities, and further members of `_meta`.
pub(crate) fn modern_with(id: &str, method: &str, members: &str, capabilities: &str, meta: &str) -> String {
    let comma = |text: &str| if text.is_empty() { String::new() } else { format!("{text},") };
    let (members, meta) = (comma(members), comma(meta));
    let params = format!(
        r#"{{{members}"_meta":{{{meta}"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{{"name":"a-modern-client","version":"3"}},"io.modelcontextprotocol/clientCapabilities":{capabilities}}}}}"#
    );
    super::request(id, method, &params)
}

impl Bridge {
    /// A bridge before this upstream's `/mcp`, which is legacy by the user's word as its client is modern.
    pub(crate) fn modern(upstream: &Upstream) -> Self {
        Self::to(&upstream.url("/mcp")).args(["--client-protocol", "modern", "--protocol", "legacy"]).start()
    }

    /// Sends a modern request and waits for its answer.
    #[track_caller]
    pub(crate) fn ask_modern(&mut self, id: &str, method: &str, members: &str) -> Value {
        self.send(&modern(id, method, members));
        value(&self.answer(id))
    }
}
