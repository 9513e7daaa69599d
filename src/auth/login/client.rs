//! Which client are we at the authorization server? The one that an earlier run registered, or a new one.

use super::adjustments::Adjustments;
use super::error::LoginError;
use crate::auth::authorization;
use crate::auth::discovery::Discovered;
use crate::auth::expiry::now;
use crate::auth::login_context::LoginContext;
use crate::auth::record::{Client, Origin, Record};
use crate::auth::registration::{self, RegistrationRequest};

/// The client of the record, unless it needs a new registration.
pub(super) fn registered(
    context: &LoginContext,
    discovered: &Discovered,
    record: &Record,
    adjustments: &Adjustments,
    redirect_uri: &str,
) -> Option<Client> {
    if context.options.login.client_id.is_some() || adjustments.register_anew {
        return None;
    }
    let client = record.registered_with(&discovered.issuer)?;
    (!client.needs_new_registration(Some(redirect_uri), now())).then(|| client.clone())
}

/// Registers, and keeps the registration at once: the next login needs no other.
pub(super) async fn register(
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

/// Whether the authorization server has lost our registration: it refuses this authorization request, which is
/// sent without a browser.
pub(super) async fn is_forgotten(context: &LoginContext, client: &Client, url: &str) -> bool {
    client.origin == Origin::Dynamic
        && !context.known_clients.lock().contains(&client.client_id)
        && matches!(authorization::knows_client(context.fetch().await, url).await, Ok(false))
}
