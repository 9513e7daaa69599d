//! Who are we to an authorization server? Given beforehand, described by a document, or registered now (RFC 7591), in this order.

use std::time::Duration;

use serde_json::{Map, Value, json};
use url::Url;

use super::fetch::{Fetch, FetchError, Reply};
use super::metadata::Metadata;
use super::record::{Client, Issuer, Origin};
use super::scope::{covers, union};
use super::settings::{Grant, Login};
use super::token::AuthMethod;
use crate::log::{Secret, redact};

/// What can be left out of, or changed in, a registration that is refused; each once.
const ADJUSTMENTS: usize = 4;

/// What a registration is for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Where people may come back to, the one in use first. Empty for logins without a browser.
    pub redirect_uris: &'a [String],
    /// All that might ever be asked for.
    pub scope: Option<&'a str>,
    /// The client ID metadata document did not do: its redirect URIs were refused.
    pub not_by_document: bool,
}

/// We are nobody to this authorization server.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RegistrationError {
    /// It takes no registrations.
    #[error("the authorization server {issuer} lets no program register itself{said}")]
    Closed {
        /// Its identifier.
        issuer: String,
        /// What it answered, if it was asked; empty or `: …`.
        said: String,
        /// The first redirect URI, which a person has to register.
        redirect_uri: Option<String>,
    },
    /// It takes registrations, but not this one.
    #[error("the authorization server at {host} refused to register us: {said}")]
    Refused {
        /// Scheme and host.
        host: String,
        /// In its words.
        said: String,
    },
    /// Something stands in the way.
    #[error("{0}")]
    Blocked(String),
    /// Later it may.
    #[error("no registration for now: {cause}")]
    Temporary {
        /// What happened.
        cause: String,
        /// How long it asks us to stay away.
        retry_after: Option<Duration>,
    },
    /// An address that is not to be used.
    #[error(transparent)]
    Address(FetchError),
}

impl RegistrationError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Closed { redirect_uri, .. } => {
                let uri = redirect_uri.as_ref().map(|uri| format!(" with the redirect URI {uri}")).unwrap_or_default();
                format!("register an application there{uri}, and give its --client-id (and --client-secret-env, if it has one)")
            }
            Self::Refused { .. } => {
                "--client-name and --static-oauth-client-metadata change what we register with; or register an application there by hand and give its --client-id".to_owned()
            }
            Self::Blocked(_) => "ask the server's operator to let programs through to its registration endpoint".to_owned(),
            Self::Temporary { .. } => "it is tried again later".to_owned(),
            Self::Address(_) => "authorization servers are used over https alone, or on this machine".to_owned(),
        }
    }
}

impl Client {
    /// Whether another registration is due before this one is used: its secret has ended, or it does not know the redirect URI.
    pub fn needs_new_registration(&self, redirect_uri: Option<&str>, now: u64) -> bool {
        let expired = self.client_secret_expires_at.is_some_and(|end| end != 0 && end <= now);
        let unknown = redirect_uri.is_some_and(|uri| !self.redirect_uris.iter().any(|known| known == uri));
        self.origin == Origin::Dynamic && (expired || unknown)
    }

    /// Some let a client ask for nothing but what it was registered with.
    pub fn is_registered_for_less_than(&self, scope: &str) -> bool {
        self.origin == Origin::Dynamic && self.scope.as_deref().is_some_and(|registered| !covers(registered, scope))
    }
}

/// Becomes somebody. Never made up: an id comes from the user, a document or the authorization server.
pub async fn register(
    fetch: &Fetch,
    issuer: &Issuer,
    login: &Login,
    wanted: Wanted<'_>,
) -> Result<Client, RegistrationError> {
    let metadata = Metadata::of(issuer);
    let redirect_uris = wanted.redirect_uris.to_vec();
    if let Some(client_id) = &login.client_id {
        return Ok(Client {
            client_id: client_id.clone(),
            client_secret: login.client_secret.clone(),
            token_endpoint_auth_method: login.client_auth_method.clone(),
            origin: Origin::Given,
            redirect_uris,
            ..Client::default()
        });
    }
    if let Some(url) = &login.client_metadata_url
        && metadata.takes_client_metadata_documents()
        && !wanted.not_by_document
    {
        return Ok(Client {
            client_id: url.clone(),
            token_endpoint_auth_method: Some(AuthMethod::None.name().to_owned()),
            origin: Origin::MetadataDocument,
            redirect_uris,
            ..Client::default()
        });
    }
    match metadata.registration_endpoint() {
        Some(endpoint) => dynamically(fetch, endpoint, issuer, login, wanted).await,
        None => Err(closed(issuer, wanted, String::new())),
    }
}

fn closed(issuer: &Issuer, wanted: Wanted<'_>, said: String) -> RegistrationError {
    RegistrationError::Closed {
        issuer: issuer.issuer.clone(),
        said,
        redirect_uri: wanted.redirect_uris.first().cloned(),
    }
}

async fn dynamically(
    fetch: &Fetch,
    endpoint: &str,
    issuer: &Issuer,
    login: &Login,
    wanted: Wanted<'_>,
) -> Result<Client, RegistrationError> {
    let mut document = client_metadata(issuer, login, wanted);
    let mut adjusted = Adjusted::default();
    for _ in 0..ADJUSTMENTS {
        let reply = fetch.post_json(endpoint, &document).await.map_err(|error| match error {
            FetchError::Refused { .. } => RegistrationError::Address(error),
            FetchError::Unreachable(cause) | FetchError::Unknown(cause) => {
                RegistrationError::Temporary { cause, retry_after: None }
            }
        })?;
        if let Some(client) = read(&reply, &document, issuer) {
            return Ok(client);
        }
        let error = refusal(&reply, issuer, wanted);
        let RegistrationError::Refused { said, .. } = &error else { return Err(error) };
        if !adjusted.adjust(&mut document, said) {
            return Err(error);
        }
        tracing::info!("registering once more, for the authorization server says: {said}");
    }
    Err(closed(issuer, wanted, ": it refused each of our ways to ask".to_owned()))
}

/// Members of RFC 7591 and OpenID Connect Dynamic Client Registration, no others: some refuse what they do not know.
fn client_metadata(issuer: &Issuer, login: &Login, wanted: Wanted<'_>) -> Map<String, Value> {
    let methods = Metadata::of(issuer).token_endpoint_auth_methods();
    let method = AuthMethod::for_registration(methods.as_deref());
    let mut document = Map::from_iter([
        ("client_name".to_owned(), login.client_name().into()),
        ("application_type".to_owned(), "native".into()),
        ("token_endpoint_auth_method".to_owned(), method.name().into()),
    ]);
    let (grants, responses) = match login.grant {
        Grant::Device => (json!([super::device::GRANT_TYPE, "refresh_token"]), json!([])),
        _ => (json!(["authorization_code", "refresh_token"]), json!(["code"])),
    };
    document.insert("grant_types".to_owned(), grants);
    document.insert("response_types".to_owned(), responses);
    if let Some(scope) = wanted.scope {
        document.insert("scope".to_owned(), scope.into());
    }
    document.extend(login.client_metadata.clone());
    // Ours whatever the user says: nobody comes back by another.
    if !wanted.redirect_uris.is_empty() {
        document.insert("redirect_uris".to_owned(), json!(wanted.redirect_uris));
    }
    document
}

fn read(reply: &Reply, document: &Map<String, Value>, issuer: &Issuer) -> Option<Client> {
    let answer = reply.status.is_success().then(|| reply.json())??;
    let text = |name: &str| answer.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let client_id =
        text("client_id").map(str::to_owned).or_else(|| answer.get("client_id")?.as_u64().map(|id| id.to_string()))?;
    let uris = |from: &Map<String, Value>| -> Vec<String> {
        let list = from.get("redirect_uris").and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let redirect_uris = uris(document);
    let theirs = uris(&answer);
    if !theirs.is_empty() && theirs != redirect_uris {
        tracing::warn!("{} registered other redirect URIs than we asked for: {}", reply.host(), theirs.join(" "));
    }
    let client_secret = text("client_secret").map(Secret::new);
    let method = text("token_endpoint_auth_method").map(str::to_owned).unwrap_or_else(|| {
        let methods = Metadata::of(issuer).token_endpoint_auth_methods();
        AuthMethod::unless_told(methods.as_deref(), client_secret.is_some()).name().to_owned()
    });
    let registered = text("scope").or_else(|| document.get("scope").and_then(Value::as_str));
    Some(Client {
        client_id,
        client_secret,
        token_endpoint_auth_method: Some(method),
        origin: Origin::Dynamic,
        redirect_uris,
        client_secret_expires_at: answer.get("client_secret_expires_at").and_then(super::token::seconds),
        scope: registered.map(|scope| union(scope, "")),
    })
}

fn refusal(reply: &Reply, issuer: &Issuer, wanted: Wanted<'_>) -> RegistrationError {
    if let Some(blocked) = reply.bot_protection() {
        return RegistrationError::Blocked(blocked);
    }
    let status = reply.status;
    let said = words(reply);
    match status.as_u16() {
        401 | 403 => closed(issuer, wanted, format!(": {said}")),
        404 | 405 => closed(issuer, wanted, format!(": its registration endpoint answers with status {status}")),
        429 | 500.. => RegistrationError::Temporary {
            cause: format!("{} answers with status {status}", reply.host()),
            retry_after: reply.retry_after(),
        },
        _ => RegistrationError::Refused { host: reply.host(), said },
    }
}

/// What the authorization server says is wrong, in its own words.
fn words(reply: &Reply) -> String {
    let answer = reply.json().unwrap_or_default();
    let text = |name: &str| answer.get(name).and_then(Value::as_str);
    let said = match (text("error"), text("error_description").or(text("message"))) {
        (Some(error), Some(description)) => format!("{error} ({description})"),
        (Some(said), None) | (None, Some(said)) => said.to_owned(),
        (None, None) => format!("status {} {}", reply.status.as_u16(), reply.snippet()),
    };
    redact(&said)
}

/// What has been changed in a registration that was refused.
#[derive(Debug, Default)]
struct Adjusted {
    scope: bool,
    host: bool,
    method: bool,
    grants: bool,
}

impl Adjusted {
    /// Changes what the refusal names. False if that has been done, or is nothing that can be changed.
    fn adjust(&mut self, document: &mut Map<String, Value>, said: &str) -> bool {
        let said = said.to_ascii_lowercase();
        let first = |done: &mut bool| !std::mem::replace(done, true);
        if said.contains("redirect") && first(&mut self.host) {
            return other_loopback(document);
        }
        if said.contains("scope") && first(&mut self.scope) {
            return document.remove("scope").is_some();
        }
        if said.contains("auth_method") && first(&mut self.method) {
            // Its own default.
            return document.remove("token_endpoint_auth_method").is_some();
        }
        if said.contains("grant") && first(&mut self.grants) {
            return document.insert("grant_types".to_owned(), json!(["authorization_code"])).is_some();
        }
        false
    }
}

/// `localhost` for `127.0.0.1` and the other way round: some know only the one, some only the other.
fn other_loopback(document: &mut Map<String, Value>) -> bool {
    let Some(Value::Array(uris)) = document.get_mut("redirect_uris") else { return false };
    let mut changed = false;
    for uri in uris {
        let Some(mut url) = uri.as_str().and_then(|uri| Url::parse(uri).ok()) else { continue };
        let other = match url.host_str() {
            Some("localhost") => "127.0.0.1",
            Some("127.0.0.1") => "localhost",
            _ => continue,
        };
        if url.set_host(Some(other)).is_ok() {
            *uri = Value::from(String::from(url));
            changed = true;
        }
    }
    changed
}

#[cfg(test)]
#[path = "tests/registration.rs"]
mod tests;
