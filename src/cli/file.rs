//! Which options does the configuration file add? At its top they are for every server, in `[servers."URL"]` for that
//! server and all paths below.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use clap::{ArgAction, Command};
use toml_edit::{Document, Item, Table, Value};
use url::Url;

use super::arguments::{invalid_option, suggestion};
use crate::error::Error;
use crate::typed::{decode, fill_in};
use crate::{files, system};

/// A longer file is no configuration.
const LONGEST_FILE: usize = 1024 * 1024;

/// The file's options for one server.
#[derive(Debug, Default)]
pub(super) struct FileOptions {
    /// Each with its id, as an argument that a user could type.
    pub(super) options: Vec<(String, OsString)>,
    /// What was ignored, a sentence each.
    pub(super) warnings: Vec<String>,
    /// The ids of the options that some table has, even if only to turn a switch off: a less specific table does not
    /// set them.
    found: HashSet<String>,
}

/// Reads the options of a command from `config.toml`, if there is one. `url` is the server's address as it was typed.
pub(super) fn read(url: Option<&str>, command: &Command, tree: &Command) -> Result<FileOptions, Error> {
    let Some(path) = path() else { return Ok(FileOptions::default()) };
    let shown = path.display().to_string();
    let text = match read_own(&path) {
        Ok(text) => text,
        // There is no such file, or no folder for it.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(FileOptions::default());
        }
        Err(error) => return Err(Error::File(shown, error.to_string())),
    };
    options(&text, url, command, tree).map_err(|cause| Error::Configuration(shown, cause))
}

/// Reads the file unless other users may change it: it may name commands that are run.
fn read_own(path: &Path) -> io::Result<String> {
    let text = files::read(path, LONGEST_FILE)?;
    if let Some(folder) = path.parent() {
        files::check(folder, &std::fs::metadata(folder)?)?;
    }
    decode(&text).ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "the file is not a text in UTF-8 or UTF-16"))
}

fn path() -> Option<PathBuf> {
    system::home().map(|home| home.join("config.toml"))
}

/// The error of an option in the file whose value clap rejects. The value, which may be a secret, is not shown.
pub(super) fn invalid_value(error: &clap::Error) -> Error {
    let option = invalid_option(error).unwrap_or("an option").trim_start_matches("--");
    let path = path().unwrap_or_default().display().to_string();
    Error::Configuration(path, format!("the value of {option} is not valid"))
}

fn options(text: &str, url: Option<&str>, command: &Command, tree: &Command) -> Result<FileOptions, String> {
    let file = Document::parse(text).map_err(|error| syntax_error(text, error.span(), error.message()))?;
    let mut options = FileOptions::default();
    for (name, table) in tables(file.as_table(), url, &mut options.warnings)? {
        options.add(table, &name, command, tree)?;
    }
    Ok(options)
}

/// The line and the reason. The line's text, which may be a secret, is not shown.
fn syntax_error(text: &str, span: Option<std::ops::Range<usize>>, reason: &str) -> String {
    let line = span.map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    format!("line {line}: {}", reason.lines().next().unwrap_or_default())
}

/// The tables for this server, the most specific one first; the last one is the top of the file.
fn tables<'a>(
    top: &'a Table,
    url: Option<&str>,
    warnings: &mut Vec<String>,
) -> Result<Vec<(String, &'a Table)>, String> {
    let mut found: Vec<((usize, bool), String, &Table)> = Vec::new();
    let wanted = url.and_then(parse_url);
    let servers = match top.get("servers") {
        None => None,
        Some(Item::Table(servers)) => Some(servers),
        Some(_) => return Err("servers is not a table".to_owned()),
    };
    for (name, server) in servers.into_iter().flatten() {
        let table = server.as_table().ok_or("an entry of servers is not a table")?;
        // The name may be a URL where a variable in it is set, and other servers must work without the variable.
        let Some(entry) = parse_url(name) else {
            warnings.push("config.toml: the name of an entry of servers is not a URL; the entry is ignored".to_owned());
            continue;
        };
        if wanted.as_ref().is_some_and(|wanted| covers(&entry, wanted)) {
            let specificity = (entry.path().len(), entry.query().is_some());
            let place = found.partition_point(|(other, ..)| *other >= specificity);
            found.insert(place, (specificity, format!("servers.\"{}\".", crate::log::redact(name)), table));
        }
    }
    let tables = found.into_iter().map(|(_, name, table)| (name, table));
    Ok(tables.chain([(String::new(), top)]).collect())
}

fn parse_url(typed: &str) -> Option<Url> {
    Url::parse(fill_in(typed).ok()?.trim()).ok()
}

/// Whether an entry is for this address: the same path or one above it. An entry with a query is for that query only,
/// which may name a tenant.
fn covers(entry: &Url, wanted: &Url) -> bool {
    let (above, below) = (entry.path().trim_end_matches('/'), wanted.path());
    entry.scheme() == wanted.scheme()
        && entry.host() == wanted.host()
        && entry.port_or_known_default() == wanted.port_or_known_default()
        && (entry.query().is_none() || entry.query() == wanted.query())
        && below.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl FileOptions {
    /// Adds a table's options, without those that a more specific table has.
    fn add(&mut self, table: &Table, prefix: &str, command: &Command, tree: &Command) -> Result<(), String> {
        for (name, item) in table.iter().filter(|(name, _)| *name != "servers") {
            let place = format!("{prefix}{name}");
            let mut options =
                command.get_arguments().filter(|option| !["help", "version"].contains(&option.get_id().as_str()));
            let Some(option) = options.find(|option| option.get_long() == Some(name)) else {
                if is_of_a_subcommand(tree, name) {
                    continue;
                }
                let suggestion = suggestion(command, name).map(|option| format!("; did you mean {option}?"));
                let suggestion = suggestion.unwrap_or_default();
                self.warnings.push(format!(
                    "{place} in config.toml is not an option of this version of mcp-ferry and is ignored{suggestion}"
                ));
                continue;
            };
            let id = option.get_id().to_string();
            if !self.found.insert(id.clone()) {
                continue;
            }
            let value = item.as_value().ok_or_else(|| format!("{place} must be a value, not a table"))?;
            let arguments = arguments(name, option.get_action(), value).map_err(|why| format!("{place} {why}"))?;
            self.options.extend(arguments.into_iter().map(|argument| (id.clone(), argument)));
        }
        Ok(())
    }
}

/// Whether some subcommand has this option.
fn is_of_a_subcommand(tree: &Command, name: &str) -> bool {
    let mut tree = tree.clone();
    tree.build();
    tree.get_subcommands().any(|command| command.get_arguments().any(|option| option.get_long() == Some(name)))
}

/// The arguments that a user could type for this value.
fn arguments(name: &str, action: &ArgAction, value: &Value) -> Result<Vec<OsString>, &'static str> {
    let argument = |value: &Value| match value {
        Value::String(text) => Some(format!("--{name}={}", text.value()).into()),
        Value::Integer(number) => Some(format!("--{name}={}", number.value()).into()),
        Value::Float(number) => Some(format!("--{name}={}", number.value()).into()),
        _ => None,
    };
    match (action, value) {
        (ArgAction::SetTrue, Value::Boolean(on)) => {
            Ok(on.value().then(|| format!("--{name}").into()).into_iter().collect())
        }
        (ArgAction::SetTrue, _) => Err("must be true or false"),
        (ArgAction::Append, Value::Array(values)) if values.iter().all(Value::is_str) => {
            Ok(values.iter().filter_map(argument).collect())
        }
        (ArgAction::Append, Value::String(_)) => Ok(argument(value).into_iter().collect()),
        (ArgAction::Append, _) => Err("must be a text or a list of texts"),
        (_, value) => argument(value).map(|argument| vec![argument]).ok_or("must be a text or a number"),
    }
}
