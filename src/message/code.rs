//! Which error codes does a peer understand? The bridge's own lie outside the reserved ranges, see
//! [`crate::upstream::Failure`].

/// JSON-RPC: the line is not JSON.
pub const PARSE_ERROR: i64 = -32700;
/// JSON-RPC: the line is JSON, but not a message.
pub const INVALID_REQUEST: i64 = -32600;
/// JSON-RPC: the receiver does not have this method.
pub const METHOD_NOT_FOUND: i64 = -32601;
/// JSON-RPC: the parameters are wrong; in MCP also an unknown tool.
pub const INVALID_PARAMS: i64 = -32602;
/// JSON-RPC: the receiver failed.
pub const INTERNAL_ERROR: i64 = -32603;
/// MCP, legacy only: the resource does not exist. The modern era uses [`INVALID_PARAMS`].
pub const RESOURCE_NOT_FOUND: i64 = -32002;
/// MCP, 2025-11-25 only: the user must visit some URLs first. The modern era sends an input request.
pub const URL_ELICITATION_REQUIRED: i64 = -32042;
/// MCP, modern: a header does not match the body.
pub const HEADER_MISMATCH: i64 = -32020;
/// MCP, modern: the client does not declare a capability that the request needs.
pub const MISSING_REQUIRED_CLIENT_CAPABILITY: i64 = -32021;
/// MCP, modern: the server does not support the revision of the request.
pub const UNSUPPORTED_PROTOCOL_VERSION: i64 = -32022;
