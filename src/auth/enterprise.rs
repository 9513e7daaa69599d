//! How does a company's identity provider vouch for a person? It exchanges the person's ID token for an ID-JAG (RFC
//! 8693), which the MCP server's authorization server takes as a grant (RFC 7523). Nobody is sent to log in there.

use super::metadata;
use super::record::{Client, Issuer, Origin};
use super::settings::{Enterprise, Login};
use super::token::{Issued, TokenEndpoint, TokenError};
use super::workload;
use crate::log::Secret;

const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ID_JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";

/// Both steps. `endpoint`: the one of the MCP server's authorization server. `resource`: what the MCP server is known
/// as (RFC 9728).
pub async fn tokens(
    endpoint: TokenEndpoint<'_>,
    enterprise: &Enterprise,
    subject_token: &Secret,
    resource: &str,
    scope: Option<&str>,
) -> Result<Issued, TokenError> {
    let audience = &endpoint.issuer.issuer;
    let mut form = vec![
        ("grant_type", TOKEN_EXCHANGE),
        ("requested_token_type", ID_JAG),
        ("audience", audience),
        ("resource", resource),
        ("subject_token", subject_token.expose()),
        ("subject_token_type", ID_TOKEN),
    ];
    form.extend(scope.map(|scope| ("scope", scope)));
    let (idp, client, login) = provider(enterprise);
    // Its own client, its own secret: nothing of the authorization server's goes to the provider, nor the other way
    // round.
    let exchange = TokenEndpoint { fetch: endpoint.fetch, issuer: &idp, client: &client, login: &login, dpop: None };
    let assertion = exchange.issue(&form).await?.tokens.access_token;
    workload::tokens(endpoint, &assertion, scope).await
}

fn provider(enterprise: &Enterprise) -> (Issuer, Client, Login) {
    let metadata = metadata::document(&[("token_endpoint", enterprise.token_endpoint.as_str().into())]);
    let issuer = Issuer { issuer: enterprise.token_endpoint.clone(), metadata, ..Issuer::default() };
    let client = Client {
        client_id: enterprise.client_id.clone(),
        client_secret: enterprise.client_secret.clone(),
        origin: Origin::Given,
        ..Client::default()
    };
    (issuer, client, Login::default())
}
