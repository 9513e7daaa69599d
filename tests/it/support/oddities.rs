//! How may an authorization server differ from the specification, or use rare parts of it, without meaning harm?

use serde_json::Value;

/// Content type and text of a JSON response in another format.
pub(crate) type Format = fn(&Value) -> (&'static str, String);

type Registration = dyn Fn(&mut Value) -> Option<&'static str> + Send + Sync;

/// By default there is nothing odd.
#[allow(clippy::struct_excessive_bools)]
pub(crate) struct Oddities {
    /// Changes what is registered, or refuses it with this body and status 400.
    pub(crate) registration: Box<Registration>,
    /// A client may request only the scope that it was registered with.
    pub(crate) registered_scope_only: bool,
    /// Authorization requests must be pushed (RFC 9126), and the metadata say so.
    pub(crate) pushed_only: bool,
    /// Paths that redirect: path, status, location.
    pub(crate) moved: Vec<(&'static str, &'static str, String)>,
    /// The MCP server is its own authorization server, as in 2025-03-26, and has no metadata of any kind.
    pub(crate) without_metadata: bool,
    /// Client ID metadata documents cannot be fetched.
    pub(crate) reads_no_document: bool,
    /// Content type and text of a response of the token endpoint.
    pub(crate) token_format: Option<Format>,
}

impl Default for Oddities {
    fn default() -> Self {
        Self {
            registration: Box::new(|_| None),
            registered_scope_only: false,
            pushed_only: false,
            moved: Vec::new(),
            without_metadata: false,
            reads_no_document: false,
            token_format: None,
        }
    }
}
