//! May another attempt go better, and how long until then?

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use http::StatusCode;

/// The longest delay; with its jitter half a minute.
const LONGEST: Duration = Duration::from_secs(20);

/// The longest `retry:` of a server that is obeyed.
const LONGEST_RETRY: Duration = Duration::from_secs(600);

/// The shortest delay, whatever a server asks for: its `retry: 0` must not make the bridge spin.
const SHORTEST: Duration = Duration::from_millis(250);

/// A server that names a delay of at least this much means it: the delay does not grow.
pub(crate) const CONSIDERED: Duration = Duration::from_millis(500);

/// Delays that double up to half a minute, with jitter, so that many bridges do not return to a server in step.
#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    attempts: u32,
}

impl Backoff {
    /// `first` is the delay after the first failure.
    pub(crate) fn new(first: Duration) -> Self {
        Self { first, attempts: 0 }
    }

    /// An attempt has succeeded.
    pub(crate) fn reset(&mut self) {
        self.attempts = 0;
    }

    /// The next delay after a failure.
    pub(crate) fn next(&mut self) -> Duration {
        self.next_within(LONGEST)
    }

    /// The same, but for its jitter no longer than `most`.
    pub(crate) fn next_within(&mut self, most: Duration) -> Duration {
        let delay = self.first.saturating_mul(1 << self.attempts.min(16)).min(most).min(LONGEST);
        self.attempts += 1;
        jitter(delay, 0.5)
    }

    /// The next delay after a stream ended, with the `retry:` of its server. `in_order`: the server ended it itself.
    pub(crate) fn after_stream(&mut self, retry: Option<Duration>, in_order: bool) -> Duration {
        let retry = retry.map(|retry| retry.min(LONGEST_RETRY));
        match retry {
            Some(retry) if in_order && retry >= CONSIDERED => jitter(retry, 0.1),
            // Small and growing: the floor first.
            Some(retry) if self.attempts == 0 => {
                self.attempts = 1;
                jitter(retry.max(SHORTEST), 0.1)
            }
            retry => self.next().max(retry.unwrap_or_default()).max(SHORTEST),
        }
    }
}

/// Whether this status may pass by itself: it speaks of a login, a limit or an outage, not of the request.
pub(crate) fn is_passing(status: StatusCode) -> bool {
    status.is_server_error() || is_limit(status)
}

/// Whether this status speaks of the sender's login, or of how many requests were sent and when.
pub(crate) fn is_limit(status: StatusCode) -> bool {
    matches!(status.as_u16(), 401 | 403 | 408 | 425 | 429)
}

/// Up to `share` longer.
pub(crate) fn jitter(delay: Duration, share: f64) -> Duration {
    // The standard library's hasher is seeded at random: good enough to spread clients, and no crate.
    let random = RandomState::new().build_hasher().finish() >> 11;
    #[allow(clippy::cast_precision_loss, reason = "53 bits are what a double holds")]
    let fraction = random as f64 / (1u64 << 53) as f64;
    delay.mul_f64(1.0 + share * fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_half_a_minute_and_start_over() {
        let mut backoff = Backoff::new(Duration::from_secs(1));
        let delays: Vec<_> = (0..8).map(|_| backoff.next()).collect();
        assert!(delays[0] >= Duration::from_secs(1) && delays[0] <= Duration::from_millis(1500));
        assert!(delays[7] >= LONGEST && delays[7] <= LONGEST.mul_f64(1.5), "{delays:?}");
        backoff.reset();
        assert!(backoff.next() <= Duration::from_millis(1500));
    }

    #[test]
    fn a_retry_of_nothing_does_not_spin_and_a_considered_one_is_kept() {
        let mut backoff = Backoff::new(Duration::from_secs(1));
        let total: Duration = (0..5).map(|_| backoff.after_stream(Some(Duration::ZERO), true)).sum();
        assert!(total >= Duration::from_secs(5), "{total:?}");
        let retry = Duration::from_secs(2);
        for _ in 0..20 {
            let delay = backoff.after_stream(Some(retry), true);
            assert!(delay >= retry && delay <= retry.mul_f64(1.1));
        }
    }
}
