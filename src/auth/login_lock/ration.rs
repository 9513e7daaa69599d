//! How many browser tabs and client registrations may the logins of one account cost? Servers decide when a login is
//! needed, so the limits hold whether the logins succeed or not.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// After a tab that has led to no login yet, there is no other one for so many seconds.
pub(super) const TAB_PAUSE: u64 = 120;

/// At most this many tabs in an hour.
const TABS_AN_HOUR: usize = 3;

/// At most this many registrations in an hour: one for the first login, the others for what servers lose or refuse.
const REGISTRATIONS_AN_HOUR: usize = 5;

pub(super) const HOUR: u64 = 3600;

/// Why a tab is to be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::auth) enum TabReason {
    /// A person asks for a login: there is no limit.
    AskedFor,
    /// The browser has just come back, and another attempt is needed: no pause. (A server can send the browser back
    /// without a person, so the limit of the hour holds.)
    NextAttempt,
    /// A request needs a login.
    Needed,
    /// A person had the bridge's tool called: no pause. (A model can call it without a person, so the limit of the hour
    /// holds.)
    Called,
}

/// When tabs were opened and clients registered, in seconds since 1970. This is a file beside the login's record.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Ration {
    opened: Vec<u64>,
    /// The last tab has led to a login.
    has_succeeded: bool,
    registered: Vec<u64>,
}

impl Ration {
    /// Counts a tab that is opened now. `Err` is how long there must be none.
    pub(super) fn claim_tab(&mut self, reason: TabReason, now: u64) -> Result<(), Duration> {
        if let Some(pause) = self.pause(reason, now) {
            return Err(pause);
        }
        count(&mut self.opened, now);
        self.has_succeeded = false;
        Ok(())
    }

    /// The last tab has led to a login: the next one need not wait.
    pub(super) fn note_success(&mut self) {
        self.has_succeeded = true;
    }

    pub(super) fn has_tabs(&self) -> bool {
        !self.opened.is_empty()
    }

    pub(super) fn forget_tabs(&mut self) {
        self.opened.clear();
    }

    fn pause(&self, reason: TabReason, now: u64) -> Option<Duration> {
        let ages = ages(&self.opened, now);
        let after_last = match ages.first() {
            Some(age) if reason == TabReason::Needed && !self.has_succeeded => TAB_PAUSE.saturating_sub(*age),
            _ => 0,
        };
        let in_the_hour = ages.get(TABS_AN_HOUR - 1).map_or(0, |age| HOUR.saturating_sub(*age));
        let pause = Duration::from_secs(after_last.max(in_the_hour));
        Some(pause).filter(|pause| reason != TabReason::AskedFor && !pause.is_zero())
    }

    pub(super) fn may_register(&self, now: u64) -> bool {
        ages(&self.registered, now).iter().filter(|age| **age < HOUR).count() < REGISTRATIONS_AN_HOUR
    }

    pub(super) fn count_registration(&mut self, now: u64) {
        count(&mut self.registered, now);
    }
}

#[cfg(test)]
impl Ration {
    pub(super) fn registrations(&self) -> usize {
        self.registered.len()
    }
}

fn count(times: &mut Vec<u64>, now: u64) {
    times.retain(|&time| time <= now && now - time < HOUR);
    times.push(now);
}

/// How long ago, the shortest first. A time in the future was written before the clock was set back.
fn ages(times: &[u64], now: u64) -> Vec<u64> {
    let mut ages: Vec<u64> = times.iter().filter_map(|time| now.checked_sub(*time)).collect();
    ages.sort_unstable();
    ages
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(opened: &[u64], reason: TabReason, now: u64) -> u64 {
        let ration = Ration { opened: opened.to_vec(), ..Ration::default() };
        ration.pause(reason, now).map_or(0, |pause| pause.as_secs())
    }

    #[test]
    fn a_tab_in_two_minutes_and_three_in_an_hour() {
        let needed = |opened: &[u64], now| pause(opened, TabReason::Needed, now);
        assert_eq!(needed(&[], 10_000), 0);
        assert_eq!(needed(&[10_000], 10_000), TAB_PAUSE);
        assert_eq!(needed(&[9_000, 9_880], 10_000), 0);
        assert_eq!(needed(&[9_000, 9_400, 9_800], 10_000), HOUR - 1000);
        assert_eq!(needed(&[5_000, 9_400, 9_800], 10_000), 0);
        assert_eq!(needed(&[99_999], 10_000), 0, "a clock that was set back locks nobody out");
    }

    #[test]
    fn neither_success_nor_a_browser_that_comes_back_refills_the_hour() {
        let mut ration = Ration::default();
        for reason in [TabReason::Needed, TabReason::NextAttempt, TabReason::Needed] {
            assert_eq!(ration.claim_tab(reason, 10_000), Ok(()), "after a success there is no pause");
            ration.note_success();
        }
        for reason in [TabReason::Needed, TabReason::NextAttempt, TabReason::Called] {
            assert_eq!(ration.claim_tab(reason, 10_100), Err(Duration::from_secs(HOUR - 100)));
        }
        assert_eq!(ration.claim_tab(TabReason::AskedFor, 10_100), Ok(()), "a person may ask for more");
        assert_eq!(pause(&[10_000; 3], TabReason::Needed, 10_000 + HOUR), 0);
    }

    #[test]
    fn registrations_are_few() {
        let mut ration = Ration::default();
        for _ in 0..REGISTRATIONS_AN_HOUR {
            assert!(ration.may_register(10_000));
            ration.count_registration(10_000);
        }
        assert!(!ration.may_register(10_001) && ration.may_register(10_000 + HOUR));
    }
}
