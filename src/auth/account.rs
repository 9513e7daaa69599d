//! What do we hold of a login right now, and how does it change?
//!
//! [`Account`] is one login as one process sees it. Reading it costs a `stat`: a login or a refresh in another process
//! is adopted at the next look. Changing it is a [`Transaction`]: under the key's lock, from what is on disk at that
//! moment, written before it is used, in a task that nobody's cancellation reaches.

use parking_lot::{Mutex, MutexGuard};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedMutexGuard, watch};

use super::expiry::{Expiry, Freshness, Now};
use super::record::Record;
use super::store::{Key, Lock, Store, StoreError};
use super::transaction::Flights;
use crate::files::Stamp;
use crate::log;
use crate::task;

/// How long a transaction waits for those of other processes.
const LOCK_LIMIT: Duration = Duration::from_secs(60);

/// The longest pause between two tries to save what could not be saved.
const SAVE_AGAIN: Duration = Duration::from_secs(30);

/// A record, and how long its access token is good.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// As it was when it was looked at.
    pub record: Arc<Record>,
    expiry: Option<Expiry>,
}

impl Snapshot {
    pub(super) fn new(record: Record) -> Self {
        let expiry = record.tokens.as_ref().map(|tokens| Expiry::new(tokens, Now::read()));
        Self { record: Arc::new(record), expiry }
    }

    /// Whether there is a token that is good, or one to renew it with. Where the latter is dead, the server has most
    /// likely ended the whole login, whatever the clock says.
    pub fn is_good(&self) -> bool {
        !self.record.logged_out
            && self.record.tokens.is_some()
            && self.record.dead_refresh.is_none()
            && !self.record.is_refused()
            && (self.freshness() != Freshness::Expired || self.record.is_renewable())
    }

    /// Of the access token, now.
    pub fn freshness(&self) -> Freshness {
        if self.record.logged_out {
            return Freshness::Expired;
        }
        self.expiry.map_or(Freshness::Expired, |expiry| expiry.freshness(Now::read()))
    }
}

/// One login, as this process sees it. Clones are the same login.
#[derive(Debug, Clone)]
pub struct Account(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) store: Store,
    pub(super) key: Key,
    seen: Mutex<Seen>,
    /// One transaction at a time in this process. It holds the kernel's lock between transactions only while there is
    /// something that could not be saved: other processes must not spend the old token in the meantime.
    gate: Arc<tokio::sync::Mutex<Option<Lock>>>,
    pub(super) flights: Mutex<Flights>,
    /// Work that must not be cut off.
    running: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Seen {
    looked: bool,
    stamp: Option<Stamp>,
    snapshot: Option<Snapshot>,
    /// What is held is newer than the file, which could not be written.
    unsaved: bool,
}

impl Account {
    /// The login with this key in this store.
    pub fn new(store: Store, key: Key) -> Self {
        Self(Arc::new(Inner {
            store,
            key,
            seen: Mutex::default(),
            gate: Arc::default(),
            flights: Mutex::default(),
            running: watch::Sender::new(0),
        }))
    }

    /// Its key, for ports and names.
    pub fn key(&self) -> &Key {
        &self.0.key
    }

    /// Its store, for where it is.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// What is known, looked up again if the file has changed. Cheap: for every request.
    pub fn snapshot(&self) -> Option<Snapshot> {
        match self.look() {
            Ok(snapshot) => snapshot,
            Err(error) => {
                log::warn!("{error}");
                None
            }
        }
    }

    /// The same, where a reason for there being none matters. An error is told once for each state of the file.
    pub(super) fn look(&self) -> Result<Option<Snapshot>, StoreError> {
        let stamp = self.0.store.stamp(&self.0.key);
        let mut seen = self.seen();
        if seen.looked && seen.stamp == stamp {
            return Ok(seen.snapshot.clone());
        }
        seen.looked = true;
        seen.stamp = stamp;
        let found = self.0.store.read(&self.0.key);
        let held = seen.snapshot.as_ref().map_or(0, |held| held.record.generation);
        // What could not be saved is newer than the file until somebody else writes a newer one.
        let newer = |record: &Record| record.generation > held;
        if !seen.unsaved || matches!(&found, Ok(Some(record)) if newer(record)) {
            seen.unsaved = false;
            seen.snapshot = found.as_ref().ok().cloned().flatten().map(Snapshot::new);
        }
        found.map(|_| seen.snapshot.clone())
    }

    /// The generation that is known; 0 where there is no record.
    pub fn generation(&self) -> u64 {
        self.snapshot().map_or(0, |snapshot| snapshot.record.generation)
    }

    /// Changes the record: registration, saving tokens, logout. The body starts with what is on disk, under the lock,
    /// and runs to its end even if nobody waits for it any more.
    pub async fn transact<T, F, Fut>(&self, body: F) -> Result<T, StoreError>
    where
        F: FnOnce(Transaction) -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let account = self.clone();
        let work = self.own(async move { Ok(body(account.begin().await?).await) });
        work.await.unwrap_or(Err(StoreError::CutOff))
    }

    /// Runs work in a task of its own, which only [`Account::settle`] knows.
    pub(super) fn own<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        let running = Running::new(self.clone());
        task::spawn(async move {
            let done = work.await;
            drop(running);
            done
        })
    }

    /// Waits for work under way, and tries once more to save what could not be saved: for the end of the process. Not
    /// longer than the limit.
    pub async fn settle(&self, limit: Duration) {
        let mut running = self.0.running.subscribe();
        let settled = async {
            running.wait_for(|running| *running == 0).await.ok();
            if self.seen().unsaved {
                self.save_again().await;
            }
        };
        if tokio::time::timeout(limit, settled).await.is_err() {
            log::warn!("a change of the login was not finished within {} seconds", limit.as_secs());
        }
    }

    pub(super) async fn begin(&self) -> Result<Transaction, StoreError> {
        let gate = tokio::time::timeout(LOCK_LIMIT, self.0.gate.clone().lock_owned()).await;
        let mut gate = gate.map_err(|_| StoreError::Busy(LOCK_LIMIT.as_secs()))?;
        if gate.is_none() {
            *gate = Some(Lock::acquire(&self.0.store.beside(&self.0.key, "lock"), LOCK_LIMIT).await?);
        }
        let record = self.read_again()?.map(|snapshot| snapshot.record.as_ref().clone()).unwrap_or_default();
        Ok(Transaction { account: self.clone(), gate, record })
    }

    /// Looks at the file whatever its stamp says.
    pub(super) fn read_again(&self) -> Result<Option<Snapshot>, StoreError> {
        self.seen().looked = false;
        self.look()
    }

    fn publish(&self, record: Record, unsaved: bool) -> Snapshot {
        let snapshot = Snapshot::new(record);
        let mut seen = self.seen();
        seen.looked = true;
        seen.stamp = self.0.store.stamp(&self.0.key);
        seen.snapshot = Some(snapshot.clone());
        seen.unsaved = unsaved;
        snapshot
    }

    async fn write(&self, record: Record) -> Result<(), StoreError> {
        let account = self.clone();
        // Not here: waiting for the disk would hold up every message.
        let written = tokio::task::spawn_blocking(move || account.0.store.write(&account.0.key, &record));
        written.await.unwrap_or(Err(StoreError::CutOff))
    }

    /// Whether there is nothing left to save.
    async fn save_again(&self) -> bool {
        let mut gate = self.0.gate.clone().lock_owned().await;
        let unsaved = { Some(self.seen()).filter(|seen| seen.unsaved).and_then(|seen| seen.snapshot.clone()) };
        let Some(snapshot) = unsaved else { return true };
        if self.write(snapshot.record.as_ref().clone()).await.is_err() {
            return false;
        }
        self.publish(snapshot.record.as_ref().clone(), false);
        log::warn!("the login is kept now");
        gate.take();
        true
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.seen.lock()
    }
}

/// Counts itself among the work under way for as long as it lives.
struct Running(Account);

impl Running {
    fn new(account: Account) -> Self {
        account.0.running.send_modify(|running| *running += 1);
        Self(account)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.0.running.send_modify(|running| *running -= 1);
    }
}

/// The right to change a login, and the login as it is on disk. Dropping it lets others in.
#[derive(Debug)]
pub struct Transaction {
    pub(super) account: Account,
    gate: OwnedMutexGuard<Option<Lock>>,
    /// As of now; empty where there is none.
    pub record: Record,
}

impl Transaction {
    /// Writes the next generation, or nothing.
    pub async fn save(&mut self, record: Record) -> Result<Snapshot, StoreError> {
        let record = self.next(record);
        self.account.write(record.clone()).await?;
        self.record = record.clone();
        Ok(self.account.publish(record, false))
    }

    /// Writes the next generation; where that fails, holds it in memory and goes on trying. For what cannot be had
    /// twice, such as tokens: dropping them would lose the login for every program. Until it is written no other
    /// process gets the lock.
    pub async fn keep(&mut self, record: Record) -> Snapshot {
        let record = self.next(record);
        self.record = record.clone();
        let written = self.account.write(record.clone()).await;
        let snapshot = self.account.publish(record, written.is_err());
        if let Err(error) = written {
            log::error!("{error}; until it is, only this process is logged in; {}", error.hint());
            let account = self.account.clone();
            task::spawn(async move {
                let mut pause = Duration::from_secs(1);
                loop {
                    tokio::time::sleep(pause).await;
                    if account.save_again().await {
                        return;
                    }
                    pause = (pause * 2).min(SAVE_AGAIN);
                }
            });
        }
        snapshot
    }

    /// Writes a remark that is no change to anybody who uses the login: the generation stays.
    pub(super) async fn note(&mut self, record: Record) -> Result<(), StoreError> {
        self.account.write(record.clone()).await?;
        self.record = record.clone();
        self.account.publish(record, false);
        Ok(())
    }

    /// Newer than what we have, and than what a process of another version may have written without asking for the
    /// lock.
    fn next(&self, mut record: Record) -> Record {
        let on_disk = self.account.read_again().ok().flatten().map_or(0, |snapshot| snapshot.record.generation);
        record.generation = record.generation.max(self.record.generation).max(on_disk) + 1;
        record
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if !self.account.seen().unsaved {
            self.gate.take();
        }
    }
}
