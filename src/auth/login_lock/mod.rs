//! Which process logs in when ten processes need a login at once?
//!
//! One process holds the login lock, which the kernel releases when that process dies. The others wait until the record
//! changes or the lock is free. The login that is under way is on disk, so that the next process can bind the same port
//! and finish the login in the same browser tab. However often programs start, people get few tabs.

mod ration;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::account::Account;
use super::expiry::now;
use super::store::{Key, Lock, Store, StoreError};
use crate::log::{self, Secret};
use ration::{HOUR, Ration};

pub(super) use ration::TabReason;

/// How often waiting processes look.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// After this an authorization request cannot be finished any more.
const PENDING_LIFETIME: Duration = Duration::from_secs(600);

/// The files beside the login's record, by their endings.
const LOCK: &str = "login.lock";
const PENDING: &str = "login.json";
const RATION: &str = "tabs.json";

/// A login under way: all that another process needs to finish it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PendingLogin {
    /// The authorization URL, for people.
    pub url: String,
    /// The `state` parameter that the redirect must repeat.
    pub(super) state: String,
    /// The port of the callback.
    pub(super) port: u16,
    /// What the short addresses that lead to `url` are made of.
    pub(super) start: String,
    /// Which of them were opened.
    #[serde(default)]
    pub(super) opened: u64,
    /// What became of the tab.
    #[serde(default)]
    pub(super) tab: PendingTab,
    /// The process that has begun the login waits at them.
    #[serde(default)]
    pub(super) has_callback: bool,
    /// Seconds since 1970.
    pub(super) begun_at: u64,
    /// [`super::authorization::AuthorizationRequest`]: what the protocol needs to finish, such as the PKCE verifier.
    #[serde(default)]
    pub(super) payload: Value,
    /// The query that the browser came back with. It is saved before its code is used: if this process is killed then,
    /// the next one need not wait for a browser that does not come again.
    #[serde(default)]
    pub(super) redirect: Option<Secret>,
}

/// Does a browser show where to sign in?
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum PendingTab {
    #[default]
    None,
    /// It is being opened.
    Opening,
    Open,
}

/// How waiting for the login lock ended.
#[derive(Debug)]
pub(super) enum Turn {
    /// This process holds the lock.
    Acquired(LoginGuard),
    /// The record has changed: read it again.
    Changed,
}

/// The lock and the pending login of one account.
#[derive(Debug, Clone)]
pub struct LoginLock {
    account: Account,
}

impl LoginLock {
    /// For this account.
    pub fn new(account: Account) -> Self {
        Self { account }
    }

    /// Waits until this process has the lock, or the record has another generation than `seen`. There is no limit: drop
    /// the future.
    pub(super) async fn acquire(&self, seen: u64) -> Result<Turn, StoreError> {
        loop {
            if let Some(turn) = self.try_acquire(seen).await? {
                return Ok(turn);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// [`LoginLock::acquire`] without waiting; `None` if another process logs in.
    pub(super) async fn try_acquire(&self, seen: u64) -> Result<Option<Turn>, StoreError> {
        let Some(lock) = self.account.on_disk(|store, key| Lock::try_acquire(&store.beside(key, LOCK))).await? else {
            return Ok((self.account.generation().await != seen).then_some(Turn::Changed));
        };
        let generation = self.account.read_again().await?.map_or(0, |snapshot| snapshot.record.generation);
        // Another process may have finished a login after `seen` was read.
        Ok(Some(if generation == seen {
            Turn::Acquired(LoginGuard { login: self.clone(), _lock: lock })
        } else {
            Turn::Changed
        }))
    }

    /// The login under way, in whichever process, unless it is too old to be finished.
    pub async fn pending(&self) -> Option<PendingLogin> {
        self.account.on_disk(pending).await.ok()?
    }

    /// Whether the login with this `state` may be finished: since it began nobody has logged out or finished it.
    pub(super) async fn is_pending(&self, state: &str) -> bool {
        let pending = self.account.on_disk(|store, key| store.read_beside::<PendingLogin>(key, PENDING)).await;
        pending.ok().flatten().is_some_and(|pending| pending.state == state)
    }

    /// Waits until the login with this `state` may not be finished any more.
    pub(super) async fn cancelled(&self, state: &str) {
        while self.is_pending(state).await {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Saves the query that the browser has brought back to the login with this `state`.
    pub(super) async fn save_redirect(&self, state: &str, query: String) {
        self.change_pending(state, move |pending| pending.redirect = Some(Secret::new(query))).await;
    }

    /// Saves which short addresses of the login with this `state` were opened.
    pub(super) async fn save_opened(&self, state: &str, opened: u64) {
        self.change_pending(state, move |pending| pending.opened = opened).await;
    }

    /// Saves whether a browser shows the login with this `state`.
    pub(super) async fn save_tab(&self, state: &str, tab: PendingTab) {
        self.change_pending(state, move |pending| pending.tab = tab).await;
    }

    async fn change_pending(&self, state: &str, change: impl FnOnce(&mut PendingLogin) + Send + 'static) {
        let state = state.to_owned();
        let save = move |store: &Store, key: &Key| {
            let _changing = store.lock_beside(key, PENDING).ok()?;
            let mut pending = pending(store, key).filter(|pending| pending.state == state)?;
            change(&mut pending);
            store.write_beside(key, PENDING, &pending, PENDING_LIFETIME).ok()
        };
        // If it cannot be saved and this process is killed just now, the next process begins a new login.
        self.account.on_disk(save).await.ok();
    }

    /// Saves another address for the login with this `state`.
    pub(super) async fn save_url(&self, state: &str, url: String) {
        // If it cannot be saved, other processes show the earlier address.
        self.change_pending(state, move |pending| pending.url = url).await;
    }

    /// Ends the login under way, and keeps others from beginning one until the returned lock is dropped. Waits no
    /// longer than the limit for the process that logs in to notice.
    pub(super) async fn cancel_pending(&self, limit: Duration) -> Result<Option<Lock>, StoreError> {
        self.remove_pending().await?;
        let lock = Lock::acquire(&self.account.store().beside(self.account.key(), LOCK), limit).await.ok();
        self.remove_pending().await?;
        Ok(lock)
    }

    /// Removes the login under way, so that no process finishes it.
    pub(super) async fn remove_pending(&self) -> Result<(), StoreError> {
        let remove = |store: &Store, key: &Key| {
            if !store.beside(key, PENDING).exists() {
                return Ok(());
            }
            // A change that had read it would write it again. Whoever cannot have the lock removes it all the same.
            let _changing = store.lock_beside(key, PENDING).ok();
            store.remove_beside(key, PENDING)
        };
        self.account.on_disk(remove).await?
    }

    /// Notes that the last tab led to a login whose token the MCP server accepts. Runs in a task that the end of the
    /// process waits for.
    pub(super) fn note_success(&self) {
        let account = self.account.clone();
        self.account.run_to_end(async move {
            account.on_disk(|store, key| change_ration(store, key, Ration::note_success).ok()).await.ok();
        });
    }

    /// A person has logged out: what servers cost before does not count against the next login.
    pub(super) async fn forget_tabs(&self) {
        let forget = |store: &Store, key: &Key| {
            ration(store, key).has_tabs().then(|| change_ration(store, key, Ration::forget_tabs).ok())
        };
        self.account.on_disk(forget).await.ok();
    }

    /// Counts a tab that is about to be opened: if the process is killed then, the tab is counted. `Err` is how long
    /// there must be no tab.
    pub(super) async fn claim_tab(&self, reason: TabReason) -> Result<(), Duration> {
        let claim = move |store: &Store, key: &Key| change_ration(store, key, |ration| ration.claim_tab(reason, now()));
        match self.account.on_disk(claim).await {
            Ok(Ok(claimed)) => claimed,
            Ok(Err(error)) | Err(error) => {
                log::warn!("{error}; {}", error.hint());
                // How many tabs the newer version has opened is not known.
                let is_unknown = matches!(error, StoreError::Newer(_)) && reason != TabReason::AskedFor;
                if is_unknown { Err(Duration::from_secs(HOUR)) } else { Ok(()) }
            }
        }
    }

    /// Whether a client may be registered now.
    pub(super) async fn may_register(&self) -> bool {
        self.account.on_disk(|store, key| ration(store, key).may_register(now())).await.unwrap_or(true)
    }

    /// Counts a registration.
    pub(super) async fn count_registration(&self) {
        let count =
            |store: &Store, key: &Key| change_ration(store, key, |ration| ration.count_registration(now())).ok();
        self.account.on_disk(count).await.ok();
    }
}

fn ration(store: &Store, key: &Key) -> Ration {
    store.read_beside(key, RATION).unwrap_or_default()
}

/// A success is noted without the login lock, while this or another process begins the next login.
fn change_ration<T>(store: &Store, key: &Key, change: impl FnOnce(&mut Ration) -> T) -> Result<T, StoreError> {
    let _changing = store.lock_beside(key, RATION)?;
    let mut ration = ration(store, key);
    let result = change(&mut ration);
    store.write_beside(key, RATION, &ration, Duration::from_secs(HOUR)).map(|()| result)
}

fn pending(store: &Store, key: &Key) -> Option<PendingLogin> {
    let pending: PendingLogin = store.read_beside(key, PENDING)?;
    let age = now().checked_sub(pending.begun_at);
    age.is_some_and(|age| age < PENDING_LIFETIME.as_secs()).then_some(pending)
}

/// The right to log in. If it is dropped without [`LoginGuard::release`], as when the process is killed, the next
/// process takes over the pending login.
#[derive(Debug)]
pub(super) struct LoginGuard {
    login: LoginLock,
    _lock: Lock,
}

impl LoginGuard {
    /// Saves the login under way for the process that may have to finish it.
    pub(super) async fn save_pending(&self, pending: PendingLogin) -> Result<(), StoreError> {
        let account = &self.login.account;
        account.note_kept(
            account.on_disk(move |store, key| store.write_beside(key, PENDING, &pending, PENDING_LIFETIME)).await?,
        )
    }

    /// The login has ended, successfully or not: removes it from the disk and lets the next process log in.
    pub(super) async fn release(self) {
        let is_newer = self.login.account.on_disk(|store, key| store.is_newer_beside(key, PENDING)).await;
        // It was there before, and kept this login from being saved.
        if is_newer.unwrap_or_default() {
            return;
        }
        if let Err(error) = self.login.remove_pending().await {
            log::warn!("{error}");
        }
    }
}

#[cfg(test)]
mod tests;
