//! How is the record of a login changed?

use std::time::Duration;

use tokio::sync::OwnedMutexGuard;

use super::{Account, Snapshot};
use crate::auth::record::Record;
use crate::auth::store::{Lock, StoreError};
use crate::files::Reservation;
use crate::{log, task};

/// The longest pause between two attempts to save a record that could not be saved.
const SAVE_AGAIN: Duration = Duration::from_secs(30);

/// The right to change a login, and the login's record on disk. Dropping it releases the lock.
#[derive(Debug)]
pub struct Transaction {
    pub(super) account: Account,
    pub(super) gate: OwnedMutexGuard<Option<Lock>>,
    /// Room for the record that [`Transaction::keep`] writes.
    pub(super) room: Option<Reservation>,
    /// The record on disk; empty where there is none.
    pub record: Record,
}

impl Transaction {
    /// Reads the record again: a process of another version may write without the lock.
    pub(in crate::auth) async fn read_again(&mut self) -> Result<(), StoreError> {
        let newest = self.account.read_again().await?;
        self.record = newest.map(|snapshot| snapshot.record.as_ref().clone()).unwrap_or_default();
        Ok(())
    }

    /// [`Account::reserve`] for the record that [`Transaction::keep`] writes.
    pub(in crate::auth) async fn reserve(&mut self) -> Result<(), StoreError> {
        self.room = Some(self.account.reserve().await?);
        Ok(())
    }

    /// Uses room that was reserved before the transaction began.
    pub(in crate::auth) fn use_room(&mut self, room: Reservation) {
        self.room = Some(room);
    }

    /// Writes the record as the next generation. After an error the old record is in force.
    pub async fn save(&mut self, record: Record) -> Result<Snapshot, StoreError> {
        let record = self.next(record).await;
        self.note(record).await
    }

    /// Writes the record as the next generation; if that fails, keeps it in memory and tries again until it is written.
    /// For tokens, which are issued once: without them the login is lost for every program. Until the record is written
    /// no other process gets the lock.
    pub async fn keep(&mut self, record: Record) -> Snapshot {
        let record = self.next(record).await;
        self.record = record.clone();
        let written = self.account.write(record.clone(), self.room.take()).await;
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

    /// Writes a note that changes nothing for those who use the login: the generation stays.
    pub(in crate::auth) async fn note(&mut self, record: Record) -> Result<Snapshot, StoreError> {
        self.account.write(record.clone(), None).await?;
        self.record = record.clone();
        Ok(self.account.publish(record, false))
    }

    /// Numbers a record: newer than ours, and newer than what a process of another version may have written without
    /// the lock.
    async fn next(&self, mut record: Record) -> Record {
        let on_disk = self.account.read_again().await.ok().flatten();
        let on_disk = on_disk.map_or(0, |snapshot| snapshot.record.generation);
        record.generation = record.generation.max(self.record.generation).max(on_disk) + 1;
        record
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if !self.account.0.seen.lock().unsaved {
            self.gate.take();
        }
    }
}
