//! How do arguments, the environment and the configuration file become a command?
//!
//! Configurations that were written for another bridge are to work here, so that a mistake in an argument of the bridge
//! is a warning where that is safe. Other commands are typed by people: their mistakes are errors with a suggestion.

use std::ffi::{OsStr, OsString};
use std::io::IsTerminal;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgMatches, FromArgMatches};

use super::arguments::{Arguments, find_option, has_value, invalid_option, option_name};
use super::command::{BridgeCommand, Command, tree};
use super::{bundle, file, install};
use crate::error::Error;
use crate::system;

/// Options whose values are ignored with a warning if they are not valid: other bridges have these options, and start
/// with every value of them.
pub(super) const LENIENT: [&str; 7] = [
    "--transport",
    "--protocol",
    "--connect-timeout",
    "--headers-timeout",
    "--body-timeout",
    "--ping-interval",
    "--auth-timeout",
];

/// The longest word without an option that an error shows. A longer one may be a secret.
const LONGEST_SHOWN: usize = 16;

/// A command, and the warnings about its arguments, a sentence each.
#[derive(Debug)]
pub struct Parsed {
    /// What the program was told to do.
    pub command: Command,
    /// What was ignored.
    pub warnings: Vec<String>,
}

/// Why there is no command.
#[derive(Debug)]
pub enum ParseError {
    /// Help, the version, or an argument that is not valid.
    Arguments(clap::Error),
    /// The configuration file, a value in the environment, or a folder cannot be used.
    Value(Error),
}

/// Reads the arguments (the first is the program's name), the environment, and the configuration file.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Parsed, ParseError> {
    system::check_home().map_err(|why| ParseError::Value(Error::Usage(why)))?;
    let mut args: Vec<OsString> = args.into_iter().skip(1).collect();
    if args.is_empty() && std::io::stdin().is_terminal() {
        // A person wants to know what this is. A program has forgotten the URL.
        args.push("-h".into());
    }
    let mut tree = tree();
    let mut warnings = Vec::new();
    let mut command = match command_place(&tree, &args) {
        Some(place) => {
            let name = args.remove(place);
            read_command(&mut tree, &name, args, &mut warnings)?
        }
        None => Command::Bridge(read_bridge(&mut tree, args, &mut warnings)?),
    };
    let filled = command.options_mut().fill_in();
    // The variables of an entry need not be set here; those of a bundle are refused.
    if !matches!(command, Command::Install(_) | Command::Bundle(_)) {
        filled.map_err(ParseError::Value)?;
    }
    Ok(Parsed { command, warnings })
}

/// Reads a command that people type: every mistake is an error.
fn read_command(
    tree: &mut clap::Command,
    name: &OsStr,
    args: Vec<OsString>,
    warnings: &mut Vec<String>,
) -> Result<Command, ParseError> {
    if let Some(word) = args.first().filter(|word| name == "help" && !word.as_encoded_bytes().starts_with(b"-"))
        && !word.to_str().is_some_and(|word| word == "help" || tree.find_subcommand(word).is_some())
    {
        return Err(ParseError::Value(Error::Usage(neither(tree, word))));
    }
    let mut words: Vec<OsString> = ["mcp-ferry".into(), name.to_owned()].into_iter().chain(args).collect();
    let arguments = |error| ParseError::Arguments(without_values(error));
    let mut matches = tree.try_get_matches_from_mut(&words).map_err(arguments)?;
    // What the configuration file adds is not typed: the bridge reads the file itself.
    let entry = match matches.subcommand() {
        Some(("install", typed)) => Some(install::entry(typed, tree, install::Paths::Absolute)),
        Some(("bundle", typed)) => Some(install::entry(typed, tree, install::Paths::OfAnotherMachine)),
        _ => None,
    };
    let entry = entry.transpose().map_err(ParseError::Value)?;
    if let (Some((_, typed)), Some(command)) =
        (matches.subcommand(), name.to_str().and_then(|name| tree.find_subcommand(name)))
    {
        let added = added_by_file(typed, command, tree, warnings)?;
        if !added.is_empty() {
            words.splice(2..2, added);
            matches = tree
                .try_get_matches_from_mut(&words)
                .map_err(|error| ParseError::Value(file::invalid_value(&error)))?;
        }
    }
    let mut command = Command::from_arg_matches_mut(&mut matches).map_err(ParseError::Arguments)?;
    let is_for_later = entry.is_some();
    match &mut command {
        Command::Install(install) => install.entry = entry.unwrap_or_default(),
        Command::Bundle(bundle) => {
            bundle.entry = entry.unwrap_or_default();
            bundle.asked = bundle::asked(&bundle.ask, tree).map_err(ParseError::Value)?;
        }
        _ => {}
    }
    if is_for_later {
        // The log and the trace are those of the bridge that is started.
        let logging = &mut command.options_mut().logging;
        (logging.debug, logging.log_file, logging.trace_file) = (false, None, None);
    }
    Ok(command)
}

/// Reads the bridge's arguments, which programs give it.
fn read_bridge(
    tree: &mut clap::Command,
    args: Vec<OsString>,
    warnings: &mut Vec<String>,
) -> Result<BridgeCommand, ParseError> {
    let mut args = Arguments::sort(tree, args, warnings);
    let mut matches = match_all(tree, &mut args, warnings).map_err(ParseError::Arguments)?;
    if let Some(word) = args.stray_word() {
        return Err(ParseError::Value(Error::Usage(neither(tree, word))));
    }
    let added = added_by_file(&matches, tree, tree, warnings)?;
    if !added.is_empty() {
        args.options.extend(added);
        // Without the file's options there was no error.
        matches =
            match_all(tree, &mut args, warnings).map_err(|error| ParseError::Value(file::invalid_value(&error)))?;
    }
    BridgeCommand::from_arg_matches_mut(&mut matches).map_err(ParseError::Arguments)
}

/// The options of the configuration file that are not typed and not in the environment. The file is read after the
/// arguments, because its entries depend on the server's address.
fn added_by_file(
    typed: &ArgMatches,
    command: &clap::Command,
    tree: &clap::Command,
    warnings: &mut Vec<String>,
) -> Result<Vec<OsString>, ParseError> {
    let url = typed.try_get_one::<String>("url").ok().flatten();
    let file = file::read(url.map(String::as_str), command, tree).map_err(ParseError::Value)?;
    warnings.extend(file.warnings);
    let is_given = |id: &str| !matches!(typed.value_source(id), None | Some(ValueSource::DefaultValue));
    Ok(file.options.into_iter().filter(|(id, _)| !is_given(id)).map(|(_, option)| option).collect())
}

/// Where the command's name stands: first, or after options that every command has.
fn command_place(tree: &clap::Command, args: &[OsString]) -> Option<usize> {
    let mut place = 0;
    loop {
        let arg = args.get(place)?;
        if arg == "help" || arg.to_str().is_some_and(|name| tree.find_subcommand(name).is_some()) {
            return Some(place);
        }
        let option = find_option(tree, arg)?;
        place += if option.get_action().takes_values() && !has_value(arg) { 2 } else { 1 };
    }
}

/// The error for a word that is neither a command nor a URL. The word is not shown: it may be a token whose option is
/// missing.
fn neither(tree: &clap::Command, word: &OsStr) -> String {
    let names: Vec<_> = tree.get_subcommands().map(clap::Command::get_name).filter(|name| *name != "help").collect();
    let known =
        clap::Command::new("mcp-ferry").subcommands(names.iter().map(|name| clap::Command::new((*name).to_owned())));
    let error = known.try_get_matches_from([OsStr::new("mcp-ferry"), word]).err();
    let suggestion = error.and_then(|error| match error.get(ContextKind::SuggestedSubcommand)? {
        // The last one is the most like it.
        ContextValue::Strings(names) => names.last().cloned(),
        ContextValue::String(name) => Some(name.clone()),
        _ => None,
    });
    match suggestion {
        Some(name) => format!("an argument is neither a command nor a URL; did you mean `mcp-ferry {name}`?"),
        None => {
            format!("an argument is neither a URL, which begins with https://, nor a command: {}", names.join(", "))
        }
    }
}

/// clap's error without what may be a secret: values of unknown options, and words without an option.
fn without_values(mut error: clap::Error) -> clap::Error {
    if error.kind() == ErrorKind::UnknownArgument {
        // It repeats the argument with its value.
        error.remove(ContextKind::Suggested);
        let is_shown = |word: &str| {
            word.starts_with('-') || (word.len() <= LONGEST_SHOWN && word.bytes().all(|byte| byte.is_ascii_lowercase()))
        };
        if invalid_option(&error).is_some_and(|word| !is_shown(word)) {
            error.insert(ContextKind::InvalidArg, ContextValue::String("…".to_owned()));
        }
    }
    error
}

/// Has clap read the arguments and the environment, without the invalid values of lenient options.
fn match_all(
    command: &mut clap::Command,
    args: &mut Arguments,
    warnings: &mut Vec<String>,
) -> Result<ArgMatches, clap::Error> {
    loop {
        let error = match command.try_get_matches_from_mut(args.all()) {
            Ok(matches) => return Ok(matches),
            Err(error) => error,
        };
        let Some(name) = lenient_option(&error) else { return Err(error) };
        let before = args.options.len();
        args.options.retain(|option| option_name(option) != Some(&name[2..]));
        if args.options.len() == before {
            // The value came from the environment.
            return Err(error);
        }
        warnings.push(format!("the value of {name} is not valid and is ignored"));
    }
}

/// The lenient option whose value clap rejects.
fn lenient_option(error: &clap::Error) -> Option<String> {
    let is_value = matches!(error.kind(), ErrorKind::InvalidValue | ErrorKind::ValueValidation);
    invalid_option(error).filter(|name| is_value && LENIENT.contains(name)).map(str::to_owned)
}
