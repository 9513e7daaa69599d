//! What has the server refused, and what can help?

use std::sync::Arc;

use http::{HeaderMap, StatusCode, Uri};

use super::challenge::Challenge;

/// A request that the server has refused with 401 or 403.
#[derive(Clone, Copy)]
pub struct RefusedRequest<'a> {
    /// The fingerprint of its token; 0 if it had none.
    pub token: u64,
    /// Where it was sent.
    pub uri: &'a Uri,
    /// 401 or 403.
    pub status: StatusCode,
    /// The headers of the response.
    pub headers: &'a HeaderMap,
    /// Its token came from a refresh, because the server had refused the same request with the one before.
    pub is_refreshed: bool,
}

/// What can help against a refusal.
#[derive(Debug)]
pub enum Remedy {
    /// Another token or proof, which is there now.
    OtherToken,
    /// The token that a refresh has just brought.
    RefreshedToken,
    /// A person who logs in.
    Login(Refusal),
    /// No other credential.
    Nothing,
}

impl Remedy {
    /// Whether the request may be sent again at once.
    pub fn is_token(&self) -> bool {
        matches!(self, Self::OtherToken | Self::RefreshedToken)
    }
}

/// A refusal against which a login helps. It begins nothing: whoever has a client that waits for the request says so
/// ([`Authorizer::require_login`](super::Authorizer::require_login)). Cheap to clone.
#[derive(Debug, Clone)]
pub struct Refusal(Arc<Parts>);

#[derive(Debug, Default)]
pub(super) struct Parts {
    /// The fingerprint of the token that was refused; 0 if there was none.
    pub(super) token: u64,
    /// The number of the login that it belongs to.
    pub(super) login_number: u64,
    pub(super) challenge: Option<Challenge>,
    /// The server has challenged, but with no scheme of OAuth.
    pub(super) wants_other_scheme: bool,
    /// The scope that a step-up must bring: the server accepts the token, and wants one with this scope.
    pub(super) step_up: Option<String>,
    /// Why another login would most likely not help: only a person may want it.
    pub(super) why_in_vain: Option<String>,
}

impl Refusal {
    pub(super) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    pub(super) fn parts(&self) -> &Parts {
        &self.0
    }
}

/// What follows for a client whose request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginRequired {
    /// There is another token since the request was sent.
    OtherToken,
    /// A login is missing. `is_new`: none was missing before.
    Yes {
        /// Whether this refusal is the first that shows it.
        is_new: bool,
    },
    /// A login is missing, and this run may not begin one.
    NotBegun,
    /// No authorization server issues tokens for this server.
    Useless,
}
