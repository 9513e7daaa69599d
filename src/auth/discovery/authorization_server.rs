//! Where are the authorization server metadata (RFC 8414, OIDC Discovery), and are they the issuer's own?

use http::HeaderName;
use serde_json::Value;
use url::Url;

use super::document::{Document, fetch_document};
use super::error::DiscoveryError;
use super::protected_resource::ResourceMetadata;
use crate::auth::fetch::{BLOCKED, Fetch};
use crate::auth::metadata::{self, Metadata, is_same_issuer};
use crate::auth::record::Issuer;
use crate::auth::settings::{Grant, Login};
use crate::auth::web_url::without_query;
use crate::log::{self, foreign_name};

const OAUTH: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";

/// The most authorization servers that are tried, however many the MCP server lists.
const MOST_TRIED: usize = 5;

/// What is known of the authorization server from earlier.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::auth) struct Known<'a> {
    /// The issuer of the last login: it is preferred, if the server still lists it.
    pub earlier: Option<&'a str>,
    /// The issuer that the user's own credentials belong to: no other one is used.
    pub bound: Option<&'a str>,
}

/// The authorization server for an MCP server with these resource metadata. The user's choice is asked alone: what the
/// MCP server lists does not matter then, and metadata of another issuer are never enough.
pub(super) async fn find(
    fetch: &Fetch,
    server: &Url,
    resource: Option<&ResourceMetadata>,
    known: Known<'_>,
    login: &Login,
) -> Result<Issuer, DiscoveryError> {
    if let Some(url) = &login.metadata_url {
        return read_named_metadata(fetch, url, login).await;
    }
    if let Some(pinned) = &login.issuer {
        return read_metadata(&fetch.within_origin(), pinned, &[], login).await;
    }
    let own = server.origin().ascii_serialization();
    let mut listed = resource.map(|resource| resource.authorization_servers.clone()).unwrap_or_default();
    let is_own = listed.is_empty();
    if let Some(bound) = known.bound {
        let named = if is_own { std::slice::from_ref(&own) } else { &listed[..] };
        let Some(same) = named.iter().find(|named| is_same_issuer(named, bound)).cloned() else {
            return Err(DiscoveryError::bound(bound, named.first().unwrap_or(&own)));
        };
        listed.retain(|one| *one == same);
    }
    if is_own {
        return read_own_metadata(fetch, &own, resource.is_none(), login).await;
    }
    let preferred = |one: &String| known.earlier.is_some_and(|earlier| is_same_issuer(one, earlier));
    if let Some(place) = listed.iter().position(preferred) {
        listed[..=place].rotate_right(1);
    }
    listed.truncate(MOST_TRIED);
    first_usable(fetch, &listed, login).await
}

/// The first of the listed issuers that may be used; if there is none, the error of the first.
async fn first_usable(fetch: &Fetch, listed: &[String], login: &Login) -> Result<Issuer, DiscoveryError> {
    let mut first = None;
    for (tried, identifier) in listed.iter().enumerate() {
        // A server that does not answer leaves time for those after it.
        let share = fetch.time_left() / u32::try_from(listed.len() - tried).unwrap_or(u32::MAX);
        let reading = tokio::time::timeout(share, read_metadata(fetch, identifier, &[], login));
        let silent = |_| {
            Err(DiscoveryError::Temporary(format!(
                "the authorization server {} does not answer",
                foreign_name(identifier)
            )))
        };
        match reading.await.unwrap_or_else(silent) {
            Ok(issuer) => return Ok(issuer),
            Err(error) => {
                log::debug!("an authorization server is not used: {error}");
                first.get_or_insert(error);
            }
        }
    }
    Err(first.unwrap_or_else(|| DiscoveryError::NoMetadata { issuer: String::new(), detail: String::new() }))
}

/// The MCP server as its own authorization server. `may_default`: a server without metadata may be one of 2025-03-26,
/// whose endpoints have default paths.
async fn read_own_metadata(
    fetch: &Fetch,
    identifier: &str,
    may_default: bool,
    login: &Login,
) -> Result<Issuer, DiscoveryError> {
    // Servers of 2025-03-26 expect the header here too.
    let version = (HeaderName::from_static("mcp-protocol-version"), "2025-11-25".to_owned());
    match read_metadata(fetch, identifier, &[version], login).await {
        Err(DiscoveryError::NoMetadata { detail, .. }) if may_default && !detail.contains(BLOCKED) => {
            log::info!("{identifier} has no metadata; the default paths of its endpoints are used");
            Ok(with_default_endpoints(identifier))
        }
        result => result,
    }
}

/// The endpoints of a server without metadata, as 2025-03-26 defines them. `issuer` is left out of these metadata: no
/// server sent it.
fn with_default_endpoints(origin: &str) -> Issuer {
    let at = |path: &str| Value::from(format!("{origin}{path}"));
    let metadata = metadata::document(&[
        ("authorization_endpoint", at("/authorize")),
        ("token_endpoint", at("/token")),
        ("registration_endpoint", at("/register")),
        // 2025-03-26 requires PKCE of every server.
        ("code_challenge_methods_supported", vec!["S256"].into()),
    ]);
    Issuer { issuer: origin.to_owned(), metadata, ..Issuer::default() }
}

/// Reads the metadata at the URL that the user typed. Therefore their issuer is believed, unless the user typed another.
async fn read_named_metadata(fetch: &Fetch, url: &str, login: &Login) -> Result<Issuer, DiscoveryError> {
    read_first(fetch, &[url.to_owned()], url, login.issuer.as_deref(), &[], login).await
}

/// Reads the metadata of this issuer identifier and checks that they name it (RFC 8414 section 3.3).
async fn read_metadata(
    fetch: &Fetch,
    identifier: &str,
    headers: &[(HeaderName, String)],
    login: &Login,
) -> Result<Issuer, DiscoveryError> {
    let urls = metadata_urls(fetch, identifier)?;
    read_first(fetch, &urls, identifier, Some(identifier), headers, login).await
}

/// The first usable metadata at these URLs. `expected`: the issuer that they must name; `None`: whichever they name.
/// `shown`: what errors call the authorization server.
async fn read_first(
    fetch: &Fetch,
    urls: &[String],
    shown: &str,
    expected: Option<&str>,
    headers: &[(HeaderName, String)],
    login: &Login,
) -> Result<Issuer, DiscoveryError> {
    let (mut detail, mut failed, mut other) = (String::new(), None, None);
    for url in urls {
        match fetch_document(fetch, url, headers).await {
            Ok(Document::Found(metadata, from)) => {
                let document = Metadata(&metadata);
                let needs_browser = matches!(login.grant, Grant::AuthorizationCode);
                let has_page = !needs_browser || document.text("authorization_endpoint").is_some();
                if document.text("token_endpoint").is_none() || !has_page {
                    detail = format!(": the document at {} has no endpoints", without_query(&from));
                    continue;
                }
                match document.text("issuer") {
                    // Later, `iss` is compared with the spelling of the metadata.
                    Some(found) if expected.is_none_or(|expected| is_same_issuer(found, expected)) => {
                        return Ok(Issuer { issuer: found.to_owned(), metadata, ..Issuer::default() });
                    }
                    found => {
                        let place = without_query(&from);
                        let (found, expected) = (found.unwrap_or_default(), expected.unwrap_or_default());
                        other.get_or_insert_with(|| DiscoveryError::other_issuer(place, found, expected));
                    }
                }
            }
            // The page of a bot protection tells more than the 404 that follows it.
            Ok(Document::Missing(what)) if !detail.contains(BLOCKED) => detail = format!(": {what}"),
            Ok(Document::Missing(_)) => {}
            Ok(Document::Failed(cause)) => failed = failed.or(Some(cause)),
            Err(error) => return Err(DiscoveryError::Fetch(error)),
        }
    }
    let missing = || DiscoveryError::NoMetadata { issuer: foreign_name(shown), detail };
    Err(other.or(failed.map(DiscoveryError::Temporary)).unwrap_or_else(missing))
}

/// Where metadata may be, in the order of the MCP specification. The last URL is not in the specification, but some
/// servers use it.
fn metadata_urls(fetch: &Fetch, identifier: &str) -> Result<Vec<String>, DiscoveryError> {
    let url = fetch.check_url(identifier).map_err(DiscoveryError::Fetch)?;
    let origin = url.origin().ascii_serialization();
    let path = url.path().trim_end_matches('/');
    Ok(if path.is_empty() {
        vec![format!("{origin}{OAUTH}"), format!("{origin}{OPENID}")]
    } else {
        vec![
            format!("{origin}{OAUTH}{path}"),
            format!("{origin}{OPENID}{path}"),
            format!("{origin}{path}{OPENID}"),
            format!("{origin}{path}{OAUTH}"),
        ]
    })
}
