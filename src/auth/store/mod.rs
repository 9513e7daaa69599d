//! Where are logins kept?
//!
//! Each login has one file, in a folder that only the user can read. A file is replaced as a whole and is never half
//! written. A damaged file counts as no login, and stays until a new login replaces it. A file that others may change, or
//! that a newer version has written, is an error, and stays whatever happens.

mod error;
mod key;
mod keychain;
mod lock;

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

use super::record::Record;
use crate::files::{self, Reservation, Stamp, check_format, replace};
use crate::log;

pub(super) use error::StoreError;
pub(super) use key::Key;
pub(super) use lock::Lock;

/// The format of all files of a login.
const FORMAT: u64 = 1;

/// A longer file is not ours.
const LONGEST_FILE: usize = 8 * 1024 * 1024;

/// No process writes a file for this long.
const WRITTEN: Duration = Duration::from_secs(60);

/// How long a change of a file beside a record waits for such changes of others, each of which takes some milliseconds.
const CHANGED: Duration = Duration::from_secs(5);

/// Where the secrets of a record are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeptIn {
    /// In the record's file, which only the user can read.
    #[default]
    File,
    /// In the system's keychain. The file then holds the rest.
    Keychain,
}

impl KeptIn {
    fn name(self) -> &'static str {
        if self == Self::File { "file" } else { "keychain" }
    }
}

/// A folder of logins.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
    kept_in: KeptIn,
    /// Whether a person is there to unlock the keychain.
    asks: bool,
}

/// The file of one login.
#[derive(Debug, Serialize, Deserialize)]
struct Envelope {
    format: u64,
    #[serde(default)]
    kept_in: KeptIn,
    record: Record,
}

impl Store {
    /// The logins below this home; nothing is created until something is written.
    pub fn new(home: &Path, kept_in: KeptIn) -> Self {
        Self { folder: home.join("logins"), kept_in, asks: false }
    }

    /// The same, for a person who may be asked to unlock the keychain.
    #[must_use]
    pub fn asking(self, asks: bool) -> Self {
        Self { asks, ..self }
    }

    /// The file of a login's record.
    pub fn path(&self, key: &Key) -> PathBuf {
        self.beside(key, "json")
    }

    /// The keys of all logins, those under way and those that cannot be read included.
    pub fn keys(&self) -> Result<BTreeSet<Key>, StoreError> {
        self.check()?;
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeSet::new()),
            Err(error) => return Err(StoreError::Read { path: self.folder.clone(), cause: error.to_string() }),
        };
        let key = |entry: std::fs::DirEntry| {
            let name = entry.file_name().into_string().ok()?;
            let (key, end) = name.split_once('.')?;
            Key::parse(key).filter(|_| end.ends_with("json"))
        };
        Ok(entries.flatten().filter_map(key).collect())
    }

    /// Every login that can be read, wherever it is kept.
    pub fn list(&self) -> Result<Vec<(Key, Record)>, StoreError> {
        let read = |key: Key| {
            let record = self.of(&key).read(&key).inspect_err(|error| log::warn!("{error}")).ok()??;
            Some((key, record))
        };
        Ok(self.keys()?.into_iter().filter_map(read).collect())
    }

    /// Makes sure that a login can be kept, before a person signs in for it.
    pub(super) fn prepare(&self) -> Result<(), StoreError> {
        if self.kept_in == KeptIn::Keychain { keychain::prepare(self.asks) } else { Ok(()) }
    }

    /// Whether no other user may change the store.
    fn check(&self) -> Result<(), StoreError> {
        let checked = files::check_folder(&self.folder);
        checked.map_err(|error| StoreError::Read { path: self.folder.clone(), cause: error.to_string() })
    }

    /// The store that this login is in, whatever `--token-store` says: for a logout and for lists.
    pub fn of(&self, key: &Key) -> Self {
        let file = files::read(&self.path(key), LONGEST_FILE).ok().map(|bytes| serde_json::from_slice(&bytes));
        let kept_in = match file {
            None => self.kept_in,
            Some(Ok(Value::Object(file))) => {
                file.get("kept_in").and_then(|place| KeptIn::deserialize(place).ok()).unwrap_or_default()
            }
            // A damaged file may have had the rest of its login in the keychain.
            Some(_) if keychain::IS_EVERYWHERE => KeptIn::Keychain,
            Some(_) => KeptIn::File,
        };
        Self { folder: self.folder.clone(), kept_in, asks: self.asks }
    }

    /// Removes a record, readable or not. The caller holds the login's lock.
    pub(super) fn remove(&self, key: &Key) -> Result<(), StoreError> {
        let emptied = match self.kept_in {
            KeptIn::File => Ok(()),
            KeptIn::Keychain => keychain::remove(key.name(), self.asks),
        };
        // As long as a part may be left in the keychain, the file shows that.
        if emptied.is_ok() {
            let path = self.path(key);
            let removed = files::remove(&path);
            removed.map_err(|error| not_written(path, &error))?;
        }
        emptied
    }

    /// Removes what killed processes have left.
    pub fn sweep(&self) {
        files::sweep(&self.folder, WRITTEN, Duration::MAX);
    }

    /// The record on disk. `None` if the file is missing or damaged; a warning then says why.
    pub(super) fn read(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.check()?;
        let path = self.path(key);
        let bytes = match files::read(&path, LONGEST_FILE) {
            Ok(bytes) => Zeroizing::new(bytes),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::Read { path, cause: error.to_string() }),
        };
        files::warn_if_readable(&path);
        // Without the parser's error, which may quote secrets from the file.
        check_format(&bytes, FORMAT).map_err(|_| StoreError::Newer(path.clone()))?;
        let Ok(envelope) = serde_json::from_slice::<Envelope>(&bytes) else {
            log::warn!("the login in {} is damaged; it is not used", path.display());
            return Ok(None);
        };
        if envelope.kept_in != self.kept_in {
            return Err(StoreError::KeptElsewhere { there: envelope.kept_in.name(), here: self.kept_in.name() });
        }
        match envelope.kept_in {
            KeptIn::File => Ok(Some(envelope.record)),
            KeptIn::Keychain => keychain::read(key.name(), envelope.record, self.asks).map(Some),
        }
    }

    /// Writes a record: when this returns, the record survives a power cut. The caller holds the login's lock.
    pub(super) fn write(&self, key: &Key, record: &Record) -> Result<(), StoreError> {
        self.write_by(key, record, replace)
    }

    /// [`Store::write`], into room that was reserved for this record.
    pub(super) fn write_in(&self, room: Reservation, key: &Key, record: &Record) -> Result<(), StoreError> {
        self.write_by(key, record, |path, bytes| room.replace(path, bytes))
    }

    fn write_by(
        &self,
        key: &Key,
        record: &Record,
        replace: impl FnOnce(&Path, &[u8]) -> std::io::Result<()>,
    ) -> Result<(), StoreError> {
        let record = match self.kept_in {
            KeptIn::File => record.clone(),
            KeptIn::Keychain => keychain::write(key.name(), record, self.asks)?,
        };
        let envelope = Envelope { format: FORMAT, kept_in: self.kept_in, record };
        let path = self.path(key);
        let bytes = serde_json::to_vec(&envelope).map(Zeroizing::new).map_err(std::io::Error::from);
        let written = bytes.and_then(|bytes| replace(&path, &bytes));
        written.map_err(|error| not_written(path, &error))
    }

    /// Reserves room for the next record of a login, which then is sure to be kept.
    pub(super) fn reserve(&self, key: &Key) -> Result<Reservation, StoreError> {
        let path = self.path(key);
        Reservation::new(&path).map_err(|error| not_written(path, &error))
    }

    /// The path of another file of the same login.
    pub(super) fn beside(&self, key: &Key, ending: &str) -> PathBuf {
        self.folder.join(format!("{}.{ending}", key.0))
    }

    /// The right to read, change and write another file of the same login: otherwise the change of another thread or
    /// process is lost. For some milliseconds without any wait, not on the runtime's thread.
    pub(super) fn lock_beside(&self, key: &Key, ending: &str) -> Result<Lock, StoreError> {
        Lock::acquire_blocking(&self.beside(key, &format!("{ending}.lock")), CHANGED)
    }

    /// Reads another file of the same login; `None` if it is missing, damaged or of a newer version.
    pub(super) fn read_beside<T: DeserializeOwned>(&self, key: &Key, ending: &str) -> Option<T> {
        self.check().ok()?;
        let bytes = files::read(&self.beside(key, ending), LONGEST_FILE).ok()?;
        check_format(&bytes, FORMAT).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// Whether a newer version has written another file of the same login.
    pub(super) fn is_newer_beside(&self, key: &Key, ending: &str) -> bool {
        let bytes = files::read(&self.beside(key, ending), LONGEST_FILE);
        bytes.is_ok_and(|bytes| check_format(&bytes, FORMAT).is_err())
    }

    /// Writes another file of the same login, as durably as the record. What it holds is of use for `lifetime`: for so
    /// long a file of a newer version is not overwritten.
    pub(super) fn write_beside<T: Serialize>(
        &self,
        key: &Key,
        ending: &str,
        value: &T,
        lifetime: Duration,
    ) -> Result<(), StoreError> {
        let path = self.beside(key, ending);
        let age = || std::fs::metadata(&path).ok()?.modified().ok()?.elapsed().ok();
        if age().is_none_or(|age| age < lifetime) && self.is_newer_beside(key, ending) {
            return Err(StoreError::Newer(path));
        }
        let document = serde_json::to_value(value).map(|mut document| {
            document["format"] = FORMAT.into();
            document.to_string()
        });
        let written = document.map_err(std::io::Error::from).and_then(|text| replace(&path, text.as_bytes()));
        written.map_err(|error| not_written(path, &error))
    }

    /// Removes another file of the same login.
    pub(super) fn remove_beside(&self, key: &Key, ending: &str) -> Result<(), StoreError> {
        let path = self.beside(key, ending);
        files::remove(&path).map_err(|error| not_written(path, &error))
    }

    /// Tells one state of the record's file from the next, with one system call.
    pub(super) fn stamp(&self, key: &Key) -> Option<Stamp> {
        Stamp::of(&self.path(key))
    }
}

fn not_written(path: PathBuf, error: &std::io::Error) -> StoreError {
    StoreError::Write { path, cause: error.to_string(), kind: error.kind() }
}

#[cfg(test)]
mod tests;
