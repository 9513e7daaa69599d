//! What would an entry change in a file, and what should a person know about the file besides?

use std::path::Path;

use super::clients::{Client, Server};
use super::edit::{self, Refusal, Target, Value};
use super::history::{History, Midst, history};
use super::record::{Record, Records};
use super::report::Outcome;
use super::{diff, notices};
use crate::files::OtherFile;
use crate::log;

/// A longer file is left alone: reading it takes memory of several times its size.
const LONGEST: usize = 64 * 1024 * 1024;

/// The entry to write.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    pub(super) name: &'a str,
    pub(super) url: &'a str,
    pub(super) entry: Value,
    /// Whether the entry of this name, which is another program's, is to become ours.
    pub(super) takes_over: bool,
}

/// What is to be done with one file.
#[derive(Debug)]
pub(super) enum Plan {
    Change(Box<Planned>),
    /// The entry is there as it should be.
    Nothing,
    Refused(Refusal),
}

/// A change that has been thought through.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) client: &'static Client,
    pub(super) file: OtherFile,
    /// The file as it will be.
    pub(super) after: Vec<u8>,
    pub(super) record: Record,
    /// The record that is there of the same entry.
    pub(super) known: Option<Record>,
    /// Where the entry is not the last one of ours in the file.
    pub(super) midst: Option<Midst>,
    pub(super) outcome: Outcome,
    pub(super) diff: String,
}

/// The entries of a file that may be read-only.
pub(super) fn look(client: &Client, path: &Path) -> Result<Vec<(String, Value)>, Refusal> {
    let file = read_only(path)?;
    let bytes = file.bytes().unwrap_or_default();
    edit::entries(bytes, client.format, client.section(bytes))
}

/// Reads a file of a client.
pub(super) fn read_only(path: &Path) -> Result<OtherFile, Refusal> {
    OtherFile::read(path, LONGEST).map_err(|error| refused("cannot be read", &error))
}

/// Reads a file of a client, for a change.
pub(super) fn read(path: &Path) -> Result<OtherFile, Refusal> {
    let file = read_only(path)?;
    file.check_writable().map_err(|error| refused("cannot be written", &error))?;
    Ok(file)
}

fn refused(what: &str, error: &std::io::Error) -> Refusal {
    let is_denied = error.kind() == std::io::ErrorKind::PermissionDenied && cfg!(target_os = "macos");
    // macOS asks the person once, and remembers a no.
    let cure = if is_denied { "; allow it in System Settings, Privacy & Security, App Management" } else { "" };
    Refusal::new(format!("the file {what}: {error}{cure}"))
}

/// What this entry changes in this file, and notices about its neighbours.
pub(super) fn plan(
    records: &Records,
    client: &'static Client,
    path: &Path,
    wanted: &Wanted<'_>,
) -> (Plan, Vec<String>) {
    let (mut notices, snippet) = (Vec::new(), snippet(client, client.section(b""), wanted));
    let plan = plan_change(records, client, path, wanted, &mut notices)
        .unwrap_or_else(|refusal| Plan::Refused(Refusal { snippet: Some(snippet), ..refusal }));
    (plan, notices)
}

/// What a person can add by hand.
pub(super) fn snippet(client: &Client, section: &[&str], wanted: &Wanted<'_>) -> String {
    let target = Target { format: client.format, section, name: wanted.name };
    let variables = Server::read(&wanted.entry).env;
    let lines = edit::snippet(&target, &wanted.entry);
    lines.lines().map(|line| log::redact(&diff::masked(line, &variables))).collect::<Vec<_>>().join("\n")
}

fn plan_change(
    records: &Records,
    client: &'static Client,
    path: &Path,
    wanted: &Wanted<'_>,
    notices: &mut Vec<String>,
) -> Result<Plan, Refusal> {
    let file = read(path)?;
    let bytes = file.bytes().unwrap_or_default();
    let section = client.section(bytes);
    let entries = edit::entries(bytes, client.format, section)?;
    *notices = notices::neighbours(&entries, wanted);
    hide_secrets(&entries);
    let existing = entries.iter().find(|(name, _)| name == wanted.name).map(|(_, entry)| Server::read(entry));
    if let Some(server) = existing.filter(|_| !wanted.takes_over) {
        let reason = match server.command.iter().skip(1).find(|word| word.contains("://")) {
            _ if !server.is_ours() => "another program's server has this name there; give --name another one",
            Some(url) if !notices::is_same_url(url, wanted.url) => {
                "the entry of this name there is for another URL; give --name another one, or uninstall that first"
            }
            _ => "",
        };
        if !reason.is_empty() {
            return Err(Refusal::new(reason));
        }
    }
    let target = Target { format: client.format, section, name: wanted.name };
    let edited = edit::set(bytes, &target, &wanted.entry)?;
    if edited.bytes == bytes {
        return Ok(Plan::Nothing);
    }
    let known = records.find(file.real(), wanted.name)?;
    let is_new = edited.before.is_none();
    let History { record, known, midst } = history(records, client, &file, section, wanted, &edited, known);
    let name = path.display().to_string();
    let outcome = if is_new { Outcome::Inserted } else { Outcome::Replaced };
    let diff = diff::unified(&log::neutral(&name), bytes, &edited.bytes, &Server::read(&wanted.entry).env);
    Ok(Plan::Change(Box::new(Planned { client, after: edited.bytes, record, known, midst, outcome, diff, file })))
}

/// Keeps the secrets of all entries out of what is shown.
pub(super) fn hide_secrets(entries: &[(String, Value)]) {
    for (_, entry) in entries {
        let tables = ["env", "environment", "envs", "headers", "http_headers", "requestInit"];
        let tables = tables.iter().filter_map(|key| entry.get(key)).flat_map(Value::members);
        for (name, value) in tables {
            if let Some(value) = value.as_text() {
                log::hide_named(name, value);
            }
        }
        let command = Server::read(entry).command;
        for header in command.windows(2).filter(|pair| pair[0] == "--header").map(|pair| &pair[1]) {
            if let Some((name, value)) = header.split_once(':') {
                log::hide_named(name.trim(), value.trim());
            }
        }
    }
}
