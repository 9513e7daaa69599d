//! Which tokens has the MCP server accepted or refused, and what must the next login have?

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::auth::account::Snapshot;
use crate::auth::challenge::Challenge;
use crate::auth::discovery::Discovered;
use crate::auth::expiry::{Freshness, now};
use crate::auth::record::Record;
use crate::auth::scope;
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

    /// Notes that a login was made in this process, with the record's tokens. True if the server has accepted them
    /// already: requests use tokens as soon as they are kept.
    pub(in crate::auth) fn note_login(&self, record: &Record) -> bool {
        let fingerprint = self.of(record);
        let mut seen = self.seen.lock();
        let is_accepted = seen.accepted == fingerprint;
        seen.is_login_untried = !is_accepted;
        is_accepted
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

/// How often a login for one scope is made because a request was refused for lack of that scope.
const MOST_STEP_UPS: usize = 2;

/// How many such logins are made in an hour, whatever their scopes: a server can name a new one each time.
const STEP_UPS_AN_HOUR: usize = 5;

const HOUR: Duration = Duration::from_secs(3600);

/// What the next login must have.
#[derive(Debug, Clone, Default)]
pub(in crate::auth) struct Requirement {
    /// The challenge of the last refusal.
    pub(in crate::auth) challenge: Option<Challenge>,
    /// The authorization server that was found for this challenge.
    pub(in crate::auth) discovered: Option<Discovered>,
    /// The generation of the record that is not enough.
    pub(in crate::auth) seen: u64,
    /// The fingerprint of the token that was refused; 0 if there was none.
    refused: u64,
    /// How many logins there were when a person asked for another one. A refresh is not a login.
    pub(in crate::auth) logins: Option<u64>,
    /// The scope that the next token must have, or must have been asked for with.
    scope: Option<String>,
    /// The scopes that earlier logins were made for, because requests were refused for lack of them, and when.
    step_ups: Vec<(Instant, String)>,
}

impl Requirement {
    /// Another token than the one that is held, and for a step-up a token with this scope.
    pub(super) fn set(&mut self, challenge: Option<Challenge>, scope: Option<String>, seen: u64, refused: u64) {
        let step_ups = std::mem::take(&mut self.step_ups);
        // The MCP server may have another authorization server since (SEP-2352).
        *self = Self { challenge, scope, seen, refused, step_ups, discovered: None, logins: None };
    }

    /// Whether this login is enough: not every change of the record is.
    pub(super) fn is_met_by(&self, held: &Snapshot, fingerprint: u64) -> bool {
        let has = |scope: &String| {
            let granted = held.record.tokens.as_ref().and_then(|tokens| tokens.scope.as_deref()).unwrap_or_default();
            let asked = held.record.requested_scope.as_deref().unwrap_or_default();
            scope::covers(&scope::union(granted, asked), scope)
        };
        held.freshness() != Freshness::Expired
            && fingerprint != self.refused
            && self.logins.is_none_or(|before| held.record.logins > before)
            && self.scope.as_ref().is_none_or(has)
    }

    /// Whether logins for this scope were made, and the server still asks for it; or logins for so many scopes that
    /// another one does not help either.
    pub(in crate::auth) fn is_step_up_in_vain(&self, scope: &str) -> bool {
        let count = |is_counted: &dyn Fn(&(Instant, String)) -> bool| {
            self.step_ups.iter().filter(|step_up| is_counted(step_up)).count()
        };
        count(&|(_, earlier)| earlier == scope) >= MOST_STEP_UPS
            || count(&|(when, _)| when.elapsed() < HOUR) >= STEP_UPS_AN_HOUR
    }

    /// Notes that a login was made, or is about to be made, for the scope that it had to have.
    pub(in crate::auth) fn note_step_up(&mut self) {
        self.step_ups.extend(self.scope.take().map(|scope| (Instant::now(), scope)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_scopes_do_not_lead_to_logins_without_end() {
        let mut requirement = Requirement::default();
        for number in 0..STEP_UPS_AN_HOUR {
            let scope = format!("scope-{number}");
            assert!(!requirement.is_step_up_in_vain(&scope), "{scope}");
            requirement.set(None, Some(scope), 0, 0);
            requirement.note_step_up();
        }
        assert!(requirement.is_step_up_in_vain("another"));
        let mut requirement = Requirement::default();
        for _ in 0..MOST_STEP_UPS {
            assert!(!requirement.is_step_up_in_vain("same"));
            requirement.set(None, Some("same".to_owned()), 0, 0);
            requirement.note_step_up();
        }
        assert!(requirement.is_step_up_in_vain("same") && !requirement.is_step_up_in_vain("another"));
    }
}
