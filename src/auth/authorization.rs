//! How is a person sent to log in, and what may come back?

mod redirect;

use ring::digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::dpop::Dpop;
use super::fetch::{Fetch, FetchError, Reply, is_loopback, shown};
use super::jwt::{JwtError, random_text};
use super::metadata::{Metadata, OFFLINE_ACCESS, Vendor};
use super::record::{Client, Issuer};
use super::scope::{Attempt, covers};
use super::settings::Login;
use crate::log::{self, Secret};

pub(super) use redirect::rejects_resource;
pub use redirect::{Code, RedirectError, Retry, check};

/// What a login is begun with.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The authorization server.
    pub issuer: &'a Issuer,
    /// Who we are to it.
    pub client: &'a Client,
    /// What the user said.
    pub login: &'a Login,
    /// Where the person comes back to: one of those the client was registered with.
    pub redirect_uri: &'a str,
    /// As [`super::scope::Scopes::select`] gives it.
    pub scope: Option<&'a str>,
    /// How often `invalid_scope` came before.
    pub attempt: Attempt,
    /// The key that the tokens shall be tied to, if any.
    pub dpop_key: Option<&'a Secret>,
}

/// A login that has begun: all that it takes to finish it, in this process or another. To be kept as safe as a token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pending {
    /// Ties the redirect to this login.
    pub state: Secret,
    /// Of PKCE (RFC 7636).
    pub verifier: Secret,
    /// The authorization server as it was found before the redirect; no redirect changes it.
    pub issuer: Issuer,
    /// Who we are to it.
    pub client: Client,
    /// Where the person comes back to.
    pub redirect_uri: String,
    /// What was asked for.
    #[serde(default)]
    pub scope: Option<String>,
    /// How often `invalid_scope` came before.
    #[serde(default)]
    pub attempt: Attempt,
    /// The key that the tokens shall be tied to.
    #[serde(default)]
    pub dpop_key: Option<Secret>,
}

impl Pending {
    /// As it was kept. By way of its text, for that is how the parts of it are read elsewhere too.
    pub fn kept(payload: &Value) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(payload.to_string().as_bytes())
    }
}

/// No login can be begun.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AuthorizationError {
    /// The metadata lack `code_challenge_methods_supported`, or S256 in it.
    #[error("the authorization server {0} does not say that it does PKCE with S256, without which a login is not safe")]
    NoPkce(String),
    /// No `authorization_endpoint`.
    #[error("the authorization server {0} has no page to log in at")]
    NoEndpoint(String),
    /// The page is at an address that no browser is sent to.
    #[error("no browser is sent to {url:?}: {why}")]
    Unsafe {
        /// Without query.
        url: String,
        /// A clause.
        why: String,
    },
    /// No randomness, or a damaged key.
    #[error(transparent)]
    Key(#[from] JwtError),
}

impl AuthorizationError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoPkce(_) => "if you know that it does, say --assume-pkce",
            Self::NoEndpoint(_) => "a login without a browser may be possible: --device-code, --client-credentials",
            Self::Unsafe { .. } => "the server's operator has to mend it; do not open that address by hand",
            Self::Key(_) => "log out and in again",
        }
    }
}

/// The address to send the person to, and what to keep until they come back.
pub fn begin(ask: Ask<'_>) -> Result<(String, Pending), AuthorizationError> {
    let metadata = Metadata::of(ask.issuer);
    let capable = metadata.code_challenge_methods().is_some_and(|methods| methods.contains(&"S256"));
    if !capable && !ask.login.assume_pkce {
        return Err(AuthorizationError::NoPkce(ask.issuer.issuer.clone()));
    }
    let endpoint = metadata.authorization_endpoint();
    let endpoint = endpoint.ok_or_else(|| AuthorizationError::NoEndpoint(ask.issuer.issuer.clone()))?;
    let url = safe_to_open(endpoint)?;
    let pending = Pending {
        state: Secret::new(random_text()?),
        verifier: Secret::new(random_text()?),
        issuer: ask.issuer.clone(),
        client: ask.client.clone(),
        redirect_uri: ask.redirect_uri.to_owned(),
        scope: ask.scope.map(str::to_owned),
        attempt: ask.attempt,
        dpop_key: ask.dpop_key.cloned(),
    };
    Ok((with_parameters(url, &parameters(&pending, ask.login)?)?, pending))
}

fn parameters(pending: &Pending, login: &Login) -> Result<Vec<(String, String)>, AuthorizationError> {
    let mut parameters = vec![
        ("response_type", "code".to_owned()),
        ("client_id", pending.client.client_id.clone()),
        ("redirect_uri", pending.redirect_uri.clone()),
        ("state", pending.state.expose().to_owned()),
        ("code_challenge", super::jwt::digest(pending.verifier.expose())),
        ("code_challenge_method", "S256".to_owned()),
    ];
    let mut more = |name, value: Option<String>| parameters.extend(value.map(|value| (name, value)));
    more("scope", pending.scope.clone());
    more("resource", pending.issuer.resource.clone());
    if let Some(key) = &pending.dpop_key {
        more("dpop_jkt", Some(Dpop::new(key)?.thumbprint()));
    }
    let google = Vendor::of(&pending.issuer) == Vendor::Google;
    more("access_type", google.then(|| "offline".to_owned()));
    // OIDC Core section 11: without consent there is no offline access.
    let offline = pending.scope.as_deref().is_some_and(|scope| covers(scope, OFFLINE_ACCESS));
    more("prompt", (google || offline).then(|| "consent".to_owned()));
    let mut parameters: Vec<(String, String)> =
        parameters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    // The user's word for ours.
    parameters.retain(|(name, _)| !login.authorize_params.iter().any(|(theirs, _)| theirs == name));
    parameters.extend(login.authorize_params.iter().cloned());
    Ok(parameters)
}

/// Adds them behind the endpoint's own query, which stays as it is, as does its path: nothing is encoded twice.
fn with_parameters(mut url: Url, parameters: &[(String, String)]) -> Result<String, AuthorizationError> {
    let own: Vec<String> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
    let protocol =
        |name: &str| ["state", "client_id", "redirect_uri", "response_type", "code_challenge"].contains(&name);
    if let Some(name) = own.iter().find(|name| protocol(name)) {
        let why = format!("its own query has {name:?}, which is ours to set");
        return Err(AuthorizationError::Unsafe { url: shown(&url), why });
    }
    let mut query = url.query_pairs_mut();
    for (name, value) in parameters {
        if !own.contains(name) {
            query.append_pair(name, value);
        }
    }
    drop(query);
    url.set_fragment(None);
    Ok(url.into())
}

/// The only addresses a browser is sent to: https, or http on this machine, without user and password. To be asked
/// again of whatever is handed to an opener, and its own spelling is what to hand over.
pub fn safe_to_open(url: &str) -> Result<Url, AuthorizationError> {
    let refuse = |url: String, why: String| {
        log::warn!("a browser was about to be sent to {url:?}: {why}");
        AuthorizationError::Unsafe { url, why }
    };
    let parsed = match Url::parse(url) {
        Ok(parsed) => parsed,
        Err(error) => return Err(refuse(url.chars().take(100).collect(), error.to_string())),
    };
    let why = match parsed.scheme() {
        _ if !parsed.username().is_empty() || parsed.password().is_some() => "it has a user name or password in it",
        "https" => return Ok(parsed),
        "http" if is_loopback(&parsed) => return Ok(parsed),
        "http" => "it is not https",
        _ => "it is no web address",
    };
    let shown = if parsed.has_host() { shown(&parsed) } else { format!("{}:…", parsed.scheme()) };
    Err(refuse(shown, why.to_owned()))
}

/// Whether the authorization server still knows a client: one look at the page, without cookies and without going on
/// from it. Only for a registration of an earlier run: a client that was just made is known, and each look is a request
/// more.
pub async fn knows_client(fetch: &Fetch, url: &str) -> Result<bool, FetchError> {
    Ok(!forgets_client(&fetch.look(url).await?))
}

fn forgets_client(reply: &Reply) -> bool {
    if !matches!(reply.status.as_u16(), 400 | 401 | 403 | 404 | 422) || reply.bot_protection().is_some() {
        return false;
    }
    let text = String::from_utf8_lossy(&reply.body).to_ascii_lowercase();
    let client = ["client_id", "client id", "client", "application"].iter().any(|word| text.contains(word));
    let unknown = [
        "invalid_client",
        "unauthorized_client",
        "unrecognized",
        "unknown",
        "not found",
        "not registered",
        "does not exist",
        "invalid client",
    ];
    client && unknown.iter().any(|word| text.contains(word))
}

/// Whether two secrets are the same, in a time that does not tell how much of them is.
fn same(one: &str, other: &str) -> bool {
    let hash = |text: &str| digest::digest(&digest::SHA256, text.as_bytes());
    // Of the hashes, how much is the same says nothing of the secrets.
    hash(one).as_ref().iter().zip(hash(other).as_ref()).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

#[cfg(test)]
#[path = "tests/authorization.rs"]
mod tests;
