//! Between the eras: what a client of one and a server of the other mean to each other. State machines without I/O.

pub(crate) mod members;
pub mod to_legacy;

/// The modern revisions that are spoken here, latest first.
pub(crate) const MODERN_REVISIONS: [&str; 1] = ["2026-07-28"];

/// The legacy revision that is asked for in a client's stead.
pub(crate) const LATEST_LEGACY: &str = "2025-11-25";

/// Members of `_meta` that the modern protocol reserves ("`_meta`" in its Overview).
pub(crate) mod meta {
    pub(crate) const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
    pub(crate) const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
    pub(crate) const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
    pub(crate) const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
    pub(crate) const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
    pub(crate) const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
}

/// Error codes of the modern protocol ("Error Codes" in its Overview).
pub(crate) mod code {
    pub(crate) const INVALID_PARAMS: i64 = -32602;
    pub(crate) const UNSUPPORTED_PROTOCOL_VERSION: i64 = -32022;
}
