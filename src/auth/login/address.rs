//! Which address does a person open for an authorization request? It is checked as far as that is possible without a
//! browser, so that no tab opens in vain.

use std::time::Duration;

use tokio::time::Instant;

use super::error::LoginError;
use crate::auth::authorization::endpoint::check_endpoint;
use crate::auth::authorization::{self, AuthorizationError, AuthorizationRequest};
use crate::auth::callback::Callback;
use crate::auth::login_context::LoginContext;
use crate::auth::metadata::Metadata;
use crate::auth::record::Origin;
use crate::auth::token::{TokenEndpoint, TokenError};
use crate::log;

/// The shortest time after which a request is pushed again.
const SHORTEST_RENEWAL: Duration = Duration::from_secs(15);

/// The address of this request. Notes how long it is valid, if the request was pushed.
pub(super) async fn authorization_url(
    context: &LoginContext,
    request: &mut AuthorizationRequest,
) -> Result<String, LoginError> {
    let login = &context.options.login;
    if let Some(endpoint) = push_endpoint(request).map(str::to_owned) {
        return push(context, request, &endpoint).await;
    }
    let url = request.url(login)?;
    // An authorization server that has lost our registration, or cannot read the document, refuses this request, which
    // is sent without a browser.
    let by_document = request.client.origin == Origin::MetadataDocument;
    if request.client.origin != Origin::Given
        && !context.known_clients.lock().contains(&request.client.client_id)
        && !authorization::knows_client(context.fetch().await, &url, by_document).await
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
async fn push(
    context: &LoginContext,
    request: &mut AuthorizationRequest,
    endpoint: &str,
) -> Result<String, LoginError> {
    let login = &context.options.login;
    // Checks the request as if the browser carried it.
    request.url(login)?;
    let url = context.fetch().await.check_url(endpoint).map_err(TokenError::from).map_err(LoginError::Pushed)?;
    check_endpoint(&url).map_err(AuthorizationError::from)?;
    let to = TokenEndpoint {
        fetch: context.fetch().await,
        issuer: &request.issuer,
        client: &request.client,
        login,
        dpop: None,
    };
    let pushed = to.push(endpoint, &request.parameters(login)?).await;
    let (request_uri, lifetime) = pushed.map_err(|error| match error {
        error if error.client_is_unknown() && request.client.origin != Origin::Given => LoginError::ClientUnknown,
        error => LoginError::Pushed(error),
    })?;
    request.pushed_for = Some(lifetime);
    Ok(request.pushed_url(&request_uri)?)
}

/// When the address of a login under way has to be made anew: a person may open it minutes later. The tab that has
/// opened it already is not concerned.
pub(super) struct Renewal {
    pause: Option<Duration>,
    next: Instant,
}

impl Renewal {
    pub(super) fn of(request: &AuthorizationRequest) -> Self {
        let pause = request.pushed_for.map(|lifetime| SHORTEST_RENEWAL.max(Duration::from_secs(lifetime) * 3 / 4));
        Self { pause, next: Instant::now() + pause.unwrap_or_default() }
    }

    /// Waits until the address has to be made anew. Dropping the wait loses nothing.
    pub(super) async fn due(&mut self) {
        match self.pause {
            Some(pause) => {
                tokio::time::sleep_until(self.next).await;
                self.next = Instant::now() + pause;
            }
            None => std::future::pending().await,
        }
    }
}

/// Makes the address of a login under way anew, with the same state.
pub(super) async fn renew(context: &LoginContext, callback: &Callback, request: &AuthorizationRequest) {
    match authorization_url(context, &mut request.clone()).await {
        Ok(url) => {
            callback.set_url(&url);
            context.login_lock.save_url(request.state.expose(), url.clone()).await;
            context.login_status.set_url(&url);
        }
        Err(error) => log::info!("the address to sign in at could not be renewed: {error}"),
    }
}
