//! How does a login in a browser begin? With an authorization server, a registration, a callback, and a person who is
//! shown where to sign in. A later attempt changes what the server refused about the last one.

use std::sync::Arc;

use super::error::LoginError;
use super::prompt::{self, LoginOptions};
use super::{address, register};
use crate::auth::authorization::{self, AuthorizationError, AuthorizationRequest, Retry};
use crate::auth::callback::{Callback, ExpectedRedirect, Listener};
use crate::auth::crypto::random_text;
use crate::auth::discovery::{Discovered, DiscoveryError};
use crate::auth::dpop::Dpop;
use crate::auth::expiry::now;
use crate::auth::login_context::LoginContext;
use crate::auth::login_lock::{LoginGuard, PendingLogin, PendingTab};
use crate::auth::metadata::Metadata;
use crate::auth::record::{Client, Origin};
use crate::auth::scope::{ScopeAttempt, is_registered_too_narrowly};
use crate::auth::token::TokenError;
use crate::log;

/// The most attempts without a tab, where the authorization server refuses a request before a browser opens.
const MOST_UNSEEN_ATTEMPTS: usize = 3;

/// What the next attempt does differently.
#[derive(Debug, Default)]
#[allow(clippy::struct_excessive_bools)]
pub(super) struct Adjustments {
    /// How much of the scope is asked for.
    attempt: ScopeAttempt,
    /// The client ID metadata document is refused.
    not_by_document: bool,
    /// The registration is not valid any more.
    register_anew: bool,
    /// The registration was not valid any more once before.
    has_registered_anew: bool,
    /// The other spelling of the resource is sent.
    other_resource: bool,
    /// No resource is sent.
    no_resource: bool,
    /// The request is pushed, though the metadata do not ask for that.
    must_push: bool,
}

impl Adjustments {
    /// Changes what was refused. False if another attempt would be refused in the same way.
    pub(super) fn adjust(&mut self, error: &LoginError, pending: &AuthorizationRequest) -> bool {
        self.register_anew = false;
        let retry = match error {
            LoginError::Redirect(error) => error.retry(),
            LoginError::Pushed(TokenError::ErrorResponse(response)) => {
                authorization::retry(pending, &response.error, response.description.as_deref().unwrap_or_default())
            }
            LoginError::ClientUnknown => Some(Retry::Register),
            // A code that was issued without a scope may not be good for a token (Cognito).
            LoginError::Token(TokenError::ErrorResponse(response))
                if pending.scope.is_none() && response.error == "invalid_scope" =>
            {
                authorization::retry(pending, &response.error, "")
            }
            LoginError::Token(error) if error.client_is_unknown() && !self.has_registered_anew => {
                self.has_registered_anew = true;
                self.register_anew = true;
                return true;
            }
            _ => None,
        };
        match retry {
            Some(Retry::Scope(attempt)) => self.attempt = attempt,
            Some(Retry::OtherResource) => self.other_resource = true,
            Some(Retry::NoResource) => self.no_resource = true,
            Some(Retry::Push) => self.must_push = true,
            Some(Retry::Register) if pending.client.origin == Origin::MetadataDocument => self.not_by_document = true,
            Some(Retry::Register) => self.register_anew = true,
            None => return false,
        }
        true
    }
}

pub(super) async fn begin(
    context: &Arc<LoginContext>,
    guard: &LoginGuard,
    adjustments: &mut Adjustments,
    options: &LoginOptions,
) -> Result<(Callback, AuthorizationRequest), LoginError> {
    let discovered = context.discover().await?;
    check_page(context, &discovered).await?;
    let ports = register::ports(context, &discovered.issuer, adjustments.not_by_document).await;
    let listener = match Listener::bind(&context.options.callback, &ports) {
        Err(error) if options.is_pasted() => {
            log::info!("{error}");
            Listener::without_sockets(&context.options.callback, &ports)
        }
        listener => listener?,
    };
    let mut attempts_left = MOST_UNSEEN_ATTEMPTS;
    let (pending, url) = loop {
        let mut pending = prepare(context, adjustments, listener.port).await?;
        match address::authorization_url(context, &mut pending).await {
            Ok(url) => break (pending, url),
            Err(error) if attempts_left > 0 && adjustments.adjust(&error, &pending) => {
                log::info!("{error}; asking again");
            }
            Err(error) => return Err(error),
        }
        attempts_left -= 1;
    };
    context.known_clients.lock().insert(pending.client.client_id.clone());
    let begun = PendingLogin {
        url,
        state: pending.state.expose().to_owned(),
        port: listener.port,
        start: random_text().map_err(LoginError::other)?,
        opened: 0,
        tab: if options.opens { PendingTab::Opening } else { PendingTab::None },
        has_callback: listener.is_open() && !options.quiet,
        begun_at: now(),
        payload: serde_json::to_value(&pending).unwrap_or_default(),
        redirect: None,
    };
    Ok((show(context, guard, listener, &pending, begun, options).await?, pending))
}

/// Checks where the browser would be sent, before anything is registered for it.
async fn check_page(context: &LoginContext, discovered: &Discovered) -> Result<(), LoginError> {
    let Some(page) = Metadata::of(&discovered.issuer).text("authorization_endpoint") else { return Ok(()) };
    let checked = context.fetch().await.check_for_browser(page).await;
    checked.map_err(|error| LoginError::Discovery(DiscoveryError::Fetch(error)))
}

/// The authorization request for a callback server at this port.
async fn prepare(
    context: &Arc<LoginContext>,
    adjustments: &Adjustments,
    port: u16,
) -> Result<AuthorizationRequest, LoginError> {
    let login = &context.options.login;
    let mut discovered = context.discover().await?;
    context.bind_credentials(&discovered.issuer).await?;
    if adjustments.other_resource {
        discovered.issuer.resource = discovered.issuer.other_resource.clone();
    }
    if adjustments.no_resource {
        discovered.issuer.resource = None;
    }
    let redirect_uri = context.options.callback.redirect_uri(port);
    let record = context.account.record().await;
    let previous = record.requested_of(&discovered.issuer);
    let scope = discovered.scopes.select(login, &discovered.issuer, previous, adjustments.attempt);
    let is_refused = login.client_id.is_some() || adjustments.register_anew;
    let is_usable = |client: &&Client| {
        let is_too_narrow = scope.as_deref().is_some_and(|scope| is_registered_too_narrowly(client, scope));
        !is_refused && !is_too_narrow && !client.needs_new_registration(&redirect_uri, now())
    };
    let client = match record.registered_with(&discovered.issuer).filter(is_usable) {
        Some(client) => client.clone(),
        None => register::register(context, &discovered, Some(&redirect_uri), adjustments.not_by_document).await?,
    };
    let dpop_key = match &record.dpop_key {
        _ if !discovered.dpop => None,
        Some(key) => Some(key.clone()),
        None => Some(Dpop::generate().map_err(LoginError::other)?),
    };
    // What was registered is what is used.
    let redirect_uri = client.registered_uri(&redirect_uri).unwrap_or(&redirect_uri).to_owned();
    let pending = AuthorizationRequest::new(discovered.issuer, client, redirect_uri);
    let mut pending = pending.map_err(AuthorizationError::from)?;
    (pending.scope, pending.attempt, pending.dpop_key) = (scope, adjustments.attempt, dpop_key);
    pending.must_push = adjustments.must_push;
    Ok(pending)
}

/// Takes over a login that another process began before it died: the same tab, the same port. `None` if that is not
/// possible.
pub(super) async fn take_over(
    context: &LoginContext,
    guard: &LoginGuard,
    left: PendingLogin,
    options: &LoginOptions,
) -> Result<Option<(Callback, AuthorizationRequest)>, LoginError> {
    let Ok(mut pending) = AuthorizationRequest::from_payload(&left.payload) else { return Ok(None) };
    let mut settings = context.options.callback.clone();
    settings.port = Some(left.port);
    let Ok(listener) = Listener::bind(&settings, &[]) else { return Ok(None) };
    log::info!("a login that another process began is taken over");
    // The process that was opening a tab may have died before.
    let tab = if left.tab == PendingTab::Open { PendingTab::Open } else { PendingTab::None };
    let mut left = PendingLogin { has_callback: true, tab, ..left };
    if pending.pushed_for.is_some()
        && let Ok(url) = address::authorization_url(context, &mut pending).await
    {
        left.url = url;
    }
    Ok(Some((show(context, guard, listener, &pending, left, options).await?, pending)))
}

/// Saves the login under way, starts the callback server, and shows where to sign in.
async fn show(
    context: &LoginContext,
    guard: &LoginGuard,
    listener: Listener,
    request: &AuthorizationRequest,
    pending: PendingLogin,
    options: &LoginOptions,
) -> Result<Callback, LoginError> {
    guard.save_pending(pending.clone()).await?;
    let PendingLogin { state, start, url, opened, .. } = pending.clone();
    let expected = ExpectedRedirect { state, start, url, opened };
    let callback = Callback::start(listener, &expected).map_err(LoginError::other)?;
    prompt::show(context, request, &pending, options).await;
    Ok(callback)
}
