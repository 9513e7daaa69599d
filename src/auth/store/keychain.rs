//! How does a login rest in the system's keychain?

use crate::auth::record::Record;

use super::error::StoreError;

/// Whether this system has one that serves a program without a window.
pub(super) const EXISTS: bool = cfg!(any(target_os = "macos", windows));

pub(super) use system::{read, write};

#[cfg(not(any(target_os = "macos", windows)))]
mod system {
    use super::{Record, StoreError};

    fn none<T>() -> Result<T, StoreError> {
        Err(StoreError::Keychain("this system has none".to_owned()))
    }

    pub(in super::super) fn read(_: &str, _: Record) -> Result<Record, StoreError> {
        none()
    }

    pub(in super::super) fn write(_: &str, _: &Record) -> Result<Record, StoreError> {
        none()
    }
}
