//! What does this process know of a login, and how does it change the login?
//!
//! [`Account`] is one login as one process sees it. Reading it costs a `stat`: a login or a refresh in another process
//! is seen at the next read. A change is a [`Transaction`]: it holds the lock of the login, starts from the record on
//! disk, writes the new record before anybody uses it, and runs in a task that cancellation does not reach.

mod transaction;

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedMutexGuard, watch};

use super::expiry::{Expiry, Freshness, Now};
use super::record::Record;
use super::store::{Key, Lock, Store, StoreError};
use crate::files::{Reservation, Stamp};
use crate::log;
use crate::task;

pub(super) use transaction::Transaction;

/// How long a transaction waits for the transactions of other processes.
const LOCK_LIMIT: Duration = Duration::from_secs(60);

/// A wait for another process that is longer is told.
const LONG_WAIT: Duration = Duration::from_secs(1);

/// How often [`Account::changed`] looks.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// A record, and when its access token expires.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The record as it was read.
    pub record: Arc<Record>,
    expiry: Option<Expiry>,
}

impl Snapshot {
    pub(super) fn new(record: Record) -> Self {
        let expiry = record.tokens.as_ref().map(|tokens| Expiry::new(tokens, Now::read()));
        Self { record: Arc::new(record), expiry }
    }

    /// Whether the access token is good, or can be refreshed. Once the refresh token is dead the server has most likely
    /// ended the whole login, whatever the clock says.
    pub fn is_good(&self) -> bool {
        self.has_tokens()
            && self.record.dead_refresh.is_none()
            && !self.record.is_refused()
            && (self.freshness() != Freshness::Expired || self.record.is_renewable())
    }

    /// Whether there are tokens, good or not, that no logout has ended.
    pub fn has_tokens(&self) -> bool {
        self.record.tokens.is_some() && !self.record.logged_out
    }

    /// How good the access token is now.
    pub fn freshness(&self) -> Freshness {
        if self.record.logged_out {
            return Freshness::Expired;
        }
        self.expiry.map_or(Freshness::Expired, |expiry| expiry.freshness(Now::read()))
    }
}

/// One login, as this process sees it. Clones are the same login.
#[derive(Debug, Clone)]
pub struct Account(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    key: Key,
    /// The record as it was last read or written. Every request reads it; each read of the file and each transaction
    /// replaces it.
    seen: Mutex<Seen>,
    /// Held by the one transaction of this process. Between transactions it holds the kernel's lock only while a record
    /// could not be saved: other processes must not send the old refresh token in the meantime.
    gate: Arc<tokio::sync::Mutex<Option<Lock>>>,
    /// Whether the process ends: then no transaction waits for another process. [`Account::settle`] sets it.
    ending: watch::Sender<bool>,
    /// Why the last change could not be kept; `None` once one was kept. Transactions write it; the end of the process
    /// reads it.
    not_kept: Mutex<Option<StoreError>>,
    /// Each task that must not be cut off holds a receiver; the end of the process waits until there is no receiver.
    running: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Seen {
    is_read: bool,
    stamp: Option<Stamp>,
    snapshot: Option<Snapshot>,
    /// The snapshot is newer than the file, which could not be written.
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
            ending: watch::Sender::new(false),
            not_kept: Mutex::default(),
            running: watch::Sender::new(()),
        }))
    }

    /// The key of the login, which names its files and its ports.
    pub fn key(&self) -> &Key {
        &self.0.key
    }

    /// The store that the login is in.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// The login, read again if its file has changed. Cheap enough for every request.
    pub async fn snapshot(&self) -> Option<Snapshot> {
        self.read().await.inspect_err(|error| log::warn!("{error}")).ok().flatten()
    }

    /// [`Account::snapshot`] with the reason why there is no record. Each error is returned once for each state of the
    /// file.
    pub(super) async fn read(&self) -> Result<Option<Snapshot>, StoreError> {
        // One system call, which the system answers from memory: another thread would cost more.
        let stamp = self.0.store.stamp(&self.0.key);
        {
            let mut seen = self.0.seen.lock();
            // Without a file there is nothing to read, so that most starts need no thread for it.
            seen.is_read |= stamp.is_none();
            if seen.is_read && seen.stamp == stamp {
                return Ok(seen.snapshot.clone());
            }
        }
        self.read_again().await
    }

    /// Reads the file even if it seems to be unchanged.
    pub async fn read_again(&self) -> Result<Option<Snapshot>, StoreError> {
        let (stamp, found) = self.on_disk(|store, key| (store.stamp(key), store.read(key))).await?;
        let mut seen = self.0.seen.lock();
        seen.is_read = true;
        seen.stamp = stamp;
        let held = seen.snapshot.as_ref().map_or(0, |held| held.record.generation);
        // A record that could not be saved is newer than the file, until another process writes a newer one.
        let is_newer = |record: &Record| record.generation > held;
        if !seen.unsaved || matches!(&found, Ok(Some(record)) if is_newer(record)) {
            seen.unsaved = false;
            seen.snapshot = found.as_ref().ok().cloned().flatten().map(Snapshot::new);
        }
        found.map(|_| seen.snapshot.clone())
    }

    /// A copy of the record; empty where there is none.
    pub(super) async fn record(&self) -> Record {
        self.snapshot().await.map(|held| held.record.as_ref().clone()).unwrap_or_default()
    }

    /// The generation of the record; 0 where there is no record.
    pub async fn generation(&self) -> u64 {
        self.snapshot().await.map_or(0, |snapshot| snapshot.record.generation)
    }

    /// Waits until the record has another generation: a change in this process or another one.
    pub async fn changed(&self, seen: u64) {
        while self.generation().await == seen {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Changes the record: a registration, new tokens, a logout. The body gets the record that is on disk, holds the
    /// lock, and runs to its end even if its caller is cancelled.
    pub async fn transact<T, F, Fut>(&self, body: F) -> Result<T, StoreError>
    where
        F: FnOnce(Transaction) -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let account = self.clone();
        let work = self.run_to_end(async move { Ok(body(account.begin().await?).await) });
        work.await.unwrap_or(Err(StoreError::CutOff))
    }

    /// Runs work in a task that cancellation does not reach, and that [`Account::settle`] waits for.
    pub(super) fn run_to_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        let running = self.0.running.subscribe();
        task::spawn(async move {
            let done = work.await;
            drop(running);
            done
        })
    }

    /// For the end of the process: waits for running work, and tries once more to save an unsaved record. Not longer
    /// than the limit; what only waits for another process ends at once. Returns what could not be kept.
    pub async fn settle(&self, limit: Duration) -> Result<(), StoreError> {
        self.0.ending.send_replace(true);
        let settled = async {
            self.0.running.closed().await;
            if self.0.seen.lock().unsaved {
                self.save_again().await;
            }
        };
        if tokio::time::timeout(limit, settled).await.is_err() {
            log::warn!("a change of the login did not finish within {} seconds", limit.as_secs());
        }
        self.kept()
    }

    /// The error of the last change that could not be kept, unless a later one was kept.
    pub(crate) fn kept(&self) -> Result<(), StoreError> {
        self.0.not_kept.lock().clone().map_or(Ok(()), Err)
    }

    /// Notes whether a change could be kept.
    pub(super) fn note_kept<T>(&self, kept: Result<T, StoreError>) -> Result<T, StoreError> {
        *self.0.not_kept.lock() = kept.as_ref().err().cloned();
        kept
    }

    /// Removes the record, readable or not.
    pub(super) async fn remove(&self) -> Result<(), StoreError> {
        let mut gate = self.gate().await?;
        let removed = self.on_disk(Store::remove).await?;
        gate.take();
        removed
    }

    /// Takes the lock, in this process and among processes, and reads the record that is on disk.
    pub(super) async fn begin(&self) -> Result<Transaction, StoreError> {
        let gate = self.gate().await?;
        let mut transaction = Transaction { account: self.clone(), gate, room: None, record: Record::default() };
        transaction.read_again().await?;
        Ok(transaction)
    }

    /// Takes the lock. The end of the process ends the wait for it: nothing has begun yet.
    async fn gate(&self) -> Result<OwnedMutexGuard<Option<Lock>>, StoreError> {
        let path = self.0.store.beside(&self.0.key, "lock");
        let locked = async {
            let gate = tokio::time::timeout(LOCK_LIMIT, self.0.gate.clone().lock_owned()).await;
            let mut gate = gate.map_err(|_| StoreError::Busy(LOCK_LIMIT.as_secs()))?;
            if gate.is_none() {
                *gate = Some(self.name_wait(&path, Lock::acquire(&path, LOCK_LIMIT)).await?);
            }
            Ok(gate)
        };
        let mut ending = self.0.ending.subscribe();
        tokio::select! {
            biased;
            locked = locked => locked,
            _ = ending.wait_for(|is_ending| *is_ending) => Err(StoreError::Ending),
        }
    }

    /// Waits for another process, and says so if that takes long.
    async fn name_wait<T>(&self, lock: &Path, wait: impl Future<Output = T>) -> T {
        let mut wait = std::pin::pin!(wait);
        if let Ok(done) = tokio::time::timeout(LONG_WAIT, wait.as_mut()).await {
            return done;
        }
        log::warn!("waiting for another mcp-ferry process, which changes this login: it holds {}", lock.display());
        wait.await
    }

    /// Works on the login's files. On another thread: to wait for the disk here would hold up every message.
    pub(super) async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store, &Key) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let account = self.clone();
        let done = task::blocking(move || work(&account.0.store, &account.0.key)).await;
        done.ok_or(StoreError::CutOff)
    }

    /// Makes sure that a login can be kept, before a person signs in for it.
    pub async fn prepare(&self) -> Result<(), StoreError> {
        self.on_disk(|store, _| store.prepare()).await?
    }

    /// Reserves room for what is issued once: tokens that cannot be kept must not be asked for.
    pub(super) async fn reserve(&self) -> Result<Reservation, StoreError> {
        let reserved = self.on_disk(Store::reserve).await?;
        self.note_kept(reserved)
    }

    async fn write(&self, record: Record, room: Option<Reservation>) -> Result<(), StoreError> {
        let write = move |store: &Store, key: &Key| match room {
            Some(room) => store.write_in(room, key, &record),
            None => store.write(key, &record),
        };
        let written = self.on_disk(write).await?;
        self.note_kept(written)
    }

    fn publish(&self, record: Record, unsaved: bool) -> Snapshot {
        let snapshot = Snapshot::new(record);
        let stamp = self.0.store.stamp(&self.0.key);
        *self.0.seen.lock() = Seen { is_read: true, stamp, snapshot: Some(snapshot.clone()), unsaved };
        snapshot
    }

    /// Whether every record is saved now.
    async fn save_again(&self) -> bool {
        let mut gate = self.0.gate.clone().lock_owned().await;
        let unsaved = { Some(self.0.seen.lock()).filter(|seen| seen.unsaved).and_then(|seen| seen.snapshot.clone()) };
        let Some(snapshot) = unsaved else { return true };
        let record = snapshot.record.as_ref().clone();
        if self.write(record.clone(), None).await.is_err() {
            return false;
        }
        self.publish(record, false);
        log::warn!("the login is saved now");
        gate.take();
        true
    }
}
