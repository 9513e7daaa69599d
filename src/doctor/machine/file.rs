//! Can a client read its file, does it find its servers there, and who else reads it?

use std::path::Path;

use super::finding::{Finding, quoted, shown};
use super::processes::Process;
use crate::doctor::{Code, Mark};
use crate::install::{Entry, Refusal, Scanned, System, World};
use crate::{files, log};

/// What is wrong with the file itself; `all` has the other parts of it, for single projects.
pub(super) fn check(world: &World, all: &[Scanned], file: &Scanned, processes: &[Process]) -> Vec<Finding> {
    let mut parts = all.iter().filter(|other| other.path == file.path && other.client.name == file.client.name);
    if parts.clone().next().is_some_and(|first| !std::ptr::eq(first, file)) {
        return Vec::new();
    }
    match &file.entries {
        Err(refusal) => vec![unreadable(world, file, refusal)],
        Ok(entries) => {
            let mut found = wrong_keys(world, file, entries);
            let holds_secret = parts.any(|part| part.entries.iter().flatten().any(has_secret));
            found.extend(readable_by_others(file).filter(|_| holds_secret));
            found.extend(not_restarted(file, processes));
            found
        }
    }
}

/// A file that we cannot read. Of JSON we read what its client reads; of TOML and YAML somewhat less.
fn unreadable(world: &World, scanned: &Scanned, refusal: &Refusal) -> Finding {
    // The reason quotes the file.
    let reason = log::foreign(&refusal.reason);
    let denied =
        std::fs::File::open(&scanned.path).is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied);
    if denied && world.system == System::Mac {
        let fix = "open \"x-apple.systempreferences:com.apple.preference.security?Privacy_AppBundles\"";
        let problem = "may not be read by this program: macOS guards the files of other programs";
        return Finding::failure(Code::Privacy, problem).fix(fix);
    }
    if denied {
        let fix = format!("ls -l {}", quoted(&scanned.path));
        return Finding::failure(Code::Unreadable, "may not be read by this user").fix(fix);
    }
    let is_json = scanned.path.extension().is_some_and(|extension| extension == "json" || extension == "jsonc");
    let is_certain = is_json || reason.starts_with("not valid") || reason.contains("UTF-");
    let Some(place) = &refusal.place else {
        let path = quoted(&scanned.path);
        let problem = format!("cannot be read: {reason}");
        if reason.contains("UTF-16") {
            let fix = match world.system {
                System::Windows => format!("notepad {path}, and there Save as, with the encoding UTF-8"),
                _ => format!("iconv -f UTF-16 -t UTF-8 {path} > utf-8.json && mv utf-8.json {path}"),
            };
            return Finding::failure(Code::Syntax, problem).fix(fix);
        }
        return Finding::failure(Code::Unreadable, problem).fix(format!("ls -l {path}"));
    };
    let at = format!("line {}, column {}", place.line, place.column);
    if !is_certain {
        let problem = format!("has more than doctor can read ({at}: {reason})");
        return Finding::warning(Code::Unreadable, problem);
    }
    let problem = format!("cannot be read: {at}: {reason}");
    let path = quoted(&scanned.path);
    let fix = match world.system {
        System::Windows => format!("notepad {path}"),
        _ => format!("${{EDITOR:-vi}} +{} {path}", place.line),
    };
    Finding::failure(Code::Syntax, problem).fix(fix)
}

/// Servers under a key of other clients.
fn wrong_keys(world: &World, scanned: &Scanned, entries: &[Entry]) -> Vec<Finding> {
    let (title, own) = (scanned.client.title, scanned.client.key());
    let finding = |key: &&'static str| {
        let problem = format!("has servers under \"{key}\", which {title} does not read; its key is \"{own}\"");
        let fix = format!("in {}: \"{own}\" in place of \"{key}\"", shown(world, &scanned.path));
        let mark = if entries.is_empty() { Mark::Failed } else { Mark::Warning };
        Finding { mark, ..Finding::failure(Code::WrongKey, problem).fix(fix) }
    };
    scanned.ignored.iter().map(finding).collect()
}

/// Secrets that other users of this machine can read.
fn readable_by_others(scanned: &Scanned) -> Option<Finding> {
    files::is_readable_by_others(&scanned.path).then(|| {
        let fix = format!("chmod go-rwx {}", quoted(&scanned.path));
        Finding::warning(Code::Readable, "has a secret in it, and other users of this machine may read it").fix(fix)
    })
}

/// Whether a value in an entry is a secret by its name or its looks.
fn has_secret(entry: &Entry) -> bool {
    let in_pairs = entry.env.iter().chain(&entry.headers).any(|(_, value)| log::is_part_of_secret(value));
    in_pairs || entry.command.iter().any(|word| log::is_part_of_secret(word))
}

/// A client that was started before its file changed.
fn not_restarted(scanned: &Scanned, processes: &[Process]) -> Option<Finding> {
    let client = scanned.client;
    if client.restart.is_empty() || client.reads_again {
        return None;
    }
    let changed = modified(&scanned.path)?;
    let is_of_client = |process: &&Process| process.is_client(client.name);
    let started = processes.iter().filter(is_of_client).filter_map(|process| process.started).min()?;
    (changed > started).then(|| {
        let problem = format!("has changed since {} was started, which still works with the old one", client.title);
        Finding::warning(Code::NotRestarted, problem).fix(client.restart)
    })
}

fn modified(path: &Path) -> Option<std::time::SystemTime> {
    std::fs::metadata(path).ok()?.modified().ok()
}

/// Entries that stand only where the packaged Claude Desktop for Windows, which is there too, may not look.
pub(super) fn outside_of_package(world: &World, scanned: &[Scanned], file: &Scanned, entry: &Entry) -> Option<Finding> {
    let is_package = |path: &Path| path.components().any(|part| part.as_os_str() == "LocalCache");
    if world.system != System::Windows || file.client.name != "claude-desktop" || is_package(&file.path) {
        return None;
    }
    let package = file.client.files(world, "").into_iter().find(|path| is_package(path))?;
    let is_there = scanned
        .iter()
        .filter(|other| is_package(&other.path))
        .any(|other| other.entries.as_ref().is_ok_and(|entries| entries.iter().any(|other| other.name == entry.name)));
    (!is_there).then(|| {
        let problem = format!("is not in {}, which the packaged Claude Desktop reads", shown(world, &package));
        let fix = match entry.address() {
            Some(url) => format!("mcp-ferry install {} --client claude-desktop", log::shell_word(url)),
            None => format!("copy the entry to {}", shown(world, &package)),
        };
        Finding::warning(Code::Msix, problem).fix(fix)
    })
}
