//! How does a login in a browser begin? With an authorization server, a registration, a callback, and a person who is
//! shown where to sign in.

use super::adjustments::Adjustments;
use super::error::LoginError;
use super::options::LoginOptions;
use super::{client, prompt};
use crate::auth::authorization::{self, AuthorizationRequest, PendingAuthorization};
use crate::auth::callback::{Callback, ExpectedRedirect, Listener};
use crate::auth::crypto::random_text;
use crate::auth::dpop::Dpop;
use crate::auth::expiry::now;
use crate::auth::login_context::LoginContext;
use crate::auth::login_lock::{LoginGuard, PendingLogin};
use crate::auth::record::Client;
use crate::log;

/// Begins a login.
pub(super) async fn begin(
    context: &LoginContext,
    guard: &LoginGuard,
    adjustments: &Adjustments,
    options: &LoginOptions,
) -> Result<(Callback, PendingAuthorization), LoginError> {
    let login = &context.options.login;
    let mut discovered = context.discover().await?;
    if adjustments.other_resource {
        discovered.issuer.resource = discovered.issuer.other_resource.clone();
    }
    if adjustments.no_resource {
        discovered.issuer.resource = None;
    }
    let listener = Listener::bind(&context.options.callback, &context.account.key().ports())?;
    let redirect_uri = listener.redirect_uri();
    let held = context.account.snapshot().await;
    let record = held.map(|held| held.record.as_ref().clone()).unwrap_or_default();
    let previous = record.requested_of(&discovered.issuer);
    let scope = discovered.scopes.select(login, &discovered.issuer, previous, adjustments.attempt);
    let mut client = match client::registered(context, &discovered, &record, adjustments, &redirect_uri) {
        Some(client) => client,
        None => client::register(context, &discovered, &record, adjustments, &redirect_uri).await?,
    };
    let dpop_key = match &record.dpop_key {
        _ if !discovered.dpop => None,
        Some(key) => Some(key.clone()),
        None => Some(Dpop::generate().map_err(LoginError::other)?),
    };
    let request = |client: &Client| {
        authorization::start(AuthorizationRequest {
            issuer: &discovered.issuer,
            client,
            login,
            redirect_uri: &redirect_uri,
            scope: scope.as_deref(),
            attempt: adjustments.attempt,
            dpop_key: dpop_key.as_ref(),
        })
    };
    let (mut url, mut pending) = request(&client)?;
    if client::is_forgotten(context, &client, &url).await {
        log::info!("the authorization server has lost our registration; registering again");
        client = client::register(context, &discovered, &record, adjustments, &redirect_uri).await?;
        (url, pending) = request(&client)?;
    }
    context.known_clients.lock().insert(client.client_id);
    let start = random_text().map_err(LoginError::other)?[..12].to_owned();
    let state = pending.state.expose().to_owned();
    let saved = guard.save_pending(PendingLogin {
        url: url.clone(),
        state: state.clone(),
        port: listener.port(),
        start: start.clone(),
        begun_at: now(),
        payload: serde_json::to_value(&pending).unwrap_or_default(),
        redirect: None,
    });
    saved.await?;
    let callback =
        Callback::start(listener, ExpectedRedirect { state, start, url: url.clone() }).map_err(LoginError::other)?;
    prompt::show(context, guard, &url, &callback, options).await;
    Ok((callback, pending))
}

/// Takes over a login that another process began before it died: the same tab, the same port. `None` if that is not
/// possible.
pub(super) async fn take_over(
    context: &LoginContext,
    guard: &LoginGuard,
    left: PendingLogin,
    options: &LoginOptions,
) -> Result<Option<(Callback, PendingAuthorization)>, LoginError> {
    let Ok(pending) = PendingAuthorization::from_payload(&left.payload) else { return Ok(None) };
    let mut settings = context.options.callback.clone();
    settings.port = Some(left.port);
    let Ok(listener) = Listener::bind(&settings, &[]) else { return Ok(None) };
    let expected = ExpectedRedirect { state: left.state, start: left.start, url: left.url.clone() };
    let callback = Callback::start(listener, expected).map_err(LoginError::other)?;
    log::info!("a login that another process began is taken over");
    prompt::show(context, guard, &left.url, &callback, options).await;
    Ok(Some((callback, pending)))
}
