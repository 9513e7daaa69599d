//! Which entries does a person mean who uninstalls, and what became of each?

use std::path::{Path, PathBuf};

use super::clients::{CLIENTS, Client, Server};
use super::record::{Record, Records};
use super::report::{Outcome, Report, Step};
use super::request::{self, InstallError, Removal};
use super::world::{World, each_existing};
use super::{chain, open, plan, program, step, undo};
use crate::files;

/// Takes entries out of the files of clients again: those that records tell of, and others of ours with this name or
/// address.
pub fn uninstall(world: &World, removal: &Removal) -> Result<Report, InstallError> {
    let chosen =
        if removal.clients.is_empty() { CLIENTS.iter().collect() } else { request::clients(&removal.clients)? };
    let records = open(world, removal.is_preview)?;
    let mut report = Report { is_preview: removal.is_preview, ..Report::default() };
    let mut done: Vec<(PathBuf, String)> = Vec::new();
    let program = program::program(world).path;
    while let Some((client, record)) = newest(&records, removal, &chosen, &done) {
        let undone = undo::undo(&records, client, &record, removal.is_preview);
        report.steps.push(undone_step(client, &record.path, &record.name, undone));
        done.push((record.path, record.name));
    }
    for client in chosen.into_iter().filter(|client| client.is_written) {
        for path in client.files(world, "*").into_iter().flat_map(|path| each_existing(&path)) {
            let real = files::resolve(&path).unwrap_or_else(|_| path.clone());
            let entries = match plan::look(client, &path) {
                Ok(entries) => entries,
                Err(refusal) => {
                    if may_be_ours(&path) && !done.iter().any(|(path, _)| *path == real) {
                        report.steps.push(step(client, &path, &removal.what, Outcome::Refused(refusal)));
                    }
                    continue;
                }
            };
            for (name, entry) in entries {
                let server = Server::read(&entry);
                let is_meant = removal.is_meant(&name, server.address().unwrap_or_default());
                if server.is_ours_or(&program) && is_meant && !done.contains(&(real.clone(), name.clone())) {
                    // A record that is a newer version's must not be ignored.
                    let undone = records
                        .find(&real, &name)
                        .and_then(|_| undo::take_out(client, &path, &name, removal.is_preview));
                    report.steps.push(undone_step(client, &path, &name, undone));
                }
            }
        }
    }
    Ok(report)
}

/// The record to undo next. They are read anew each time, because undoing one changes the others of its file; the newest
/// of a file comes first, so that what it knows is still so.
fn newest(
    records: &Records,
    removal: &Removal,
    chosen: &[&'static Client],
    done: &[(PathBuf, String)],
) -> Option<(&'static Client, Record)> {
    let is_done = |record: &Record| done.iter().any(|(path, name)| *path == record.path && *name == record.name);
    let mut left = records.all();
    left.retain(|record| removal.is_meant(&record.name, &record.url) && !is_done(record));
    left.retain(|record| chosen.iter().any(|client| client.name == record.client));
    let is_last = |record: &&Record| !left.iter().any(|later| chain::follows(later, record));
    let record = left.iter().find(is_last).or(left.first())?.clone();
    Some((chosen.iter().copied().find(|client| client.name == record.client)?, record))
}

/// Whether a file that we do not understand may have an entry of ours.
fn may_be_ours(path: &Path) -> bool {
    let Ok(file) = plan::read_only(path) else { return true };
    // UTF-16 has a NUL beside each letter.
    let plain: Vec<u8> = file.bytes().unwrap_or_default().iter().copied().filter(|byte| *byte != 0).collect();
    plain.windows("mcp-ferry".len()).any(|word| word == b"mcp-ferry")
}

fn undone_step(client: &'static Client, path: &Path, name: &str, undone: undo::Undone) -> Step {
    let path = &program::plain(path);
    match undone {
        Ok((outcome, diff)) => Step { diff, ..step(client, path, name, outcome) },
        Err(refusal) => step(client, path, name, Outcome::Refused(refusal)),
    }
}
