//! Where do logins rest?
//!
//! One file for each, in a folder that is the user's alone. A file is replaced as a whole and is never half written;
//! what cannot be read is as good as none, and is left where it is until a new login takes its place.

mod error;
mod keychain;
mod lock;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::record::Record;
use crate::files::{Stamp, hex, replace};
use crate::log;

pub use error::StoreError;
pub(super) use lock::Lock;

/// The shape of the files; another one is another program's, or a later one's of ours.
const FORMAT: u32 = 1;

/// Who we are to the authorization server: another identity is another login.
#[derive(Debug, Clone, Copy)]
pub enum Identity<'a> {
    /// The user gave a client id.
    Given(&'a str),
    /// The URL of a client ID metadata document.
    MetadataDocument(&'a str),
    /// Whatever dynamic registration gives.
    Dynamic,
}

/// What makes two logins two.
#[derive(Debug, Clone, Copy)]
pub struct KeyParts<'a> {
    /// The MCP server's address as the `url` crate writes it, without a fragment.
    pub url: &'a str,
    /// As whom.
    pub identity: Identity<'a>,
    /// The user's own name for this login, where there are several.
    pub profile: Option<&'a str>,
    /// Parameters that change the token: `resource`, `audience`, …
    pub extra: &'a [(String, String)],
}

/// The name of a login's files: a hash, because the address may hold a secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(String);

impl Key {
    /// The key of a login.
    pub fn new(parts: &KeyParts) -> Self {
        let (kind, identity) = match parts.identity {
            Identity::Given(id) => ("given", id),
            Identity::MetadataDocument(url) => ("document", url),
            Identity::Dynamic => ("dynamic", ""),
        };
        let mut extra: Vec<&(String, String)> = Vec::new();
        for part in parts.extra {
            extra.insert(extra.partition_point(|before| *before <= part), part);
        }
        let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
        let fixed = [parts.url, kind, identity, parts.profile.unwrap_or_default()];
        for part in fixed.into_iter().chain(extra.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()])) {
            // With its length, or two parts could pass for one.
            digest.update(&(part.len() as u64).to_be_bytes());
            digest.update(part.as_bytes());
        }
        Self(hex(&digest.finish().as_ref()[..16]))
    }

    /// Three ports for the callback, the same ones on every start: an authorization server may insist on the one that
    /// was registered. Between 3335 and 49150, below what systems hand out to outgoing connections.
    pub fn ports(&self) -> [u16; 3] {
        let word = |at: usize| u16::from_str_radix(self.0.get(at..at + 4).unwrap_or_default(), 16).unwrap_or_default();
        [0, 4, 8].map(|at| 3335 + word(at) % 45_816)
    }

    fn parse(name: &str) -> Option<Self> {
        let is_key = name.len() == 32 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        is_key.then(|| Self(name.to_owned()))
    }
}

/// Where the secrets of a record are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeptIn {
    /// In the record's file, which only the user can read.
    #[default]
    File,
    /// In the system's keychain; macOS and Windows. The file then holds what is not secret.
    Keychain,
}

impl KeptIn {
    /// Itself where this system has it; else a sentence about why not.
    pub fn check(self) -> Result<Self, String> {
        if self == Self::Keychain && !keychain::EXISTS {
            return Err("there is no keychain on this system that a program without a window can rely on; \
                        logins are kept in files that only you can read"
                .to_owned());
        }
        Ok(self)
    }

    fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Keychain => "keychain",
        }
    }
}

/// A folder of logins.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
    kept_in: KeptIn,
}

/// A file of one login.
#[derive(Debug, Serialize, Deserialize)]
struct Envelope {
    format: u32,
    #[serde(default)]
    kept_in: KeptIn,
    record: Record,
}

/// What can be read of a file of any format.
#[derive(Deserialize)]
struct Cover {
    format: u32,
}

impl Store {
    /// The logins below this home; nothing is created until something is written.
    pub fn new(home: &Path, kept_in: KeptIn) -> Self {
        Self { folder: home.join("logins"), kept_in }
    }

    /// Where a login's record is, for people.
    pub fn path(&self, key: &Key) -> PathBuf {
        self.beside(key, "json")
    }

    /// The keys of all logins, also of those that are only under way.
    pub fn keys(&self) -> Vec<Key> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut keys = Vec::new();
        for name in names {
            if let Some((key, end)) = name.split_once('.')
                && end.ends_with("json")
                && let Some(key) = Key::parse(key)
                && let Err(at) = keys.binary_search(&key)
            {
                keys.insert(at, key);
            }
        }
        keys
    }

    /// Every login that can be read: for `status`.
    pub fn list(&self) -> Vec<(Key, Record)> {
        let read = |key: Key| match self.read(&key) {
            Ok(record) => Some((key, record?)),
            Err(error) => {
                log::warn!("{error}");
                None
            }
        };
        self.keys().into_iter().filter_map(read).collect()
    }

    /// The record as it rests. One that is missing, broken or of another format is none; why, is said in a warning.
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
        let cover = serde_json::from_slice::<Cover>(&bytes);
        let envelope = match cover {
            Ok(Cover { format }) if format != FORMAT => {
                log::warn!("the login in {} is of another version of this program; it is not used", path.display());
                return Ok(None);
            }
            _ => serde_json::from_slice::<Envelope>(&bytes),
        };
        // Not the parser's own words: they may quote what is in the file.
        let Ok(envelope) = envelope else {
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

    /// Keeps a record: when this returns, it survives a power cut. The caller holds the lock of the key.
    pub(super) fn write(&self, key: &Key, record: &Record) -> Result<(), StoreError> {
        let record = match self.kept_in {
            KeptIn::File => record.clone(),
            KeptIn::Keychain => keychain::write(key.0.as_str(), record)?,
        };
        self.write_beside(key, "json", &Envelope { format: FORMAT, kept_in: self.kept_in, record })
    }

    /// Another file of the same login.
    pub(super) fn beside(&self, key: &Key, ending: &str) -> PathBuf {
        self.folder.join(format!("{}.{ending}", key.0))
    }

    /// Writes another file of the same login, with the same care.
    pub(super) fn write_beside<T: Serialize>(&self, key: &Key, ending: &str, value: &T) -> Result<(), StoreError> {
        let path = self.beside(key, ending);
        let written = serde_json::to_vec(value).map_err(std::io::Error::from).and_then(|bytes| replace(&path, &bytes));
        written.map_err(|error| StoreError::Write { path, cause: error.to_string(), kind: error.kind() })
    }

    /// What tells one state of the record's file from the next, at the price of one system call.
    pub(super) fn stamp(&self, key: &Key) -> Option<Stamp> {
        Stamp::of(&self.path(key))
    }
}

#[cfg(test)]
mod tests;
