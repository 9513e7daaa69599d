//! What does a refusal at the token endpoint mean for what we hold?

use std::time::Duration;

use crate::auth::authorization::rejects_resource;
use crate::auth::fetch::FetchError;
use crate::auth::jwt::JwtError;

/// No tokens. What became of the grant, or of the refresh token, is for the questions to say.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TokenError {
    /// The authorization server says no, in so many words.
    #[error("{0}")]
    Refused(Refused),
    /// It is in trouble, overloaded, or out of reach; nothing has changed.
    #[error("{cause}")]
    Temporary {
        /// What happened.
        cause: String,
        /// How long it asks us to stay away.
        retry_after: Option<Duration>,
    },
    /// The request was sent, and no answer came: it may have been acted on.
    #[error("{0}")]
    Unknown(String),
    /// An answer that is no answer: not JSON, or without a token.
    #[error("{0}")]
    Malformed(String),
    /// An address that is not to be used.
    #[error("{0}")]
    Address(FetchError),
    /// No `token_endpoint` in the metadata.
    #[error("the authorization server's metadata have no token endpoint")]
    NoEndpoint,
    /// Nothing to renew.
    #[error("there is no refresh token")]
    NoRefreshToken,
    /// `private_key_jwt` without a key.
    #[error("the authorization server wants a signed assertion, and there is no key")]
    NoKey,
    /// The key fails.
    #[error(transparent)]
    Key(#[from] JwtError),
}

/// An error of RFC 6749 section 5.2, or what stands for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Scheme and host.
    pub host: String,
    /// Of the answer; some say no with 200.
    pub status: u16,
    /// `invalid_grant`, …; empty where nothing of the kind was said.
    pub error: String,
    /// For people.
    pub description: Option<String>,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the authorization server at {} refused: ", self.host)?;
        match (&self.description, self.error.as_str()) {
            (Some(description), "") => write!(f, "{description}"),
            (Some(description), error) => write!(f, "{error} ({description})"),
            (None, "") => write!(f, "status {}", self.status),
            (None, error) => write!(f, "{error}"),
        }
    }
}

/// What providers say in place of `invalid_grant`.
const DEAD: [&str; 6] =
    ["invalid_grant", "bad_refresh_token", "invalid_refresh_token", "token_revoked", "expired_token", "token_expired"];

/// Words for that a person has to come themselves (OIDC Core section 3.1.2.6): the token will not do again without.
const NEEDS_A_PERSON: [&str; 4] = ["access_denied", "interaction_required", "consent_required", "login_required"];

impl Refused {
    /// Neither a server error that talks of grants nor a proxy's page counts.
    fn is_said(&self) -> bool {
        matches!(self.status, 200 | 400 | 401)
    }

    pub(super) fn rejects_resource(&self) -> bool {
        self.description.as_deref().is_some_and(rejects_resource)
    }

    pub(super) fn is_about_scope(&self) -> bool {
        let named = self.description.as_deref().is_some_and(|text| text.contains("AADSTS90009"));
        self.error == "invalid_scope" || named
    }
}

impl TokenError {
    fn refused(&self) -> Option<&Refused> {
        match self {
            Self::Refused(refused) => Some(refused),
            _ => None,
        }
    }

    /// The refresh token, or the code, is good for nothing any more.
    pub fn is_dead(&self) -> bool {
        self.refused().is_some_and(|refused| {
            let error = refused.error.as_str();
            let needs_a_person = NEEDS_A_PERSON.contains(&error) && (refused.is_said() || refused.status == 403);
            needs_a_person || refused.is_said() && DEAD.contains(&error)
        })
    }

    /// The registration is not known any more: drop it and its tokens, register, log in. Not again if that leads here
    /// too.
    pub fn client_is_unknown(&self) -> bool {
        let unknown = |refused: &Refused| match refused.error.as_str() {
            "invalid_client" | "unauthorized_client" => refused.is_said(),
            _ => refused.description.as_deref().is_some_and(|text| text.starts_with("Unrecognized client_id")),
        };
        self.refused().is_some_and(unknown)
    }

    /// Nothing has changed: keep everything, stay away for a while, open no browser.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Temporary { .. } | Self::Malformed(_) => true,
            // Not an error of OAuth: a proxy's, a firewall's, a bug's.
            Self::Refused(refused) => refused.error.is_empty() && !self.client_is_unknown(),
            _ => false,
        }
    }

    /// The request may have been acted on: the same refresh token is tried again at once, while the old one may still
    /// be good.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown(_))
    }

    /// How long the authorization server asks us to stay away.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Temporary { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Refused(refused) => match refused.error.as_str() {
                "invalid_client" | "unauthorized_client" => {
                    "check --client-id and its secret; a registration of our own is made anew by logging out and in again"
                }
                "invalid_scope" => "--scope says what to ask for",
                "invalid_target" => "--resource says what the authorization server knows the MCP server as",
                _ => "log in again",
            },
            Self::Temporary { .. } | Self::Unknown(_) | Self::Malformed(_) => "it is tried again",
            Self::Address(error) => error.hint(),
            Self::NoEndpoint => "the server's operator has to mend it",
            Self::NoRefreshToken => "log in again",
            Self::NoKey | Self::Key(_) => "--client-key names a private key in PEM form",
        }
    }
}

impl From<FetchError> for TokenError {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Refused { .. } | FetchError::Barred { .. } => Self::Address(error),
            FetchError::Unreachable(cause) => Self::Temporary { cause, retry_after: None },
            FetchError::Unknown(cause) => Self::Unknown(cause),
        }
    }
}
