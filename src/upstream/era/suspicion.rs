//! What speaks against a server being legacy, though it was found to be?

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::evidence::{is_either_error_in_session, may_be_modern, may_refuse_initialize};
use crate::upstream::Failure;
use crate::upstream::exchange::{Outcome, Reply};
use crate::upstream::transport::OpenError;

/// What speaks against a server being legacy. A session and the sessions that a translator opens share it: what one of
/// them meets, the request that is translated must know.
#[derive(Default)]
pub(crate) struct Suspicion {
    /// The server has refused an `initialize`, or a request in a session, in a way that fits a modern server too. Set
    /// by sessions; the next request that is refused clears it.
    pub(super) raised: AtomicBool,
    /// Held by the one request that asks the server, of many that are refused at once. When asking last showed nothing.
    pub(super) asking: tokio::sync::Mutex<Option<Instant>>,
}

impl Suspicion {
    /// Notes why a session could not be opened.
    pub(crate) fn note_open_error(&self, error: &OpenError) {
        if may_be_modern(error) {
            self.raised.store(true, Ordering::Relaxed);
        }
    }

    /// Notes what came of a request in a session.
    pub(crate) fn note_reply(&self, reply: &Result<Reply, Failure>) {
        let is_suspicious = match reply {
            Ok(Reply { status, outcome: Outcome::Answer(answer) }) => is_either_error_in_session(*status, answer),
            // A session could not be opened anew.
            Err(Failure::Rpc(error)) => may_refuse_initialize(error),
            _ => false,
        };
        if is_suspicious {
            self.raised.store(true, Ordering::Relaxed);
        }
    }
}
