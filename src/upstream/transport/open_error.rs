//! Why is there no session?

use http::StatusCode;

use crate::message::Message;
use crate::upstream::Failure;

/// A session's id of at least this many bytes opens the session to whoever has it, and must not be shown. A shorter one
/// is a word.
pub(super) const SECRET_ID: usize = 12;

/// What came of an `initialize`, or of the `server/discover` in its place, that opened no session.
pub(crate) enum OpenError {
    /// The server's JSON-RPC error, and the status it came with.
    Error(StatusCode, Message),
    /// Anything else.
    Failure(Failure),
}

impl From<Failure> for OpenError {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Error(_, error) => Self::Rpc(error),
            OpenError::Failure(failure) => failure,
        }
    }
}
