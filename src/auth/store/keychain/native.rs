//! How are entries of the keychain of macOS and Windows read and written?

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

#[cfg(target_vendor = "apple")]
use apple_native_keyring_store::keychain::Store;
use keyring_core::api::CredentialStoreApi;
use keyring_core::{Entry, Error};
#[cfg(windows)]
use windows_native_keyring_store::Store;

use super::{SERVICE, StoreError, damaged};

/// A locked keychain asks the user, in a window that may be behind others or on another screen.
pub(super) fn limit(_asks: bool) -> Duration {
    Duration::from_secs(30)
}

/// The user's keychain.
pub(super) struct Vault {
    store: Arc<Store>,
}

impl Vault {
    pub(super) fn open(_asks: bool) -> Result<Self, StoreError> {
        let store = Store::new().map_err(|error| failure(&error))?;
        Ok(Self { store })
    }

    /// Whether entries can be named; the system itself asks for leave when one is written.
    pub(super) fn prepare(&mut self) -> Result<(), StoreError> {
        self.entry("prepared").map(drop).map_err(|error| failure(&error))
    }

    /// What an entry holds, if there is one.
    pub(super) fn get(&mut self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        match self.entry(name).and_then(|entry| entry.get_secret()) {
            Ok(secret) => Ok(Some(secret)),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(failure(&error)),
        }
    }

    pub(super) fn set(&mut self, name: &str, secret: &[u8]) -> Result<(), StoreError> {
        self.entry(name).and_then(|entry| entry.set_secret(secret)).map_err(|error| failure(&error))
    }

    /// False if there was no such entry.
    pub(super) fn delete(&mut self, name: &str) -> Result<bool, StoreError> {
        match self.entry(name).and_then(|entry| entry.delete_credential()) {
            Ok(()) => Ok(true),
            Err(Error::NoEntry) => Ok(false),
            Err(error) => Err(failure(&error)),
        }
    }

    fn entry(&self, name: &str) -> Result<Entry, Error> {
        // On Windows for this machine alone: a login that roams with the profile would be refreshed by two.
        let kept = cfg!(windows).then(|| HashMap::from([("persistence", "Local")]));
        self.store.build(SERVICE, name, kept.as_ref())
    }
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
