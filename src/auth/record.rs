//! What is known of one login: by whom it was issued, as whom we are registered there, and the tokens. This is what
//! rests on disk.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::files::{hex, sha256};
use crate::log::Secret;

/// One login, complete. Written and read as a whole; whoever has seen a generation knows all that it says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// Counts every change, so that a process can tell "somebody was faster" from "nothing has happened".
    pub generation: u64,
    /// Counts the logins alone, which a refresh is none of.
    pub logins: u64,
    /// The MCP server's address for people, without what of it may be secret.
    pub server: String,
    /// The authorization server and what it said of itself.
    pub issuer: Option<Issuer>,
    /// Who we are to that issuer.
    pub client: Option<Client>,
    /// What we hold of it.
    pub tokens: Option<Tokens>,
    /// Every scope ever asked for, space separated: what a step-up must ask for again (SEP-2350).
    pub requested_scope: Option<String>,
    /// A refresh that may have been sent but whose outcome is not known: the SHA-256 of its refresh token, and when
    /// (seconds since 1970).
    pub refresh_started: Option<(String, u64)>,
    /// The SHA-256 of a refresh token that the issuer has called dead.
    pub dead_refresh: Option<String>,
    /// A refresh token that the issuer refuses in words which may not be meant for good.
    pub refused_refresh: Option<RefusedRefresh>,
    /// The SHA-256 of an access token that the MCP server refused, and that could not be renewed.
    pub refused_access: Option<String>,
    /// The client id that the issuer has called unknown: to be registered anew before the next login.
    pub dead_client: Option<String>,
    /// The private key that tokens are bound to (RFC 9449), as [`super::dpop::Dpop::generate`] makes it.
    pub dpop_key: Option<Secret>,
    /// Logged out on purpose: a refresh that was in flight then must not bring the tokens back.
    pub logged_out: bool,
}

impl Record {
    /// Whether what is kept here may be sent to this issuer.
    pub fn is_of(&self, issuer: &Issuer) -> bool {
        self.issuer.as_ref().is_some_and(|known| known.is_same_as(issuer))
    }

    /// Every scope ever asked for of this issuer.
    pub fn requested_of(&self, issuer: &Issuer) -> Option<&str> {
        self.requested_scope.as_deref().filter(|_| self.is_of(issuer))
    }

    /// As whom we have registered with this issuer, unless it has said since that it knows us no more.
    pub fn registered_with(&self, issuer: &Issuer) -> Option<&Client> {
        let client = self.client.as_ref().filter(|client| client.origin == Origin::Dynamic && self.is_of(issuer));
        client.filter(|client| self.dead_client.as_ref() != Some(&client.client_id))
    }

    /// Whether there is something to renew the access token with, as far as is known.
    pub fn is_renewable(&self) -> bool {
        self.tokens.as_ref().is_some_and(|tokens| tokens.refresh_token.is_some()) && self.dead_refresh.is_none()
    }

    /// Whether the MCP server has refused the access token, and there is no other to be had.
    pub fn is_refused(&self) -> bool {
        let held = self.tokens.as_ref().map(|tokens| fingerprint(&tokens.access_token));
        held.is_some() && held == self.refused_access
    }
}

/// The SHA-256 of a token, by which it can be known again.
pub(super) fn fingerprint(token: &Secret) -> String {
    hex(&sha256(token.expose().as_bytes()))
}

/// How long a refresh token has been refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RefusedRefresh {
    /// The SHA-256 of the refresh token.
    pub fingerprint: String,
    /// The first time, seconds since 1970.
    pub since: u64,
    /// How often.
    pub times: u32,
}

/// An authorization server, and what of its metadata later requests need.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Issuer {
    /// The issuer identifier as its own metadata spells it (RFC 8414 section 2): compared as a string.
    pub issuer: String,
    /// The RFC 8707 `resource` to send, in the very spelling of the resource's metadata; `None` where none is to be
    /// sent.
    pub resource: Option<String>,
    /// What else may stand for the resource, where the issuer calls the first an `invalid_target`: the MCP server's own
    /// address.
    pub other_resource: Option<String>,
    /// The metadata document as it came, or what takes its place for a server without (2025-03-26).
    pub metadata: Map<String, Value>,
}

impl Issuer {
    /// Whether what was issued by this one may be sent to that one: the same issuer, whose tokens come from the same
    /// origin. A client ID of a metadata document is valid anywhere, so an issuer alone would not keep a refresh token
    /// from another's server.
    pub fn is_same_as(&self, other: &Self) -> bool {
        let origin = |issuer: &Self| {
            let endpoint = issuer.metadata.get("token_endpoint").and_then(Value::as_str);
            endpoint.and_then(|endpoint| url::Url::parse(endpoint).ok()).map(|url| url.origin())
        };
        self.issuer == other.issuer && origin(self) == origin(other)
    }
}

/// A registration (RFC 7591), or what stands for one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Client {
    /// Not a secret by itself.
    pub client_id: String,
    /// For confidential clients.
    pub client_secret: Option<Secret>,
    /// `none`, `client_secret_basic`, `client_secret_post`, `private_key_jwt`; the one that is known to work.
    pub token_endpoint_auth_method: Option<String>,
    /// How it came about: pre-registered, a metadata document's URL, or dynamic.
    pub origin: Origin,
    /// The redirect URIs registered, in order of preference; the one in use is the first.
    pub redirect_uris: Vec<String>,
    /// When the secret ends (seconds since 1970); `None` or 0 is never.
    pub client_secret_expires_at: Option<u64>,
    /// The scope it was registered with.
    pub scope: Option<String>,
}

impl Client {
    /// Whether it must be registered again before use: its secret has expired, or the redirect URI is not registered.
    pub fn needs_new_registration(&self, redirect_uri: Option<&str>, now: u64) -> bool {
        let expired = self.client_secret_expires_at.is_some_and(|end| end != 0 && end <= now);
        let unknown = redirect_uri.is_some_and(|uri| !self.redirect_uris.iter().any(|known| known == uri));
        self.origin == Origin::Dynamic && (expired || unknown)
    }
}

/// Where a client id comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The user gave it.
    Given,
    /// It is the URL of a client ID metadata document.
    MetadataDocument,
    /// RFC 7591: it can be made anew at any time.
    #[default]
    Dynamic,
}

/// What a token endpoint answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tokens {
    /// What goes into `Authorization`.
    pub access_token: Secret,
    /// `Bearer` or `DPoP`.
    #[serde(default = "bearer")]
    pub token_type: String,
    /// Single use with most servers.
    #[serde(default)]
    pub refresh_token: Option<Secret>,
    /// For servers that want this one in place of the access token.
    #[serde(default)]
    pub id_token: Option<Secret>,
    /// What was granted, space separated.
    #[serde(default)]
    pub scope: Option<String>,
    /// Seconds since 1970 at which they came.
    pub obtained_at: u64,
    /// How long the access token lives, in seconds; `None`: not known, so it is used until it is refused.
    #[serde(default)]
    pub lifetime: Option<u64>,
    /// A refresh without `scope` came back narrower than what was granted: the next one names it.
    #[serde(default)]
    pub refresh_with_scope: bool,
}

fn bearer() -> String {
    "Bearer".to_owned()
}
