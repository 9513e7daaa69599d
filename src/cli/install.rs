//! What can a user type to have other programs start the bridge? The commands `install` and `uninstall`.

use clap::builder::{PossibleValuesParser, TypedValueParser, ValueParser};
use clap::{ArgMatches, Args, Command};
use std::ffi::OsStr;
use std::path::{Path, PathBuf, absolute};

use super::help;
use super::option::{OptionValue, complete};
use super::options::Options;
use crate::error::Error;
use crate::install::CLIENTS;

/// Options that concern what a command writes to the terminal, and those of a bundle with the same name: an entry does
/// not get them.
const OWN: [&str; 2] = ["silent", "version"];

/// Where the paths of an entry must mean something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Paths {
    /// On this machine, in whatever folder: relative paths become absolute.
    Absolute,
    /// On another machine, which has no file of this one.
    OfAnotherMachine,
}

/// Add a server to the configuration of the programs that are to use it
///
/// Options of the bridge become part of the entry. What is secret becomes a variable of the entry: the values of
/// `${VAR}`, --bearer-token-env and the like are taken from the environment, from stdin, or asked for on a terminal.
#[derive(Debug, Args)]
#[command(mut_args = complete, after_help = help::INSTALL)]
#[allow(clippy::struct_excessive_bools)]
pub struct InstallCommand {
    /// The server's MCP endpoint, or a public document of the server's that names it
    #[arg(value_name = "URL", required_unless_present_any = ["list", "replace_mcp_remote"])]
    pub url: Option<String>,

    /// Add it to every client that is found
    #[arg(long, value_parser = bool::parser(), conflicts_with = "client")]
    pub all: bool,

    /// The entry's name, if not one made from the URL
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,

    /// Show the clients, their files and entries
    #[arg(long, value_parser = bool::parser(), conflicts_with_all = ["url", "replace_mcp_remote"])]
    pub list: bool,

    /// Take over the entries of mcp-remote
    ///
    /// Entries that start mcp-remote start mcp-ferry then, with the same meaning; uninstall makes them what they were.
    #[arg(long, value_parser = bool::parser(), conflicts_with_all = ["url", "name"])]
    pub replace_mcp_remote: bool,

    /// Read secrets from stdin, a line each
    ///
    /// These are the values of the variables that are not set, in the order in which the options need them.
    #[arg(long, value_parser = bool::parser())]
    pub secrets_stdin: bool,

    /// Which files are changed, and how.
    #[command(flatten)]
    pub changes: Changes,

    /// The options of the bridge as words of the entry.
    #[arg(skip)]
    pub entry: Vec<String>,

    /// The options that every command has.
    #[command(flatten)]
    pub options: Options,
}

/// Take a server out of the configuration of programs again
///
/// A file that has not changed since becomes what it was before, to the byte; from another one the entry alone is removed.
#[derive(Debug, Args)]
#[command(mut_args = complete, after_help = help::UNINSTALL)]
pub struct UninstallCommand {
    /// The name of the entry, or the URL that it is for
    #[arg(value_name = "NAME|URL")]
    pub url: String,

    /// Which files are changed, and how.
    #[command(flatten)]
    pub changes: Changes,

    /// The options that every command has.
    #[command(flatten)]
    pub options: Options,
}

/// Which files of clients are changed, and how.
#[derive(Debug, Args)]
pub struct Changes {
    /// The client's name in `install --list` (repeatable)
    ///
    /// Without a name, install shows a person at a terminal what was found and asks; uninstall means all clients.
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = client(), hide_possible_values = true)]
    pub client: Vec<String>,

    /// Show what would change, and change nothing
    #[arg(long, value_parser = bool::parser())]
    pub dry_run: bool,

    /// Do not ask before files are changed
    #[arg(long, short, value_parser = bool::parser())]
    pub yes: bool,

    /// Print JSON
    #[arg(long, value_parser = bool::parser())]
    pub json: bool,
}

/// The names of clients.
fn client() -> ValueParser {
    PossibleValuesParser::new(CLIENTS.iter().map(|client| client.name)).map(|name| name.to_ascii_lowercase()).into()
}

/// The options of the bridge that were typed for `install` or `bundle`, as words that a program can give the bridge: it
/// starts the bridge in another folder.
pub(super) fn entry(typed: &ArgMatches, bridge: &Command, paths: Paths) -> Result<Vec<String>, Error> {
    let mut words = Vec::new();
    let is_typed = |id: &str| typed.value_source(id) == Some(clap::parser::ValueSource::CommandLine);
    let options = bridge.get_arguments().filter(|option| !OWN.contains(&option.get_id().as_str()));
    for option in options {
        let (id, Some(long)) = (option.get_id().as_str(), option.get_long()) else { continue };
        if !matches!(typed.try_contains_id(id), Ok(true)) || !is_typed(id) {
            continue;
        }
        if !option.get_action().takes_values() {
            words.push(format!("--{long}"));
            continue;
        }
        let is_path = typed.try_get_many::<PathBuf>(id).is_ok();
        for value in typed.get_raw(id).into_iter().flatten() {
            let typed_text = value.to_str();
            let value = match id {
                _ if is_path => absolute_path(value),
                "token_command" => typed_text.map(command),
                _ => typed_text.map(document),
            };
            let value = value.ok_or_else(|| Error::Usage(format!("the value of --{long} is not a text in UTF-8")))?;
            if paths == Paths::OfAnotherMachine && Some(value.as_str()) != typed_text {
                return Err(Error::Arguments {
                    cause: format!("--{long} names a file of this machine, which others do not have"),
                    hint: format!("--ask {long} asks for the file; or give a path that begins with / or ~"),
                });
            }
            // An option behind an option would be its value.
            if value.starts_with('-') {
                words.push(format!("--{long}={value}"));
            } else {
                words.extend([format!("--{long}"), value]);
            }
        }
    }
    Ok(words)
}

/// A path that means the same in every folder. What begins with a place or `~` does so already.
fn absolute_path(typed: &OsStr) -> Option<String> {
    let text = typed.to_str()?;
    if text.is_empty() || text.starts_with(['~', '$', '%', '{']) {
        return Some(text.to_owned());
    }
    absolute(text).ok().as_deref().unwrap_or(Path::new(text)).to_str().map(str::to_owned)
}

/// The value of an option, with an absolute path where `@FILE` stands in the place of a document.
fn document(value: &str) -> String {
    let file = value.strip_prefix('@').and_then(|path| absolute_path(OsStr::new(path)));
    file.map_or_else(|| value.to_owned(), |path| format!("@{path}"))
}

/// A command whose program means the same in every folder, if it is named by its path.
fn command(typed: &str) -> String {
    let quote = typed.chars().next().filter(|c| ['"', '\''].contains(c));
    let start = quote.map_or(0, char::len_utf8);
    let is_end = |c: char| quote.map_or_else(|| c.is_whitespace(), |quote| c == quote);
    let end = typed[start..].find(is_end).map_or(typed.len(), |length| start + length);
    let program = &typed[start..end];
    let is_path = program.contains('/') || (cfg!(windows) && program.contains('\\'));
    let path = absolute_path(OsStr::new(program)).filter(|_| is_path);
    // A backslash before the space: the name of the program goes on.
    let Some(path) = path.filter(|path| path != program && !program.ends_with('\\')) else { return typed.to_owned() };
    match quote {
        None if path.contains(char::is_whitespace) => format!("\"{path}\"{}", &typed[end..]),
        _ => [&typed[..start], &path, &typed[end..]].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_a_program_becomes_absolute_and_its_name_stays() {
        let path = absolute("bin/tok.sh").unwrap().to_str().unwrap().to_owned();
        for (typed, expected) in [
            ("bin/tok.sh -x ./y", format!("{path} -x ./y")),
            ("'bin/tok.sh' a", format!("'{path}' a")),
            ("tok.sh ./y", "tok.sh ./y".to_owned()),
            ("~/tok.sh", "~/tok.sh".to_owned()),
            ("${DIR}/tok.sh", "${DIR}/tok.sh".to_owned()),
            ("", String::new()),
        ] {
            assert_eq!(command(typed), expected, "{typed}");
        }
    }
}
