//! How are entries of the keychain of macOS and Windows read and written?

use std::time::Duration;

use keyring_core::api::CredentialStoreApi;
use keyring_core::{Entry, Error};

use super::{SERVICE, StoreError, damaged};

/// A locked keychain asks the user, in a window that may be behind others or on another screen.
pub(super) fn limit(_asks: bool) -> Duration {
    Duration::from_secs(30)
}

/// The user's keychain.
pub(super) struct Vault;

impl Vault {
    // The system asks by itself, and opening cannot fail.
    #[allow(clippy::unnecessary_wraps)]
    pub(super) fn open(_asks: bool) -> Result<Self, StoreError> {
        Ok(Self)
    }

    // The system says so when an entry is written.
    #[allow(clippy::unnecessary_wraps)]
    pub(super) fn prepare(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    /// What an entry holds, if there is one.
    pub(super) fn get(&mut self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        match entry(name).and_then(|entry| entry.get_secret()) {
            Ok(secret) => Ok(Some(secret)),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(failure(&error)),
        }
    }

    pub(super) fn set(&mut self, name: &str, secret: &[u8]) -> Result<(), StoreError> {
        entry(name).and_then(|entry| entry.set_secret(secret)).map_err(|error| failure(&error))
    }

    /// False if there was no such entry.
    pub(super) fn delete(&mut self, name: &str) -> Result<bool, StoreError> {
        match entry(name).and_then(|entry| entry.delete_credential()) {
            Ok(()) => Ok(true),
            Err(Error::NoEntry) => Ok(false),
            Err(error) => Err(failure(&error)),
        }
    }
}

#[cfg(target_vendor = "apple")]
fn entry(name: &str) -> Result<Entry, Error> {
    apple_native_keyring_store::keychain::Store::new()?.build(SERVICE, name, None)
}

/// For this machine alone: a login that roams with the profile would be refreshed by two.
#[cfg(windows)]
fn entry(name: &str) -> Result<Entry, Error> {
    let kept = std::collections::HashMap::from([("persistence", "Local")]);
    windows_native_keyring_store::Store::new()?.build(SERVICE, name, Some(&kept))
}

/// Some errors of the keychain carry the stored secret.
fn failure(error: &Error) -> StoreError {
    StoreError::Keychain(match error {
        Error::PlatformFailure(cause) | Error::NoStorageAccess(cause) => cause.to_string(),
        Error::TooLong(_, limit) => format!("an entry may be {limit} bytes long"),
        Error::NoEntry => "there is no such entry".to_owned(),
        _ => return damaged(),
    })
}
