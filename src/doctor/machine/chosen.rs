//! Which entry is meant by a name?

use std::path::PathBuf;
use std::time::Duration;

use super::finding::{Finding, of_project};
use super::passing::{self, Passing};
use crate::doctor::{Code, Step};
use crate::install::{Entry, Scanned, World, scan};
use crate::log;

/// An entry, and what is wrong with it at first sight.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) title: String,
    pub(super) row: &'static Passing,
    pub(super) path: PathBuf,
    pub(super) entry: Entry,
    pub(super) findings: Vec<Finding>,
}

/// Which entry is meant, and how it is started.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub client: Option<String>,
    /// Whose environment it gets.
    pub as_client: Option<String>,
    /// How long it may take for an answer.
    pub limit: Option<Duration>,
}

/// The entry of this name.
pub(super) fn choose(world: &World, asked: &Asked) -> Result<Chosen, Box<Step>> {
    let (name, client) = (asked.name.as_str(), asked.client.as_deref());
    let scanned = scan(world);
    super::hide(&scanned);
    let is_meant = |file: &&Scanned| client.is_none_or(|client| client == file.client.name);
    let files = scanned.iter().filter(is_meant);
    let all: Vec<(&Scanned, &Entry)> =
        files.flat_map(|file| file.entries.iter().flatten().map(move |entry| (file, entry))).collect();
    let mut found: Vec<_> = all.iter().filter(|(_, entry)| entry.name == name).collect();
    found.sort_by_key(|(file, _)| distance(world, file));
    let shown_name = log::foreign_name(name);
    let (file, entry) = match found.as_slice() {
        [one] => **one,
        [] => {
            let mut names: Vec<_> = all.iter().map(|(_, entry)| log::foreign_name(&entry.name)).collect();
            names.dedup();
            names.truncate(10);
            let others = if names.is_empty() { String::new() } else { format!("; there are {}", names.join(", ")) };
            let problem = format!("is in no file of a client{others}");
            let finding = Finding::failure(Code::EntryUnknown, problem).fix("mcp-ferry doctor");
            return Err(Box::new(finding.step("entry", &shown_name, &format!("the entry {shown_name}"))));
        }
        [first, ..] if found.iter().all(|(file, _)| file.client.name == first.0.client.name) => **first,
        several => {
            let clients: Vec<_> = several.iter().map(|(file, _)| file.client.name).collect();
            let problem = format!("is in the files of several clients: {}", clients.join(", "));
            let typed = log::shell_word(name);
            let fix = format!("mcp-ferry doctor --entry {typed} --client {}", clients.first().unwrap_or(&"NAME"));
            let finding = Finding::failure(Code::EntryAmbiguous, problem).fix(fix);
            return Err(Box::new(finding.step("entry", &shown_name, &format!("the entry {shown_name}"))));
        }
    };
    hide_arguments(entry);
    let row = passing::of(asked.as_client.as_deref().unwrap_or(file.client.name)).unwrap_or(&passing::UNKNOWN);
    let findings = super::check(world, &scanned, file, entry);
    let title = format!("{}{}", file.client.title, of_project(world, file));
    let is_editor = passing::of(file.client.name).is_some_and(|own| own.is_editor);
    let mut entry = entry.clone();
    if let Some(project) = file.project.as_ref().filter(|_| is_editor) {
        fill(&mut entry, &project.to_string_lossy());
    }
    Ok(Chosen { title, row, path: file.path.clone(), entry, findings })
}

/// Fills in the folder of the project, as editors do.
fn fill(entry: &mut Entry, project: &str) {
    const PLACE: &str = "${workspaceFolder}";
    let values = entry.env.iter_mut().map(|(_, value)| value);
    for text in entry.command.iter_mut().chain(values) {
        *text = text.replace(PLACE, project);
    }
    // It stands behind that of the project already.
    if let Some((_, rest)) = entry.folder.as_deref().and_then(|folder| folder.split_once(PLACE)) {
        entry.folder = Some(format!("{project}{rest}"));
    }
}

/// Entries for the project that this program was started in stand before those for all, as clients have it. Those for
/// other projects are the last.
fn distance(world: &World, file: &Scanned) -> u8 {
    match &file.project {
        Some(project) if Some(project) == world.project.as_ref() => 0,
        None => 1,
        Some(_) => 2,
    }
}

/// Keeps out of what the program writes on stderr what looks like a secret in its arguments.
fn hide_arguments(entry: &Entry) {
    let mut before = "";
    for word in entry.command.iter().skip(1) {
        for part in word.split(|c: char| c.is_whitespace() || "'\"=;".contains(c)) {
            if part.len() >= super::SHORTEST_SECRET && !part.contains(['/', '\\', '{']) {
                log::hide_named(before.trim_start_matches('-'), part);
            }
        }
        before = word;
    }
}
