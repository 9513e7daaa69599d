//! What is wrong on this machine, or in a client's configuration?
//!
//! `here` is about this program, `file`, `program`, `values` and `neighbours` about the files of clients and their
//! entries; each of them has `finding`s. `passing` knows what environment a client passes on. `chosen` finds an entry by its
//! name, `entry` starts it as its client would, with `start`; `again` runs this program in the environment of a client.

mod again;
mod chosen;
mod entry;
mod file;
mod finding;
mod here;
mod neighbours;
mod passing;
mod processes;
mod program;
mod start;
#[cfg(test)]
mod tests;
mod values;

use std::path::Path;

pub use again::{as_client, check_client};
pub use chosen::Asked;
pub use entry::entry;

use super::{Mark, Section, Step};
use crate::install::{Entry, Scanned, World, is_same_url, scan};
use crate::log;
use finding::{Finding, fine, of_project, origin, shown};
use processes::Process;

/// The titles of the sections about this machine.
const TITLE: &str = "clients";

/// Segments of addresses that are at least so long may be secrets.
const SHORTEST_SECRET: usize = 16;

/// Looks at this machine; `url` is the server that is asked for.
pub fn look(world: &World, url: Option<&str>) -> Vec<Section> {
    let processes = processes::all();
    let mut sections = Vec::new();
    if url.is_none() {
        sections.push(here::section(world, processes.as_deref()));
    }
    let scanned = scan(world);
    hide(&scanned);
    let mut steps = Vec::new();
    for file in &scanned {
        steps.extend(of_file(world, &scanned, file, url, processes.as_deref().unwrap_or_default()));
    }
    if steps.is_empty() {
        steps.push(fine(
            "entries",
            match url {
                Some(url) => format!("no client has one for {}", origin(url)),
                None => "no client has one".to_owned(),
            },
        ));
    }
    sections.push(Section { title: TITLE.to_owned(), steps });
    sections
}

/// Keeps secret parts of addresses out of what is shown.
fn hide(scanned: &[Scanned]) {
    let entries = scanned.iter().filter_map(|file| file.entries.as_ref().ok()).flatten();
    for address in entries.filter_map(Entry::address) {
        if let Ok(url) = url::Url::parse(address) {
            log::hide_url(&url, SHORTEST_SECRET);
        }
    }
}

/// What there is to say of one file.
fn of_file(world: &World, scanned: &[Scanned], file: &Scanned, url: Option<&str>, processes: &[Process]) -> Vec<Step> {
    let (title, path) = (file.client.title, shown(world, &file.path));
    let (short, long) = (format!("{title}: {path}"), format!("the file {path} of {title}"));
    let all = file.entries.as_deref().unwrap_or_default();
    let entries: Vec<&Entry> = all.iter().filter(|entry| is_about(entry, url)).collect();
    let mut findings = file::check(world, scanned, file, processes);
    if let Some(url) = url.filter(|_| entries.is_empty()) {
        // What cannot be read may be about another server.
        findings.retain(|finding| finding.code != super::Code::Readable && finding.code != super::Code::NotRestarted);
        if !mentions(&file.path, url) {
            findings.retain(|finding| finding.code != super::Code::WrongKey);
            for finding in &mut findings {
                finding.mark = Mark::Warning;
            }
        }
    }
    let mut steps: Vec<Step> = findings.into_iter().map(|finding| finding.step("file", &short, &long)).collect();
    for entry in entries {
        steps.extend(of_entry(world, scanned, file, entry));
    }
    steps
}

/// What there is to say of one entry.
fn of_entry(world: &World, scanned: &[Scanned], file: &Scanned, entry: &Entry) -> Vec<Step> {
    let (title, name) = (file.client.title, log::foreign_name(&entry.name));
    let place = of_project(world, file);
    let short = format!("{title}: {name}{place}");
    if entry.is_off {
        return vec![finding::skipped("entry", format!("{short} is switched off"))];
    }
    let findings = check(world, scanned, file, entry);
    if findings.is_empty() {
        return vec![fine("entry", format!("{short} {}", what(entry)))];
    }
    let long = format!("the entry {name} of {title}{place}");
    findings.into_iter().map(|finding| finding.step("entry", &short, &long)).collect()
}

/// All that is wrong with an entry.
fn check(world: &World, scanned: &[Scanned], file: &Scanned, entry: &Entry) -> Vec<Finding> {
    let mut found = program::check(world, file, entry);
    found.extend(neighbours::url_ignored(file, entry));
    found.extend(values::check(world, file, entry));
    found.extend(file::outside_of_package(world, scanned, file, entry));
    found.extend(neighbours::mcp_remote(file, entry));
    found.extend(neighbours::duplicates(file, entry));
    // What cannot work is the cause, what may work comes after it.
    found.sort_by_key(|finding| finding.mark != Mark::Failed);
    found
}

/// What an entry does, without what may be secret.
fn what(entry: &Entry) -> String {
    let server = entry.address().map(origin);
    match (entry.command.first(), server) {
        (_, Some(server)) if entry.is_ours => format!("reaches {server} through mcp-ferry"),
        (Some(program), _) => format!("starts {}", log::foreign_name(&crate::install::base_name(program))),
        (None, Some(server)) => format!("reaches {server} directly"),
        (None, None) => "starts nothing by itself".to_owned(),
    }
}

/// Whether an entry reaches this server.
fn is_about(entry: &Entry, url: Option<&str>) -> bool {
    let Some(url) = url else { return true };
    let mut words = entry.url.iter().chain(&entry.command);
    words.any(|word| is_same_url(word, url))
}

/// Whether the host of a server stands in a file.
fn mentions(path: &Path, url: &str) -> bool {
    let host = url::Url::parse(url).ok().and_then(|url| Some(url.host_str()?.to_owned()));
    let text = std::fs::read(path).unwrap_or_default();
    host.is_some_and(|host| String::from_utf8_lossy(&text).contains(&host))
}
