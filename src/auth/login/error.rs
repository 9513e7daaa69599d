//! Why did a login fail?

use std::time::Duration;

use crate::auth::authorization::{AuthorizationError, AuthorizationResponseError};
use crate::auth::callback::CallbackError;
use crate::auth::discovery::DiscoveryError;
use crate::auth::login_context::BindingError;
use crate::auth::registration::RegistrationError;
use crate::auth::store::StoreError;
use crate::auth::token::TokenError;

/// After a registration that was refused, no login is begun for this long, whatever `Retry-After` says.
const SHORTEST_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// Why a login failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LoginError {
    /// No authorization server was found.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// The authorization server does not register us.
    #[error(transparent)]
    Registration(#[from] RegistrationError),
    /// No authorization request can be made.
    #[error(transparent)]
    Authorization(#[from] AuthorizationError),
    /// The redirect has an error in it, or is not the authorization server's.
    #[error(transparent)]
    Redirect(#[from] AuthorizationResponseError),
    /// The authorization server refuses the pushed authorization request.
    #[error("{0}")]
    Pushed(TokenError),
    /// The authorization server has lost our registration, as a request before the login shows.
    #[error("the authorization server does not know our registration")]
    ClientUnknown,
    /// The token endpoint issues no token for the code.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// There is no callback that the browser could come back to.
    #[error(transparent)]
    Callback(#[from] CallbackError),
    /// The login cannot be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The login was cancelled by a logout.
    #[error("somebody has logged out meanwhile")]
    Cancelled,
    /// No person has finished the login.
    #[error("nobody has signed in within {0} seconds")]
    TimedOut(u64),
    /// Another process has the login lock, and has not finished its login.
    #[error("another mcp-ferry process has been logging in for {0} seconds, and this one was waiting for it")]
    WaitedFor(u64),
    /// Another reason.
    #[error("{0}")]
    Other(String),
}

impl From<BindingError> for LoginError {
    fn from(error: BindingError) -> Self {
        match error {
            BindingError::OtherIssuer(error) => Self::Discovery(error),
            BindingError::Store(error) => Self::Store(error),
        }
    }
}

impl LoginError {
    /// An error that is reported by its text alone.
    pub(super) fn other(error: impl std::fmt::Display) -> Self {
        Self::Other(error.to_string())
    }

    /// How long another attempt would fail in the same way; `None` where a person may try again at once.
    pub(super) fn pause(&self) -> Option<Duration> {
        let Self::Registration(error) = self else { return None };
        let asked = match error {
            RegistrationError::Temporary { retry_after: None, .. } | RegistrationError::Address(_) => return None,
            RegistrationError::Temporary { retry_after: Some(asked), .. } => *asked,
            _ => Duration::ZERO,
        };
        Some(asked.clamp(SHORTEST_PAUSE, LONGEST_PAUSE))
    }

    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Discovery(error) => error.hint(),
            Self::Registration(error) => error.hint(),
            Self::Authorization(error) => error.hint().to_owned(),
            Self::WaitedFor(_) => {
                "finish that login in its browser tab, or end that process; then try again".to_owned()
            }
            Self::Redirect(_) | Self::ClientUnknown | Self::Cancelled | Self::TimedOut(_) | Self::Other(_) => {
                "try again, or run `mcp-ferry login`".to_owned()
            }
            Self::Token(error) | Self::Pushed(error) if error.is_temporary() || error.has_unknown_outcome() => {
                "the authorization server is in trouble; sign in again in a while".to_owned()
            }
            Self::Token(error) | Self::Pushed(error) => error.hint().to_owned(),
            Self::Callback(error) => error.hint().to_owned(),
            Self::Store(error) => error.hint().to_owned(),
        }
    }
}
