//! What should a person know who installs a server that something else reaches already?

use std::path::Path;

use super::clients::{Client, Server};
use super::edit::Value;
use super::mcp_remote;
use super::plan::Wanted;
use crate::log;
use crate::typed::respell;

/// A longer manifest is not read.
const LONGEST: usize = 1024 * 1024;

/// Whether two addresses are those of one server, however the variables in them are spelled.
pub fn is_same_url(one: &str, other: &str) -> bool {
    let plain = |url: &str| {
        let url = respell(url.trim(), |_, name| Some(format!("{{env:{name}}}")));
        let parsed = url::Url::parse(&url).map_or(url, String::from);
        parsed.trim_end_matches('/').to_owned()
    };
    plain(one) == plain(other)
}

/// What other entries of the file reach the same server.
pub(super) fn neighbours(entries: &[(String, Value)], wanted: &Wanted<'_>) -> Vec<String> {
    let others = entries.iter().filter(|(name, _)| name != wanted.name);
    let notice = |(name, entry): &(String, Value)| {
        let server = Server::read(entry);
        let name = log::foreign_name(name);
        let is_same = |url: &str| is_same_url(url, wanted.url);
        let reaches = server.command.iter().any(|word| is_same(word));
        if server.url.as_deref().is_some_and(is_same) {
            Some(format!("the entry {name} there reaches the same server directly"))
        } else if reaches && server.is_ours() {
            Some(format!("the same server is there already, under the name {name}"))
        } else if reaches && mcp_remote::is_mentioned(&server) {
            let cure = "`mcp-ferry install --replace-mcp-remote` makes it one of mcp-ferry";
            Some(format!("the entry {name} there reaches the same server through mcp-remote; {cure}"))
        } else if reaches {
            Some(format!("the entry {name} there names the same server"))
        } else {
            None
        }
    };
    others.filter_map(notice).collect()
}

/// The extensions of a client for the same server: two of one server confuse it.
pub fn extensions(client: &Client, file: &Path, url: &str) -> Vec<String> {
    let (Some(folder), Some(extensions)) = (file.parent(), client.extensions) else { return Vec::new() };
    let entries = std::fs::read_dir(folder.join(extensions)).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .filter_map(|entry| {
            let manifest = crate::files::OtherFile::read(&entry.path().join("manifest.json"), LONGEST).ok()?;
            let manifest: serde_json::Value = serde_json::from_slice(manifest.bytes()?).ok()?;
            names(&manifest, url).then(|| {
                let id = entry.file_name().to_string_lossy().into_owned();
                let name = manifest.get("display_name").or(manifest.get("name")).and_then(|name| name.as_str());
                log::foreign_name(name.unwrap_or(&id))
            })
        })
        .collect();
    found.sort();
    let title = client.title;
    let notice = |name| format!("the extension {name} of {title} reaches the same server; keep one of the two");
    found.into_iter().map(notice).collect()
}

/// Whether a text in a document is this address.
fn names(value: &serde_json::Value, url: &str) -> bool {
    match value {
        serde_json::Value::String(text) => is_same_url(text, url),
        serde_json::Value::Array(items) => items.iter().any(|item| names(item, url)),
        serde_json::Value::Object(members) => members.values().any(|member| names(member, url)),
        _ => false,
    }
}
