//! How long may an idle connection be used again? Not longer than the server keeps it: a request that is sent while the
//! server closes the connection is lost, and nobody knows whether it was carried out.

use std::time::Duration;

use http::{HeaderMap, HeaderName};

use crate::net::spares::IDLE;

/// A request must arrive this long before the time that the server names.
const MARGIN: Duration = Duration::from_secs(1);

/// No server is believed that it keeps a connection longer: routers on the way forget it.
const LONGEST: Duration = Duration::from_secs(300);

/// A connection that ends within this time after an answer, or after a request was sent on it, was closed by a server
/// that does not keep connections.
const AT_ONCE: Duration = Duration::from_secs(1);

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// How long a connection may be idle by the `Keep-Alive: timeout=SECONDS` of a response, if it has one that can be read
/// (RFC 2068, section 19.7.1.1).
pub(super) fn named_limit(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(KEEP_ALIVE).iter().filter_map(|value| value.to_str().ok());
    let parameters = values.flat_map(|value| value.split(',')).filter_map(|parameter| parameter.split_once('='));
    let timeouts = parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("timeout"));
    let seconds = timeouts.filter_map(|(_, value)| value.trim().trim_matches('"').parse::<u64>().ok()).min()?;
    Some(Duration::from_secs(seconds).min(LONGEST + MARGIN).saturating_sub(MARGIN))
}

/// What an origin has shown of how it treats idle connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Habits {
    /// No connection is used again that was idle for longer, whatever the server names.
    most: Duration,
}

impl Default for Habits {
    fn default() -> Self {
        Self { most: LONGEST }
    }
}

impl Habits {
    /// How long a connection may be idle whose server has named this limit, or none.
    pub(super) fn limit(self, named: Option<Duration>) -> Duration {
        named.unwrap_or(IDLE).min(self.most)
    }

    /// Whether connections are used more than once.
    pub(super) fn keeps_connections(self) -> bool {
        !self.most.is_zero()
    }

    /// A connection ended that had been idle for this time. Says whether that changes anything.
    pub(super) fn note_closed(&mut self, idle: Duration) -> bool {
        idle < AT_ONCE && self.lower(Duration::ZERO)
    }

    /// A request was lost: its connection, idle for this time before, ended this long after the request was sent on it.
    /// Says whether that changes anything.
    pub(super) fn note_lost(&mut self, idle: Duration, after: Duration) -> bool {
        // Later, the server may have ended because of the request.
        after < AT_ONCE && self.lower(if idle > IDLE { IDLE } else { Duration::ZERO })
    }

    fn lower(&mut self, most: Duration) -> bool {
        let changes = most < self.most;
        self.most = self.most.min(most);
        changes
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_server_is_believed_with_a_margin_of_one_second() {
        for (values, seconds) in [
            (vec!["timeout=5"], Some(4)),
            (vec!["timeout=5, max=100"], Some(4)),
            (vec!["max=100,Timeout = 75"], Some(74)),
            (vec!["timeout=\"20\""], Some(19)),
            (vec!["max=3", "timeout=20"], Some(19)),
            (vec!["timeout=20, timeout=3"], Some(2)),
            (vec!["timeout=1"], Some(0)),
            (vec!["timeout=0"], Some(0)),
            (vec!["timeout=18446744073709551615"], Some(300)),
            (vec!["timeout=-1"], None),
            (vec!["timeout="], None),
            (vec!["timeout"], None),
            (vec!["5"], None),
            (vec![], None),
        ] {
            let mut headers = HeaderMap::new();
            for value in &values {
                headers.append(KEEP_ALIVE, HeaderValue::from_static(value));
            }
            assert_eq!(named_limit(&headers), seconds.map(Duration::from_secs), "{values:?}");
        }
    }

    #[test]
    fn what_an_origin_does_counts_more_than_what_it_names() {
        let seconds = Duration::from_secs;
        let (at_once, named) = (Duration::from_millis(5), Some(seconds(74)));
        let mut habits = Habits::default();
        assert_eq!(
            (habits.limit(None), habits.limit(named), habits.limit(Some(seconds(1)))),
            (IDLE, seconds(74), seconds(1))
        );
        assert!(!habits.note_closed(seconds(2)), "a server may close an idle connection when it likes");
        assert!(!habits.note_lost(at_once, seconds(9)), "the request itself may have ended the server");
        assert!(habits.note_lost(seconds(60), at_once), "the server does not keep what it names");
        assert_eq!((habits.limit(named), habits.keeps_connections()), (IDLE, true));
        assert!(habits.note_closed(at_once), "it closes right after an answer");
        assert_eq!((habits.limit(named), habits.keeps_connections()), (Duration::ZERO, false));
        assert!(!habits.note_lost(at_once, at_once), "that is known");
    }
}
