//! Who logs in, when ten processes need a login at once?
//!
//! One owns the login, by a lock that the kernel takes from the dead; the others wait until the record changes or the
//! lock is free. What the owner is doing is on disk, so that whoever comes after one that was killed binds the same
//! port and finishes the same tab. Tabs are counted on disk as well: no number of starts makes a storm of them.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::account::Account;
use super::expiry::now;
use super::store::{Lock, StoreError};
use crate::log::{self, Secret};

/// How often waiters look. Two system calls each time.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// After this an authorization request is as good as forgotten, in seconds.
const PENDING_HOLDS: u64 = 600;

/// A new tab at most this often, in seconds.
const TAB_PAUSE: u64 = 120;

/// And at most so many an hour.
const TABS_AN_HOUR: usize = 3;
const HOUR: u64 = 3600;

/// A login under way: what it takes to finish it in another process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pending {
    /// The authorization URL, for the person.
    pub url: String,
    /// What must come back with the redirect.
    pub state: String,
    /// PKCE.
    pub verifier: Secret,
    /// Where the callback listens.
    pub port: u16,
    /// Exactly as it was sent.
    pub redirect_uri: String,
    /// The last part of the short address that leads to `url`.
    pub start: String,
    /// Seconds since 1970.
    pub begun_at: u64,
    /// When a browser was told to open it, if one was.
    #[serde(default)]
    pub opened_at: Option<u64>,
    /// What else the protocol needs to finish: issuer, registration, scope.
    #[serde(default)]
    pub payload: Value,
    /// The query with which the browser has come back, kept before its code is spent: whoever takes over from an owner
    /// that was killed meanwhile need not wait for a browser that comes no more.
    #[serde(default)]
    pub redirect: Option<Secret>,
}

/// What a wait for the login came to.
#[derive(Debug)]
pub enum Turn {
    /// It is ours to do.
    Owner(Ownership),
    /// Somebody has changed the record: look at it again.
    Changed,
}

/// When tabs were opened, seconds since 1970.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Tabs {
    opened: Vec<u64>,
}

/// The right to log in. Dropping it without [`Ownership::done`] leaves the login to the next process, as being killed
/// does.
#[derive(Debug)]
pub struct Ownership {
    account: Account,
    _lock: Lock,
}

impl Account {
    /// Waits until the login is ours to do, or the record is another than the generation that was seen. Without limit:
    /// drop it.
    pub async fn own_or_wait(&self, seen: u64) -> Result<Turn, StoreError> {
        let path = self.0.store.beside(&self.0.key, "login.lock");
        loop {
            if let Some(lock) = Lock::try_acquire(&path) {
                let generation = self.read_again()?.map_or(0, |snapshot| snapshot.record.generation);
                // Somebody may have finished between our look and our lock.
                return Ok(if generation == seen {
                    Turn::Owner(Ownership { account: self.clone(), _lock: lock })
                } else {
                    Turn::Changed
                });
            }
            if self.generation() != seen {
                return Ok(Turn::Changed);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Resolves when the record is another than the generation that was seen: a login was finished elsewhere.
    pub async fn changed(&self, seen: u64) {
        while self.generation() == seen {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// The login under way, in whichever process, if it is not too old to be finished.
    pub fn pending(&self) -> Option<Pending> {
        let pending: Pending = self.read_beside("login.json")?;
        let age = now().checked_sub(pending.begun_at);
        age.is_some_and(|age| age < PENDING_HOLDS).then_some(pending)
    }

    /// The tab that was opened last has led to a login that the server takes, so it is none of a storm's.
    pub fn uncount_tab(&self) {
        let mut tabs: Tabs = self.read_beside("tabs.json").unwrap_or_default();
        if tabs.opened.pop().is_some() {
            self.0.store.write_beside(&self.0.key, "tabs.json", &tabs).ok();
        }
    }

    /// Whether the login with this `state` may be finished: nobody has logged out since it was begun, or finished it.
    pub(super) fn is_under_way(&self, state: &str) -> bool {
        self.read_beside("login.json").is_some_and(|pending: Pending| pending.state == state)
    }

    /// Keeps what the browser has brought back to the login with this `state`.
    pub(super) fn keep_redirect(&self, state: &str, query: String) {
        let Some(pending) = self.pending().filter(|pending| pending.state == state) else { return };
        let returned = Pending { redirect: Some(Secret::new(query)), ..pending };
        // Without it, a login whose owner is killed just now is begun anew.
        self.0.store.write_beside(&self.0.key, "login.json", &returned).ok();
    }

    /// Resolves when that login may not be finished any more.
    pub(super) async fn given_up(&self, state: &str) {
        while self.is_under_way(state) {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Has nobody finish the login under way, and begins none before what this returns is dropped. Waits no longer than
    /// the limit for its owner to notice.
    pub(super) async fn give_up_pending(&self, limit: Duration) -> Option<Lock> {
        self.forget_pending();
        let lock = Lock::acquire(&self.0.store.beside(&self.0.key, "login.lock"), limit).await.ok();
        self.forget_pending();
        lock
    }

    /// The login under way is finished: nobody shall take it up.
    pub fn forget_pending(&self) {
        std::fs::remove_file(self.0.store.beside(&self.0.key, "login.json")).ok();
    }

    fn read_beside<T: serde::de::DeserializeOwned>(&self, ending: &str) -> Option<T> {
        serde_json::from_slice(&std::fs::read(self.0.store.beside(&self.0.key, ending)).ok()?).ok()
    }
}

impl Ownership {
    /// Puts the login under way on disk, for whoever may have to finish it. Also when it has changed.
    pub fn begin(&self, pending: &Pending) -> Result<(), StoreError> {
        self.account.0.store.write_beside(&self.account.0.key, "login.json", pending)
    }

    /// Asks for a tab, and counts it. `Err` is how long there may be none; a person who asks for a login in so many
    /// words need not ask, and has the tab counted by [`Ownership::count_tab`].
    pub fn claim_tab(&self) -> Result<(), Duration> {
        let tabs: Tabs = self.account.read_beside("tabs.json").unwrap_or_default();
        match pause(&tabs.opened, now()) {
            0 => {
                self.count_tab();
                Ok(())
            }
            left => Err(Duration::from_secs(left)),
        }
    }

    /// Notes that a tab is about to be opened: before it is, so that being killed in between makes no storm.
    pub fn count_tab(&self) {
        let now = now();
        let mut tabs: Tabs = self.account.read_beside("tabs.json").unwrap_or_default();
        tabs.opened.retain(|&opened| opened <= now && now - opened < HOUR);
        tabs.opened.push(now);
        let mut written = self.account.0.store.write_beside(&self.account.0.key, "tabs.json", &tabs);
        if let Some(pending) = self.account.pending() {
            written = written.and(self.begin(&Pending { opened_at: Some(now), ..pending }));
        }
        if let Err(error) = written {
            log::warn!("{error}; {}", error.hint());
        }
    }

    /// The login is over, well or not: nobody shall take it up. Lets the next one in.
    pub fn done(self) {
        self.account.forget_pending();
    }
}

/// Seconds until there may be another tab.
fn pause(opened: &[u64], now: u64) -> u64 {
    // A time to come was written by a clock that has been set back since.
    let mut ages = Vec::new();
    for age in opened.iter().filter_map(|opened| now.checked_sub(*opened)) {
        ages.insert(ages.partition_point(|before| *before <= age), age);
    }
    let after_last = ages.first().map_or(0, |age| TAB_PAUSE.saturating_sub(*age));
    let in_the_hour = ages.get(TABS_AN_HOUR - 1).map_or(0, |age| HOUR.saturating_sub(*age));
    after_last.max(in_the_hour)
}

#[cfg(test)]
mod tests;
