//! Who issues tokens for this server? From a refusal to the protected resource's metadata to the authorization server's
//! own.

mod issuer;
mod resource;

use http::HeaderName;
use serde_json::{Map, Value};
use url::Url;

use super::challenge::Challenge;
use super::fetch::{Fetch, FetchError, Reply};
use super::metadata::{self, Metadata, Vendor};
use super::record::Issuer;
use super::scope::Scopes;
use super::settings::{DpopChoice, Login, ResourceChoice};

/// What is known before discovery.
#[derive(Debug, Clone, Copy)]
pub struct Refusal<'a> {
    /// The MCP server's address, as the user gave it.
    pub server: &'a Url,
    /// What its 401 or 403 said.
    pub challenge: Option<&'a Challenge>,
    /// `MCP-Protocol-Version` for the metadata of servers that are authorization servers themselves (2025-03-26).
    pub protocol_version: &'a str,
    /// The issuer of an earlier login: kept, if it is still one of several.
    pub earlier: Option<&'a str>,
}

/// What discovery found.
#[derive(Debug, Clone, PartialEq)]
pub struct Discovered {
    /// The authorization server.
    pub issuer: Issuer,
    /// What servers say of scopes.
    pub scopes: Scopes,
    /// Tokens are to be tied to a key (RFC 9449).
    pub dpop: bool,
}

/// No authorization server that may be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DiscoveryError {
    /// The metadata speak for another server (RFC 9728 section 3.3).
    #[error("the metadata at {place} are for the resource {resource:?}, which is not {server:?}")]
    OtherResource {
        /// Where they are.
        place: String,
        /// What they say.
        resource: String,
        /// What was asked for.
        server: String,
    },
    /// The metadata are another issuer's (RFC 8414 section 3.3).
    #[error("the metadata at {place} are of the issuer {found:?}, not of {expected:?}")]
    OtherIssuer {
        /// Where they are.
        place: String,
        /// What they say; empty if nothing.
        found: String,
        /// The identifier that led to them.
        expected: String,
    },
    /// There is an identifier, but no metadata.
    #[error("the authorization server {issuer} has no metadata{said}")]
    NoMetadata {
        /// Its identifier.
        issuer: String,
        /// What stood in their place; empty or `: …`.
        said: String,
    },
    /// A server did not answer, or not in order: it may later.
    #[error("{0}")]
    Temporary(String),
    /// An address that is not to be used.
    #[error(transparent)]
    Refused(FetchError),
}

impl DiscoveryError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::OtherResource { resource, .. } => {
                format!("if the server really is known by that name, say so with --resource {resource}")
            }
            Self::OtherIssuer { found, .. } if !found.is_empty() => {
                format!("if you know that {found} is the right one, say so with --issuer {found}")
            }
            Self::OtherIssuer { .. } | Self::NoMetadata { .. } => {
                "the server's operator has to mend it; --issuer names another authorization server".to_owned()
            }
            Self::Temporary(_) => "it is tried again with the next request".to_owned(),
            Self::Refused(error) => error.hint().to_owned(),
        }
    }

    /// Whether the same may go well later.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Temporary(_))
    }
}

/// Finds the authorization server, and what may be asked of it.
pub async fn discover(fetch: &Fetch, refusal: Refusal<'_>, login: &Login) -> Result<Discovered, DiscoveryError> {
    let resource = resource::find(fetch, refusal, login).await?;
    let server_issuer = refusal.server.origin().ascii_serialization();
    let mut issuer = match &resource {
        Some(resource) if !resource.authorization_servers.is_empty() => {
            let mut listed = resource.authorization_servers.clone();
            // The earlier one first, unless the user wants another.
            let first = login.issuer.as_deref().or(refusal.earlier);
            if let Some(place) = listed.iter().position(|one| first == Some(one.as_str())) {
                let first = listed.remove(place);
                listed.insert(0, first);
            }
            issuer::among(fetch, &listed, login).await?
        }
        // Its metadata name nobody, or (2025-03-26) it has none: then it is one itself, or the user knows.
        _ => {
            let own = login.issuer.clone().unwrap_or(server_issuer);
            issuer::itself(fetch, &own, resource.is_none(), refusal.protocol_version, login).await?
        }
    };
    set_resource(&mut issuer, resource.as_ref().map(|resource| resource.name.as_str()), refusal.server, login);
    let wants_dpop = refusal.challenge.is_some_and(|challenge| challenge.dpop)
        || resource.as_ref().is_some_and(|resource| resource.wants_dpop);
    Ok(Discovered {
        dpop: uses_dpop(&issuer, wants_dpop, login.dpop),
        scopes: Scopes {
            challenged: refusal.challenge.and_then(|challenge| challenge.scope.clone()),
            supported: resource.map(|resource| resource.scopes_supported).unwrap_or_default(),
        },
        issuer,
    })
}

/// For `--token-endpoint`: nothing is asked of anyone.
pub fn given(server: &Url, token_endpoint: &str, login: &Login) -> Discovered {
    let origin = Url::parse(token_endpoint).map(|url| url.origin().ascii_serialization()).unwrap_or_default();
    let issuer = login.issuer.clone().unwrap_or(origin);
    let metadata = metadata::document(&[("issuer", issuer.clone().into()), ("token_endpoint", token_endpoint.into())]);
    let mut issuer = Issuer { issuer, metadata, ..Issuer::default() };
    set_resource(&mut issuer, None, server, login);
    Discovered { dpop: login.dpop == DpopChoice::On, issuer, scopes: Scopes::default() }
}

fn uses_dpop(issuer: &Issuer, wanted: bool, choice: DpopChoice) -> bool {
    match choice {
        DpopChoice::Off => false,
        DpopChoice::On => true,
        // A token that is tied to a key is useless to a resource that does not know of keys, so the AS's word is not
        // enough.
        DpopChoice::Auto => wanted && Metadata::of(issuer).takes_dpop(),
    }
}

/// `resource` is the metadata's own spelling, byte for byte. A server without such metadata (2025-03-26) knows no
/// resources.
fn set_resource(issuer: &mut Issuer, discovered: Option<&str>, server: &Url, login: &Login) {
    let server = resource::canonical(server);
    issuer.resource = match &login.resource {
        ResourceChoice::Off => None,
        ResourceChoice::Given(resource) => Some(resource.clone()),
        ResourceChoice::Discovered => discovered.map(str::to_owned),
    };
    issuer.other_resource = match login.resource {
        ResourceChoice::Discovered if issuer.resource.as_deref().is_some_and(|resource| resource != server) => {
            Some(server)
        }
        _ => None,
    };
    // Entra takes none at all; its scopes are still named after the resource.
    if Vendor::of(issuer) == Vendor::Microsoft && login.resource == ResourceChoice::Discovered {
        issuer.other_resource = issuer.resource.take();
    }
}

/// A document, or why there is none at this place.
enum Found {
    Document(Map<String, Value>, Url),
    /// Answered, but with something else: what it was, for people.
    Nothing(String),
    /// A server in trouble.
    Trouble(String),
}

/// Gets one document. A server error is asked about once more.
async fn document(fetch: &Fetch, url: &str, headers: &[(HeaderName, String)]) -> Result<Found, FetchError> {
    let mut reply = fetch.get(url, headers).await;
    if in_trouble(&reply) {
        tokio::time::sleep(PAUSE).await;
        reply = fetch.get(url, headers).await;
    }
    let reply = match reply {
        Ok(reply) => reply,
        Err(FetchError::Unreachable(cause) | FetchError::Unknown(cause)) => return Ok(Found::Trouble(cause)),
        Err(refused) => return Err(refused),
    };
    let status = reply.status;
    if let Some(blocked) = reply.bot_protection() {
        return Ok(Found::Nothing(blocked));
    }
    if status.is_server_error() || status.as_u16() == 429 {
        return Ok(Found::Trouble(format!("{} answers {} with status {status}", reply.host(), reply.url.path())));
    }
    match reply.json() {
        Some(document) if status.is_success() => Ok(Found::Document(document, reply.url)),
        _ => Ok(Found::Nothing(format!(
            "{} answers {} with status {status} and no metadata",
            reply.host(),
            reply.url.path()
        ))),
    }
}

fn in_trouble(reply: &Result<Reply, FetchError>) -> bool {
    match reply {
        Ok(reply) => reply.status.is_server_error() && reply.bot_protection().is_none(),
        Err(error) => matches!(error, FetchError::Unknown(_)),
    }
}

/// Before a server in trouble is asked again.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(250);

#[cfg(test)]
#[path = "tests/discovery.rs"]
mod tests;
