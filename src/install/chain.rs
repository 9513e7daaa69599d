//! What becomes of the records of later entries of a file when an earlier entry goes? Each knows the file as it was
//! before it, with the earlier entry. Without that they would not restore every byte.

use std::io;

use super::clients::Client;
use super::record::{Record, Records, hash};
use super::undo::without;
use crate::files::OtherFile;

/// Deletes the record of an entry that was taken out of the midst, and has the later records of the file know it as it
/// would be without that entry. `old` and `new` are the hashes of the file.
pub(super) fn unlink(records: &Records, client: &Client, gone: &Record, old: &str, new: &str) -> io::Result<()> {
    let all = records.all();
    let next = |record: &Record| {
        let follows = |other: &&Record| other.before.as_ref().is_some_and(|before| record.after.contains(before));
        all.iter().find(|other| other.path == record.path && other.name != record.name && follows(other))
    };
    let Some(mut later) = next(gone) else { return records.delete(gone) };
    // The direct successor gets the state before the entry that went.
    let (mut before, mut backup) = (gone.before.clone(), gone.backup.clone());
    let mut sections = gone.piece.as_ref().map_or(0, |piece| piece.sections);
    // As many steps as there are records: a circle of hashes must not hold us.
    for _ in 0..all.len() {
        let mut changed = later.clone();
        (changed.before, changed.backup, changed.is_whole) = (before, backup, gone.is_whole);
        if let Some(piece) = &mut changed.piece {
            piece.sections += std::mem::take(&mut sections);
        }
        if later.after.iter().any(|after| after == old) {
            changed.after = vec![new.to_owned()];
            records.save(&changed)?;
            break;
        }
        // What the next record knows as the file before it is the file as this one left it.
        let after = next(later).and_then(|next| {
            let copy = OtherFile::read(next.backup.as_deref()?, usize::MAX).ok()?;
            Some((next, without(client, copy.bytes()?, gone).ok().flatten()?))
        });
        let Some((next, bytes)) = after else {
            changed.after = Vec::new();
            records.save(&changed)?;
            break;
        };
        changed.after = vec![hash(&bytes)];
        records.save(&changed)?;
        (before, backup) = (Some(hash(&bytes)), Some(records.back_up(client.name, &bytes)?));
        later = next;
    }
    records.forget(gone)?;
    records.sweep()
}
