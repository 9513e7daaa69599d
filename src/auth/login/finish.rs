//! How does a login in a browser end? The redirect, or the address that a person pastes, is checked; its code is
//! exchanged for tokens; the tokens are kept before they are used.

use std::sync::Arc;
use std::time::Duration;

use super::address::{self, Renewal};
use super::error::LoginError;
use super::prompt::{self, LoginOptions};
use crate::auth::account::Snapshot;
use crate::auth::authorization::{self, AuthorizationRequest};
use crate::auth::callback::{Callback, Redirect};
use crate::auth::login_context::LoginContext;
use crate::auth::login_lock::PendingLogin;
use crate::auth::page::Page;
use crate::auth::record::Record;
use crate::auth::scope;
use crate::auth::token::{Issued, TokenEndpoint, TokenError};
use crate::log::{self, Secret};

/// When a code is sent again that an authorization server in trouble did not accept.
const SEND_AGAIN: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];

/// Waits for the redirect or for a pasted address, and exchanges the code. The browser waits for [`answer_browser`]. A
/// pasted address that is not accepted does not end the wait.
pub(super) async fn finish(
    context: &Arc<LoginContext>,
    callback: &mut Callback,
    pending: &AuthorizationRequest,
    options: &mut LoginOptions,
) -> Result<Snapshot, LoginError> {
    let state = pending.state.expose();
    let mut renewal = Renewal::of(pending);
    let mut seen = context.account.generation().await;
    let mut opened = callback.opened();
    loop {
        tokio::select! {
            Ok(()) = opened.changed() => {
                let opened = *opened.borrow_and_update();
                context.login_lock.save_opened(state, opened).await;
            }
            redirect = callback.redirected() => {
                context.login_lock.save_redirect(state, redirect.query(state)).await;
                break redeem(context, pending, &redirect).await;
            }
            Some(text) = options.next_pasted() => match redeem_pasted(context, pending, &text).await {
                Ok(held) => break Ok(held),
                Err(error) => log::notice(&format!("{error}; still waiting")),
            },
            () = context.login_status.tab_requested.notified() => {
                prompt::open_another_tab(context, state, options).await;
            }
            () = renewal.due() => address::renew(context, callback, pending).await,
            () = context.login_lock.cancelled(state) => {
                // Or another process has finished it.
                break context.sufficient_login().await.ok_or(LoginError::Cancelled);
            }
            () = context.account.changed(seen) => {
                seen = context.account.generation().await;
                if let Some(held) = context.sufficient_login().await {
                    break Ok(held);
                }
            }
        }
    }
}

/// Finishes a login whose redirect had arrived when its process was killed. Its code may have been used.
pub(super) async fn resume(context: &Arc<LoginContext>, left: &PendingLogin) -> Result<Snapshot, LoginError> {
    let pending = AuthorizationRequest::from_payload(&left.payload).map_err(LoginError::other)?;
    let query = left.redirect.as_ref().map_or("", Secret::expose);
    let redirect = Redirect::pasted(query, &left.state).map_err(LoginError::other)?;
    redeem(context, &pending, &redirect).await
}

/// Shows in the browser how the login ended, and whether another attempt follows.
pub(super) async fn answer_browser(
    context: &LoginContext,
    callback: Callback,
    logged_in: &Result<Snapshot, LoginError>,
    goes_on: bool,
) {
    let host = context.shown_server();
    let page = match logged_in {
        Ok(_) => Page::SignedIn { host, next_step: context.login_status.next_step() },
        Err(error) => {
            let reason = log::redact(&error.to_string());
            if goes_on { Page::Retrying { host, reason } } else { Page::Failed { host, reason, advice: error.hint() } }
        }
    };
    callback.respond(page).await;
}

/// Finishes a login with text that a person pastes: the whole address, its query, or the code alone. The code alone is
/// not enough where the authorization server names itself in the address.
pub(super) async fn redeem_pasted(
    context: &Arc<LoginContext>,
    pending: &AuthorizationRequest,
    text: &str,
) -> Result<Snapshot, LoginError> {
    let redirect = Redirect::pasted(text, pending.state.expose()).map_err(LoginError::other)?;
    match redeem(context, pending, &redirect).await {
        Err(LoginError::Redirect(_)) if redirect.is_bare() => {
            Err(LoginError::Other("that is not enough: paste the whole address that the browser ended at".to_owned()))
        }
        redeemed => redeemed,
    }
}

/// Checks a redirect and exchanges its code for tokens, under the login's lock; the tokens are kept before they are
/// used.
async fn redeem(
    context: &Arc<LoginContext>,
    pending: &AuthorizationRequest,
    redirect: &Redirect,
) -> Result<Snapshot, LoginError> {
    let code = authorization::code(pending, redirect)?;
    let (context, pending) = (Arc::clone(context), pending.clone());
    let account = context.account.clone();
    let exchanged = account.transact(async move |mut transaction| {
        if !context.login_lock.is_pending(pending.state.expose()).await {
            return Err(LoginError::Cancelled);
        }
        transaction.reserve().await?;
        let record = Record { dpop_key: pending.dpop_key.clone(), ..transaction.record.clone() };
        let dpop = context.dpop(&record).map_err(LoginError::other)?;
        let endpoint = TokenEndpoint {
            fetch: context.fetch().await,
            issuer: &pending.issuer,
            client: &pending.client,
            login: &context.options.login,
            dpop: dpop.as_deref(),
        };
        let issued = exchange(endpoint, &pending, &code).await?;
        scope::warn_if_no_refresh_token(&issued.tokens, pending.scope.as_deref());
        let record = context.login_record(record, &pending.issuer, &pending.client, pending.scope.as_deref(), issued);
        Ok::<_, LoginError>(transaction.keep(record).await)
    });
    exchanged.await?
}

/// Exchanges a code, which cost a person some work: an authorization server in trouble gets it again. A server that has
/// accepted it already returns an error, and nothing is lost.
async fn exchange(
    endpoint: TokenEndpoint<'_>,
    pending: &AuthorizationRequest,
    code: &Secret,
) -> Result<Issued, TokenError> {
    for pause in SEND_AGAIN {
        match endpoint.exchange(pending, code).await {
            Err(error @ (TokenError::Temporary { .. } | TokenError::NoResponse(_))) => {
                log::info!("{error}; the code is sent again");
                tokio::time::sleep(pause).await;
            }
            exchanged => return exchanged,
        }
    }
    endpoint.exchange(pending, code).await
}
