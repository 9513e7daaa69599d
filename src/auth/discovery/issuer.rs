//! What does the authorization server say of itself (RFC 8414, OIDC Discovery)?

use http::HeaderName;
use serde_json::Value;

use super::{DiscoveryError, Found, document};
use crate::auth::fetch::{Fetch, shown};
use crate::auth::metadata::{self, Metadata};
use crate::auth::record::Issuer;
use crate::auth::settings::{Grant, Login};
use crate::log;

const OAUTH: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";

/// The first of these that may be used; if none may, why the first one may not.
pub(super) async fn among(fetch: &Fetch, listed: &[String], login: &Login) -> Result<Issuer, DiscoveryError> {
    let mut first = None;
    // The user's own choice may be in nobody's list.
    let pinned = login.issuer.iter().filter(|pinned| !listed.contains(pinned));
    for identifier in listed.iter().chain(pinned) {
        match of(fetch, identifier, &[], login).await {
            Ok(issuer) => return Ok(issuer),
            Err(error) => {
                log::debug!("{identifier} is not used: {error}");
                first.get_or_insert(error);
            }
        }
    }
    Err(first.unwrap_or_else(|| DiscoveryError::NoMetadata { issuer: String::new(), said: String::new() }))
}

/// The server itself, or the user's choice. `old`: it may be of 2025-03-26, whose endpoints have default places.
pub(super) async fn itself(
    fetch: &Fetch,
    identifier: &str,
    old: bool,
    protocol_version: &str,
    login: &Login,
) -> Result<Issuer, DiscoveryError> {
    let version = (HeaderName::from_static("mcp-protocol-version"), protocol_version.to_owned());
    match of(fetch, identifier, &[version], login).await {
        Err(DiscoveryError::NoMetadata { said, .. }) if old && login.issuer.is_none() && !said.contains(BLOCKED) => {
            log::info!("{identifier} has no metadata; its endpoints are taken to be at their default places");
            Ok(with_default_endpoints(identifier))
        }
        found => found,
    }
}

/// As [`crate::auth::fetch::Reply::bot_protection`] begins: such a page hides whatever there is.
const BLOCKED: &str = "blocked by bot protection";

/// What 2025-03-26 says of a server that says nothing. Without `issuer` among the metadata, for nobody said so.
fn with_default_endpoints(origin: &str) -> Issuer {
    let at = |path: &str| Value::from(format!("{origin}{path}"));
    let metadata = metadata::document(&[
        ("authorization_endpoint", at("/authorize")),
        ("token_endpoint", at("/token")),
        ("registration_endpoint", at("/register")),
        // Required there of everyone.
        ("code_challenge_methods_supported", vec!["S256"].into()),
    ]);
    Issuer { issuer: origin.to_owned(), metadata, ..Issuer::default() }
}

/// The metadata of this identifier, which must be its own.
async fn of(
    fetch: &Fetch,
    identifier: &str,
    headers: &[(HeaderName, String)],
    login: &Login,
) -> Result<Issuer, DiscoveryError> {
    let (mut said, mut trouble, mut other) = (String::new(), None, None);
    let expected = login.issuer.as_deref().unwrap_or(identifier);
    for place in places(fetch, identifier)? {
        match document(fetch, &place, headers).await {
            Ok(Found::Document(metadata, from)) => {
                if !is_usable(Metadata::new(&metadata), login) {
                    said = format!(": {} is a document without endpoints", shown(&from));
                    continue;
                }
                match Metadata::new(&metadata).issuer() {
                    // The spelling of the metadata is the one that `iss` is compared with.
                    Some(found) if is_same(found, expected) => {
                        return Ok(Issuer { issuer: found.to_owned(), metadata, ..Issuer::default() });
                    }
                    found => {
                        let found = found.unwrap_or_default().to_owned();
                        let expected = expected.to_owned();
                        other.get_or_insert(DiscoveryError::OtherIssuer { place: shown(&from), found, expected });
                    }
                }
            }
            Ok(Found::Nothing(what)) => {
                // A page of a bot protection is worth more to a reader than the 404 that follows it.
                if !said.contains(BLOCKED) {
                    said = format!(": {what}");
                }
            }
            Ok(Found::Trouble(cause)) => trouble = trouble.or(Some(cause)),
            Err(error) => return Err(DiscoveryError::Refused(error)),
        }
    }
    let none = || DiscoveryError::NoMetadata { issuer: identifier.to_owned(), said };
    Err(other.or(trouble.map(DiscoveryError::Temporary)).unwrap_or_else(none))
}

/// Where metadata may be, in the order of the MCP specification. Last a form that it does not have, but servers do.
fn places(fetch: &Fetch, identifier: &str) -> Result<Vec<String>, DiscoveryError> {
    let url = fetch.permits(identifier).map_err(DiscoveryError::Refused)?;
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

fn is_usable(metadata: Metadata<'_>, login: &Login) -> bool {
    let person = matches!(login.grant, Grant::AuthorizationCode);
    metadata.token_endpoint().is_some() && (!person || metadata.authorization_endpoint().is_some())
}

/// Equal but for one slash at the end, which some forget on one side (RFC 8414 section 3.3 forgives nothing; Google
/// does it).
fn is_same(found: &str, expected: &str) -> bool {
    found == expected
        || found.strip_suffix('/').is_some_and(|found| found == expected)
        || expected.strip_suffix('/').is_some_and(|expected| expected == found)
}
