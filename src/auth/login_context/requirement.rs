//! What must the next login have? That is what the last refusal asked for.

use crate::auth::account::Snapshot;
use crate::auth::challenge::Challenge;
use crate::auth::discovery::Discovered;
use crate::auth::expiry::Freshness;
use crate::auth::scope;

/// How often a login for one scope is made because a request was refused for lack of that scope.
const MOST_STEP_UPS: usize = 2;

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
    /// The scopes that earlier logins were made for, because requests were refused for lack of them.
    step_ups: Vec<String>,
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

    /// Whether logins for this scope were made, and the server still asks for it.
    pub(in crate::auth) fn is_step_up_in_vain(&self, scope: &str) -> bool {
        self.step_ups.iter().filter(|step_up| *step_up == scope).count() >= MOST_STEP_UPS
    }

    /// Notes that a login was made, or is about to be made, for the scope that it had to have.
    pub(in crate::auth) fn note_step_up(&mut self) {
        self.step_ups.extend(self.scope.take());
    }
}
