//! Which file comes back when an entry goes that is about to be written? The one before the first time, as long as nobody
//! else has changed it.

use super::chain;
use super::clients::{Client, Server};
use super::edit::{Edited, Value};
use super::plan::Wanted;
use super::record::{Record, Records, hash};
use crate::files::{OtherFile, missing_folders};

/// What an entry has behind it.
#[derive(Debug)]
pub(super) struct History {
    pub(super) record: Record,
    /// The record that is there of the same entry.
    pub(super) known: Option<Record>,
    pub(super) midst: Option<Midst>,
}

/// What the records of later entries of the file must be told.
#[derive(Debug)]
pub(super) struct Midst {
    pub(super) section: &'static [&'static str],
    pub(super) entry: Value,
    /// The hash of the file before.
    pub(super) old: String,
}

/// The record of an entry that is written into this file.
pub(super) fn history(
    records: &Records,
    client: &Client,
    file: &OtherFile,
    section: &'static [&'static str],
    wanted: &Wanted<'_>,
    edited: &Edited,
    known: Option<Record>,
) -> History {
    let is_new = edited.before.is_none();
    let now = file.bytes().map(hash);
    let Server { command, env, .. } = Server::read(&wanted.entry);
    let fresh = Record {
        format: 0,
        client: client.name.to_owned(),
        path: file.real().to_owned(),
        section: section.iter().map(|&key| key.to_owned()).collect(),
        name: wanted.name.to_owned(),
        url: wanted.url.to_owned(),
        before: now.clone(),
        after: Vec::new(),
        backup: None,
        is_whole: true,
        piece: edited.piece.clone(),
        earlier: edited.before.clone().filter(|_| wanted.takes_over),
        program: command.into_iter().next().unwrap_or_default(),
        variables: env.into_iter().map(|(name, _)| name).filter(|_| !wanted.takes_over).collect(),
        folders: if file.bytes().is_none() { missing_folders(file.real()) } else { Vec::new() },
    };
    let is_lost = file.bytes().is_none_or(|bytes| bytes.trim_ascii().is_empty());
    let is_known = |known: &Record| now.as_ref().is_some_and(|now| known.after.contains(now));
    let is_in_midst = |known: &Record| now.as_ref().is_some_and(|now| chain::leads_to(records, known, now));
    let after = hash(&edited.bytes);
    let mut midst = None;
    let record = match &known {
        // What was there before the first time is what comes back.
        Some(known) if !is_new && is_known(known) => {
            let earlier = known.earlier.clone().or(fresh.earlier);
            let Record { url, program, variables, .. } = fresh;
            let mut record = Record { url, earlier, program, variables, ..known.clone() };
            record.after.push(after);
            record
        }
        Some(known) if !is_new && !wanted.takes_over && is_in_midst(known) => {
            midst = now.map(|old| Midst { section, entry: wanted.entry.clone(), old });
            let Record { url, program, variables, .. } = fresh;
            Record { url, program, variables, ..known.clone() }
        }
        // Somebody has lost the file: our copy of it is the last one.
        Some(known)
            if is_new && is_lost && known.is_whole && known.backup.as_ref().is_some_and(|copy| copy.exists()) =>
        {
            Record { before: known.before.clone(), backup: known.backup.clone(), after: vec![after], ..fresh }
        }
        Some(known) if !is_new && !wanted.takes_over => {
            let (piece, earlier) = (known.piece.clone(), known.earlier.clone());
            Record { before: None, is_whole: false, piece, earlier, after: vec![after], ..fresh }
        }
        _ if !is_new && !wanted.takes_over => Record { before: None, is_whole: false, after: vec![after], ..fresh },
        _ => Record { after: vec![after], ..fresh },
    };
    History { record, known, midst }
}
