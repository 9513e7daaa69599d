//! Does another entry, an extension or another bridge stand in the way of an entry?

use super::finding::{Finding, replace_mcp_remote};
use crate::doctor::Code;
use crate::install::{Entry, Scanned, extensions, is_same_url};
use crate::log;

/// Clients that start programs and skip entries with an address.
const STDIO_ONLY: [&str; 2] = ["claude-desktop", "junie"];

/// An address in a client that only starts programs.
pub(super) fn url_ignored(file: &Scanned, entry: &Entry) -> Option<Finding> {
    let url = entry.url.as_ref().filter(|_| entry.command.is_empty() && STDIO_ONLY.contains(&file.client.name))?;
    let problem = format!("has a URL, and {} only starts programs: it skips the entry", file.client.title);
    let (name, url) = (log::shell_word(&entry.name), log::shell_word(url));
    let fix = format!("mcp-ferry install {url} --name {name} --client {}", file.client.name);
    Some(Finding::failure(Code::UrlIgnored, problem).fix(fix))
}

/// An entry that starts mcp-remote, which this program can replace.
pub(super) fn mcp_remote(file: &Scanned, entry: &Entry) -> Option<Finding> {
    entry.mcp_remote.as_ref()?;
    let problem = "starts mcp-remote, which mcp-ferry can replace";
    Some(Finding::warning(Code::McpRemote, problem).fix(replace_mcp_remote(file)))
}

/// What else of the client reaches the same server. The first of several entries is the one that stays.
pub(super) fn duplicates(file: &Scanned, entry: &Entry) -> Vec<Finding> {
    let Some(address) = entry.address() else { return Vec::new() };
    let fix = || {
        let name = log::shell_word(&entry.name);
        if entry.is_ours && file.project.is_none() {
            format!("mcp-ferry uninstall {name} --client {}", file.client.name)
        } else {
            format!("take one of the two out of {}", log::foreign(&file.path.display().to_string()))
        }
    };
    let earlier = file.entries.iter().flatten().take_while(|other| other.name != entry.name);
    let same = |other: &&Entry| !other.is_off && other.address().is_some_and(|other| is_same_url(other, address));
    let mut found: Vec<_> = earlier
        .filter(same)
        .take(1)
        .map(|other| {
            let problem = format!("reaches the same server as the entry {}", log::foreign_name(&other.name));
            Finding::warning(Code::Duplicate, problem).fix(fix())
        })
        .collect();
    found.extend(extensions(file.client, &file.path, address).into_iter().map(|sentence| {
        let problem = format!("is there twice: {sentence}");
        Finding::warning(Code::Duplicate, problem).fix(fix())
    }));
    found
}
