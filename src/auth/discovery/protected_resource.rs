//! Where are the MCP server's protected resource metadata (RFC 9728), and do they describe this server?

use serde_json::{Map, Value};
use url::Url;

use super::document::{Document, fetch_document};
use super::error::DiscoveryError;
use crate::auth::fetch::{Fetch, FetchError};
use crate::auth::metadata::list;
use crate::auth::settings::{Login, ResourceChoice};
use crate::auth::web_url::{is_same_loopback_origin, without_query};
use crate::log;

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// Protected resource metadata, as far as we use them.
pub(super) struct ResourceMetadata {
    /// The resource identifier, byte for byte.
    pub(super) name: String,
    pub(super) authorization_servers: Vec<String>,
    pub(super) scopes_supported: Vec<String>,
    /// The resource accepts only tokens that are bound to a key.
    pub(super) requires_dpop: bool,
}

/// Reads the metadata at the challenge's URL or at a well-known URL. `None`: the server has no metadata, like servers
/// of 2025-03-26.
pub(super) async fn find(
    fetch: &Fetch,
    server: &Url,
    challenge_url: Option<&str>,
    login: &Login,
) -> Result<Option<ResourceMetadata>, DiscoveryError> {
    let (mut failed, mut barred) = (None, None);
    for url in challenge_url.map(str::to_owned).into_iter().chain(well_known_urls(server)) {
        match fetch_document(fetch, &url, &[]).await {
            Ok(Document::Found(document, from)) => {
                if let Some(resource) = read(&document, &from, server, login)? {
                    return Ok(Some(resource));
                }
                log::debug!("the document at {} is not protected resource metadata", without_query(&from));
            }
            Ok(Document::Missing(what)) => log::debug!("{what}"),
            Ok(Document::Failed(cause)) => failed = failed.or(Some(cause)),
            // A challenge may name any URL; the well-known URLs are as trustworthy as the server's own address.
            Err(error @ FetchError::UrlNotAllowed(_)) => log::warn!("{error}"),
            Err(error @ FetchError::Barred { .. }) => barred = barred.or(Some(error)),
            Err(error) => return Err(DiscoveryError::Fetch(error)),
        }
    }
    // A server that failed may have metadata all the same.
    let error = barred.map(DiscoveryError::Fetch).or(failed.map(DiscoveryError::Temporary));
    error.map_or(Ok(None), Err)
}

/// First the URL for the server's path, then the one for its origin.
fn well_known_urls(server: &Url) -> Vec<String> {
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
) -> Result<Option<ResourceMetadata>, DiscoveryError> {
    let authorization_servers = list(document, "authorization_servers");
    let name = match document.get("resource").and_then(Value::as_str) {
        Some(name) => name.to_owned(),
        // Metadata without a resource identifier can only describe the origin that they were read from.
        None if !authorization_servers.is_empty() && is_same_loopback_origin(from, server) => canonical(server),
        None => return Ok(None),
    };
    if !is_resource_of(&name, server) && !is_named_by_user(&name, from, server, login) {
        return Err(DiscoveryError::OtherResource {
            place: without_query(from),
            resource: log::foreign_name(&name),
            server: canonical(server),
        });
    }
    Ok(Some(ResourceMetadata {
        name,
        authorization_servers,
        scopes_supported: list(document, "scopes_supported"),
        requires_dpop: document.get("dpop_bound_access_tokens_required").and_then(Value::as_bool).unwrap_or(false),
    }))
}

/// Whether the user typed this resource identifier for the server. Then the metadata must come from the server, or from
/// the resource: elsewhere anybody can claim to describe it.
fn is_named_by_user(name: &str, from: &Url, server: &Url, login: &Login) -> bool {
    let is_typed = matches!(&login.resource, ResourceChoice::Given(given) if given == name);
    let is_its_own = || Url::parse(name).is_ok_and(|resource| resource.origin() == from.origin());
    is_typed && (from.origin() == server.origin() || is_its_own())
}

/// Whether this resource identifier covers the server: the same origin, or another name of this machine, and a path that is equal to the server's path
/// or above it. A weaker rule would let one server get tokens for another.
fn is_resource_of(name: &str, server: &Url) -> bool {
    let Ok(resource) = Url::parse(name) else { return false };
    let prefix = resource.path().trim_end_matches('/');
    let below = server.path().strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let query = resource.query().is_none() || resource.query() == server.query();
    is_same_loopback_origin(&resource, server) && resource.fragment().is_none() && below && query
}

/// The server's address as a resource identifier: scheme and host in lower case, no fragment, and no slash if there is
/// no path.
pub(super) fn canonical(server: &Url) -> String {
    let mut url = server.clone();
    url.set_fragment(None);
    url.set_username("").ok();
    url.set_password(None).ok();
    let text = String::from(url);
    let is_origin = server.path() == "/" && server.query().is_none();
    if is_origin { text.trim_end_matches('/').to_owned() } else { text }
}
