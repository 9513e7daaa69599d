//! How does a login end? With the browser back, or with what a person pasted: checked, exchanged for tokens, and kept
//! before they are used.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::{LoginError, LoginOptions};
use crate::auth::account::Snapshot;
use crate::auth::authorization::{self, AuthorizationCode, PendingAuthorization};
use crate::auth::callback::{Callback, Redirect};
use crate::auth::oauth::Inner;
use crate::auth::ownership;
use crate::auth::page::Page;
use crate::auth::token::{Issued, TokenEndpoint, TokenError};
use crate::auth::{Client, Issuer, Record, scope};
use crate::log::{self, Secret};

/// When a code is sent again that an authorization server in trouble did not take.
const AGAIN: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];

/// Waits for the way back, and exchanges the code. The browser waits for [`tell`]; what a person pasted in vain ends
/// nothing.
pub(super) async fn finish(
    inner: &Arc<Inner>,
    callback: &mut Callback,
    pending: &PendingAuthorization,
    options: &mut LoginOptions,
) -> Result<Snapshot, LoginError> {
    let mut seen = inner.account.generation();
    loop {
        tokio::select! {
            redirect = callback.redirected() => {
                let state = pending.state.expose();
                inner.account.keep_redirect(state, redirect.query(state));
                break redeem(inner, pending, &redirect).await;
            }
            Some(text) = pasted(&mut options.pasted) => match take_pasted(inner, pending, &text).await {
                Ok(held) => break Ok(held),
                Err(error) => log::notice(&format!("{error}; still waiting")),
            },
            () = inner.account.given_up(pending.state.expose()) => {
                // Perhaps because it is finished elsewhere.
                let finished = inner.account.snapshot().filter(|held| inner.is_enough(held));
                break finished.ok_or(LoginError::GivenUp);
            }
            () = inner.account.changed(seen) => {
                seen = inner.account.generation();
                if let Some(held) = inner.account.snapshot().filter(|held| inner.is_enough(held)) {
                    break Ok(held);
                }
            }
        }
    }
}

/// Finishes a login whose browser had come back when its owner was killed. The code may be spent by now.
pub(super) async fn resume(inner: &Arc<Inner>, left: &ownership::Pending) -> Result<Snapshot, LoginError> {
    let other = |error: &dyn std::error::Error| LoginError::Other(error.to_string());
    let pending = PendingAuthorization::from_payload(&left.payload).map_err(|error| other(&error))?;
    let redirect = Redirect::pasted(left.redirect.as_ref().map_or("", Secret::expose), &left.state)
        .map_err(|error| other(&error))?;
    redeem(inner, &pending, &redirect).await
}

/// Tells the browser how it went, and whether it goes on.
pub(super) async fn tell(inner: &Inner, callback: Callback, logged_in: &Result<Snapshot, LoginError>, goes_on: bool) {
    let host = inner.shown_server();
    let page = match logged_in {
        Ok(_) => Page::SignedIn { host },
        Err(error) => {
            let reason = log::redact(&error.to_string());
            if goes_on { Page::Retrying { host, reason } } else { Page::Failed { host, reason, advice: error.hint() } }
        }
    };
    callback.respond(page).await;
}

/// What a person brings back: the whole address, its query, or the code alone. An authorization server that says who it
/// is says so in the address, so that the code alone does not do there.
pub(super) async fn take_pasted(
    inner: &Arc<Inner>,
    pending: &PendingAuthorization,
    text: &str,
) -> Result<Snapshot, LoginError> {
    let redirect =
        Redirect::pasted(text, pending.state.expose()).map_err(|error| LoginError::Other(error.to_string()))?;
    match redeem(inner, pending, &redirect).await {
        Err(LoginError::Redirect(_)) if redirect.is_bare() => {
            Err(LoginError::Other("that is not enough: paste the whole address that the browser ended at".to_owned()))
        }
        redeemed => redeemed,
    }
}

pub(super) async fn pasted(pasted: &mut Option<mpsc::Receiver<String>>) -> Option<String> {
    match pasted {
        Some(pasted) => pasted.recv().await,
        None => None,
    }
}

/// Checks what came back and makes tokens of it, under the account's lock; they are kept before they are used.
async fn redeem(
    inner: &Arc<Inner>,
    pending: &PendingAuthorization,
    redirect: &Redirect,
) -> Result<Snapshot, LoginError> {
    let code = authorization::check_response(pending, &redirect.query(pending.state.expose()))?;
    let (inner, pending) = (Arc::clone(inner), pending.clone());
    let account = inner.account.clone();
    let exchanged = account.transact(async move |mut transaction| {
        if !inner.account.is_under_way(pending.state.expose()) {
            return Err(LoginError::GivenUp);
        }
        let record = Record { dpop_key: pending.dpop_key.clone(), ..transaction.record.clone() };
        let dpop = inner.dpop(&record).map_err(|error| LoginError::Other(error.to_string()))?;
        let endpoint = TokenEndpoint {
            fetch: inner.fetch().await,
            issuer: &pending.issuer,
            client: &pending.client,
            login: &inner.options.login,
            dpop: dpop.as_deref(),
        };
        let issued = exchange(endpoint, &pending, &code).await?;
        if let Some(remark) = scope::warn_no_refresh_token(&issued.tokens, pending.scope.as_deref()) {
            log::warn!("{remark}");
        }
        let record = inner.logged_in(record, &pending.issuer, &pending.client, pending.scope.as_deref(), issued);
        Ok::<_, LoginError>(transaction.keep(record).await)
    });
    exchanged.await?
}

/// Exchanges a code, which a person had to come by: an authorization server in trouble gets it again. One that has
/// taken it already says so, and nothing is lost by having asked.
async fn exchange(
    endpoint: TokenEndpoint<'_>,
    pending: &PendingAuthorization,
    code: &AuthorizationCode,
) -> Result<Issued, TokenError> {
    for pause in AGAIN {
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

impl Inner {
    /// Scheme and host of the MCP server.
    pub(in crate::auth) fn shown_server(&self) -> String {
        self.server.origin().ascii_serialization()
    }

    /// Its address for people: without what of it may be secret.
    pub(in crate::auth) fn address(&self) -> String {
        let mut address = self.server.clone();
        address.set_username("").ok();
        address.set_password(None).ok();
        log::redact(address.as_str())
    }

    /// The record of a login that has just been made.
    pub(in crate::auth) fn logged_in(
        &self,
        record: Record,
        issuer: &Issuer,
        client: &Client,
        scope: Option<&str>,
        tokens: Issued,
    ) -> Record {
        let asked = record.requested_of(issuer).unwrap_or_default();
        let requested_scope = Some(scope::union(asked, scope.unwrap_or_default())).filter(|all| !all.is_empty());
        let mut record = Record {
            logins: record.logins + 1,
            server: self.address(),
            issuer: Some(issuer.clone()),
            client: Some(client.clone()),
            requested_scope,
            dead_refresh: None,
            dead_client: None,
            logged_out: false,
            ..record
        };
        tokens.write_to(&mut record);
        record
    }
}
