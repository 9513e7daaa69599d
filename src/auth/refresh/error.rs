//! Why did a refresh bring no tokens?

use std::time::Duration;

use crate::auth::store::StoreError;
use crate::auth::token::TokenError;

/// Why the authorization server issued no tokens for a refresh token. `reason` is for people and without secrets.
#[derive(Debug, Clone)]
pub(in crate::auth) enum RefreshFailure {
    /// `invalid_grant` or its equivalent: this refresh token is of no use any more.
    Dead {
        /// The server's error.
        reason: String,
    },
    /// `invalid_client`: the authorization server does not know our registration any more.
    ClientUnknown {
        /// The server's error.
        reason: String,
    },
    /// 429, 5xx, or the request was not sent: a later refresh may succeed.
    Temporary {
        /// What happened.
        reason: String,
        /// The server's `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// Another OAuth error, which may be temporary or final. Time tells.
    Refused {
        /// The server's error.
        reason: String,
    },
    /// The token was sent, and no answer came: the server may have used it up or not.
    Unknown {
        /// What happened.
        reason: String,
    },
}

impl From<TokenError> for RefreshFailure {
    fn from(error: TokenError) -> Self {
        let reason = error.to_string();
        if error.client_is_unknown() {
            Self::ClientUnknown { reason }
        } else if error.is_invalid_grant() || matches!(error, TokenError::NoRefreshToken) {
            Self::Dead { reason }
        } else if error.has_unknown_outcome() {
            Self::Unknown { reason }
        } else if matches!(error, TokenError::ErrorResponse(_)) && !error.is_temporary() {
            Self::Refused { reason }
        } else {
            Self::Temporary { reason, retry_after: error.retry_after() }
        }
    }
}

/// Why there is no new access token.
#[derive(Debug, Clone, thiserror::Error)]
pub(in crate::auth) enum RefreshError {
    /// There is no refresh token, or only one that is dead.
    #[error("the login has ended{}", because(.0))]
    LoginNeeded(String),
    /// The registration is gone at the authorization server, and the login with it.
    #[error("the authorization server does not know this client any more{}", because(.0))]
    ClientUnknown(String),
    /// A later refresh may succeed; the login is kept.
    #[error("the login could not be renewed now{}", because(.reason))]
    Temporary {
        /// What happened.
        reason: String,
        /// When it may succeed, counted from now.
        retry_after: Duration,
    },
    /// The store, or its lock.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RefreshError {
    /// Whether only a new login helps.
    pub(in crate::auth) fn needs_login(&self) -> bool {
        matches!(self, Self::LoginNeeded(_) | Self::ClientUnknown(_))
    }
}

fn because(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": {reason}") }
}
