//! How does a plan become a changed file? A copy, a record, the file: killed between any two, nothing is lost, and what
//! the record says of the file is still to be told from its hash.

use std::path::PathBuf;

use super::chain;
use super::client_lock::ClientLock;
use super::edit::{self, Target};
use super::history::Midst;
use super::plan::Planned;
use super::record::{Records, hash};
use crate::files::ReplaceError;

/// Changes the file. The path is that of the copy.
pub(super) fn apply(records: &Records, planned: &mut Planned) -> Result<Option<PathBuf>, ReplaceError> {
    back_up(records, planned)?;
    records.save(&planned.record)?;
    if let Err(error) = write(planned) {
        let is_damaged = matches!(error, ReplaceError::System(_)) && !planned.file.is_unchanged();
        // Then the copy is all that is left of the file.
        if !is_damaged {
            take_back(records, planned)?;
        }
        return Err(error);
    }
    if let Some(known) = planned.known.as_ref().filter(|known| known.backup != planned.record.backup) {
        records.remove_copy(known)?;
    }
    if let Some(Midst { section, entry, old }) = &planned.midst {
        let record = &planned.record;
        let target = Target { format: planned.client.format, section, name: &record.name };
        let edit = |bytes: &[u8]| edit::set(bytes, &target, entry).ok().map(|edited| edited.bytes);
        chain::relink(records, planned.client, record, (old, &hash(&planned.after)), edit)?;
    }
    Ok(planned.record.backup.clone())
}

/// Keeps a copy of the file as it is, if there is none of it. A file that is all ours needs none.
pub(super) fn back_up(records: &Records, planned: &mut Planned) -> Result<(), ReplaceError> {
    let is_ours = planned.record.is_whole && planned.record.before.is_none();
    if let (None, Some(bytes), false) = (&planned.record.backup, planned.file.bytes(), is_ours) {
        planned.record.backup = Some(records.back_up(planned.client.name, bytes)?);
    }
    Ok(())
}

fn write(planned: &Planned) -> Result<(), ReplaceError> {
    let _lock = ClientLock::acquire(planned.client, planned.file.real())?;
    planned.file.replace(&planned.after)
}

/// The file is as it was, and so are the records.
fn take_back(records: &Records, planned: &Planned) -> Result<(), ReplaceError> {
    match &planned.known {
        Some(known) => {
            records.save(known)?;
            if known.backup != planned.record.backup {
                records.remove_copy(&planned.record)?;
            }
            Ok(())
        }
        None => {
            records.delete(&planned.record)?;
            Ok(records.remove_folders(&planned.record)?)
        }
    }
}
