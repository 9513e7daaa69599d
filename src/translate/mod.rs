//! Between the eras: what a client of one and a server of the other mean to each other. State machines without I/O.

#[cfg(test)]
mod odd;
pub mod to_legacy;
pub mod to_modern;

/// The modern revisions that are spoken here, latest first.
pub(crate) const MODERN_REVISIONS: [&str; 1] = ["2026-07-28"];

/// The legacy revisions, latest first.
pub(crate) const LEGACY_REVISIONS: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

/// The legacy revision that is asked for in a client's stead.
pub(crate) const LATEST_LEGACY: &str = "2025-11-25";

/// The extension by which a server answers a call with a task ("Tasks").
pub(crate) const TASKS: &str = "io.modelcontextprotocol/tasks";

/// Members of `_meta` that the modern protocol reserves ("`_meta`" in its Overview).
pub(crate) mod meta {
    pub(crate) const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
    pub(crate) const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
    pub(crate) const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
    pub(crate) const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
    pub(crate) const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
    pub(crate) const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
}

/// Error codes of the modern protocol ("Error Codes" in its Overview), and the legacy one that it did away with.
pub(crate) mod code {
    pub(crate) const INVALID_PARAMS: i64 = -32602;
    pub(crate) const METHOD_NOT_FOUND: i64 = -32601;
    pub(crate) const HEADER_MISMATCH: i64 = -32020;
    pub(crate) const MISSING_REQUIRED_CLIENT_CAPABILITY: i64 = -32021;
    pub(crate) const UNSUPPORTED_PROTOCOL_VERSION: i64 = -32022;
    pub(crate) const RESOURCE_NOT_FOUND: i64 = -32002;
}
