//! Why is there no client ID?

use std::time::Duration;

use crate::auth::fetch::FetchError;
use crate::auth::record::Issuer;

/// Why we have no client ID at this authorization server.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RegistrationError {
    #[error("the authorization server {issuer} does not let programs register themselves{detail}")]
    Closed {
        issuer: String,
        /// Its response to the registration request, if there was one; empty or `: …`.
        detail: String,
        /// The first redirect URI, which a person has to register.
        redirect_uri: Option<String>,
    },
    #[error("the authorization server at {host} refused the client registration: {reason}")]
    Refused { host: String, reason: String },
    /// A bot protection answered.
    #[error("{0}")]
    Blocked(String),
    #[error("client registration is not possible now: {cause}")]
    Temporary { cause: String, retry_after: Option<Duration> },
    #[error(transparent)]
    Address(FetchError),
}

impl RegistrationError {
    pub(super) fn closed(issuer: &Issuer, redirect_uris: &[String], detail: String) -> Self {
        Self::Closed { issuer: issuer.issuer.clone(), detail, redirect_uri: redirect_uris.first().cloned() }
    }

    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Closed { redirect_uri, .. } => {
                let uri = redirect_uri.as_ref().map(|uri| format!(" with the redirect URI {uri}")).unwrap_or_default();
                format!("register an application there{uri}, and give its --client-id (and --client-secret-env, if it has one)")
            }
            Self::Refused { .. } => {
                "change the registration with --client-name or --static-oauth-client-metadata; or register an application there by hand and give its --client-id".to_owned()
            }
            Self::Blocked(_) => "ask the server's operator to let programs reach its registration endpoint".to_owned(),
            Self::Temporary { .. } => "try again later".to_owned(),
            Self::Address(error) => error.hint().to_owned(),
        }
    }
}
