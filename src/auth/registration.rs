//! Who are we to an authorization server? Given beforehand, described by a document, or registered now (RFC 7591), in
//! this order.

mod dynamic;

use std::time::Duration;

use super::fetch::{Fetch, FetchError};
use super::metadata::Metadata;
use super::record::{Client, Issuer, Origin};
use super::scope::covers;
use super::settings::Login;
use super::token::AuthMethod;

/// What a registration is for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Where people may come back to, the one in use first. Empty for logins without a browser.
    pub redirect_uris: &'a [String],
    /// All that might ever be asked for.
    pub scope: Option<&'a str>,
    /// The client ID metadata document did not do: its redirect URIs were refused.
    pub not_by_document: bool,
}

/// We are nobody to this authorization server.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RegistrationError {
    /// It takes no registrations.
    #[error("the authorization server {issuer} lets no program register itself{said}")]
    Closed {
        /// Its identifier.
        issuer: String,
        /// What it answered, if it was asked; empty or `: …`.
        said: String,
        /// The first redirect URI, which a person has to register.
        redirect_uri: Option<String>,
    },
    /// It takes registrations, but not this one.
    #[error("the authorization server at {host} refused to register us: {said}")]
    Refused {
        /// Scheme and host.
        host: String,
        /// In its words.
        said: String,
    },
    /// Something stands in the way.
    #[error("{0}")]
    Blocked(String),
    /// Later it may.
    #[error("no registration for now: {cause}")]
    Temporary {
        /// What happened.
        cause: String,
        /// How long it asks us to stay away.
        retry_after: Option<Duration>,
    },
    /// An address that is not to be used.
    #[error(transparent)]
    Address(FetchError),
}

impl RegistrationError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Closed { redirect_uri, .. } => {
                let uri = redirect_uri.as_ref().map(|uri| format!(" with the redirect URI {uri}")).unwrap_or_default();
                format!("register an application there{uri}, and give its --client-id (and --client-secret-env, if it has one)")
            }
            Self::Refused { .. } => {
                "--client-name and --static-oauth-client-metadata change what we register with; or register an application there by hand and give its --client-id".to_owned()
            }
            Self::Blocked(_) => "ask the server's operator to let programs through to its registration endpoint".to_owned(),
            Self::Temporary { .. } => "it is tried again later".to_owned(),
            Self::Address(error) => error.hint().to_owned(),
        }
    }
}

impl Client {
    /// Whether another registration is due before this one is used: its secret has ended, or it does not know the
    /// redirect URI.
    pub fn needs_new_registration(&self, redirect_uri: Option<&str>, now: u64) -> bool {
        let expired = self.client_secret_expires_at.is_some_and(|end| end != 0 && end <= now);
        let unknown = redirect_uri.is_some_and(|uri| !self.redirect_uris.iter().any(|known| known == uri));
        self.origin == Origin::Dynamic && (expired || unknown)
    }

    /// Some let a client ask for nothing but what it was registered with.
    pub fn is_registered_for_less_than(&self, scope: &str) -> bool {
        self.origin == Origin::Dynamic && self.scope.as_deref().is_some_and(|registered| !covers(registered, scope))
    }
}

/// Becomes somebody. Never made up: an id comes from the user, a document or the authorization server.
pub async fn register(
    fetch: &Fetch,
    issuer: &Issuer,
    login: &Login,
    wanted: Wanted<'_>,
) -> Result<Client, RegistrationError> {
    let metadata = Metadata::of(issuer);
    let redirect_uris = wanted.redirect_uris.to_vec();
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
    if let Some(url) = &login.client_metadata_url
        && metadata.takes_client_metadata_documents()
        && !wanted.not_by_document
    {
        return Ok(Client {
            client_id: url.clone(),
            token_endpoint_auth_method: Some(AuthMethod::None.name().to_owned()),
            origin: Origin::MetadataDocument,
            redirect_uris,
            ..Client::default()
        });
    }
    match metadata.registration_endpoint() {
        Some(endpoint) => dynamic::register(fetch, endpoint, issuer, login, wanted).await,
        None => Err(closed(issuer, wanted, String::new())),
    }
}

fn closed(issuer: &Issuer, wanted: Wanted<'_>, said: String) -> RegistrationError {
    RegistrationError::Closed {
        issuer: issuer.issuer.clone(),
        said,
        redirect_uri: wanted.redirect_uris.first().cloned(),
    }
}

#[cfg(test)]
#[path = "tests/registration.rs"]
mod tests;
