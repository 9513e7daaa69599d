//! What did the user say about credentials and logins?

use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use serde_json::{Map, Value};
use url::Url;

use super::callback::CallbackSettings;
use super::headers::Headers;
use super::jwt::Signer;
use super::static_credential::Credential;
use super::store::KeptIn;
use crate::log::Secret;
use crate::net::Network;

/// Our name where the user gives no other; shown on consent pages.
const CLIENT_NAME: &str = "mcp-ferry";

/// Parameters of an authorization request that only we set: with other values the login would be unsafe, or would not
/// finish.
const RESERVED: [&str; 8] = [
    "client_id",
    "redirect_uri",
    "response_type",
    "state",
    "code_challenge",
    "code_challenge_method",
    "request",
    "request_uri",
];

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
    /// Whether a login that needs a person may begin. Commands only say how to log in.
    pub begins_logins: bool,
    /// Whether tokens may be obtained, refreshed and imported. Where the program is only looked at they may not.
    pub changes_logins: bool,
    /// Options about the authorization server.
    pub login: Login,
    /// Options about the redirect from the browser.
    pub callback: CallbackSettings,
    /// How long a person may take to log in.
    pub timeout: Duration,
    /// Where the login's secrets are kept.
    pub kept_in: KeptIn,
    /// Whether a person may be asked to unlock the keychain: only one who logs in.
    pub unlocks_keychain: bool,
    /// The user's name for this login, where one server has several.
    pub profile: Option<String>,
    /// The URL as the user typed it: mcp-remote derives file names from it.
    pub typed_url: String,
    /// The values of `--header` as the user typed them: mcp-remote derives file names from them too.
    pub typed_headers: Vec<String>,
    /// The arguments with which a person makes this login in a terminal, as a shell takes them.
    pub login_arguments: String,
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

/// What the user said about logging in. `default()`: nothing.
#[derive(Debug, Default)]
pub struct Login {
    /// `--client-id`, or the one in `--static-oauth-client-info`. It is registered already: we never register.
    pub client_id: Option<String>,
    /// The secret of that client.
    pub client_secret: Option<Secret>,
    /// The method that `--static-oauth-client-info` names for it (RFC 7591 `token_endpoint_auth_method`).
    pub client_auth_method: Option<String>,
    /// `--private-key`: a private key to authenticate with, in place of a secret (`private_key_jwt`).
    pub client_key: Option<Signer>,
    /// `--static-oauth-client-metadata`: replaces members of our registration request (RFC 7591).
    pub client_metadata: Map<String, Value>,
    /// `--client-metadata-url`: the client ID metadata document that describes us.
    pub client_metadata_url: Option<String>,
    /// That of the release, where the user names none. It makes no other login: what was made without it stays in use.
    pub release_document: Option<String>,
    /// `--client-name`, for registration.
    pub client_name: Option<String>,
    /// `--scope`: the scope to ask for, whatever servers advertise.
    pub scope: Option<String>,
    /// Which RFC 8707 resource is sent.
    pub resource: ResourceChoice,
    /// `--authorize-param`: replaces parameters of the authorization request, or adds to them.
    pub authorize_params: Vec<(String, String)>,
    /// `--issuer`: the only authorization server to use.
    pub issuer: Option<String>,
    /// `--metadata-url`: where the authorization server's metadata are, if not at a well-known place of its issuer.
    pub metadata_url: Option<String>,
    /// `--assume-pkce`: the user knows that the authorization server supports PKCE, although its metadata do not say
    /// so.
    pub assume_pkce: bool,
    /// `--token-endpoint`: there is no discovery. Only for logins without a person.
    pub token_endpoint: Option<String>,
    /// `--use-id-token`: the server wants the ID token in place of the access token.
    pub use_id_token: bool,
    /// How tokens are obtained.
    pub grant: Grant,
    /// Whether tokens are bound to a key.
    pub dpop: DpopChoice,
}

/// How tokens are obtained.
#[derive(Debug, Clone, Default)]
pub enum Grant {
    /// A person logs in, in a browser on this machine.
    #[default]
    AuthorizationCode,
    /// `--device-code`: a person logs in, in a browser anywhere (RFC 8628).
    Device,
    /// `--client-credentials`: the client authenticates as itself, without a person.
    ClientCredentials,
    /// `--idp-…`: the company's identity provider vouches for a person (ID-JAG).
    Enterprise(Enterprise),
    /// `--workload-token-file`: the platform vouches for a program (RFC 7523).
    Workload(Credential),
}

/// The identity provider of a company, as its administrator describes it.
#[derive(Debug, Clone)]
pub struct Enterprise {
    /// Its token endpoint.
    pub token_endpoint: String,
    /// Our client id there.
    pub client_id: String,
    /// The secret of that client, if it has one.
    pub client_secret: Option<Secret>,
    /// The source of the ID token that the identity provider issued when the person logged in.
    pub subject_token: Credential,
}

/// Which RFC 8707 resource is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ResourceChoice {
    /// The resource that the metadata of the MCP server name.
    #[default]
    Discovered,
    /// `--resource`: this resource.
    Given(String),
    /// `--resource ""` or `--disable-resource-parameter`: no resource.
    Off,
}

/// Whether tokens are bound to a key (RFC 9449).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DpopChoice {
    /// If the authorization server supports it and the MCP server asks for it.
    #[default]
    Auto,
    /// If the authorization server supports it.
    On,
    /// Never.
    Off,
}

impl ResourceChoice {
    /// `--resource`: an absolute URI without fragment (RFC 8707 section 2); the empty text sends no resource.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::Off);
        }
        let url = Url::parse(text).map_err(|error| format!("a resource is an absolute URI: {error}"))?;
        if url.fragment().is_some() {
            return Err("a resource has no fragment".to_owned());
        }
        // As it was typed: servers compare bytes.
        Ok(Self::Given(text.to_owned()))
    }
}

impl Login {
    /// `--authorize-param name=value`.
    pub fn parse_authorize_param(text: &str) -> Result<(String, String), String> {
        let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
        let (name, value) = pair.ok_or("a parameter is given as name=value")?;
        if RESERVED.contains(&name) {
            return Err(format!("{name} is set by the login itself"));
        }
        Ok((name.to_owned(), value.to_owned()))
    }

    /// `--client-metadata-url`: https and with a path, as a client ID that is a URL must be. (`off` is no URL.)
    pub fn parse_client_metadata_url(text: &str) -> Result<String, String> {
        let url = Url::parse(text).map_err(|error| error.to_string())?;
        let usable = url.scheme() == "https"
            && url.path() != "/"
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        if usable {
            Ok(text.to_owned())
        } else {
            Err("it is an https URL with a path, and without user and fragment".to_owned())
        }
    }

    /// `--issuer`, `--metadata-url` and `--token-endpoint`: https, or http on this machine.
    pub fn parse_issuer(text: &str) -> Result<String, String> {
        let url = Url::parse(text).map_err(|error| error.to_string())?;
        let usable = url.scheme() == "https" || url.scheme() == "http" && super::web_url::is_loopback(&url);
        if usable { Ok(text.to_owned()) } else { Err("it is an https URL".to_owned()) }
    }

    /// `--static-oauth-client-info`: a JSON object with `client_id`, and perhaps `client_secret`,
    /// `token_endpoint_auth_method`.
    pub fn set_client_info(&mut self, json: &str) -> Result<(), String> {
        let object = object(json)?;
        let text = |name: &str| object.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let id = text("client_id").ok_or("it has no client_id")?;
        self.client_id = Some(id.to_owned());
        self.client_secret = text("client_secret").map(Secret::new).or(self.client_secret.take());
        self.client_auth_method = text("token_endpoint_auth_method").map(str::to_owned);
        Ok(())
    }

    /// `--static-oauth-client-metadata`: a JSON object; `scope` in it is the scope to ask for.
    pub fn set_client_metadata(&mut self, json: &str) -> Result<(), String> {
        self.client_metadata = object(json)?;
        if let Some(scope) = self.client_metadata.get("scope").and_then(Value::as_str) {
            self.scope.get_or_insert_with(|| scope.to_owned());
        }
        Ok(())
    }

    /// The options that make the tokens of one login differ from another's.
    pub(super) fn key_parts(&self) -> Vec<(String, String)> {
        let resource = match &self.resource {
            ResourceChoice::Discovered => None,
            ResourceChoice::Given(resource) => Some(resource.as_str()),
            ResourceChoice::Off => Some(""),
        };
        let grant = match &self.grant {
            Grant::AuthorizationCode | Grant::Device => "person",
            Grant::ClientCredentials => "client",
            Grant::Enterprise(_) => "enterprise",
            Grant::Workload(_) => "workload",
        };
        let own = [
            ("scope", self.scope.as_deref()),
            ("issuer", self.issuer.as_deref()),
            ("metadata_url", self.metadata_url.as_deref()),
            ("token_endpoint", self.token_endpoint.as_deref()),
            ("resource", resource),
            ("grant", Some(grant)),
        ];
        let own = own.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
        self.authorize_params.iter().cloned().chain(own).collect()
    }

    /// Our name for registrations.
    pub fn client_name(&self) -> &str {
        self.client_name.as_deref().unwrap_or(CLIENT_NAME)
    }

    /// Whether the settings fit each other; if not, a sentence about what to change.
    pub fn check(&self) -> Result<(), String> {
        let is_named = self.client_id.is_some();
        let is_authenticated = self.client_secret.is_some() || self.client_key.is_some();
        let fault = match self.grant {
            _ if self.client_secret.is_some() && !is_named => "a client secret needs --client-id",
            _ if self.client_key.is_some() && !is_named => "--private-key needs --client-id",
            _ if self.token_endpoint.is_some() && self.metadata_url.is_some() => {
                "--token-endpoint and --metadata-url cannot be used together"
            }
            Grant::AuthorizationCode | Grant::Device if self.token_endpoint.is_some() => {
                "--token-endpoint is only for logins without a person, such as --client-credentials"
            }
            Grant::ClientCredentials if !is_authenticated => {
                "--client-credentials needs --client-id and a client secret or --private-key"
            }
            Grant::Enterprise(_) if !is_named => "a login by the company's identity provider needs --client-id",
            _ => return Ok(()),
        };
        Err(fault.to_owned())
    }
}

fn object(json: &str) -> Result<Map<String, Value>, String> {
    // The error names only a place in the text, which may hold a secret.
    serde_json::from_str(json)
        .map_err(|error| format!("it is no JSON object (line {}, column {})", error.line(), error.column()))
}

#[cfg(test)]
#[path = "tests/settings.rs"]
mod tests;
