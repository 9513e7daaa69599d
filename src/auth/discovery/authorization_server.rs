//! Where are the authorization server metadata (RFC 8414, OIDC Discovery), and are they the issuer's own?

use http::HeaderName;
use serde_json::Value;

use super::document::{Document, fetch_document};
use super::error::DiscoveryError;
use crate::auth::fetch::{BLOCKED, Fetch};
use crate::auth::metadata::{self, Metadata};
use crate::auth::record::Issuer;
use crate::auth::settings::{Grant, Login};
use crate::auth::web_url::without_query;
use crate::log::{self, foreign_name};

const OAUTH: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";

/// The first of the listed issuers that may be used; if there is none, the error of the first.
pub(super) async fn first_usable(fetch: &Fetch, listed: &[String], login: &Login) -> Result<Issuer, DiscoveryError> {
    let mut first = None;
    // The issuer of the user's choice need not be listed.
    let pinned = login.issuer.iter().filter(|pinned| !listed.contains(pinned));
    for identifier in listed.iter().chain(pinned) {
        match read_metadata(fetch, identifier, &[], login).await {
            Ok(issuer) => return Ok(issuer),
            Err(error) => {
                log::debug!("an authorization server is not used: {error}");
                first.get_or_insert(error);
            }
        }
    }
    Err(first.unwrap_or_else(|| DiscoveryError::NoMetadata { issuer: String::new(), detail: String::new() }))
}

/// The MCP server as its own authorization server, or the user's choice. `may_default`: a server without metadata may
/// be one of 2025-03-26, whose endpoints have default paths.
pub(super) async fn own(
    fetch: &Fetch,
    identifier: &str,
    may_default: bool,
    login: &Login,
) -> Result<Issuer, DiscoveryError> {
    // Servers of 2025-03-26 expect the header here too.
    let version = (HeaderName::from_static("mcp-protocol-version"), "2025-11-25".to_owned());
    match read_metadata(fetch, identifier, &[version], login).await {
        Err(DiscoveryError::NoMetadata { detail, .. })
            if may_default && login.issuer.is_none() && !detail.contains(BLOCKED) =>
        {
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

/// Reads the metadata of this issuer identifier and checks that they name it.
async fn read_metadata(
    fetch: &Fetch,
    identifier: &str,
    headers: &[(HeaderName, String)],
    login: &Login,
) -> Result<Issuer, DiscoveryError> {
    let (mut detail, mut failed, mut other) = (String::new(), None, None);
    let expected = login.issuer.as_deref().unwrap_or(identifier);
    for url in metadata_urls(fetch, identifier)? {
        match fetch_document(fetch, &url, headers).await {
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
                    Some(found) if is_same_issuer(found, expected) => {
                        return Ok(Issuer { issuer: found.to_owned(), metadata, ..Issuer::default() });
                    }
                    found => {
                        let (place, found) = (without_query(&from), foreign_name(found.unwrap_or_default()));
                        let expected = foreign_name(expected);
                        other.get_or_insert(DiscoveryError::OtherIssuer { place, found, expected });
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
    let missing = || DiscoveryError::NoMetadata { issuer: foreign_name(identifier), detail };
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

/// Whether two issuers are equal but for one slash at the end. RFC 8414 section 3.3 does not allow this difference, but
/// servers have it (Google).
fn is_same_issuer(found: &str, expected: &str) -> bool {
    found == expected || found.strip_suffix('/') == Some(expected) || expected.strip_suffix('/') == Some(found)
}
