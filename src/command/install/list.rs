//! Which clients are there, where are their files, and what was added to them (`mcp-ferry install --list`)?

use serde_json::json;

use super::super::output::{say, say_json};
use super::shown_url;
use crate::install::{self, Listed, Sure, World};
use crate::log;

/// Prints these clients, or all if there are none.
pub(super) fn print(world: &World, clients: &[String], json: bool) {
    let mut listed = install::list(world);
    listed.retain(|listed| clients.is_empty() || clients.iter().any(|name| name == listed.client.name));
    if json {
        let clients: Vec<_> = listed.iter().map(object).collect();
        return say_json(&clients.into());
    }
    for client in &listed {
        let found = if client.is_found { "found" } else { "not found" };
        say(&format!("{:<16} {}: {found}, {}", client.client.name, client.client.title, how_sure(client)));
        for (path, exists) in &client.files {
            let mark = if *exists { "" } else { "  (no such file)" };
            say(&format!("    {}{mark}", log::neutral(&path.display().to_string())));
        }
        for (name, url) in &client.entries {
            say(&format!("    {} -> {}", log::foreign_name(name), shown_url(url)));
        }
    }
}

fn object(listed: &Listed) -> serde_json::Value {
    let files =
        listed.files.iter().map(|(path, exists)| json!({ "path": path.display().to_string(), "exists": exists }));
    let entries = listed.entries.iter().map(|(name, url)| json!({ "name": name, "url": shown_url(url) }));
    json!({
        "client": listed.client.name,
        "title": listed.client.title,
        "found": listed.is_found,
        "written": listed.client.is_written,
        "known": source(listed.client.sure),
        "checked": listed.client.checked,
        "files": files.collect::<Vec<_>>(),
        "entries": entries.collect::<Vec<_>>(),
    })
}

/// Where our knowledge of its file is from, and what follows from it.
fn how_sure(listed: &Listed) -> String {
    if listed.client.is_written {
        format!("{} ({})", source(listed.client.sure), listed.client.checked)
    } else {
        "what to add is shown, and added by hand".to_owned()
    }
}

fn source(sure: Sure) -> &'static str {
    match sure {
        Sure::Tried => "tried",
        Sure::Source => "from its source",
        Sure::Documented => "from its documentation",
        Sure::Reported => "from reports",
    }
}
