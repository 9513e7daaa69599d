//! Which client does a login use where none is registered yet, and how is its registration kept?

use super::error::LoginError;
use crate::auth::account::Transaction;
use crate::auth::discovery::Discovered;
use crate::auth::login_context::LoginContext;
use crate::auth::record::{Client, Issuer, Origin, Record};
use crate::auth::registration::{self, RegistrationError, RegistrationRequest};
use crate::auth::store::StoreError;

/// Registers, and keeps the registration at once: the next login needs no other. `redirect_uri`: the one to use; `None`
/// before there is a callback server.
pub(super) async fn register(
    context: &LoginContext,
    discovered: &Discovered,
    redirect_uri: Option<&str>,
    skip_metadata_document: bool,
) -> Result<Client, LoginError> {
    let client = request(context, discovered, redirect_uri, skip_metadata_document).await?;
    if client.origin == Origin::Dynamic {
        let (kept, issuer, account) = (client.clone(), discovered.issuer.clone(), context.account.clone());
        let server = context.address();
        let saved = account.transact(async move |mut transaction| keep(server, &mut transaction, &issuer, kept).await);
        saved.await??;
    }
    Ok(client)
}

/// Registers.
pub(super) async fn request(
    context: &LoginContext,
    discovered: &Discovered,
    redirect_uri: Option<&str>,
    skip_metadata_document: bool,
) -> Result<Client, RegistrationError> {
    let login = &context.options.login;
    let record = context.account.record().await;
    let redirect_uris = redirect_uris(context, redirect_uri);
    let scopes = discovered.scopes.to_register(login, &discovered.issuer, record.requested_of(&discovered.issuer));
    let wanted = RegistrationRequest { redirect_uris: &redirect_uris, scopes: &scopes, skip_metadata_document };
    let client = context.register(&discovered.issuer, wanted).await?;
    // Whether the authorization server can read a document is not known yet.
    if client.origin == Origin::Dynamic {
        context.known_clients.lock().insert(client.client_id.clone());
    }
    Ok(client)
}

/// Keeps a registration. `server`: the address of the MCP server for people.
pub(super) async fn keep(
    server: String,
    transaction: &mut Transaction,
    issuer: &Issuer,
    client: Client,
) -> Result<(), StoreError> {
    let record = transaction.record.clone().with_registration(issuer, client);
    transaction.note(Record { server, ..record }).await.map(drop)
}

/// The ports to listen on: those of a document that becomes our client, otherwise those that are registered.
pub(super) async fn ports(context: &LoginContext, issuer: &Issuer, skip_metadata_document: bool) -> [u16; 3] {
    let own = context.account.key().ports();
    let redirect_uris = [context.options.callback.redirect_uri(own[0])];
    let wanted = RegistrationRequest { redirect_uris: &redirect_uris, scopes: &[], skip_metadata_document };
    let is_registered = context.account.record().await.registered_with(issuer).is_some();
    let document = registration::document(issuer, &context.options.login, wanted);
    if document.is_some() && !is_registered { registration::PORTS } else { own }
}

/// The redirect URI to use, and those of the other ports that a later login may need.
fn redirect_uris(context: &LoginContext, first: Option<&str>) -> Vec<String> {
    let callback = &context.options.callback;
    let ports = callback.port.map_or_else(|| context.account.key().ports().to_vec(), |port| vec![port]);
    let mut redirect_uris = Vec::from_iter(first.map(str::to_owned));
    redirect_uris.extend(ports.into_iter().map(|port| callback.redirect_uri(port)).filter(|uri| first != Some(uri)));
    redirect_uris
}
