//! Which URL does the browser open for a login, and what must be kept until the browser comes back?

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::endpoint::{check_endpoint, warning};
use crate::auth::crypto::{CryptoError, random_text, sha256_base64url};
use crate::auth::dpop::Dpop;
use crate::auth::fetch::{Fetch, Reply};
use crate::auth::metadata::{Metadata, OFFLINE_ACCESS, Vendor};
use crate::auth::record::{Client, Issuer};
use crate::auth::scope::{ScopeAttempt, covers};
use crate::auth::settings::Login;
use crate::auth::web_url::{UnsafeUrl, check_url};
use crate::log::{Secret, foreign_name};

/// An authorization request: all that this or another process needs to finish its login. As secret as a token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::auth) struct AuthorizationRequest {
    /// Connects the authorization response to this login.
    pub state: Secret,
    /// The code verifier of PKCE (RFC 7636).
    pub verifier: Secret,
    /// The authorization server as discovered before the redirect; no redirect changes it.
    pub issuer: Issuer,
    pub client: Client,
    /// One of the redirect URIs that the client is registered with.
    pub redirect_uri: String,
    #[serde(default)]
    pub scope: Option<String>,
    #[serde(default)]
    pub attempt: ScopeAttempt,
    /// The request must be pushed (RFC 9126), though the metadata do not say so.
    #[serde(default)]
    pub must_push: bool,
    /// The request was pushed, and its address is valid for so many seconds.
    #[serde(default)]
    pub pushed_for: Option<u64>,
    /// The key that the tokens will be bound to.
    #[serde(default)]
    pub dpop_key: Option<Secret>,
}

/// Why no login can be started.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AuthorizationError {
    #[error(
        "the metadata of the authorization server {0} do not list PKCE with S256, and a login without PKCE is not safe"
    )]
    NoPkce(String),
    #[error("the authorization server {0} has no authorization endpoint")]
    NoEndpoint(String),
    #[error(transparent)]
    UnsafeUrl(#[from] UnsafeUrl),
    /// The system has no randomness, or the `DPoP` key is damaged.
    #[error(transparent)]
    Key(#[from] CryptoError),
}

impl AuthorizationError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoPkce(_) => "if you know that the server supports PKCE with S256, use --assume-pkce",
            Self::NoEndpoint(_) => "a login without a browser may be possible: --device-code, --client-credentials",
            Self::UnsafeUrl(_) => "only the server's operator can fix this; do not open that address by hand",
            Self::Key(_) => "log out and log in again",
        }
    }
}

impl AuthorizationRequest {
    /// A request with a new `state` and a new verifier.
    pub(in crate::auth) fn new(issuer: Issuer, client: Client, redirect_uri: String) -> Result<Self, CryptoError> {
        let (state, verifier) = (Secret::new(random_text()?), Secret::new(random_text()?));
        let (attempt, must_push, pushed_for) = Default::default();
        Ok(Self {
            state,
            verifier,
            issuer,
            client,
            redirect_uri,
            scope: None,
            attempt,
            must_push,
            pushed_for,
            dpop_key: None,
        })
    }

    /// Reads a stored request. It goes through its JSON text, because some of its parts can only be read from text.
    pub(in crate::auth) fn from_payload(payload: &Value) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(payload.to_string().as_bytes())
    }

    pub(in crate::auth) fn url(&self, login: &Login) -> Result<String, AuthorizationError> {
        let (metadata, issuer) = (Metadata::of(&self.issuer), &self.issuer.issuer);
        let methods = metadata.array("code_challenge_methods_supported").unwrap_or_default();
        if !methods.contains(&"S256") && !login.assume_pkce {
            return Err(AuthorizationError::NoPkce(foreign_name(issuer)));
        }
        Ok(with_parameters(self.endpoint()?, &self.parameters(login)?))
    }

    /// A warning for the person, where nothing shows that the code will go to the server that shows the login page: an
    /// authorization server of its own could have the code of another one brought to itself.
    pub(in crate::auth) fn warning(&self) -> Option<String> {
        let metadata = Metadata::of(&self.issuer);
        let names_itself = metadata.flag("authorization_response_iss_parameter_supported");
        let (page, token) = (metadata.text("authorization_endpoint")?, metadata.text("token_endpoint")?);
        if names_itself { None } else { warning(page, token) }
    }

    /// The URL of a request that was pushed under this name (RFC 9126 section 4).
    pub(in crate::auth) fn pushed_url(&self, request_uri: &str) -> Result<String, AuthorizationError> {
        let parameters = [("client_id", self.client.client_id.as_str()), ("request_uri", request_uri)];
        let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Ok(with_parameters(self.endpoint()?, &parameters))
    }

    fn endpoint(&self) -> Result<Url, AuthorizationError> {
        let endpoint = Metadata::of(&self.issuer).text("authorization_endpoint");
        let endpoint = endpoint.ok_or_else(|| AuthorizationError::NoEndpoint(foreign_name(&self.issuer.issuer)))?;
        let endpoint = check_url(endpoint, false)?;
        check_endpoint(&endpoint)?;
        Ok(endpoint)
    }

    pub(in crate::auth) fn parameters(&self, login: &Login) -> Result<Vec<(String, String)>, AuthorizationError> {
        let mut parameters = vec![
            ("response_type", "code".to_owned()),
            ("client_id", self.client.client_id.clone()),
            ("redirect_uri", self.redirect_uri.clone()),
            ("state", self.state.expose().to_owned()),
            ("code_challenge", sha256_base64url(self.verifier.expose())),
            ("code_challenge_method", "S256".to_owned()),
        ];
        let mut add = |name, value: Option<String>| parameters.extend(value.map(|value| (name, value)));
        add("scope", self.scope.clone());
        add("resource", self.issuer.resource.clone());
        if let Some(key) = &self.dpop_key {
            add("dpop_jkt", Some(Dpop::new(key)?.thumbprint()));
        }
        let google = Vendor::of(&self.issuer) == Vendor::Google;
        add("access_type", google.then(|| "offline".to_owned()));
        // OIDC Core section 11: without consent there is no offline access.
        let offline = self.scope.as_deref().is_some_and(|scope| covers(scope, OFFLINE_ACCESS));
        add("prompt", (google || offline).then(|| "consent".to_owned()));
        // A parameter of the user's replaces ours of the same name.
        parameters.retain(|(name, _)| !login.authorize_params.iter().any(|(given, _)| given == name));
        let ours = parameters.into_iter().map(|(name, value)| (name.to_owned(), value));
        Ok(ours.chain(login.authorize_params.iter().cloned()).collect())
    }
}

/// Adds the parameters after the endpoint's own query, whose parameters of the same names are left out. The rest of the
/// endpoint's path and query stays as it is, so that nothing is encoded twice.
fn with_parameters(mut url: Url, parameters: &[(String, String)]) -> String {
    let is_ours = |pair: &str| {
        let mut names = url::form_urlencoded::parse(pair.as_bytes());
        names.any(|(theirs, _)| parameters.iter().any(|(ours, _)| *ours == theirs))
    };
    let kept: Vec<_> = url.query().unwrap_or_default().split('&').filter(|&pair| !is_ours(pair)).collect();
    let kept = Some(kept.join("&")).filter(|query| !query.is_empty());
    url.set_query(kept.as_deref());
    url.query_pairs_mut().extend_pairs(parameters);
    url.set_fragment(None);
    url.into()
}

/// Requests the authorization URL once, without cookies, and does not follow redirects. Only worth it for a document, or
/// a registration of an earlier run: the server knows a client that it registered a moment ago. `by_document`: the server
/// reads our redirect URIs in a document, and may not take them.
pub(in crate::auth) async fn knows_client(fetch: &Fetch, url: &str, by_document: bool) -> bool {
    fetch.get_without_redirects(url).await.map_or(true, |reply| !is_unknown_client(&reply, by_document))
}

/// Whether the page is an error that names an unknown client. Servers have no common form for this error.
fn is_unknown_client(reply: &Reply, by_document: bool) -> bool {
    if !matches!(reply.status.as_u16(), 400 | 401 | 403 | 404 | 422) || reply.bot_protection().is_some() {
        return false;
    }
    let text = String::from_utf8_lossy(&reply.body).to_ascii_lowercase();
    let client = ["client_id", "client id", "client", "application"].iter().any(|word| text.contains(word));
    let errors = ["invalid_client", "unauthorized_client", "invalid client", "unrecognized"];
    let unknown = ["unknown", "not found", "not registered", "does not exist"];
    let is_refused = by_document && ["redirect_uri", "redirect uri", "metadata"].iter().any(|word| text.contains(word));
    is_refused || client && errors.iter().chain(&unknown).any(|word| text.contains(word))
}
