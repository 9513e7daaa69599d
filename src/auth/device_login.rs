//! How does somebody log in with a browser that is somewhere else? We show a code and ask until it has been typed in.

use std::sync::Arc;

use super::account::Snapshot;
use super::device::{self, Poll};
use super::login::{LoginError, Manner};
use super::oauth::Inner;
use super::registration::{self, Wanted};
use super::scope::Attempt;
use super::token::TokenEndpoint;
use super::{Offer, Record};
use crate::log;

/// Logs in with a code (RFC 8628).
pub(super) async fn log_in(inner: &Arc<Inner>, manner: &Manner) -> Result<Snapshot, LoginError> {
    let login = &inner.settings.login;
    let discovered = inner.discover().await?;
    let held = inner.account.snapshot();
    let record = held.map(|held| held.record.as_ref().clone()).unwrap_or_default();
    let begun_at = record.generation;
    let issuer = &discovered.issuer;
    let previous = record.requested_of(issuer);
    let scope = discovered.scopes.select(login, issuer, previous, Attempt::Full);
    let fetch = inner.fetch().await;
    let client = match record.registered_with(issuer) {
        Some(client) => client.clone(),
        None => {
            let to_register = discovered.scopes.to_register(login, issuer, previous);
            let wanted = Wanted { redirect_uris: &[], scope: to_register.as_deref(), not_by_document: false };
            registration::register(fetch, issuer, login, wanted).await?
        }
    };
    let dpop = inner.dpop(&record).map_err(|error| LoginError::Other(error.to_string()))?;
    let endpoint = TokenEndpoint { fetch, issuer, client: &client, login, dpop: dpop.as_deref() };
    let mut device = device::begin(endpoint, scope.as_deref()).await?;
    let url = device.verification_uri_complete.clone().unwrap_or_else(|| device.verification_uri.clone());
    inner.standing.offer(Offer { url: url.clone(), code: Some(device.user_code.clone()) });
    let server = inner.shown_server();
    crate::log::notice(&format!("to sign in to {server}, open {url} anywhere and type the code {}", device.user_code));
    if manner.opens && manner.asked_for {
        super::login::open(&url).await;
    }
    let polling = tokio::time::timeout(device.lifetime, async {
        loop {
            tokio::time::sleep(device.interval).await;
            match device.poll(endpoint).await {
                Ok(Poll::Issued(tokens)) => return Ok(tokens),
                Ok(Poll::Wait) => {}
                // It asks again; the code is good for as long as it was.
                Err(error) if error.is_temporary() || error.is_unknown() => log::info!("{error}"),
                Err(error) => return Err(error),
            }
        }
    });
    let tokens = polling.await.map_err(|_| LoginError::TimedOut(device.lifetime.as_secs()))??;
    let (inner, issuer) = (Arc::clone(inner), issuer.clone());
    let account = inner.account.clone();
    let kept = account.transact(async move |mut transaction| {
        let record: Record = transaction.record.clone();
        if record.logged_out && record.generation != begun_at {
            return Err(LoginError::GivenUp);
        }
        let record = inner.logged_in(record, &issuer, &client, scope.as_deref(), *tokens);
        Ok(transaction.keep(record).await)
    });
    kept.await?
}
