//! How does somebody log in with a browser that is somewhere else? We show a code and ask until it has been typed in.

use std::sync::Arc;

use super::account::Snapshot;
use super::discovery::Discovered;
use super::grants::device::{self, DeviceAuthorization, PollResult};
use super::login::{LoginError, LoginOptions};
use super::oauth::Inner;
use super::registration::{self, RegistrationRequest};
use super::scope::ScopeAttempt;
use super::token::{Issued, TokenEndpoint};
use super::{Client, LoginPrompt, Record};
use crate::log;

/// Logs in with a code (RFC 8628).
pub(super) async fn log_in(inner: &Arc<Inner>, options: &LoginOptions) -> Result<Snapshot, LoginError> {
    let login = &inner.options.login;
    let discovered = inner.discover().await?;
    let held = inner.account.snapshot();
    let record = held.map(|held| held.record.as_ref().clone()).unwrap_or_default();
    let begun_at = record.generation;
    let issuer = &discovered.issuer;
    let scope = discovered.scopes.select(login, issuer, record.requested_of(issuer), ScopeAttempt::Full);
    let client = client(inner, &discovered, &record).await?;
    let dpop = inner.dpop(&record).map_err(|error| LoginError::Other(error.to_string()))?;
    let fetch = inner.fetch().await;
    let endpoint = TokenEndpoint { fetch, issuer, client: &client, login, dpop: dpop.as_deref() };
    let device = device::authorize(endpoint, scope.as_deref()).await?;
    show(inner, &device, options).await;
    let tokens = issued(device, endpoint).await?;
    let (inner, issuer) = (Arc::clone(inner), issuer.clone());
    let account = inner.account.clone();
    let kept = account.transact(async move |mut transaction| {
        let record: Record = transaction.record.clone();
        if record.logged_out && record.generation != begun_at {
            return Err(LoginError::GivenUp);
        }
        let record = inner.logged_in(record, &issuer, &client, scope.as_deref(), tokens);
        Ok(transaction.keep(record).await)
    });
    kept.await?
}

/// Who we are there: as registered in an earlier run, or now.
async fn client(inner: &Inner, discovered: &Discovered, record: &Record) -> Result<Client, LoginError> {
    let (login, issuer) = (&inner.options.login, &discovered.issuer);
    if let Some(client) = record.registered_with(issuer) {
        return Ok(client.clone());
    }
    let scope = discovered.scopes.to_register(login, issuer, record.requested_of(issuer));
    let wanted = RegistrationRequest { redirect_uris: &[], scope: scope.as_deref(), skip_metadata_document: false };
    Ok(registration::register(inner.fetch().await, issuer, login, wanted).await?)
}

/// Shows the code, and the page to type it in at.
async fn show(inner: &Inner, device: &DeviceAuthorization, options: &LoginOptions) {
    let url = device.verification_uri_complete.as_ref().unwrap_or(&device.verification_uri);
    inner.login_status.offer(LoginPrompt { url: url.clone(), code: Some(device.user_code.clone()) });
    let server = inner.shown_server();
    log::notice(&format!("to sign in to {server}, open {url} anywhere and type the code {}", device.user_code));
    if options.opens && options.asked_for {
        super::login::open(url).await;
    }
}

/// Asks until somebody has typed the code in, for as long as it is good.
async fn issued(mut device: DeviceAuthorization, endpoint: TokenEndpoint<'_>) -> Result<Issued, LoginError> {
    let lifetime = device.lifetime;
    let polling = tokio::time::timeout(lifetime, async {
        loop {
            tokio::time::sleep(device.interval).await;
            match device.poll(endpoint).await {
                Ok(PollResult::Issued(tokens)) => return Ok(*tokens),
                Ok(PollResult::Wait) => {}
                // It asks again; the code is good for as long as it was.
                Err(error) if error.is_temporary() || error.has_unknown_outcome() => log::info!("{error}"),
                Err(error) => return Err(error.into()),
            }
        }
    });
    polling.await.unwrap_or(Err(LoginError::TimedOut(lifetime.as_secs())))
}
