//! Which client ID do we use at an authorization server? One from the user, the URL of a client ID metadata document,
//! or one from dynamic client registration (RFC 7591), in this order.

mod dynamic;

use super::fetch::Fetch;
use super::metadata::Metadata;
use super::record::{Client, Issuer, Origin};
use super::settings::Login;
use super::token::AuthMethod;

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
    if let Some(url) = metadata_document(issuer, login, request) {
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
    has_endpoint && login.client_id.is_none() && metadata_document(issuer, login, request).is_none()
}

/// The client ID metadata document, if it can be used at this authorization server.
fn metadata_document<'a>(issuer: &Issuer, login: &'a Login, request: RegistrationRequest<'_>) -> Option<&'a str> {
    let is_supported = Metadata::of(issuer).flag("client_id_metadata_document_supported");
    login.client_metadata_url.as_deref().filter(|_| is_supported && !request.skip_metadata_document)
}

#[cfg(test)]
mod tests;
