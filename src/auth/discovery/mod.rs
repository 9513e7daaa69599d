//! Which authorization server issues tokens for this MCP server? From a 401 to the protected resource metadata, and
//! from there to the authorization server metadata.

mod authorization_server;
mod document;
mod error;
mod protected_resource;

use std::time::Duration;

use url::Url;

use super::challenge::Challenge;
use super::fetch::Fetch;
use super::metadata::{self, Metadata, Vendor};
use super::record::Issuer;
use super::scope::Scopes;
use super::settings::{DpopChoice, Login, ResourceChoice};

pub(super) use authorization_server::Known;
pub(super) use error::DiscoveryError;

/// The most requests of one search, with redirects and second attempts.
const MOST_REQUESTS: u32 = 20;

/// How long one search may take.
const TIME_LIMIT: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Discovered {
    pub issuer: Issuer,
    pub scopes: Scopes,
    /// Tokens are to be bound to a key (RFC 9449).
    pub dpop: bool,
}

/// Finds the authorization server of the MCP server at this address, and reads its metadata. `challenge`: that of a 401
/// or 403. However many addresses servers name, the search ends after some requests and some seconds.
pub(super) async fn discover(
    fetch: &Fetch,
    server: &Url,
    challenge: Option<&Challenge>,
    known: Known<'_>,
    login: &Login,
) -> Result<Discovered, DiscoveryError> {
    let limited = fetch.limited(MOST_REQUESTS, TIME_LIMIT);
    let search = search(&limited, server, challenge, known, login);
    let too_slow = || {
        let (host, seconds) = (server.origin().ascii_serialization(), TIME_LIMIT.as_secs());
        DiscoveryError::Temporary(format!("no authorization server for {host} was found within {seconds} seconds"))
    };
    tokio::time::timeout(TIME_LIMIT, search).await.unwrap_or_else(|_| Err(too_slow()))
}

async fn search(
    fetch: &Fetch,
    server: &Url,
    challenge: Option<&Challenge>,
    known: Known<'_>,
    login: &Login,
) -> Result<Discovered, DiscoveryError> {
    let challenge_url = challenge.and_then(|challenge| challenge.resource_metadata.as_deref());
    let resource = protected_resource::find(fetch, server, challenge_url, login).await?;
    let mut issuer = authorization_server::find(fetch, server, resource.as_ref(), known, login).await?;
    set_resource(&mut issuer, resource.as_ref().map(|resource| resource.name.as_str()), server, login);
    let wants_dpop = challenge.is_some_and(|challenge| challenge.dpop)
        || resource.as_ref().is_some_and(|resource| resource.requires_dpop);
    Ok(Discovered {
        dpop: uses_dpop(&issuer, wants_dpop, login.dpop),
        scopes: Scopes {
            challenged: challenge.and_then(|challenge| challenge.scope.clone()),
            supported: resource.map(|resource| resource.scopes_supported).unwrap_or_default(),
        },
        issuer,
    })
}

/// For `--token-endpoint`: no request is sent.
pub(super) fn from_token_endpoint(server: &Url, token_endpoint: &str, login: &Login) -> Discovered {
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
        // A resource that does not know DPoP refuses a bound token, so support by the authorization server alone is not
        // enough.
        DpopChoice::Auto => {
            // ES256 keys are the only ones that we make (RFC 9449 section 5.1).
            let algorithms = Metadata::of(issuer).array("dpop_signing_alg_values_supported").unwrap_or_default();
            wanted && algorithms.contains(&"ES256")
        }
    }
}

/// Sets the `resource` parameter: byte for byte as in the resource metadata. A server without them (2025-03-26) gets no
/// such parameter.
fn set_resource(issuer: &mut Issuer, discovered: Option<&str>, server: &Url, login: &Login) {
    let server = protected_resource::canonical(server);
    issuer.resource = match &login.resource {
        ResourceChoice::Off => None,
        ResourceChoice::Given(resource) => Some(resource.clone()),
        ResourceChoice::Discovered => discovered.map(str::to_owned),
    };
    if login.resource != ResourceChoice::Discovered {
        issuer.other_resource = None;
    } else if Vendor::of(issuer) == Vendor::Microsoft {
        // Entra refuses the parameter, but its scopes are named after the resource.
        issuer.other_resource = issuer.resource.take();
    } else {
        issuer.other_resource = issuer.resource.as_ref().filter(|resource| **resource != server).map(|_| server);
    }
}

#[cfg(test)]
mod tests;
