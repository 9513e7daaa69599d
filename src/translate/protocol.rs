//! Which words of the MCP specification do the translators share?

/// The supported modern revisions, latest first.
pub(crate) const MODERN_REVISIONS: [&str; 1] = ["2026-07-28"];

/// The legacy revisions, latest first.
pub(crate) const LEGACY_REVISIONS: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

/// The legacy revision that the bridge itself asks for.
pub(crate) const LATEST_LEGACY: &str = "2025-11-25";

/// The extension that lets a server answer a call with a task ("Tasks").
pub(crate) const TASKS: &str = "io.modelcontextprotocol/tasks";

/// The levels of log messages, from the least to the most severe ("Logging").
pub(crate) const LOG_LEVELS: [&str; 8] =
    ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

/// The lists whose changes a server can announce: the capability, and the member of the notification filter.
pub(crate) const LISTS: [(&str, &str); 3] =
    [("tools", "toolsListChanged"), ("prompts", "promptsListChanged"), ("resources", "resourcesListChanged")];

/// The methods whose results say for how long they may be cached ("Caching").
pub(crate) const CACHEABLE: [&str; 6] =
    ["server/discover", "tools/list", "prompts/list", "resources/list", "resources/templates/list", "resources/read"];

/// Members of `_meta` that the modern protocol reserves ("`_meta`" in its Overview).
pub(crate) mod meta {
    pub(crate) const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
    pub(crate) const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
    pub(crate) const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
    pub(crate) const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
    pub(crate) const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
    pub(crate) const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
}
