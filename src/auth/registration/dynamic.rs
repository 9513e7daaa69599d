//! How is a client registered (RFC 7591), with servers of many tastes?

use serde_json::{Map, Value, json};
use url::Url;

use super::{RegistrationError, Wanted, closed};
use crate::auth::device::GRANT_TYPE;
use crate::auth::fetch::{Fetch, FetchError, Reply};
use crate::auth::metadata::{self, Metadata};
use crate::auth::record::{Client, Issuer, Origin};
use crate::auth::scope::union;
use crate::auth::settings::{Grant, Login};
use crate::auth::token::{AuthMethod, seconds};
use crate::log::{self, Secret, redact};

/// Registers, and again with what is refused changed: each of four changes once.
pub(super) async fn register(
    fetch: &Fetch,
    endpoint: &str,
    issuer: &Issuer,
    login: &Login,
    wanted: Wanted<'_>,
) -> Result<Client, RegistrationError> {
    let mut document = client_metadata(issuer, login, wanted);
    let mut adjusted = Adjusted::default();
    loop {
        let reply = fetch.post_json(endpoint, &document).await.map_err(|error| match error {
            FetchError::Refused { .. } | FetchError::Barred { .. } => RegistrationError::Address(error),
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
        log::info!("registering once more, for the authorization server says: {said}");
    }
}

/// Members of RFC 7591 and OIDC Dynamic Client Registration, no others: some refuse what they do not know.
fn client_metadata(issuer: &Issuer, login: &Login, wanted: Wanted<'_>) -> Map<String, Value> {
    let methods = Metadata::of(issuer).token_endpoint_auth_methods();
    let method = AuthMethod::for_registration(methods.as_deref());
    let mut document = metadata::document(&[
        ("client_name", login.client_name().into()),
        ("application_type", "native".into()),
        ("token_endpoint_auth_method", method.name().into()),
    ]);
    let (grants, responses) = match login.grant {
        Grant::Device => (json!([GRANT_TYPE, "refresh_token"]), json!([])),
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
    let text = |name: &str| metadata::text(&answer, name);
    let client_id =
        text("client_id").map(str::to_owned).or_else(|| answer.get("client_id")?.as_u64().map(|id| id.to_string()))?;
    let uris = |from: &Map<String, Value>| -> Vec<String> {
        let list = from.get("redirect_uris").and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let redirect_uris = uris(document);
    let theirs = uris(&answer);
    if !theirs.is_empty() && theirs != redirect_uris {
        log::warn!("{} registered other redirect URIs than we asked for: {}", reply.host(), theirs.join(" "));
    }
    let client_secret = text("client_secret").map(Secret::new);
    let method = text("token_endpoint_auth_method").unwrap_or_else(|| {
        let methods = Metadata::of(issuer).token_endpoint_auth_methods();
        AuthMethod::unless_told(methods.as_deref(), client_secret.is_some()).name()
    });
    let registered = text("scope").or_else(|| document.get("scope").and_then(Value::as_str));
    Some(Client {
        client_id,
        client_secret,
        token_endpoint_auth_method: Some(method.to_owned()),
        origin: Origin::Dynamic,
        redirect_uris,
        client_secret_expires_at: answer.get("client_secret_expires_at").and_then(seconds),
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
        (None, None) => match reply.snippet() {
            nothing if nothing.is_empty() => format!("status {}", reply.status),
            said => format!("status {}: {said}", reply.status),
        },
    };
    redact(&said)
}

/// What has been changed in a registration that was refused; each once.
#[derive(Debug, Default)]
struct Adjusted(Vec<&'static str>);

impl Adjusted {
    /// Changes what the refusal names. False if that has been done, or is nothing that can be changed.
    fn adjust(&mut self, document: &mut Map<String, Value>, said: &str) -> bool {
        let said = said.to_ascii_lowercase();
        let word = ["redirect", "scope", "auth_method", "grant"];
        let Some(word) = word.into_iter().find(|word| said.contains(word) && !self.0.contains(word)) else {
            return false;
        };
        self.0.push(word);
        match word {
            "redirect" => other_loopback(document),
            "scope" => document.remove("scope").is_some(),
            // Its own default.
            "auth_method" => document.remove("token_endpoint_auth_method").is_some(),
            _ => document.insert("grant_types".to_owned(), json!(["authorization_code"])).is_some(),
        }
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
