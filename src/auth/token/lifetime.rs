//! How long is a token good for? Decided when it is used, never by a timer: machines sleep, and clocks are set.

use crate::auth::record::Tokens;
use crate::log::Secret;

/// Before its end, in seconds, a token is renewed; sooner where it lives long enough for that to be a small part.
const MARGIN: u64 = 60;

/// A clock that is this much before the time the tokens came has been set back, and says nothing of their end.
const SET_BACK: u64 = 60;

impl Tokens {
    /// Seconds until the end; 0 after it. `None`: not known, so they are used until they are refused.
    pub fn remaining(&self, now: u64) -> Option<u64> {
        if now + SET_BACK < self.obtained_at {
            return None;
        }
        Some((self.obtained_at.saturating_add(self.lifetime?)).saturating_sub(now))
    }

    /// Whether it is time to renew them: less than a minute, and less than a fifth of their life, is left. A minute alone would
    /// renew tokens of five seconds with each request. `jitter`: seconds by which one of many processes lets others go first.
    pub fn are_due(&self, now: u64, jitter: u64) -> bool {
        let margin = self.lifetime.map_or(0, |lifetime| (lifetime / 5).min(MARGIN));
        self.remaining(now).is_some_and(|left| left <= margin.saturating_sub(jitter))
    }

    /// Whether they have ended, as far as is known.
    pub fn have_ended(&self, now: u64) -> bool {
        self.remaining(now) == Some(0)
    }

    /// Scheme and token for `Authorization`. `use_id_token`: for servers that want that one; an ID token is tied to no key.
    pub fn credential(&self, use_id_token: bool) -> (&str, &Secret) {
        match &self.id_token {
            Some(id_token) if use_id_token => ("Bearer", id_token),
            _ => (&self.token_type, &self.access_token),
        }
    }
}
