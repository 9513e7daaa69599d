//! What does the configuration file add? Options by their long names: at its top for every server, in `[servers."URL"]`
//! for that server and what lies below its path.

use std::collections::HashSet;
use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue};
use clap::{ArgAction, Command};
use toml_edit::{Document, Item, Table, Value};

use super::{home, text};
use crate::error::Error;

/// The file's options that concern one server.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Each with its id, as an argument that could have been typed.
    pub(super) options: Vec<(String, OsString)>,
    /// What was passed over, a sentence each.
    pub(super) warnings: Vec<String>,
    /// The ids of those that were said, if only to be off: no table further out is asked for them.
    said: HashSet<String>,
}

/// Reads `config.toml`, if there is one. `url` is the server as it was typed.
pub(super) fn read(url: Option<&str>, command: &Command) -> Result<Kept, Error> {
    let Some(path) = home().map(|home| home.join("config.toml")) else { return Ok(Kept::default()) };
    let shown = path.display().to_string();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if is_absent(&error) => return Ok(Kept::default()),
        Err(error) => return Err(Error::File { path: shown, cause: error.to_string() }),
    };
    keep(&text, url, command).map_err(|cause| Error::Configuration { path: shown, cause })
}

/// No such file, or no folder for it.
fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

/// What clap has against the file's options: which one, and nothing of its value, which may be a secret.
pub(super) fn refused(error: &clap::Error) -> Error {
    let option = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(shown)) => {
            shown.split_whitespace().next().unwrap_or_default().trim_start_matches("--")
        }
        _ => "an option",
    };
    let path = home().unwrap_or_default().join("config.toml").display().to_string();
    Error::Configuration { path, cause: format!("the value of {option} is not one it can have") }
}

fn keep(text: &str, url: Option<&str>, command: &Command) -> Result<Kept, String> {
    let file = Document::parse(text).map_err(|error| not_toml(text, error.span(), error.message()))?;
    let mut kept = Kept::default();
    for (name, table) in tables(file.as_table(), url, &mut kept.warnings)? {
        kept.take(table, &name, command)?;
    }
    Ok(kept)
}

/// Nothing of the file's text, which may be a secret: only where and why.
fn not_toml(text: &str, span: Option<std::ops::Range<usize>>, why: &str) -> String {
    let line = span.map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    format!("line {line}: {}", why.lines().next().unwrap_or_default())
}

/// The tables that concern this server, the most particular first; the top of the file is the last.
fn tables<'a>(
    top: &'a Table,
    url: Option<&str>,
    warnings: &mut Vec<String>,
) -> Result<Vec<(String, &'a Table)>, String> {
    let mut found: Vec<((usize, bool), String, &Table)> = Vec::new();
    let wanted = url.and_then(address);
    match top.get("servers") {
        None => {}
        Some(Item::Table(servers)) => {
            for (name, server) in servers {
                let table = server.as_table().ok_or("an entry of servers is no table")?;
                // It may be one where a variable in it is set, and is no reason to keep the other servers from working.
                let Some(entry) = address(name) else {
                    warnings.push(
                        "config.toml: the name of an entry of servers is no URL; the entry is passed over".into(),
                    );
                    continue;
                };
                if wanted.as_ref().is_some_and(|wanted| covers(&entry, wanted)) {
                    let particular = (entry.path().len(), entry.query().is_some());
                    let place = found.partition_point(|(other, ..)| *other >= particular);
                    found.insert(place, (particular, format!("servers.\"{}\"", crate::log::redact(name)), table));
                }
            }
        }
        Some(_) => return Err("servers is no table".to_owned()),
    }
    let mut tables: Vec<_> = found.into_iter().map(|(_, name, table)| (name, table)).collect();
    tables.push((String::new(), top));
    Ok(tables)
}

fn address(typed: &str) -> Option<url::Url> {
    url::Url::parse(text::expand(typed).ok()?.trim()).ok()
}

/// Whether an entry is for this address: the same, or above it. One with a query is for that query alone: it may name a
/// tenant.
fn covers(entry: &url::Url, wanted: &url::Url) -> bool {
    let (above, below) = (entry.path().trim_end_matches('/'), wanted.path());
    entry.scheme() == wanted.scheme()
        && entry.host() == wanted.host()
        && entry.port_or_known_default() == wanted.port_or_known_default()
        && (entry.query().is_none() || entry.query() == wanted.query())
        && below.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Kept {
    /// Takes a table's options that no table before it had.
    fn take(&mut self, table: &Table, place: &str, command: &Command) -> Result<(), String> {
        let mut said = Vec::new();
        for (name, item) in table.iter().filter(|(name, _)| *name != "servers") {
            let place = if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") };
            let option = command.get_arguments().find(|option| {
                option.get_long().is_some_and(|long| long == name && !["help", "version"].contains(&long))
            });
            let Some(option) = option else {
                self.warnings.push(format!("{place} in config.toml is no option of mcp-ferry and is passed over"));
                continue;
            };
            let id = option.get_id().to_string();
            if self.said.contains(&id) {
                continue;
            }
            let value = item.as_value().ok_or_else(|| format!("{place} is no value"))?;
            let arguments = arguments(name, option.get_action(), value).map_err(|why| format!("{place} {why}"))?;
            self.options.extend(arguments.into_iter().map(|argument| (id.clone(), argument)));
            said.push(id);
        }
        self.said.extend(said);
        Ok(())
    }
}

/// A value as the arguments that say the same.
fn arguments(name: &str, action: &ArgAction, value: &Value) -> Result<Vec<OsString>, &'static str> {
    let one = |value: &Value| match value {
        Value::String(text) => Some(format!("--{name}={}", text.value()).into()),
        Value::Integer(number) => Some(format!("--{name}={}", number.value()).into()),
        Value::Float(number) => Some(format!("--{name}={}", number.value()).into()),
        _ => None,
    };
    match (action, value) {
        (ArgAction::SetTrue, Value::Boolean(on)) => {
            Ok(if *on.value() { vec![format!("--{name}").into()] } else { Vec::new() })
        }
        (ArgAction::SetTrue, _) => Err("is neither true nor false"),
        (ArgAction::Append, Value::String(_)) => Ok(one(value).into_iter().collect()),
        (ArgAction::Append, Value::Array(values)) if values.iter().all(Value::is_str) => {
            Ok(values.iter().filter_map(one).collect())
        }
        (ArgAction::Append, _) => Err("is neither text nor a list of texts"),
        (_, value) => one(value).map(|argument| vec![argument]).ok_or("is neither text nor a number"),
    }
}
