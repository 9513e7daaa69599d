//! Which refresh is running in this process, and how did the last ones end?

use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, Shared};

use super::Reason;
use crate::auth::account::Snapshot;
use crate::auth::store::StoreError;
use crate::auth::token::TokenError;

/// After a failure there is no refresh for this long, then for twice as long, up to the limit.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The longest `Retry-After` that is obeyed.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(300);

/// Why the authorization server issued no tokens for a refresh token. The texts are for people and without secrets.
#[derive(Debug)]
pub(in crate::auth) enum RefreshFailure {
    /// `invalid_grant` or its equivalent: this refresh token is of no use any more.
    Dead(String),
    /// `invalid_client`: the authorization server does not know our registration any more.
    ClientUnknown(String),
    /// 429, 5xx, or the request was not sent: a later refresh may succeed. With the server's `Retry-After`.
    Temporary(String, Option<Duration>),
    /// Another OAuth error, which may be temporary or final. Time tells.
    Refused(String),
    /// 400 or 401 without an OAuth error. Whether the login has ended is shown by what the MCP server says to the access
    /// token.
    Unexplained(String),
    /// The token was sent, and no answer came: the server may have used it up or not.
    Unknown(String),
}

impl From<TokenError> for RefreshFailure {
    fn from(error: TokenError) -> Self {
        let reason = error.to_string();
        if error.client_is_unknown() {
            Self::ClientUnknown(reason)
        } else if error.is_invalid_grant() || matches!(error, TokenError::NoRefreshToken) {
            Self::Dead(reason)
        } else if error.has_unknown_outcome() {
            Self::Unknown(reason)
        } else if error.is_unexplained() {
            Self::Unexplained(reason)
        } else if matches!(error, TokenError::ErrorResponse(_)) && !error.is_temporary() {
            Self::Refused(reason)
        } else {
            Self::Temporary(reason, error.retry_after())
        }
    }
}

/// Why there is no new access token.
#[derive(Debug, Clone, thiserror::Error)]
pub(in crate::auth) enum RefreshError {
    /// There is no refresh token, or only one that is dead.
    #[error("the login has ended: {0}")]
    LoginNeeded(String),
    /// The registration is gone at the authorization server, and the login with it.
    #[error("the authorization server does not know this client any more: {0}")]
    ClientUnknown(String),
    /// A later refresh may succeed, after this pause; the login is kept.
    #[error("the login could not be renewed now: {reason}")]
    Temporary { reason: String, retry_after: Duration },
    /// The authorization server refused the refresh token and did not say why, and nobody knows what the MCP server
    /// says to the access token. No refresh that is merely due begins before the end of the pause.
    #[error("the login could not be renewed: {reason}")]
    Unexplained { reason: String, retry_after: Duration },
    /// The store, or its lock.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RefreshError {
    /// Whether only a new login helps.
    pub(in crate::auth) fn needs_login(&self) -> bool {
        matches!(self, Self::LoginNeeded(_) | Self::ClientUnknown(_))
    }

    fn pause(&self) -> Option<Duration> {
        match self {
            Self::Temporary { retry_after, .. } | Self::Unexplained { retry_after, .. } => Some(*retry_after),
            _ => None,
        }
    }
}

/// A refresh that several requests wait for.
pub(super) type SharedRefresh = Shared<BoxFuture<'static, Result<Snapshot, RefreshError>>>;

/// The refreshes of this process.
#[derive(Default)]
pub(super) struct RefreshState {
    /// The refresh that was begun last, and the generation of the record that it began from.
    pub(super) current: Option<(u64, SharedRefresh)>,
    /// No refresh before then, and why.
    pause: Option<(Instant, RefreshError)>,
    /// Temporary failures in a row.
    failures: u32,
}

impl RefreshState {
    /// The running refresh of a record of this generation.
    pub(super) fn running(&self, generation: u64) -> Option<SharedRefresh> {
        let (begun_from, refresh) = self.current.as_ref()?;
        (*begun_from >= generation && refresh.peek().is_none()).then(|| refresh.clone())
    }

    /// How long there must be no refresh yet, and why.
    pub(super) fn pause_left(&self, reason: Reason) -> Option<(Duration, RefreshError)> {
        let (until, why) = self.pause.as_ref()?;
        if reason == Reason::Refused && matches!(why, RefreshError::Unexplained { .. }) {
            return None;
        }
        let left = until.checked_duration_since(Instant::now())?;
        let mut why = why.clone();
        if let RefreshError::Temporary { retry_after, .. } | RefreshError::Unexplained { retry_after, .. } = &mut why {
            *retry_after = left;
        }
        Some((left, why))
    }

    /// The error for a failure that may be over later: it names the pause that follows.
    pub(super) fn temporary(&self, reason: String, retry_after: Option<Duration>) -> RefreshError {
        let pause = (SHORTEST_PAUSE * (1 << self.failures)).min(LONGEST_PAUSE);
        let asked = retry_after.unwrap_or_default().min(LONGEST_RETRY_AFTER);
        RefreshError::Temporary { reason, retry_after: pause.max(asked) }
    }

    /// The error for a refusal without a reason.
    pub(super) fn unexplained(&self, reason: String) -> RefreshError {
        let retry_after = (SHORTEST_PAUSE * (1 << self.failures)).min(LONGEST_PAUSE);
        RefreshError::Unexplained { reason, retry_after }
    }

    /// Notes how a refresh ended.
    pub(super) fn end(&mut self, result: &Result<Snapshot, RefreshError>) {
        self.pause = None;
        match result.as_ref().err().and_then(|error| Some((error, error.pause()?))) {
            Some((error, pause)) => {
                self.failures = (self.failures + 1).min(10);
                self.pause = Some((Instant::now() + pause, error.clone()));
            }
            None => self.failures = 0,
        }
    }
}
