//! Which authorization server issues tokens for this MCP server? From a 401 to the protected resource metadata, and
//! from there to the authorization server metadata.

mod authorization_server;
mod document;
mod error;
mod protected_resource;

use url::Url;

use super::challenge::Challenge;
use super::fetch::Fetch;
use super::metadata::{self, Metadata, Vendor};
use super::record::Issuer;
use super::scope::Scopes;
use super::settings::{DpopChoice, Login, ResourceChoice};

pub(super) use error::DiscoveryError;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Discovered {
    pub issuer: Issuer,
    pub scopes: Scopes,
    /// Tokens are to be bound to a key (RFC 9449).
    pub dpop: bool,
}

/// Finds the authorization server of the MCP server at this address, and reads its metadata. `challenge`: that of a 401
/// or 403. `earlier_issuer`: the issuer of an earlier login, which is preferred if the server still lists it.
pub(super) async fn discover(
    fetch: &Fetch,
    server: &Url,
    challenge: Option<&Challenge>,
    earlier_issuer: Option<&str>,
    login: &Login,
) -> Result<Discovered, DiscoveryError> {
    let challenge_url = challenge.and_then(|challenge| challenge.resource_metadata.as_deref());
    let resource = protected_resource::find(fetch, server, challenge_url, login).await?;
    let mut issuer = match &resource {
        Some(resource) if !resource.authorization_servers.is_empty() => {
            let mut listed = resource.authorization_servers.clone();
            let first = login.issuer.as_deref().or(earlier_issuer);
            if let Some(place) = listed.iter().position(|one| first == Some(one.as_str())) {
                listed[..=place].rotate_right(1);
            }
            authorization_server::first_usable(fetch, &listed, login).await?
        }
        // Without a listed authorization server, or without resource metadata (2025-03-26), the MCP server is one
        // itself, unless the user names one.
        _ => {
            let own = login.issuer.clone().unwrap_or_else(|| server.origin().ascii_serialization());
            authorization_server::own(fetch, &own, resource.is_none(), login).await?
        }
    };
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
