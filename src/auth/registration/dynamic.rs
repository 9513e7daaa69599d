//! How is a client registered dynamically (RFC 7591), although servers refuse different members of the request?

use std::collections::VecDeque;
use std::time::Duration;

use http::StatusCode;
use serde_json::{Map, Value, json};
use url::Url;

use crate::auth::fetch::{Fetch, FetchError, Reply};
use crate::auth::metadata::{self, Metadata};
use crate::auth::record::{Asked, Client, Issuer, Origin, leads_to_same_callback};
use crate::auth::scope::union;
use crate::auth::settings::{Grant, Login};
use crate::auth::token::{AuthMethod, DEVICE_CODE_GRANT, seconds};
use crate::log::{self, Secret, foreign, foreign_name};

#[derive(Debug, Clone, Copy)]
pub(in crate::auth) struct RegistrationRequest<'a> {
    /// The redirect URIs, the one in use first. Empty for grants without a redirect.
    pub redirect_uris: &'a [String],
    /// The scopes to register, the best first: all that later requests may ask for. A server that refuses them all gets
    /// a registration without scope.
    pub scopes: &'a [String],
    /// Do not use the client ID metadata document: the server refused its redirect URIs.
    pub skip_metadata_document: bool,
}

/// Why we have no client ID at this authorization server.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RegistrationError {
    #[error("the authorization server {issuer} does not let programs register themselves{detail}")]
    Closed {
        issuer: String,
        /// Its response to the registration request, if there was one; empty or `: …`.
        detail: String,
        /// The first redirect URI, which a person has to register.
        redirect_uri: Option<String>,
    },
    #[error("the authorization server at {host} refused the client registration: {reason}")]
    Refused { host: String, reason: String },
    #[error("{0}")]
    Blocked(String),
    #[error("the login to {host} has led to too many client registrations within the last hour")]
    TooMany { host: String },
    #[error("client registration is not possible now: {cause}")]
    Temporary { cause: String, retry_after: Option<Duration> },
    #[error(transparent)]
    Address(FetchError),
}

impl RegistrationError {
    pub(super) fn closed(issuer: &Issuer, redirect_uris: &[String], detail: String) -> Self {
        Self::Closed { issuer: foreign_name(&issuer.issuer), detail, redirect_uri: redirect_uris.first().cloned() }
    }

    /// Whether the refusal has an error of RFC 7591 section 3.2.2: only an authorization server knows these words.
    pub(in crate::auth) fn is_in_words_of_oauth(&self) -> bool {
        let words = ["invalid_redirect_uri", "invalid_client_metadata", "software_statement"];
        matches!(self, Self::Refused { reason, .. } if words.iter().any(|word| reason.contains(word)))
    }

    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Closed { redirect_uri, .. } => {
                let uri = redirect_uri.as_ref().map(|uri| format!(" with the redirect URI {uri}")).unwrap_or_default();
                format!("register an application there{uri}, and give its --client-id (and --client-secret-env, if it has one)")
            }
            Self::Refused { .. } => {
                "change the registration with --client-name or --static-oauth-client-metadata; or register an application there by hand and give its --client-id".to_owned()
            }
            Self::Blocked(_) => "ask the server's operator to let programs reach its registration endpoint".to_owned(),
            Self::Temporary { .. } => "try again later".to_owned(),
            Self::TooMany { .. } => "try again in an hour, or register an application by hand and give its --client-id".to_owned(),
            Self::Address(error) => error.hint().to_owned(),
        }
    }
}

/// How much of a response is searched for the member that it refuses, in bytes.
const WORDS: usize = 2048;

/// Registers. If the server refuses a member of the request, the request is changed and sent again; each of four
/// members is changed once, and the scope as often as there are others.
pub(super) async fn register(
    fetch: &Fetch,
    endpoint: &str,
    issuer: &Issuer,
    login: &Login,
    request: RegistrationRequest<'_>,
) -> Result<Client, RegistrationError> {
    let mut document = client_metadata(issuer, login, request);
    let mut changes = Changes { made: Vec::new(), scopes: VecDeque::new() };
    // A scope of the user's has no other one in its place.
    if !login.client_metadata.contains_key("scope") {
        changes.scopes.extend(request.scopes.iter().skip(1).cloned());
    }
    let mut asked = Asked { redirect_host: None, scope: scope_of(&document) };
    loop {
        let reply = fetch.post_json(endpoint, &document).await.map_err(|error| match error {
            FetchError::Unreachable(cause) | FetchError::NoResponse(cause) => {
                RegistrationError::Temporary { cause, retry_after: None }
            }
            error => RegistrationError::Address(error),
        })?;
        if let Some(mut client) = read(&reply, &document, issuer) {
            let first = request.redirect_uris.first();
            if first.is_some_and(|uri| !client.redirect_uris.contains(uri)) {
                asked.redirect_host = first.and_then(|uri| Url::parse(uri).ok()?.host_str().map(str::to_owned));
            }
            client.asked = asked;
            return Ok(client);
        }
        let error = read_error(&reply, issuer, request);
        let Some(words) = refusal(&reply, &error) else { return Err(error) };
        if !changes.change_refused_member(&mut document, &words) {
            return Err(error);
        }
        asked.scope = scope_of(&document).or(asked.scope);
        log::info!("{error}; registering with other values");
    }
}

/// Members of RFC 7591 and OIDC Dynamic Client Registration only: some servers refuse unknown members.
fn client_metadata(issuer: &Issuer, login: &Login, request: RegistrationRequest<'_>) -> Map<String, Value> {
    let method = AuthMethod::to_register(issuer).unwrap_or(AuthMethod::None);
    let (grants, responses) = match login.grant {
        Grant::Device => (json!([DEVICE_CODE_GRANT, "refresh_token"]), json!([])),
        _ => (json!(["authorization_code", "refresh_token"]), json!(["code"])),
    };
    let mut document = metadata::document(&[
        ("client_name", login.client_name().into()),
        ("application_type", "native".into()),
        ("token_endpoint_auth_method", method.name().into()),
        ("grant_types", grants),
        ("response_types", responses),
    ]);
    if let Some(scope) = request.scopes.first() {
        document.insert("scope".to_owned(), scope.as_str().into());
    }
    document.extend(login.client_metadata.clone());
    // Ours even if the user gives others: only these lead back to this program.
    if !request.redirect_uris.is_empty() {
        document.insert("redirect_uris".to_owned(), json!(request.redirect_uris));
    }
    document
}

/// The client of a successful response.
fn read(reply: &Reply, document: &Map<String, Value>, issuer: &Issuer) -> Option<Client> {
    let response = reply.status.is_success().then(|| reply.json())??;
    let text = |name: &str| metadata::text(&response, name);
    let number = || response.get("client_id")?.as_u64().map(|id| id.to_string());
    let client_id = text("client_id").map(str::to_owned).or_else(number)?;
    let redirect_uris = registered_uris(metadata::list(document, "redirect_uris"), &response, &reply.host());
    let client_secret = text("client_secret").map(Secret::new);
    let method = text("token_endpoint_auth_method").unwrap_or_else(|| match client_secret {
        // RFC 8414: the default is Basic.
        Some(_) => AuthMethod::to_register(issuer).unwrap_or(AuthMethod::ClientSecretBasic).name(),
        None => AuthMethod::None.name(),
    });
    let scope = text("scope").or_else(|| document.get("scope").and_then(Value::as_str));
    Some(Client {
        client_id,
        client_secret,
        token_endpoint_auth_method: Some(method.to_owned()),
        origin: Origin::Dynamic,
        redirect_uris,
        client_secret_expires_at: response.get("client_secret_expires_at").and_then(seconds),
        scope: scope.map(|scope| union(scope, "")),
        must_push: Metadata(&response).flag("require_pushed_authorization_requests"),
        asked: Asked::default(),
    })
}

/// The redirect URIs that may be used: in the server's spelling, where it registered another one that leads to the same
/// callback server. A server whose response has none of them is not believed.
fn registered_uris(requested: Vec<String>, response: &Map<String, Value>, host: &str) -> Vec<String> {
    let registered = metadata::list(response, "redirect_uris");
    if registered.is_empty() || registered == requested {
        return requested;
    }
    let same = |uri: &String| {
        let equal = registered.iter().find(|registered| *registered == uri);
        equal.or_else(|| registered.iter().find(|registered| leads_to_same_callback(registered, uri))).cloned()
    };
    let usable: Vec<String> = requested.iter().filter_map(same).collect();
    log::info!("{host} registered other redirect URIs than requested: {}", foreign(&registered.join(" ")));
    if usable.is_empty() { requested } else { usable }
}

/// The scope of a registration request.
fn scope_of(document: &Map<String, Value>) -> Option<String> {
    metadata::text(document, "scope").map(str::to_owned)
}

fn read_error(reply: &Reply, issuer: &Issuer, request: RegistrationRequest<'_>) -> RegistrationError {
    if let Some(blocked) = reply.bot_protection() {
        return RegistrationError::Blocked(blocked);
    }
    let status = reply.status;
    let closed = |detail| RegistrationError::closed(issuer, request.redirect_uris, detail);
    if let Some(redirect) = reply.refused_redirect() {
        return RegistrationError::Refused { host: reply.host(), reason: redirect };
    }
    match status.as_u16() {
        401 | 403 => closed(format!(": {}", reason(reply))),
        404 | 405 => closed(format!(": its registration endpoint answers with status {status}")),
        429 | 500.. => RegistrationError::Temporary {
            cause: format!("{} answers with status {status}", reply.host()),
            retry_after: reply.retry_after(),
        },
        _ => RegistrationError::Refused { host: reply.host(), reason: reason(reply) },
    }
}

/// The authorization server's own words about the error, in the members that are meant for them. No other part of the
/// response is shown: it may hold a client secret.
fn reason(reply: &Reply) -> String {
    let response = reply.json().unwrap_or_default();
    let text = |name: &str| response.get(name).and_then(Value::as_str);
    let reason = match (text("error"), text("error_description").or(text("message"))) {
        (Some(error), Some(description)) => format!("{error} ({description})"),
        (Some(reason), None) | (None, Some(reason)) => reason.to_owned(),
        (None, None) if reply.status.is_success() => {
            return format!("status {}, and no client in the response that could be read", reply.status);
        }
        (None, None) => return format!("status {}", reply.status),
    };
    foreign(&reason)
}

/// The words of a refusal, if another request may be accepted: the response says which member it refuses in whatever
/// words, which are not shown.
fn refusal(reply: &Reply, error: &RegistrationError) -> Option<String> {
    let may_change = match error {
        RegistrationError::Refused { .. } => !reply.status.is_redirection(),
        // A policy of the server may forbid a part of the request (Keycloak).
        RegistrationError::Closed { .. } => reply.status == StatusCode::FORBIDDEN && reply.json().is_some(),
        _ => false,
    };
    may_change.then(|| String::from_utf8_lossy(&reply.body[..reply.body.len().min(WORDS)]).into_owned())
}

/// The changes of a registration request.
struct Changes {
    /// The members that were changed.
    made: Vec<&'static str>,
    /// The scopes that were not asked for yet.
    scopes: VecDeque<String>,
}

impl Changes {
    /// The words in an error that name a member.
    const MEMBERS: [(&str, &[&str]); 4] = [
        ("redirect_uris", &["redirect", "localhost", "127.0.0.1", "loopback"]),
        ("scope", &["scope"]),
        ("token_endpoint_auth_method", &["auth_method", "auth method"]),
        ("grant_types", &["grant"]),
    ];

    /// Changes the member that the error names. False if it was changed before, or is not one that can be changed.
    fn change_refused_member(&mut self, document: &mut Map<String, Value>, reason: &str) -> bool {
        let reason = reason.to_ascii_lowercase();
        let is_named = |words: &[&str]| words.iter().any(|word| reason.contains(word));
        let named = Self::MEMBERS.iter().filter(|(member, words)| is_named(words) && !self.made.contains(member));
        let Some((member, _)) = named.into_iter().next() else { return false };
        if *member == "scope"
            && let Some(next) = self.scopes.pop_front()
        {
            return document.insert("scope".to_owned(), next.into()).is_some();
        }
        self.made.push(member);
        match *member {
            "redirect_uris" => swap_loopback_host(document),
            "grant_types" => document.insert("grant_types".to_owned(), json!(["authorization_code"])).is_some(),
            // Without the member, the server uses its own default.
            member => document.remove(member).is_some(),
        }
    }
}

/// Replaces `127.0.0.1` by `localhost` and the other way round: some servers accept only one of them.
fn swap_loopback_host(document: &mut Map<String, Value>) -> bool {
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
