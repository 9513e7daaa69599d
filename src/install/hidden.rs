//! Which texts of a client's file are secrets, and so not shown? Those with the names of secrets, variables, headers, and
//! what follows an option for a secret.

use super::clients::{Client, Server, VARIABLES};
use super::edit::{self, Value};
use crate::log;

/// The keys of tables with headers.
const HEADERS: [&str; 3] = ["headers", "http_headers", "requestInit"];

/// The options for headers.
const HEADER_OPTIONS: [&str; 3] = ["--header", "--headers", "-H"];

/// The shortest part of an address that may be a token.
const SHORTEST_PART: usize = 8;

/// Keeps the secrets of a whole file out of what is shown. The result are names and values, for those that are too short
/// to be told from other texts.
pub(super) fn hide_secrets(client: &Client, bytes: &[u8], entries: &[(String, Value)]) -> Vec<(String, String)> {
    let mut hidden = hide_in_entries(entries);
    // Other parts of the file stand in the lines around the entry, or in the same line.
    hidden.extend(hide_in_entries(&edit::whole(bytes, client.format)));
    let ours = entries.iter().map(|(_, entry)| Server::read(entry)).filter(Server::is_ours);
    hidden.extend(ours.flat_map(|server| server.env));
    hidden
}

/// The same for a part of it.
pub(super) fn hide_in_entries(entries: &[(String, Value)]) -> Vec<(String, String)> {
    let mut hidden = Vec::new();
    for (name, value) in entries {
        hide_value(name, value, Kind::Any, &mut hidden);
    }
    for (_, value) in &hidden {
        log::hide(value);
    }
    hidden
}

/// What is known of a value by what it stands in.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Nothing.
    Any,
    /// It is a variable or a header: its looks tell too.
    Named,
    /// It stands below the name of a secret.
    Secret,
}

fn hide_value(name: &str, value: &Value, kind: Kind, hidden: &mut Vec<(String, String)>) {
    // A server may have the name of a secret.
    let kind = if is_secret_name(name) && !is_server(value) { Kind::Secret } else { kind };
    match value {
        Value::Text(text) => {
            let is_secret = match kind {
                Kind::Secret => true,
                Kind::Named => log::is_secret(name, text),
                Kind::Any => false,
            };
            if is_secret {
                hidden.push((name.to_owned(), text.clone()));
            } else {
                hide_address(text);
            }
        }
        Value::Table(members) => {
            let is_named = VARIABLES.contains(&name) || HEADERS.contains(&name);
            let kind = if is_named && kind == Kind::Any { Kind::Named } else { kind };
            for (name, value) in members {
                hide_value(name, value, kind, hidden);
            }
        }
        Value::List(items) => {
            let words: Vec<&str> = items.iter().filter_map(Value::as_text).collect();
            hide_arguments(&words, hidden);
            for item in items {
                hide_value("", item, kind, hidden);
            }
        }
        _ => {}
    }
}

fn is_server(value: &Value) -> bool {
    let server = Server::read(value);
    !server.command.is_empty() || server.url.is_some()
}

/// The values of options for secrets.
fn hide_arguments(words: &[&str], hidden: &mut Vec<(String, String)>) {
    let mut words = words.iter().peekable();
    while let Some(word) = words.next() {
        let (option, value) = match word.split_once('=') {
            Some((option, value)) => (option, Some(value)),
            None if !word.starts_with('-') => continue,
            None => (*word, words.next_if(|next| !next.starts_with('-')).copied()),
        };
        let Some(value) = value else { continue };
        if HEADER_OPTIONS.contains(&option) {
            let (name, value) = value.split_once(':').unwrap_or(("", value));
            if log::is_secret(name.trim(), value.trim()) {
                hidden.push((option.to_owned(), value.trim().to_owned()));
            }
        } else if is_secret_name(option) {
            hidden.push((option.to_owned(), value.to_owned()));
        }
    }
}

fn hide_address(text: &str) {
    if let Some(url) = text.contains("://").then(|| url::Url::parse(text).ok()).flatten() {
        log::hide_url(&url, SHORTEST_PART);
    }
}

/// Whether this is the name of a secret, or of several.
pub(super) fn is_secret_name(name: &str) -> bool {
    log::is_secret(name, "") || name.strip_suffix(['s', 'S']).is_some_and(|name| log::is_secret(name, ""))
}
