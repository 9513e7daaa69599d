//! What speaks against a server being legacy, though it was found to be?

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Instant;

use super::evidence::{is_either_error_in_session, may_be_modern, may_refuse_initialize};
use crate::upstream::Failure;
use crate::upstream::exchange::{Outcome, Reply};
use crate::upstream::transport::OpenError;

/// So many errors in a row, with no result between them, that a legacy server may have had a reason for each.
const MANY: u32 = 3;

/// What speaks against a server being legacy. A session and the sessions that a translator opens share it: what one of
/// them meets, the request that is translated must know.
#[derive(Default)]
pub(crate) struct Suspicion {
    /// The server has refused an `initialize`, or a request in a session, in a way that fits a modern server too. Set by
    /// sessions; the next request that is refused clears it.
    pub(super) raised: AtomicBool,
    /// How many requests in a row were refused in a way that fits either era.
    pub(super) in_a_row: AtomicU32,
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

    /// Counts one more error. True if it is time to ask: in ordinary work a legacy server is never asked.
    pub(super) fn are_many(&self) -> bool {
        self.in_a_row.fetch_add(1, Ordering::Relaxed) + 1 >= MANY
    }
}
