//! Which address does a person open for an authorization request? It is checked as far as that is possible without a
//! browser, so that no tab opens in vain.

use super::error::LoginError;
use crate::auth::authorization::{self, AuthorizationRequest};
use crate::auth::login_context::LoginContext;
use crate::auth::metadata::Metadata;
use crate::auth::record::Origin;
use crate::auth::token::TokenEndpoint;

pub(super) async fn authorization_url(
    context: &LoginContext,
    request: &AuthorizationRequest,
) -> Result<String, LoginError> {
    let login = &context.options.login;
    if let Some(endpoint) = push_endpoint(request) {
        return push(context, request, endpoint).await;
    }
    let url = request.url(login)?;
    // An authorization server that has lost our registration refuses this request, which is sent without a browser.
    if request.client.origin == Origin::Dynamic
        && !context.known_clients.lock().contains(&request.client.client_id)
        && !authorization::knows_client(context.fetch().await, &url).await
    {
        return Err(LoginError::ClientUnknown);
    }
    Ok(url)
}

/// Where the request must be pushed to; `None` if the browser carries all of it.
fn push_endpoint(request: &AuthorizationRequest) -> Option<&str> {
    let metadata = Metadata::of(&request.issuer);
    let is_required =
        request.must_push || request.client.must_push || metadata.flag("require_pushed_authorization_requests");
    metadata.text("pushed_authorization_request_endpoint").filter(|_| is_required)
}

/// Pushes the request (RFC 9126): the address has only its name.
async fn push(context: &LoginContext, request: &AuthorizationRequest, endpoint: &str) -> Result<String, LoginError> {
    let login = &context.options.login;
    // Checks the request as if the browser carried it.
    request.url(login)?;
    let to = TokenEndpoint {
        fetch: context.fetch().await,
        issuer: &request.issuer,
        client: &request.client,
        login,
        dpop: None,
    };
    let pushed = to.push(endpoint, &request.parameters(login)?).await;
    let (request_uri, _) = pushed.map_err(|error| match error {
        error if error.client_is_unknown() && request.client.origin != Origin::Given => LoginError::ClientUnknown,
        error => LoginError::Pushed(error),
    })?;
    Ok(request.pushed_url(&request_uri)?)
}
