//! How does an entry get out of a file again? As if it had never been there, where the file is still what we wrote; else
//! the entry alone, if it is ours.

use std::path::Path;

use super::client_lock::ClientLock;
use super::clients::{Client, Server};
use super::edit::{self, Refusal, Target};
use super::hidden::hide_secrets;
use super::plan::read;
use super::program::plain;
use super::record::{Record, Records, hash};
use super::report::Outcome;
use super::{TRIES, chain, diff};
use crate::files::{OtherFile, ReplaceError};
use crate::log;

/// What was done, or would be, and the difference that it makes.
pub(super) type Undone = Result<(Outcome, String), Refusal>;

/// Undoes what a record says.
pub(super) fn undo(records: &Records, client: &Client, record: &Record, is_preview: bool) -> Undone {
    for _ in 0..TRIES {
        let file = read(&record.path)?;
        let now = file.bytes().map(hash);
        let is_untouched = now.as_ref().is_some_and(|now| record.after.contains(now));
        let whole = is_untouched && record.is_whole;
        let is_as_before = !is_untouched && record.is_whole && now == record.before;
        if !is_untouched && !is_as_before {
            check_not_lost(&file, record)?;
        }
        let (after, outcome) = match (now, whole.then(|| copy(record)).flatten()) {
            (None, _) => (None, Outcome::NotThere),
            _ if is_as_before => (None, Outcome::NotThere),
            (_, Some(before)) => (Some(before), Outcome::Restored),
            _ => {
                match without(client, file.bytes().unwrap_or_default(), record).map_err(|why| with_copy(why, record))? {
                    Some(bytes) if Some(hash(&bytes)) == record.before => (Some(Some(bytes)), Outcome::Restored),
                    Some(bytes) => (Some(Some(bytes)), Outcome::Removed),
                    None => (None, Outcome::NotThere),
                }
            }
        };
        let Some(after) = after else {
            if !is_preview {
                forget(records, record)?;
                if file.bytes().is_none() {
                    records.remove_folders(record).map_err(|error| unforgotten(&error))?;
                }
            }
            return Ok((outcome, String::new()));
        };
        let diff = difference(client, &record.path, file.bytes().unwrap_or_default(), after.as_deref());
        if is_preview {
            return Ok((outcome, diff));
        }
        match write(client, &file, after.as_deref()) {
            Ok(()) => {
                match (file.bytes(), &after) {
                    (Some(old), Some(new)) if !is_untouched => {
                        chain::unlink(records, client, record, &hash(old), &hash(new))
                            .map_err(|error| unforgotten(&error))?;
                    }
                    _ => forget(records, record)?,
                }
                if after.is_none() {
                    records.remove_folders(record).map_err(|error| unforgotten(&error))?;
                }
                return Ok((outcome, diff));
            }
            Err(ReplaceError::Changed) => {}
            Err(error) => return Err(unwritable(&error)),
        }
    }
    Err(changing())
}

/// Takes out an entry of ours that no record is of.
pub(super) fn take_out(client: &Client, path: &Path, name: &str, is_preview: bool) -> Undone {
    for _ in 0..TRIES {
        let file = read(path)?;
        let bytes = file.bytes().unwrap_or_default();
        let target = Target { format: client.format, section: client.section(bytes), name };
        let after = edit::remove(bytes, &target, None)?;
        let diff = difference(client, path, bytes, Some(&after));
        if is_preview {
            return Ok((Outcome::Removed, diff));
        }
        match write(client, &file, Some(&after)) {
            Ok(()) => return Ok((Outcome::Removed, diff)),
            Err(ReplaceError::Changed) => {}
            Err(error) => return Err(unwritable(&error)),
        }
    }
    Err(changing())
}

/// The file as it was, if that is known: `Some(None)` if there was none.
#[allow(clippy::option_option)]
fn copy(record: &Record) -> Option<Option<Vec<u8>>> {
    let Some(before) = &record.before else { return Some(None) };
    let copy = OtherFile::read(record.backup.as_deref()?, usize::MAX).ok()?;
    // A damaged copy is worse than none.
    copy.bytes().filter(|bytes| hash(bytes) == *before).map(|bytes| Some(bytes.to_vec()))
}

/// A file that is missing or empty, other than before, has been lost: then our copy is the last one.
fn check_not_lost(file: &OtherFile, record: &Record) -> Result<(), Refusal> {
    let what = match file.bytes() {
        None => "missing",
        Some(bytes) if bytes.trim_ascii().is_empty() => "empty",
        Some(_) => return Ok(()),
    };
    let Some(backup) = record.backup.as_ref().filter(|backup| backup.exists()) else { return Ok(()) };
    let copy = plain(backup);
    Err(Refusal::new(format!(
        "the file is {what}; a copy of it from before the change is {}; copy it back, or delete the copy",
        copy.display()
    )))
}

/// A refusal that names the copy of the file before.
fn with_copy(refusal: Refusal, record: &Record) -> Refusal {
    let Some(backup) = record.backup.as_ref().filter(|_| record.is_whole) else { return refusal };
    let reason = format!("{}; the file as it was before the entry is {}", refusal.reason, plain(backup).display());
    Refusal { reason, ..refusal }
}

/// The file without the entry; `None` if the entry is not there.
pub(super) fn without(client: &Client, bytes: &[u8], record: &Record) -> Result<Option<Vec<u8>>, Refusal> {
    let section: Vec<&str> = record.section.iter().map(String::as_str).collect();
    let target = Target { format: client.format, section: &section, name: &record.name };
    let entries = edit::entries(bytes, client.format, &section)?;
    let Some((_, entry)) = entries.iter().find(|(name, _)| *name == record.name) else { return Ok(None) };
    if !Server::read(entry).is_ours_or(&record.program) {
        return Err(Refusal::new("the entry of this name has become another program's; it stays as it is"));
    }
    match &record.earlier {
        Some(earlier) => edit::restore(bytes, &target, earlier).map(Some),
        None => edit::remove(bytes, &target, record.piece.as_ref()).map(Some),
    }
}

fn write(client: &Client, file: &OtherFile, after: Option<&[u8]>) -> Result<(), ReplaceError> {
    let _lock = ClientLock::acquire(client, file.real())?;
    match after {
        Some(after) => file.replace(after),
        None => file.remove(),
    }
}

fn difference(client: &Client, path: &Path, before: &[u8], after: Option<&[u8]>) -> String {
    let entries = edit::entries(before, client.format, client.section(before)).unwrap_or_default();
    let hidden = hide_secrets(client, before, &entries);
    diff::unified(&log::neutral(&path.display().to_string()), before, after.unwrap_or_default(), &hidden)
}

fn forget(records: &Records, record: &Record) -> Result<(), Refusal> {
    records.delete(record).map_err(|error| unforgotten(&error))
}

fn unforgotten(error: &std::io::Error) -> Refusal {
    Refusal::new(format!("the entry is gone, but the records of it cannot be changed: {error}"))
}

fn unwritable(error: &ReplaceError) -> Refusal {
    Refusal::new(format!("the file cannot be written: {error}"))
}

/// The refusal of a file that another program writes all the time.
pub(super) fn changing() -> Refusal {
    Refusal::new(format!("the file changed {TRIES} times while it was edited; end the program that writes it"))
}
