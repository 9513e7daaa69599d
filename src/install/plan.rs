//! What would an entry change in a file, and what should a person know about the file besides?

use std::path::Path;

use super::clients::{Client, Server, VARIABLES};
use super::edit::{self, Refusal, Target, Value};
use super::hidden::hide_secrets;
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
    let mut notices = Vec::new();
    let plan = plan_change(records, client, path, wanted, &mut notices).unwrap_or_else(|refusal| {
        let file = read_only(path).ok();
        let bytes = file.as_ref().and_then(OtherFile::bytes).unwrap_or_default();
        Plan::Refused(Refusal { snippet: Some(snippet(client, bytes, wanted)), ..refusal })
    });
    (plan, notices)
}

/// What a person can add to this file by hand.
pub(super) fn snippet(client: &Client, bytes: &[u8], wanted: &Wanted<'_>) -> String {
    let target = Target { format: client.format, section: client.section(b""), name: wanted.name };
    let variables = Server::read(&wanted.entry).env;
    let lines = edit::snippet(bytes, &target, &wanted.entry);
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
    let hidden = hide_secrets(client, bytes, &entries);
    let existing = entries.iter().find(|(name, _)| name == wanted.name).map(|(_, entry)| Server::read(entry));
    let wanted_server = Server::read(&wanted.entry);
    let program = wanted_server.command.first().map_or("", String::as_str);
    let known = records.find(file.real(), wanted.name)?;
    let known_program = known.as_ref().map_or("", |known| &known.program);
    if let Some(server) = existing.as_ref().filter(|_| !wanted.takes_over) {
        let is_ours = server.is_ours_or(program) || server.is_ours_or(known_program);
        let reason = match server.address() {
            _ if !is_ours => "another program's server has this name there; give --name another one",
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
    let edited = edit::set(bytes, &target, &in_line_with(existing.as_ref(), known.as_ref(), wanted))?;
    if edited.bytes == bytes {
        return Ok(Plan::Nothing);
    }
    let is_new = edited.before.is_none();
    let History { record, known, midst } = history(records, client, &file, section, wanted, &edited, known);
    let name = path.display().to_string();
    let outcome = if is_new { Outcome::Inserted } else { Outcome::Replaced };
    let hidden: Vec<_> = hidden.into_iter().chain(wanted_server.env).collect();
    let diff = diff::unified(&log::neutral(&name), bytes, &edited.bytes, &hidden);
    Ok(Plan::Change(Box::new(Planned { client, after: edited.bytes, record, known, midst, outcome, diff, file })))
}

/// The entry in the place where the one that is there keeps what it starts, without the variables that only an earlier
/// run has set: their values may be secrets that nobody needs any more.
fn in_line_with(existing: Option<&Server>, known: Option<&Record>, wanted: &Wanted<'_>) -> Value {
    let Some(existing) = existing.filter(|_| !wanted.takes_over) else { return wanted.entry.clone() };
    let env = Server::read(&wanted.entry).env;
    let is_wanted = |name: &String| env.iter().any(|(wanted, _)| wanted == name);
    let is_there = |name: &String| existing.env.iter().any(|(there, _)| there == name);
    let old = known.map(|known| known.variables.iter()).into_iter().flatten();
    let old = old.filter(|name| !is_wanted(name) && is_there(name)).map(|name| (name.clone(), Value::Gone));
    let old: Vec<_> = old.collect();
    let mut members = wanted.entry.members().to_vec();
    if !old.is_empty() {
        match members.iter_mut().find(|(key, _)| VARIABLES.contains(&key.as_str())) {
            Some((_, Value::Table(variables))) => variables.extend(old),
            _ => members.push((existing.variables.clone(), Value::Table(old))),
        }
    }
    existing.nest(Value::Table(members))
}
