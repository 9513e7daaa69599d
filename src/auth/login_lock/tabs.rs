//! May a browser tab be opened? However often programs start, people get few tabs.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A new tab at most this often, in seconds.
pub(super) const TAB_PAUSE: u64 = 120;

/// At most this many tabs in an hour.
const TABS_AN_HOUR: usize = 3;
pub(super) const HOUR: u64 = 3600;

/// When tabs were opened, in seconds since 1970. This is a file beside the login's record.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Tabs {
    pub(super) opened: Vec<u64>,
}

impl Tabs {
    /// Adds a tab, and drops those that count no longer.
    pub(super) fn count(&mut self, now: u64) {
        self.opened.retain(|&opened| opened <= now && now - opened < HOUR);
        self.opened.push(now);
    }

    /// How long there must be no other tab.
    pub(super) fn pause(&self, now: u64) -> Option<Duration> {
        let mut ages = Vec::new();
        // A time in the future was written before the clock was set back.
        for age in self.opened.iter().filter_map(|opened| now.checked_sub(*opened)) {
            ages.insert(ages.partition_point(|before| *before <= age), age);
        }
        let after_last = ages.first().map_or(0, |age| TAB_PAUSE.saturating_sub(*age));
        let in_the_hour = ages.get(TABS_AN_HOUR - 1).map_or(0, |age| HOUR.saturating_sub(*age));
        Some(Duration::from_secs(after_last.max(in_the_hour))).filter(|pause| !pause.is_zero())
    }
}
