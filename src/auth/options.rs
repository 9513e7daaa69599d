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

/// The options of the command line that are about credentials and logins.
#[derive(Debug)]
pub struct Options {
    /// The MCP server's endpoint.
    pub server: Uri,
    /// The user's headers, for the origin of this server only.
    pub headers: Headers,
    /// The source of the bearer token, if it is not one of `headers`.
    pub credential: Option<Credential>,
    /// What to do when a login is needed.
    pub mode: AuthMode,
    /// Options about the authorization server.
    pub login: Login,
    /// Options about the redirect from the browser.
    pub callback: CallbackSettings,
    /// How long a person may take to log in.
    pub timeout: Duration,
    /// Where the login's secrets are kept.
    pub kept_in: KeptIn,
    /// The user's name for this login, where one server has several.
    pub profile: Option<String>,
    /// The URL as the user typed it: mcp-remote derives file names from it.
    pub typed_url: String,
    /// The values of `--header` as the user typed them: mcp-remote derives file names from them too.
    pub typed_headers: Vec<String>,
    /// How connections are made.
    pub network: Network,
    /// The folder of logins; `None` if there is no home directory.
    pub home: Option<PathBuf>,
}

/// What to do when a login is needed (`--auth`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMode {
    /// Answer the client at once, open a browser when a request needs the login, and go on after the login.
    Auto,
    /// Let the client wait for the login.
    Wait,
    /// Answer the client at once with the address to log in at.
    Error,
    /// Never log in.
    Off,
}
