//! How does a login in a browser begin? With an authorization server, a registration, a callback, and a person who is
//! shown where to sign in. A later attempt changes what the server refused about the last one.

use super::error::LoginError;
use super::prompt::{self, LoginOptions};
use crate::auth::authorization::{self, AuthorizationError, AuthorizationRequest, Retry};
use crate::auth::callback::{Callback, ExpectedRedirect, Listener};
use crate::auth::crypto::random_text;
use crate::auth::discovery::{Discovered, DiscoveryError};
use crate::auth::dpop::Dpop;
use crate::auth::expiry::now;
use crate::auth::login_context::LoginContext;
use crate::auth::login_lock::{LoginGuard, PendingLogin};
use crate::auth::metadata::Metadata;
use crate::auth::record::{Client, Origin, Record};
use crate::auth::registration::{self, RegistrationRequest};
use crate::auth::scope::ScopeAttempt;
use crate::log;

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
}

impl Adjustments {
    /// Changes what was refused. False if another attempt would be refused in the same way.
    pub(super) fn adjust(&mut self, error: &LoginError, pending: &AuthorizationRequest) -> bool {
        self.register_anew = false;
        let retry = match error {
            LoginError::Redirect(error) => error.retry(),
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
            Some(Retry::Register) if pending.client.origin == Origin::MetadataDocument => self.not_by_document = true,
            Some(Retry::Register) => self.register_anew = true,
            None => return false,
        }
        true
    }
}

pub(super) async fn begin(
    context: &LoginContext,
    guard: &LoginGuard,
    adjustments: &Adjustments,
    options: &LoginOptions,
) -> Result<(Callback, AuthorizationRequest), LoginError> {
    let login = &context.options.login;
    let mut discovered = context.discover().await?;
    if adjustments.other_resource {
        discovered.issuer.resource = discovered.issuer.other_resource.clone();
    }
    if adjustments.no_resource {
        discovered.issuer.resource = None;
    }
    check_page(context, &discovered).await?;
    let listener = Listener::bind(&context.options.callback, &context.account.key().ports())?;
    let redirect_uri = context.options.callback.redirect_uri(listener.port);
    let record = context.account.record().await;
    let previous = record.requested_of(&discovered.issuer);
    let scope = discovered.scopes.select(login, &discovered.issuer, previous, adjustments.attempt);
    let is_refused = login.client_id.is_some() || adjustments.register_anew;
    let registered = record.registered_with(&discovered.issuer).filter(|_| !is_refused);
    let client = match registered.filter(|client| !client.needs_new_registration(&redirect_uri, now())) {
        Some(client) => client.clone(),
        None => register(context, &discovered, &record, adjustments, &redirect_uri).await?,
    };
    let dpop_key = match &record.dpop_key {
        _ if !discovered.dpop => None,
        Some(key) => Some(key.clone()),
        None => Some(Dpop::generate().map_err(LoginError::other)?),
    };
    let pending = AuthorizationRequest::new(discovered.issuer.clone(), client, redirect_uri.clone());
    let mut pending = pending.map_err(AuthorizationError::from)?;
    (pending.scope, pending.attempt, pending.dpop_key) = (scope, adjustments.attempt, dpop_key);
    let mut url = pending.url(login)?;
    // An authorization server that has lost our registration refuses this request, which is sent without a browser.
    if pending.client.origin == Origin::Dynamic
        && !context.known_clients.lock().contains(&pending.client.client_id)
        && !authorization::knows_client(context.fetch().await, &url).await
    {
        log::info!("the authorization server has lost our registration; registering again");
        pending.client = register(context, &discovered, &record, adjustments, &redirect_uri).await?;
        url = pending.url(login)?;
    }
    context.known_clients.lock().insert(pending.client.client_id.clone());
    let start = random_text().map_err(LoginError::other)?[..12].to_owned();
    let state = pending.state.expose().to_owned();
    let saved = guard.save_pending(PendingLogin {
        url: url.clone(),
        state: state.clone(),
        port: listener.port,
        start: start.clone(),
        begun_at: now(),
        payload: serde_json::to_value(&pending).unwrap_or_default(),
        redirect: None,
    });
    saved.await?;
    let expected = ExpectedRedirect { state, start, url };
    Ok((show(context, guard, listener, expected, options).await?, pending))
}

/// Checks where the browser would be sent, before anything is registered for it.
async fn check_page(context: &LoginContext, discovered: &Discovered) -> Result<(), LoginError> {
    let Some(page) = Metadata::of(&discovered.issuer).text("authorization_endpoint") else { return Ok(()) };
    let checked = context.fetch().await.check_for_browser(page).await;
    checked.map_err(|error| LoginError::Discovery(DiscoveryError::Fetch(error)))
}

/// Takes over a login that another process began before it died: the same tab, the same port. `None` if that is not
/// possible.
pub(super) async fn take_over(
    context: &LoginContext,
    guard: &LoginGuard,
    left: PendingLogin,
    options: &LoginOptions,
) -> Result<Option<(Callback, AuthorizationRequest)>, LoginError> {
    let Ok(pending) = AuthorizationRequest::from_payload(&left.payload) else { return Ok(None) };
    let mut settings = context.options.callback.clone();
    settings.port = Some(left.port);
    let Ok(listener) = Listener::bind(&settings, &[]) else { return Ok(None) };
    log::info!("a login that another process began is taken over");
    let expected = ExpectedRedirect { state: left.state, start: left.start, url: left.url };
    Ok(Some((show(context, guard, listener, expected, options).await?, pending)))
}

/// Starts the callback server, and shows where to sign in.
async fn show(
    context: &LoginContext,
    guard: &LoginGuard,
    listener: Listener,
    expected: ExpectedRedirect,
    options: &LoginOptions,
) -> Result<Callback, LoginError> {
    let url = expected.url.clone();
    let callback = Callback::start(listener, expected).map_err(LoginError::other)?;
    prompt::show(context, guard, &url, &callback, options).await;
    Ok(callback)
}

/// Registers, and keeps the registration at once: the next login needs no other.
async fn register(
    context: &LoginContext,
    discovered: &Discovered,
    record: &Record,
    adjustments: &Adjustments,
    redirect_uri: &str,
) -> Result<Client, LoginError> {
    let login = &context.options.login;
    let previous = record.requested_of(&discovered.issuer);
    let mut redirect_uris = vec![redirect_uri.to_owned()];
    if context.options.callback.port.is_none() {
        let others = context.account.key().ports().map(|port| context.options.callback.redirect_uri(port));
        redirect_uris.extend(others.into_iter().filter(|uri| uri != redirect_uri));
    }
    let scope = discovered.scopes.to_register(login, &discovered.issuer, previous);
    let wanted = RegistrationRequest {
        redirect_uris: &redirect_uris,
        scope: scope.as_deref(),
        skip_metadata_document: adjustments.not_by_document,
    };
    let client = registration::register(context.fetch().await, &discovered.issuer, login, wanted).await?;
    context.known_clients.lock().insert(client.client_id.clone());
    if client.origin == Origin::Dynamic {
        let (kept, issuer, server) = (client.clone(), discovered.issuer.clone(), context.address());
        let saved = context.account.transact(async move |mut transaction| {
            let mut record = transaction.record.clone();
            // The tokens of this issuer stay until a login has replaced them.
            let keeps_tokens = record.issuer.as_ref().is_none_or(|known| known.is_same_as(&issuer));
            if !keeps_tokens || record.tokens.is_none() {
                record.issuer = Some(issuer);
                record.tokens = None;
            }
            transaction.note(Record { server, client: Some(kept), dead_client: None, ..record }).await
        });
        saved.await??;
    }
    Ok(client)
}
