//! What becomes of the records of later entries of a file when an earlier entry goes, or changes? Each knows the file as
//! it was before it, with the earlier entry. Without that they would not restore every byte.

use std::io;
use std::path::PathBuf;

use super::clients::Client;
use super::record::{Record, Records, hash};
use super::undo::without;
use crate::files::OtherFile;

/// Whether one record is of the file as another one left it.
pub(super) fn follows(later: &Record, record: &Record) -> bool {
    let is_next = later.before.as_ref().is_some_and(|before| record.after.contains(before));
    is_next && later.path == record.path && later.name != record.name
}

/// Whether a file of this hash is what entries have left that came after this one, and nothing else.
pub(super) fn leads_to(records: &Records, record: &Record, hash: &str) -> bool {
    let all = records.all();
    let mut last = record;
    // As many steps as there are records: a circle of hashes must not hold us.
    for _ in 0..all.len() {
        let Some(later) = all.iter().find(|later| follows(later, last)) else { return false };
        if later.after.iter().any(|after| after == hash) {
            return true;
        }
        last = later;
    }
    false
}

/// Deletes the record of an entry that was taken out of the midst, and has the later records of the file know it as it
/// would be without that entry. `old` and `new` are the hashes of the file.
pub(super) fn unlink(records: &Records, client: &Client, gone: &Record, old: &str, new: &str) -> io::Result<()> {
    let Some(mut later) = next(records, gone) else { return records.delete(gone) };
    // The direct successor gets the state before the entry that went.
    let (before, backup) = (gone.before.clone(), gone.backup.clone());
    later.is_whole = gone.is_whole;
    later.folders.extend(gone.folders.iter().cloned());
    if let Some(piece) = &mut later.piece {
        piece.sections += gone.piece.as_ref().map_or(0, |piece| piece.sections);
    }
    carry_on(records, client, later, (before, backup), (old, new), |bytes| {
        without(client, bytes, gone).ok().flatten()
    })?;
    records.forget(gone)?;
    records.sweep()
}

/// Has the later records of the file know it as it would be, had the earlier entry been the one of now from the
/// beginning. `edit` makes it that.
pub(super) fn relink(
    records: &Records,
    client: &Client,
    changed: &Record,
    (old, new): (&str, &str),
    edit: impl Fn(&[u8]) -> Option<Vec<u8>>,
) -> io::Result<()> {
    let Some(later) = next(records, changed) else { return Ok(()) };
    let Some(bytes) = copy(&later).and_then(|bytes| edit(&bytes)) else { return Ok(()) };
    let mut changed = changed.clone();
    changed.after.push(hash(&bytes));
    let state = (Some(hash(&bytes)), Some(records.back_up(client.name, &bytes)?));
    records.save(&changed)?;
    carry_on(records, client, later, state, (old, new), edit)?;
    records.sweep()
}

/// Gives `first` another state before it, and to all that follow it the states that come of that.
fn carry_on(
    records: &Records,
    client: &Client,
    first: Record,
    (mut before, mut backup): (Option<String>, Option<PathBuf>),
    (old, new): (&str, &str),
    edit: impl Fn(&[u8]) -> Option<Vec<u8>>,
) -> io::Result<()> {
    let mut later = first;
    for _ in 0..records.all().len() {
        let following = next(records, &later);
        (later.before, later.backup) = (before, backup);
        if later.after.iter().any(|after| after == old) {
            later.after = vec![new.to_owned()];
            return records.save(&later);
        }
        // What the next record knows as the file before it is the file as this one left it.
        let after = following.and_then(|next| Some((edit(&copy(&next)?)?, next)));
        let Some((bytes, next)) = after else {
            later.after = Vec::new();
            return records.save(&later);
        };
        later.after = vec![hash(&bytes)];
        records.save(&later)?;
        (before, backup) = (Some(hash(&bytes)), Some(records.back_up(client.name, &bytes)?));
        later = next;
    }
    Ok(())
}

fn next(records: &Records, record: &Record) -> Option<Record> {
    records.all().into_iter().find(|later| follows(later, record))
}

/// The file before a record.
fn copy(record: &Record) -> Option<Vec<u8>> {
    Some(OtherFile::read(record.backup.as_deref()?, usize::MAX).ok()?.bytes()?.to_vec())
}
