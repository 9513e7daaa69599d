//! How is a login kept in the system's keychain?
//!
//! Only if the user asks for it, and only on macOS and Windows: on Linux a keychain needs a session, a bus and a
//! window, and may lose everything at the next boot. The parts that are not secret stay in the login's file, which
//! other processes watch.

use crate::auth::record::Record;

use super::error::StoreError;

/// Whether this system has a keychain that we can use.
pub(super) const EXISTS: bool = cfg!(any(target_os = "macos", windows));

#[cfg(any(target_os = "macos", windows))]
pub(super) use system::{read, remove, write};

#[cfg(any(target_os = "macos", windows))]
mod system {
    use std::sync::mpsc::sync_channel;
    use std::time::Duration;

    use keyring_core::api::CredentialStoreApi;
    use keyring_core::{Entry, Error};

    use super::{Record, StoreError};

    const SERVICE: &str = "mcp-ferry";

    /// Windows takes 2560 bytes an entry, and keys with claims are longer.
    const PART: usize = 2048;

    /// A record in more parts is not ours.
    const MOST_PARTS: usize = 64;

    /// A locked keychain asks the user, in a window that may be behind others or on another screen.
    const LIMIT: Duration = Duration::from_secs(30);

    /// Completes the open part, which the file has. The two may differ by one change that was cut off: the keychain is
    /// written first, so its part is newer.
    pub(in super::super) fn read(key: &str, open: Record) -> Result<Record, StoreError> {
        let key = key.to_owned();
        let bytes = in_time(move || {
            let mut bytes = Vec::new();
            for part in 0..MOST_PARTS {
                match entry(&key, part)?.get_secret() {
                    Ok(next) => bytes.extend(next),
                    Err(Error::NoEntry) => break,
                    Err(error) => return Err(error),
                }
            }
            Ok(bytes)
        })?;
        if bytes.is_empty() {
            return Ok(open);
        }
        let kept: Record = serde_json::from_slice(&bytes)
            .map_err(|_| StoreError::Keychain("what it holds for this login is damaged".to_owned()))?;
        Ok(Record {
            client: kept.client,
            next_client: kept.next_client,
            tokens: kept.tokens,
            dpop_key: kept.dpop_key,
            ..open
        })
    }

    /// Writes the whole record, and returns the part that belongs in the file.
    pub(in super::super) fn write(key: &str, record: &Record) -> Result<Record, StoreError> {
        let bytes = serde_json::to_vec(record).map_err(|error| StoreError::Keychain(error.to_string()))?;
        let key = key.to_owned();
        in_time(move || {
            let parts: Vec<&[u8]> = bytes.chunks(PART).collect();
            for (index, part) in parts.iter().enumerate() {
                entry(&key, index)?.set_secret(part)?;
            }
            // Parts of an earlier record that was longer.
            remove_from(&key, parts.len())
        })?;
        Ok(Record { client: None, next_client: None, tokens: None, dpop_key: None, ..record.clone() })
    }

    /// Removes what there is of a record.
    pub(in super::super) fn remove(key: &str) -> Result<(), StoreError> {
        let key = key.to_owned();
        in_time(move || remove_from(&key, 0))
    }

    fn remove_from(key: &str, first: usize) -> Result<(), Error> {
        for part in first..MOST_PARTS {
            match entry(key, part)?.delete_credential() {
                Ok(()) => {}
                Err(Error::NoEntry) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    #[cfg(target_os = "macos")]
    fn entry(key: &str, part: usize) -> Result<Entry, Error> {
        apple_native_keyring_store::keychain::Store::new()?.build(SERVICE, &format!("{key}.{part}"), None)
    }

    /// For this machine alone: a login that roams with the profile would be refreshed by two.
    #[cfg(windows)]
    fn entry(key: &str, part: usize) -> Result<Entry, Error> {
        let kept = std::collections::HashMap::from([("persistence", "Local")]);
        windows_native_keyring_store::Store::new()?.build(SERVICE, &format!("{key}.{part}"), Some(&kept))
    }

    /// Works on a thread that may outlast us: an open window of the system cannot be closed.
    fn in_time<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, StoreError> {
        let (answer, answered) = sync_channel(1);
        let thread = std::thread::Builder::new().name("keychain".to_owned());
        let started = thread.spawn(move || drop(answer.send(work())));
        started.map_err(|error| StoreError::Keychain(error.to_string()))?;
        match answered.recv_timeout(LIMIT) {
            Ok(done) => done.map_err(|error| StoreError::Keychain(without_data(&error))),
            Err(_) => Err(StoreError::Keychain(format!("no answer within {} seconds", LIMIT.as_secs()))),
        }
    }

    /// Some errors of the keychain carry the stored secret.
    fn without_data(error: &Error) -> String {
        match error {
            Error::PlatformFailure(cause) | Error::NoStorageAccess(cause) => cause.to_string(),
            Error::TooLong(_, limit) => format!("an entry may be {limit} bytes long"),
            Error::NoEntry => "there is no such entry".to_owned(),
            _ => "what it holds for this login is damaged".to_owned(),
        }
    }
}

#[cfg(not(any(target_os = "macos", windows)))]
pub(super) fn read(_: &str, _: Record) -> Result<Record, StoreError> {
    Err(StoreError::Keychain("this system has no keychain".to_owned()))
}

#[cfg(not(any(target_os = "macos", windows)))]
pub(super) fn write(key: &str, record: &Record) -> Result<Record, StoreError> {
    read(key, record.clone())
}

#[cfg(not(any(target_os = "macos", windows)))]
pub(super) fn remove(_: &str) -> Result<(), StoreError> {
    Err(StoreError::Keychain("this system has no keychain".to_owned()))
}
