//! What did the user say about credentials and logins?

use std::path::PathBuf;
use std::time::Duration;

use http::Uri;

use super::callback::CallbackSettings;
use super::headers::Headers;
use super::settings::Login;
use super::static_credential::Credential;
use super::store::KeptIn;
use crate::net::Network;

/// Everything that this room needs to know of the command line.
#[derive(Debug)]
pub struct Options {
    /// The MCP server's endpoint.
    pub server: Uri,
    /// The user's own headers, for this server's origin only.
    pub headers: Headers,
    /// The source of the bearer token, if it is not one of `headers`.
    pub credential: Option<Credential>,
    /// What to do when a login is needed.
    pub mode: AuthMode,
    /// What concerns the authorization server.
    pub login: Login,
    /// What concerns the browser's way back.
    pub callback: CallbackSettings,
    /// How long a person may take to log in.
    pub timeout: Duration,
    /// Where the login's secrets are kept.
    pub kept_in: KeptIn,
    /// The login's name among several of one server.
    pub profile: Option<String>,
    /// The address as it was typed: mcp-remote names its files after it.
    pub typed_url: String,
    /// The values of `--header` as they were typed: mcp-remote names its files after them too.
    pub typed_headers: Vec<String>,
    /// How connections are made.
    pub network: Network,
    /// Where logins are kept; `None` where there is no home directory.
    pub home: Option<PathBuf>,
}

/// What to do when a login is needed (`--auth`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AuthMode {
    /// Answer the client at once, open a browser when a request needs the login, and go on after the login.
    #[default]
    Auto,
    /// Let the client wait for the login.
    Wait,
    /// Answer the client at once with the address to log in at.
    Error,
    /// Never log in.
    Off,
}
