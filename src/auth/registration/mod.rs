//! Which client ID do we use at an authorization server? One from the user, the URL of a client ID metadata document,
//! or one from dynamic client registration (RFC 7591), in this order.

mod document;
mod dynamic;

use super::fetch::Fetch;
use super::metadata::Metadata;
use super::record::{Client, Issuer, Origin};
use super::settings::Login;
use super::token::AuthMethod;

pub use document::release_document;
pub(super) use document::{PORTS, document};
pub(super) use dynamic::{RegistrationError, RegistrationRequest};

/// Returns the client to use. A client ID is never invented: it comes from the user, a document or the authorization
/// server.
pub(super) async fn register(
    fetch: &Fetch,
    issuer: &Issuer,
    login: &Login,
    request: RegistrationRequest<'_>,
) -> Result<Client, RegistrationError> {
    let metadata = Metadata::of(issuer);
    let redirect_uris = request.redirect_uris.to_vec();
    if let Some(client_id) = &login.client_id {
        return Ok(Client {
            client_id: client_id.clone(),
            client_secret: login.client_secret.clone(),
            token_endpoint_auth_method: login.client_auth_method.clone(),
            origin: Origin::Given,
            redirect_uris,
            ..Client::default()
        });
    }
    if let Some(url) = document(issuer, login, request) {
        return Ok(Client {
            client_id: url.to_owned(),
            token_endpoint_auth_method: Some(AuthMethod::None.name().to_owned()),
            origin: Origin::MetadataDocument,
            redirect_uris,
            ..Client::default()
        });
    }
    match metadata.text("registration_endpoint") {
        Some(endpoint) => dynamic::register(fetch, endpoint, issuer, login, request).await,
        None => Err(RegistrationError::closed(issuer, request.redirect_uris, String::new())),
    }
}

/// Whether [`register`] would ask the authorization server for a new registration.
pub(super) fn is_dynamic(issuer: &Issuer, login: &Login, request: RegistrationRequest<'_>) -> bool {
    let has_endpoint = Metadata::of(issuer).text("registration_endpoint").is_some();
    has_endpoint && login.client_id.is_none() && document(issuer, login, request).is_none()
}

#[cfg(test)]
mod tests;
