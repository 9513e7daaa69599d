//! What is kept of one login? The authorization server, our registration there, and the tokens. This is what the file
//! of a login holds.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

use super::expiry::now;
use super::web_url::is_same_loopback_origin;
use crate::files::{hex, sha256};
use crate::log::Secret;

/// One login. It is written and read as a whole.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// Counts every change: by it a process sees that another process has changed the login.
    pub generation: u64,
    /// Counts logins; a refresh is not a login.
    pub logins: u64,
    /// The MCP server's address for people, without its secret parts.
    pub server: String,
    /// The authorization server.
    pub issuer: Option<Issuer>,
    /// The issuer that the user's own credentials belong to, see [`super::binding`]. It is written before they are first
    /// sent; a logout clears it.
    pub bound_issuer: Option<String>,
    /// Our registration at that authorization server. The tokens belong to it.
    pub client: Option<Client>,
    /// A later registration at the same authorization server, for the next login. The tokens stay with `client`, which
    /// alone can refresh them.
    pub next_client: Option<Client>,
    /// The tokens that it issued.
    pub tokens: Option<Tokens>,
    /// Every scope that was ever asked for, separated by spaces: a step-up must ask for all of them again (SEP-2350).
    pub requested_scope: Option<String>,
    /// A refresh that may have been sent but whose outcome is not known: the SHA-256 of its refresh token, and when
    /// (seconds since 1970).
    pub refresh_started: Option<(String, u64)>,
    /// The SHA-256 of a refresh token that the authorization server has refused for good.
    pub dead_refresh: Option<String>,
    /// A refresh token that the authorization server refuses with an error that may be temporary.
    pub refused_refresh: Option<RefusedRefresh>,
    /// The SHA-256 of an access token that the MCP server refused, and that could not be renewed.
    pub refused_access: Option<String>,
    /// The client id that the authorization server does not know any more: the next login registers again.
    pub dead_client: Option<String>,
    /// The private key that tokens are bound to (RFC 9449), as [`super::dpop::Dpop::generate`] makes it.
    pub dpop_key: Option<Secret>,
    /// The user has logged out: a refresh that was running then must not bring the tokens back.
    pub logged_out: bool,
}

impl Record {
    /// Whether the secrets of this record may be sent to this issuer.
    pub fn is_of(&self, issuer: &Issuer) -> bool {
        self.issuer.as_ref().is_some_and(|known| known.is_same_as(issuer))
    }

    /// Every scope that was ever asked for at this issuer.
    pub fn requested_of(&self, issuer: &Issuer) -> Option<&str> {
        self.requested_scope.as_deref().filter(|_| self.is_of(issuer))
    }

    /// Our dynamic registration at this issuer, unless the issuer does not know it any more.
    pub fn registered_with(&self, issuer: &Issuer) -> Option<&Client> {
        let newest = self.next_client.as_ref().or(self.client.as_ref());
        let client = newest.filter(|client| client.origin == Origin::Dynamic && self.is_of(issuer));
        client.filter(|client| self.dead_client.as_ref() != Some(&client.client_id))
    }

    /// The record with a new registration at this issuer. The tokens of the same issuer stay, until a login has replaced
    /// them.
    #[must_use]
    pub fn with_registration(self, issuer: &Issuer, client: Client) -> Self {
        let is_same = self.issuer.as_ref().is_none_or(|known| known.is_same_as(issuer));
        if is_same && self.tokens.is_some() && self.client.is_some() {
            return Self { next_client: Some(client), ..self };
        }
        let tokens = self.tokens.filter(|_| is_same);
        let issuer = if tokens.is_some() { self.issuer } else { Some(issuer.clone()) };
        Self { issuer, tokens, client: Some(client), next_client: None, dead_client: None, ..self }
    }

    /// Whether there is a refresh token that is not known to be dead.
    pub fn is_renewable(&self) -> bool {
        self.tokens.as_ref().is_some_and(|tokens| tokens.refresh_token.is_some()) && self.dead_refresh.is_none()
    }

    /// Whose login it is, as far as the authorization server has told. Its ID token came from it alone, so that nothing has
    /// to be verified to show it (`OpenID` Connect Core, 3.1.3.7).
    pub fn account(&self) -> Option<String> {
        let token = self.tokens.as_ref()?.id_token.as_ref()?;
        let claims = token.expose().split('.').nth(1)?.trim_end_matches('=');
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
        let mut names = ["email", "preferred_username", "name"].iter().filter_map(|name| claims[name].as_str());
        names.find(|name| !name.trim().is_empty()).map(str::to_owned)
    }

    /// Tells this login from the one before and the one after; 0 for none. A refresh does not change it.
    pub(super) fn login_number(&self) -> u64 {
        if self.tokens.is_none() || self.logged_out { 0 } else { self.logins + 1 }
    }

    /// The state of the login in a word, for scripts.
    pub fn state(&self) -> &'static str {
        match &self.tokens {
            _ if self.logged_out => "signed_out",
            None => "registered",
            Some(_) if self.has_ended() => "ended",
            Some(_) => "signed_in",
        }
    }

    /// When the access token expires, seconds since 1970, if that is known.
    pub fn ends(&self) -> Option<u64> {
        let tokens = self.tokens.as_ref()?;
        Some(tokens.obtained_at.saturating_add(tokens.lifetime?))
    }

    /// Whether the access token has expired or was refused, and cannot be renewed.
    fn has_ended(&self) -> bool {
        let is_over = self.is_refused() || self.ends().is_some_and(|ends| ends <= now());
        is_over && !self.is_renewable()
    }

    /// Whether the MCP server has refused the access token, and it could not be renewed.
    pub fn is_refused(&self) -> bool {
        let held = self.tokens.as_ref().map(|tokens| fingerprint(&tokens.access_token));
        held.is_some() && held == self.refused_access
    }
}

/// The SHA-256 of a token, by which it is recognized without being stored.
pub(super) fn fingerprint(token: &Secret) -> String {
    hex(&sha256(token.expose().as_bytes()))
}

/// How often and since when a refresh token has been refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RefusedRefresh {
    /// The SHA-256 of the refresh token.
    pub fingerprint: String,
    /// The first time, seconds since 1970.
    pub since: u64,
    /// How often.
    pub times: u32,
}

/// An authorization server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
// RFC 8414 names the member, and files on disk have it.
#[allow(clippy::struct_field_names)]
pub struct Issuer {
    /// The issuer identifier as its own metadata spells it (RFC 8414 section 2): compared as a string.
    pub issuer: String,
    /// The RFC 8707 `resource` to send, spelled as in the metadata of the resource; `None` if no resource is sent.
    pub resource: Option<String>,
    /// The resource to send if the authorization server answers the first one with `invalid_target`: the MCP server's
    /// own address.
    pub other_resource: Option<String>,
    /// The metadata document as it was received, or a guessed one for a server without metadata (2025-03-26).
    pub metadata: Map<String, Value>,
}

impl Issuer {
    /// Whether secrets from one of these authorization servers may be sent to the other: issuer and origin of the token
    /// endpoint must be equal. The client ID of a metadata document is valid at every server, so the issuer alone would
    /// not protect a refresh token.
    pub fn is_same_as(&self, other: &Self) -> bool {
        let origin = |issuer: &Self| {
            let endpoint = issuer.metadata.get("token_endpoint").and_then(Value::as_str);
            endpoint.and_then(|endpoint| url::Url::parse(endpoint).ok()).map(|url| url.origin())
        };
        self.issuer == other.issuer && origin(self) == origin(other)
    }
}

/// A registration (RFC 7591), or a client identity that needs none.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
// RFC 7591 names the members, and files on disk have them.
#[allow(clippy::struct_field_names)]
pub struct Client {
    /// The client id, which is not a secret.
    pub client_id: String,
    /// The secret of a confidential client.
    pub client_secret: Option<Secret>,
    /// The method that is known to work: `none`, `client_secret_basic`, `client_secret_post`, `private_key_jwt`.
    pub token_endpoint_auth_method: Option<String>,
    /// Where the client id comes from.
    pub origin: Origin,
    /// The registered redirect URIs, in order of preference; the first one is in use.
    pub redirect_uris: Vec<String>,
    /// When the secret expires (seconds since 1970); `None` or 0 is never.
    pub client_secret_expires_at: Option<u64>,
    /// The scope that was registered.
    pub scope: Option<String>,
    /// Authorization requests of this client must be pushed (RFC 9126 section 6).
    pub must_push: bool,
    /// What the registration asked for, where something else was registered.
    pub asked: Asked,
}

/// What we asked for in a registration: to ask again would bring nothing else.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Asked {
    /// The host of the redirect URIs that the server did not register.
    pub redirect_host: Option<String>,
    /// The scope that the server was asked to register, whether it did or not.
    pub scope: Option<String>,
}

impl Client {
    /// Whether it must be registered again before use: its secret has expired, or the redirect URI is not registered.
    pub fn needs_new_registration(&self, redirect_uri: &str, now: u64) -> bool {
        let expired = self.client_secret_expires_at.is_some_and(|end| end != 0 && end <= now);
        self.origin == Origin::Dynamic && (expired || self.registered_uri(redirect_uri).is_none())
    }

    /// The registered spelling of this redirect URI: the same one, or the one that the authorization server took in its
    /// place.
    pub fn registered_uri(&self, wanted: &str) -> Option<&str> {
        let find = |is: &dyn Fn(&str) -> bool| self.redirect_uris.iter().map(String::as_str).find(|uri| is(uri));
        let host = Url::parse(wanted).ok().and_then(|url| url.host_str().map(str::to_owned));
        let is_refused = host.is_some() && host == self.asked.redirect_host;
        find(&|known| known == wanted).or_else(|| find(&|known| is_refused && leads_to_same_callback(known, wanted)))
    }
}

/// Whether a browser that is sent to one of these redirect URIs comes to the same callback server as with the other:
/// they may differ in the name for this machine and in one slash at the end of the path.
pub(super) fn leads_to_same_callback(one: &str, other: &str) -> bool {
    let (Ok(one), Ok(other)) = (Url::parse(one), Url::parse(other)) else { return false };
    let path = |url: &Url| url.path().strip_suffix('/').unwrap_or(url.path()).to_owned();
    is_same_loopback_origin(&one, &other) && path(&one) == path(&other) && one.query() == other.query()
}

/// Where a client id comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The user gave it.
    Given,
    /// The URL of a client ID metadata document is the client id.
    MetadataDocument,
    /// Dynamic registration (RFC 7591), which can be repeated at any time.
    #[default]
    Dynamic,
}

/// Tokens from a token endpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tokens {
    /// The token for the `Authorization` header.
    pub access_token: Secret,
    /// `Bearer` or `DPoP`.
    #[serde(default = "bearer")]
    pub token_type: String,
    /// The refresh token. Most servers accept it once.
    #[serde(default)]
    pub refresh_token: Option<Secret>,
    /// The ID token, for servers that want it in place of the access token.
    #[serde(default)]
    pub id_token: Option<Secret>,
    /// The granted scope, separated by spaces.
    #[serde(default)]
    pub scope: Option<String>,
    /// When the tokens were received, in seconds since 1970.
    pub obtained_at: u64,
    /// How long the access token is valid, in seconds; `None` if that is not known: it is used until it is refused.
    #[serde(default)]
    pub lifetime: Option<u64>,
    /// A refresh without `scope` brought less than the granted scope: the next refresh names it.
    #[serde(default)]
    pub refresh_with_scope: bool,
}

fn bearer() -> String {
    "Bearer".to_owned()
}
