//! What became of a refresh?

use std::time::Duration;

use crate::auth::store::StoreError;

/// What became of a refresh token that was sent, or not, where no tokens came back. `said` is for people, without
/// secrets.
#[derive(Debug, Clone)]
pub enum Spent {
    /// `invalid_grant` in whichever words: this refresh token is of no use any more.
    Dead {
        /// The issuer's words.
        said: String,
    },
    /// `invalid_client`: the issuer does not know us any more.
    ClientUnknown {
        /// The issuer's words.
        said: String,
    },
    /// 429, 5xx, or nothing was sent: it may work later.
    Temporary {
        /// What happened.
        said: String,
        /// What the server asks for.
        retry_after: Option<Duration>,
    },
    /// Another error of OAuth's own: a server's bad day, or for good. Time tells.
    Refused {
        /// The issuer's words.
        said: String,
    },
    /// It was sent, and no answer came: it may be spent or not.
    Unknown {
        /// What happened.
        said: String,
    },
}

/// Why there is no new access token.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RefreshError {
    /// There is no refresh token, or none that could work.
    #[error("the login has ended{}", because(.0))]
    LoginNeeded(String),
    /// The registration is gone at the issuer, and the login with it.
    #[error("the authorization server does not know this client any more{}", because(.0))]
    ClientUnknown(String),
    /// Try again later; the login is whole.
    #[error("the login could not be renewed now{}", because(.said))]
    Temporary {
        /// What happened.
        said: String,
        /// When it may work, counted from now.
        retry_after: Duration,
    },
    /// The store, or its lock.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RefreshError {
    /// Whether only a person can help.
    pub fn needs_login(&self) -> bool {
        matches!(self, Self::LoginNeeded(_) | Self::ClientUnknown(_))
    }
}

fn because(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(": {said}") }
}
