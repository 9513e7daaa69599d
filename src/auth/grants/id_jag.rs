//! How does a company's identity provider authorize access for a person? It exchanges the person's ID token for an
//! Identity Assertion JWT Authorization Grant (ID-JAG, RFC 8693), which the MCP server's authorization server exchanges
//! for tokens (RFC 7523). The person does not log in there.

use super::jwt_bearer;
use crate::auth::metadata;
use crate::auth::record::{Client, Issuer, Origin};
use crate::auth::settings::{Enterprise, Login};
use crate::auth::token::{Issued, TokenEndpoint, TokenError};
use crate::log::Secret;

const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ID_JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";

/// Does both steps. `endpoint`: that of the MCP server's authorization server. `resource`: the MCP server's resource
/// identifier (RFC 9728).
pub(super) async fn request_tokens(
    endpoint: TokenEndpoint<'_>,
    provider: &Enterprise,
    subject_token: &Secret,
    resource: &str,
    scope: Option<&str>,
) -> Result<Issued, TokenError> {
    let form = [
        ("grant_type", TOKEN_EXCHANGE),
        ("requested_token_type", ID_JAG),
        ("audience", &endpoint.issuer.issuer),
        ("resource", resource),
        ("subject_token", subject_token.expose()),
        ("subject_token_type", ID_TOKEN),
    ];
    // The provider has its own client and secret; neither side gets credentials for the other.
    let metadata = metadata::document(&[("token_endpoint", provider.token_endpoint.as_str().into())]);
    let issuer = Issuer { issuer: provider.token_endpoint.clone(), metadata, ..Issuer::default() };
    let client = Client {
        client_id: provider.client_id.clone(),
        client_secret: provider.client_secret.clone(),
        origin: Origin::Given,
        ..Client::default()
    };
    let login = Login::default();
    let exchange = TokenEndpoint { fetch: endpoint.fetch, issuer: &issuer, client: &client, login: &login, dpop: None };
    let assertion = exchange.request_with_scope(&form, scope).await?.tokens.access_token;
    jwt_bearer::request_tokens(endpoint, &assertion, scope).await
}
