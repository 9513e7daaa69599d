//! How is a login kept in the system's keychain?
//!
//! Only if the user asks for it: a keychain needs a session, on Linux also a bus, and may ask in a window. The parts that
//! are not secret stay in the login's file, which other processes watch. `native` is the keychain of macOS and Windows,
//! `secret_service` that of other systems, over `dbus`: whichever program has the Secret Service of the user's session.

#[cfg(not(any(target_vendor = "apple", windows)))]
mod dbus;
#[cfg(any(target_vendor = "apple", windows))]
#[path = "native.rs"]
mod vault;
#[cfg(not(any(target_vendor = "apple", windows)))]
#[path = "secret_service.rs"]
mod vault;

use std::sync::mpsc::sync_channel;
use std::time::Duration;

use zeroize::Zeroizing;

use super::error::StoreError;
use crate::auth::record::Record;
use vault::Vault;

/// Whether each machine with this system has a keychain.
pub(super) const IS_EVERYWHERE: bool = cfg!(any(target_vendor = "apple", windows));

/// What entries are filed under.
const SERVICE: &str = "mcp-ferry";

/// Windows takes 2560 bytes an entry, and keys with claims are longer.
const PART: usize = 2048;

/// A record in more parts is not ours.
const MOST_PARTS: usize = 64;

/// Makes sure that an entry can be written, before a person signs in for it.
pub(super) fn prepare(asks: bool) -> Result<(), StoreError> {
    in_time(asks, Vault::prepare)
}

/// Completes the open part, which the file has. The two may differ by one change that was cut off: the keychain is
/// written first, so its part is newer. `asks`: a person is there to unlock the keychain.
pub(super) fn read(key: &str, open: Record, asks: bool) -> Result<Record, StoreError> {
    let key = key.to_owned();
    let bytes = in_time(asks, move |vault| {
        let mut bytes = Zeroizing::new(Vec::new());
        for part in 0..MOST_PARTS {
            match vault.get(&name(&key, part))? {
                Some(next) => bytes.extend(Zeroizing::new(next).iter()),
                None => break,
            }
        }
        Ok(bytes)
    })?;
    if bytes.is_empty() {
        return Ok(open);
    }
    let kept: Record = serde_json::from_slice(&bytes).map_err(|_| damaged())?;
    Ok(Record {
        client: kept.client,
        next_client: kept.next_client,
        tokens: kept.tokens,
        dpop_key: kept.dpop_key,
        ..open
    })
}

/// Writes the whole record, and returns the part that belongs in the file.
pub(super) fn write(key: &str, record: &Record, asks: bool) -> Result<Record, StoreError> {
    let bytes = serde_json::to_vec(record).map(Zeroizing::new);
    let bytes = bytes.map_err(|error| StoreError::Keychain(error.to_string()))?;
    let key = key.to_owned();
    in_time(asks, move |vault| {
        let parts: Vec<&[u8]> = bytes.chunks(PART).collect();
        for (index, part) in parts.iter().enumerate() {
            vault.set(&name(&key, index), part)?;
        }
        // Parts of an earlier record that was longer.
        remove_from(vault, &key, parts.len())
    })?;
    Ok(Record { client: None, next_client: None, tokens: None, dpop_key: None, ..record.clone() })
}

/// Removes what there is of a record.
pub(super) fn remove(key: &str, asks: bool) -> Result<(), StoreError> {
    let key = key.to_owned();
    in_time(asks, move |vault| remove_from(vault, &key, 0))
}

fn remove_from(vault: &mut Vault, key: &str, first: usize) -> Result<(), StoreError> {
    for part in first..MOST_PARTS {
        if !vault.delete(&name(key, part))? {
            break;
        }
    }
    Ok(())
}

fn name(key: &str, part: usize) -> String {
    format!("{key}.{part}")
}

fn damaged() -> StoreError {
    StoreError::Keychain("what it holds for this login is damaged".to_owned())
}

/// Works on a thread that may outlast us: an open window of the system cannot be closed.
fn in_time<T: Send + 'static>(
    asks: bool,
    work: impl FnOnce(&mut Vault) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let (answer, answered) = sync_channel(1);
    let thread = std::thread::Builder::new().name("keychain".to_owned());
    let started = thread.spawn(move || drop(answer.send(Vault::open(asks).and_then(|mut vault| work(&mut vault)))));
    started.map_err(|error| StoreError::Keychain(error.to_string()))?;
    let limit: Duration = vault::limit(asks);
    let late = |_| StoreError::Keychain(format!("no answer within {} seconds", limit.as_secs()));
    answered.recv_timeout(limit).map_err(late)?
}
