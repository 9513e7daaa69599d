//! Is an access token still good?
//!
//! There are no timers: a sleeping machine would miss them. The token is checked at each use by two clocks, and has
//! expired if either clock says so. The wall clock is comparable between processes, but people and networks set it. The
//! clock since boot goes on in sleep and is never set, but measures only from the moment at which this process read the
//! record.

use std::hash::{BuildHasher, Hasher};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::record::Tokens;
use crate::system::since_boot;

/// A refresh may begin this long before the token expires.
const MARGIN: Duration = Duration::from_secs(60);

/// A wall clock that is this far before the time of the token was set back, and is not used.
const SET_BACK: Duration = Duration::from_secs(60);

/// How good an access token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Freshness {
    /// The token can be used.
    Good,
    /// The token expires soon: refresh it, and use it if that fails.
    Due,
    /// The token has expired, or there is no token.
    Expired,
}

/// Two clocks, read together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    /// Since 1970.
    pub(super) wall: Duration,
    /// Since boot, sleep included.
    pub(super) boot: Duration,
}

impl Now {
    pub(super) fn read() -> Self {
        Self { wall: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(), boot: since_boot() }
    }
}

/// Seconds since 1970.
pub fn now() -> u64 {
    Now::read().wall.as_secs()
}

/// When one access token expires, as far as this process can know.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expiry {
    obtained: Duration,
    lifetime: Option<Duration>,
    /// When the token expires, on the clock since boot.
    end: Option<Duration>,
    margin: Duration,
}

impl Expiry {
    /// The expiry of tokens that were read or received just now.
    pub(super) fn new(tokens: &Tokens, now: Now) -> Self {
        let obtained = Duration::from_secs(tokens.obtained_at);
        let lifetime = tokens.lifetime.map(Duration::from_secs);
        let end = match lifetime {
            Some(lifetime) if !set_back(obtained, now) => {
                now.boot.checked_add((obtained.saturating_add(lifetime)).saturating_sub(now.wall))
            }
            _ => None,
        };
        let margin = lifetime.map_or(Duration::ZERO, |lifetime| MARGIN.min(lifetime / 5));
        // A little less, by a random part, so that not all processes refresh at once.
        let margin = margin.mul_f64(1.0 - jitter() / 4.0);
        Self { obtained, lifetime, end, margin }
    }

    pub(super) fn freshness(&self, now: Now) -> Freshness {
        let Some(lifetime) = self.lifetime else { return Freshness::Good };
        let by_boot = self.end.map(|end| end.saturating_sub(now.boot));
        let by_wall =
            (!set_back(self.obtained, now)).then(|| self.obtained.saturating_add(lifetime).saturating_sub(now.wall));
        match by_boot.into_iter().chain(by_wall).min() {
            // No clock can tell: the server will refuse the token.
            None => Freshness::Good,
            Some(Duration::ZERO) => Freshness::Expired,
            Some(left) if left < self.margin => Freshness::Due,
            Some(_) => Freshness::Good,
        }
    }
}

fn set_back(obtained: Duration, now: Now) -> bool {
    now.wall.saturating_add(SET_BACK) < obtained
}

/// Between 0 and 1, the same for the life of this process.
fn jitter() -> f64 {
    static JITTER: OnceLock<u32> = OnceLock::new();
    let random = || (std::hash::RandomState::new().build_hasher().finish() >> 32) as u32;
    f64::from(*JITTER.get_or_init(random)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(lifetime: Option<u64>) -> Tokens {
        Tokens { obtained_at: 1_000_000, lifetime, ..crate::auth::tests::access_token("a") }
    }

    fn at(wall: u64, boot: u64) -> Now {
        Now { wall: Duration::from_secs(wall), boot: Duration::from_secs(boot) }
    }

    /// The freshness of a token, first seen 50 s after boot, when the two clocks show these times.
    fn freshness(lifetime: Option<u64>, seen_at: u64, wall: u64, boot: u64) -> Freshness {
        Expiry::new(&tokens(lifetime), at(seen_at, 50)).freshness(at(wall, boot))
    }

    #[test]
    fn a_token_expires_by_either_clock() {
        let (hour, begin) = (Some(3600), 1_000_000);
        for (wall, boot, expected, why) in [
            (begin, 50, Freshness::Good, "a new token"),
            (begin + 3539, 3589, Freshness::Good, "the margin is never more than a minute"),
            (begin + 3560, 3610, Freshness::Due, "nor, with its jitter, less than 45 seconds"),
            (begin + 3600, 3650, Freshness::Expired, "its end"),
            (begin + 3700, 60, Freshness::Expired, "the wall clock jumped ahead"),
            (begin + 10, 4000, Freshness::Expired, "somebody set the wall clock back a little"),
            (begin / 2, 100, Freshness::Good, "a wall clock before the token says nothing"),
            (begin / 2, 3700, Freshness::Expired, "the other clock still knows"),
        ] {
            assert_eq!(freshness(hour, begin, wall, boot), expected, "{why}");
        }
        assert_eq!(freshness(hour, begin / 2, begin / 2 + 10, 99_999), Freshness::Good, "used until it is refused");
    }

    #[test]
    fn unusual_lifetimes_make_sense() {
        assert_eq!(freshness(Some(5), 1_000_000, 1_000_003, 53), Freshness::Good, "a fifth of it is the margin");
        assert_eq!(freshness(None, 9_000_000, 99_000_000, 50), Freshness::Good, "used until it is refused");
        assert_eq!(freshness(Some(u64::MAX), 1_000_000, 2_000_000, 1_000_050), Freshness::Good, "nothing overflows");
    }
}
