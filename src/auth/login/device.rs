//! How does somebody log in with a browser on another machine? We show a code, and poll until a person has typed it in.

use std::sync::Arc;

use super::error::LoginError;
use super::prompt::{self, LoginOptions, open_browser};
use crate::auth::account::Snapshot;
use crate::auth::authorization::endpoint::warning as endpoint_warning;
use crate::auth::discovery::DiscoveryError;
use crate::auth::grants::device::{self, DeviceAuthorization};
use crate::auth::login_context::LoginContext;
use crate::auth::login_status::{LoginPrompt, Tab};
use crate::auth::metadata::Metadata;
use crate::auth::record::Record;
use crate::auth::registration::RegistrationRequest;
use crate::auth::scope::{ScopeAttempt, is_registered_too_narrowly};
use crate::auth::token::{Issued, TokenEndpoint};
use crate::log;

/// Logs in with a code (RFC 8628).
pub(super) async fn log_in(context: &Arc<LoginContext>, options: &LoginOptions) -> Result<Snapshot, LoginError> {
    let login = &context.options.login;
    let discovered = context.discover().await?;
    context.bind_credentials(&discovered.issuer).await?;
    let record = context.account.record().await;
    let begun_at = record.generation;
    let issuer = &discovered.issuer;
    let scope = discovered.scopes.select(login, issuer, record.requested_of(issuer), ScopeAttempt::Full);
    let fetch = context.fetch().await;
    let client = match record.registered_with(issuer) {
        Some(client) if !scope.as_deref().is_some_and(|scope| is_registered_too_narrowly(client, scope)) => {
            client.clone()
        }
        _ => {
            let scopes = discovered.scopes.to_register(login, issuer, record.requested_of(issuer));
            let wanted = RegistrationRequest { redirect_uris: &[], scopes: &scopes, skip_metadata_document: false };
            context.register(issuer, wanted).await?
        }
    };
    let dpop = context.dpop(&record).map_err(LoginError::other)?;
    let endpoint = TokenEndpoint { fetch, issuer, client: &client, login, dpop: dpop.as_deref() };
    let room = context.account.reserve().await?;
    let device = device::authorize(endpoint, scope.as_deref()).await?;
    for page in [Some(&device.verification_uri), device.verification_uri_complete.as_ref()].into_iter().flatten() {
        let checked = fetch.check_for_browser(page).await;
        checked.map_err(|error| LoginError::Discovery(DiscoveryError::Fetch(error)))?;
    }
    let url = device.verification_uri_complete.as_ref().unwrap_or(&device.verification_uri);
    let code = Some(device.user_code.clone());
    let metadata = Metadata::of(issuer);
    let (asked, polled) = (metadata.text("device_authorization_endpoint"), metadata.text("token_endpoint"));
    // Nothing in the answers names the authorization server.
    let warning = asked.zip(polled).and_then(|(asked, polled)| endpoint_warning(asked, polled));
    prompt::warn(warning.as_deref());
    let prompt = LoginPrompt { url: url.clone(), short: None, is_elsewhere: false, tab: Tab::None, code, warning };
    context.login_status.set_prompt(prompt);
    let server = context.shown_server();
    log::notice(&format!("to sign in to {server}, open {url} anywhere and type the code {}", device.user_code));
    if options.opens && options.asked_for {
        // Without the code, which other users of this machine could read in the arguments of the browser.
        open_browser(&device.verification_uri).await;
    }
    let tokens = poll(device, endpoint).await?;
    let (context, issuer) = (Arc::clone(context), issuer.clone());
    let account = context.account.clone();
    let kept = account.transact(async move |mut transaction| {
        let record: Record = transaction.record.clone();
        if record.logged_out && record.generation != begun_at {
            return Err(LoginError::Cancelled);
        }
        transaction.use_room(room);
        let record = context.login_record(record, &issuer, &client, scope.as_deref(), tokens);
        Ok(transaction.keep(record).await)
    });
    kept.await?
}

/// Polls until a person has typed the code in, for as long as the code is valid.
async fn poll(mut device: DeviceAuthorization, endpoint: TokenEndpoint<'_>) -> Result<Issued, LoginError> {
    let lifetime = device.lifetime;
    let polling = tokio::time::timeout(lifetime, async {
        loop {
            tokio::time::sleep(device.interval).await;
            match device.poll(endpoint).await {
                Ok(Some(tokens)) => return Ok(tokens),
                Ok(None) => {}
                // The code stays valid: the next poll may succeed.
                Err(error) if error.is_temporary() || error.has_unknown_outcome() => log::info!("{error}"),
                Err(error) => return Err(error.into()),
            }
        }
    });
    polling.await.unwrap_or(Err(LoginError::TimedOut(lifetime.as_secs())))
}
