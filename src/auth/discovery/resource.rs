//! What does the server say of itself, as a protected resource (RFC 9728)?

use serde_json::{Map, Value};
use url::Url;

use super::{DiscoveryError, Found, Refusal, document};
use crate::auth::fetch::{Fetch, FetchError, shown};
use crate::auth::settings::{Login, ResourceChoice};
use crate::log;

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The metadata of the protected resource.
pub(super) struct Resource {
    /// Its identifier, byte for byte.
    pub(super) name: String,
    pub(super) authorization_servers: Vec<String>,
    pub(super) scopes_supported: Vec<String>,
    /// It takes no token but those tied to a key.
    pub(super) wants_dpop: bool,
}

/// `None`: it has no metadata, as servers of 2025-03-26 have none.
pub(super) async fn find(
    fetch: &Fetch,
    refusal: Refusal<'_>,
    login: &Login,
) -> Result<Option<Resource>, DiscoveryError> {
    let told = refusal.challenge.and_then(|challenge| challenge.resource_metadata.as_deref());
    let (mut trouble, mut barred) = (None, None);
    for place in told.map(str::to_owned).into_iter().chain(well_known(refusal.server)) {
        match document(fetch, &place, &[]).await {
            Ok(Found::Document(document, from)) => {
                if let Some(resource) = read(&document, &from, refusal.server, login)? {
                    return Ok(Some(resource));
                }
                log::debug!("{} is no metadata of a protected resource", shown(&from));
            }
            Ok(Found::Nothing(what)) => log::debug!("{what}"),
            Ok(Found::Trouble(cause)) => trouble = trouble.or(Some(cause)),
            // What a challenge names may be anything; the well-known places are as good as the server's own address.
            Err(FetchError::Refused { url, why }) => log::warn!("{url} is not read: {why}"),
            Err(error @ FetchError::Barred { .. }) => barred = barred.or(Some(error)),
            Err(error) => return Err(DiscoveryError::Refused(error)),
        }
    }
    // That nobody could answer does not mean that there is nothing.
    let failed = barred.map(DiscoveryError::Refused).or(trouble.map(DiscoveryError::Temporary));
    failed.map_or(Ok(None), Err)
}

/// First for this path, then for the origin.
fn well_known(server: &Url) -> Vec<String> {
    let at = |path: &str| format!("{}{WELL_KNOWN}{path}", server.origin().ascii_serialization());
    let path = server.path();
    let query = server.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut places = Vec::new();
    if path != "/" || !query.is_empty() {
        places.push(at(&format!("{}{query}", if path == "/" { "" } else { path })));
    }
    let trimmed = path.trim_end_matches('/');
    if !trimmed.is_empty() && trimmed != path {
        places.push(at(trimmed));
    }
    places.push(at(""));
    places
}

fn read(
    document: &Map<String, Value>,
    from: &Url,
    server: &Url,
    login: &Login,
) -> Result<Option<Resource>, DiscoveryError> {
    let list = |name: &str| {
        let array = document.get(name).and_then(Value::as_array);
        array.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
    };
    let authorization_servers = list("authorization_servers");
    let name = match document.get("resource").and_then(Value::as_str) {
        Some(name) => name.to_owned(),
        // Without a name it can only be meant for the origin it is read from.
        None if !authorization_servers.is_empty() && from.origin() == server.origin() => canonical(server),
        None => return Ok(None),
    };
    let given = matches!(&login.resource, ResourceChoice::Given(given) if *given == name);
    if !given && !is_resource_of(&name, server) {
        return Err(DiscoveryError::OtherResource { place: shown(from), resource: name, server: canonical(server) });
    }
    Ok(Some(Resource {
        name,
        authorization_servers,
        scopes_supported: list("scopes_supported"),
        wants_dpop: document.get("dpop_bound_access_tokens_required").and_then(Value::as_bool).unwrap_or(false),
    }))
}

/// Whether a resource of this name speaks for the server: the same origin, and a path that the server's path is or lies
/// under. Less would let one server ask for tokens of another.
pub(super) fn is_resource_of(name: &str, server: &Url) -> bool {
    let Ok(resource) = Url::parse(name) else { return false };
    let prefix = resource.path().trim_end_matches('/');
    let below = server.path().strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let query = resource.query().is_none() || resource.query() == server.query();
    resource.origin() == server.origin() && resource.fragment().is_none() && below && query
}

/// The server's address as a resource identifier: scheme and host in lower case, no fragment, no slash after the host
/// alone.
pub(super) fn canonical(server: &Url) -> String {
    let mut url = server.clone();
    url.set_fragment(None);
    url.set_username("").ok();
    url.set_password(None).ok();
    let text = String::from(url);
    let is_origin = server.path() == "/" && server.query().is_none();
    if is_origin { text.trim_end_matches('/').to_owned() } else { text }
}
