//! Which tokens has the MCP server accepted or refused?

use std::hash::{BuildHasher, RandomState};

use parking_lot::Mutex;

use crate::auth::expiry::now;
use crate::auth::record::Record;
use crate::log::Secret;

/// A token that is younger than this, in seconds, is new: if it is refused, it was of no use from the beginning.
const NEW: u64 = 60;

/// After this many new tokens refused in a row, another one does not help.
const MOST_REFUSALS: u32 = 2;

/// Tells tokens apart by fingerprints that are valid in this process alone.
#[derive(Debug, Default)]
pub(in crate::auth) struct TokenFingerprints {
    hasher: RandomState,
    /// Each answer to a request reads or changes it; a login made here sets `is_login_untried`.
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// The last token that the server accepted.
    accepted: u64,
    /// The last new token that the server refused.
    refused: u64,
    /// How many new tokens it refused since it accepted one.
    refusals: u32,
    /// A login was made in this process, and the server has not yet accepted its token.
    is_login_untried: bool,
}

impl TokenFingerprints {
    /// The fingerprint of the record's tokens; 0 where there are none. A token that was issued again has another one.
    pub(in crate::auth) fn of(&self, record: &Record) -> u64 {
        let Some(tokens) = &record.tokens else { return 0 };
        let refresh_token = tokens.refresh_token.as_ref().map(Secret::expose);
        self.hasher.hash_one((tokens.access_token.expose(), refresh_token, tokens.obtained_at)) | 1
    }

    /// Notes that a login was made in this process.
    pub(in crate::auth) fn note_login(&self) {
        self.seen.lock().is_login_untried = true;
    }

    /// Notes that the server accepted a token. True if it is the first one after a login in this process.
    pub(in crate::auth) fn accept(&self, fingerprint: u64) -> bool {
        let mut seen = self.seen.lock();
        if seen.accepted == fingerprint {
            return false;
        }
        seen.accepted = fingerprint;
        seen.refusals = 0;
        std::mem::take(&mut seen.is_login_untried)
    }

    /// Notes that the server refused the record's token. True if it refuses new tokens again and again, so that another
    /// one does not help.
    pub(in crate::auth) fn refuse(&self, fingerprint: u64, record: &Record) -> bool {
        let Some(tokens) = &record.tokens else { return false };
        let mut seen = self.seen.lock();
        let is_new = now().saturating_sub(tokens.obtained_at) < NEW && seen.accepted != fingerprint;
        // Several requests may be refused with one token, which counts once.
        if !is_new || seen.refused == fingerprint {
            return false;
        }
        seen.refused = fingerprint;
        seen.refusals += 1;
        seen.refusals >= MOST_REFUSALS
    }
}
