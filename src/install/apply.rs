//! How does a plan become a changed file? A copy, a record, the file: killed between any two, nothing is lost, and what
//! the record says of the file is still to be told from its hash.

use std::path::PathBuf;

use super::client_lock::ClientLock;
use super::plan::Planned;
use super::record::Records;
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
    Ok(planned.record.backup.clone())
}

/// Keeps a copy of the file as it is, if there is none of it.
pub(super) fn back_up(records: &Records, planned: &mut Planned) -> Result<(), ReplaceError> {
    if let (None, Some(bytes)) = (&planned.record.backup, planned.file.bytes()) {
        planned.record.backup = Some(records.back_up(planned.client.name, bytes)?);
    }
    Ok(())
}

fn write(planned: &Planned) -> Result<(), ReplaceError> {
    let _lock = ClientLock::acquire(planned.client.name, planned.file.real())?;
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
        None => Ok(records.delete(&planned.record)?),
    }
}
