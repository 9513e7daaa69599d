//! Where are logins kept?
//!
//! Each login has one file, in a folder that only the user can read. A file is replaced as a whole and is never half
//! written. A file that cannot be read counts as no login, and stays until a new login replaces it.

mod error;
mod key;
mod keychain;
mod lock;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::record::Record;
use crate::files::{Stamp, replace};
use crate::log;

pub(super) use error::StoreError;
pub(super) use key::Key;
pub(super) use lock::Lock;

/// The version of the file format. A file with another one was written by another version of this program.
const FORMAT: u64 = 1;

/// Where the secrets of a record are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeptIn {
    /// In the record's file, which only the user can read.
    #[default]
    File,
    /// In the system's keychain, on macOS and Windows. The file then holds the rest.
    Keychain,
}

impl KeptIn {
    /// Returns itself if this system has such a place; otherwise a sentence that says why not.
    pub fn check(self) -> Result<Self, String> {
        if self == Self::Keychain && !keychain::EXISTS {
            return Err("there is no keychain on this system that a program without a window can rely on; \
                        logins are kept in files that only you can read"
                .to_owned());
        }
        Ok(self)
    }

    fn name(self) -> &'static str {
        if self == Self::File { "file" } else { "keychain" }
    }
}

/// A folder of logins.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
    kept_in: KeptIn,
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
        Self { folder: home.join("logins"), kept_in }
    }

    /// The file of a login's record.
    pub fn path(&self, key: &Key) -> PathBuf {
        self.beside(key, "json")
    }

    /// The keys of all logins, those under way included.
    pub fn keys(&self) -> BTreeSet<Key> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let key = |entry: std::fs::DirEntry| {
            let name = entry.file_name().into_string().ok()?;
            let (key, end) = name.split_once('.')?;
            Key::parse(key).filter(|_| end.ends_with("json"))
        };
        entries.filter_map(key).collect()
    }

    /// Every login that can be read.
    pub fn list(&self) -> Vec<(Key, Record)> {
        let read = |key: Key| {
            let record = self.read(&key).inspect_err(|error| log::warn!("{error}")).ok()??;
            Some((key, record))
        };
        self.keys().into_iter().filter_map(read).collect()
    }

    /// The record on disk. `None` if the file is missing, damaged or of another format; a warning then says why.
    pub(super) fn read(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let path = self.path(key);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                log::warn!("the login in {} cannot be read: {error}", path.display());
                return Ok(None);
            }
        };
        // Without the parser's error, which may quote secrets from the file.
        let file: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        if file["format"].as_u64().is_some_and(|format| format != FORMAT) {
            log::warn!("the login in {} is of another version of this program; it is not used", path.display());
            return Ok(None);
        }
        let Ok(envelope) = serde_json::from_value::<Envelope>(file) else {
            log::warn!("the login in {} is damaged; it is not used", path.display());
            return Ok(None);
        };
        if envelope.kept_in != self.kept_in {
            return Err(StoreError::KeptElsewhere { there: envelope.kept_in.name(), here: self.kept_in.name() });
        }
        match envelope.kept_in {
            KeptIn::File => Ok(Some(envelope.record)),
            KeptIn::Keychain => keychain::read(key.0.as_str(), envelope.record).map(Some),
        }
    }

    /// Writes a record: when this returns, the record survives a power cut. The caller holds the login's lock.
    pub(super) fn write(&self, key: &Key, record: &Record) -> Result<(), StoreError> {
        let record = match self.kept_in {
            KeptIn::File => record.clone(),
            KeptIn::Keychain => keychain::write(key.0.as_str(), record)?,
        };
        self.write_beside(key, "json", &Envelope { format: FORMAT, kept_in: self.kept_in, record })
    }

    /// The path of another file of the same login.
    pub(super) fn beside(&self, key: &Key, ending: &str) -> PathBuf {
        self.folder.join(format!("{}.{ending}", key.0))
    }

    /// Reads another file of the same login; `None` if it is missing or damaged.
    pub(super) fn read_beside<T: DeserializeOwned>(&self, key: &Key, ending: &str) -> Option<T> {
        serde_json::from_slice(&std::fs::read(self.beside(key, ending)).ok()?).ok()
    }

    /// Writes another file of the same login, as durably as the record.
    pub(super) fn write_beside<T: Serialize>(&self, key: &Key, ending: &str, value: &T) -> Result<(), StoreError> {
        let path = self.beside(key, ending);
        let written = serde_json::to_vec(value).map_err(std::io::Error::from).and_then(|bytes| replace(&path, &bytes));
        written.map_err(|error| StoreError::Write { path, cause: error.to_string(), kind: error.kind() })
    }

    /// Tells one state of the record's file from the next, with one system call.
    pub(super) fn stamp(&self, key: &Key) -> Option<Stamp> {
        Stamp::of(&self.path(key))
    }
}

#[cfg(test)]
mod tests;
