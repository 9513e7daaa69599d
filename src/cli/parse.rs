//! How do arguments, the environment and the configuration file become a command?
//!
//! Configurations that were written for another bridge are to work here, so that a mistake in an argument is a warning
//! where that is safe.

use std::ffi::{OsStr, OsString};

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Parser};

use super::arguments::{Arguments, invalid_option, option_name};
use super::command::{Cli, Command, LoginCommand, LogoutCommand, StatusCommand};
use super::file;
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
    let mut args = args.into_iter().skip(1).peekable();
    let name = args.next_if(|word| ["login", "logout", "status"].iter().any(|name| word == name));
    let mut warnings = Vec::new();
    let mut command = match name.as_deref().and_then(OsStr::to_str) {
        Some("login") => Command::Login(read::<LoginCommand>(args, &mut warnings)?),
        Some("logout") => Command::Logout(read::<LogoutCommand>(args, &mut warnings)?),
        Some(_) => Command::Status(read::<StatusCommand>(args, &mut warnings)?),
        None => Command::Bridge(read::<Cli>(args, &mut warnings)?),
    };
    command.options_mut().fill_in().map_err(ParseError::Value)?;
    Ok(Parsed { command, warnings })
}

fn read<T: Parser>(args: impl Iterator<Item = OsString>, warnings: &mut Vec<String>) -> Result<T, ParseError> {
    let mut command = T::command();
    command.build();
    let mut args = Arguments::sort(&command, args, warnings);
    let mut matches = match_all(&mut command, &mut args, warnings).map_err(ParseError::Arguments)?;
    // The configuration file is read second, because its entries depend on the server's address.
    let url = matches.try_get_one::<String>("url").ok().flatten();
    let file = file::read(url.map(String::as_str), &command).map_err(ParseError::Value)?;
    warnings.extend(file.warnings);
    let is_given = |id: &str| !matches!(matches.value_source(id), None | Some(ValueSource::DefaultValue));
    let added: Vec<_> = file.options.into_iter().filter(|(id, _)| !is_given(id)).map(|(_, option)| option).collect();
    if !added.is_empty() {
        args.options.extend(added);
        // Without the file's options there was no error.
        matches = match_all(&mut command, &mut args, warnings)
            .map_err(|error| ParseError::Value(file::invalid_value(&error)))?;
    }
    T::from_arg_matches_mut(&mut matches).map_err(ParseError::Arguments)
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
