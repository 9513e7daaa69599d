//! What was typed, made clap's business: other bridges are forgiving about arguments, and whoever comes from them keeps
//! theirs.
//!
//! Flags may stand anywhere. An unknown one is one warning, its values included; of an option given twice the first
//! counts; a value that is missing is a warning. Nothing of a stray argument is shown: it may be a token that lost its
//! name.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, Command, CommandFactory, FromArgMatches};

use super::{file, header};
use crate::cli::{FORGIVING, STRICT};
use crate::error::Error;

/// What was typed, with what the configuration file adds.
#[derive(Debug)]
pub struct Typed<T> {
    /// As clap has it.
    pub cli: T,
    /// What was passed over, a sentence each.
    pub warnings: Vec<String>,
}

/// Why there are no arguments to go by.
#[derive(Debug)]
pub enum NotTyped {
    /// Help, version, or an argument that makes no sense.
    Shown(clap::Error),
    /// The configuration file is at fault.
    File(Error),
}

/// Reads the arguments (the first is the program's name), the environment, and the configuration file, which is none of
/// its business before the address is known.
pub fn parse<T: CommandFactory + FromArgMatches>(args: Vec<OsString>) -> Result<Typed<T>, NotTyped> {
    let mut warnings = Vec::new();
    let mut matches = read_all(T::command(), args, &mut warnings)?;
    let cli = T::from_arg_matches_mut(&mut matches).map_err(NotTyped::Shown)?;
    Ok(Typed { cli, warnings })
}

fn read_all(mut command: Command, args: Vec<OsString>, warnings: &mut Vec<String>) -> Result<ArgMatches, NotTyped> {
    command.build();
    let mut tidy = Tidy::default();
    let args = tidy.all(&command, header::rejoin(args));
    let Tidy { mut options, positionals, warnings: tidied, .. } = tidy;
    warnings.extend(tidied);
    let matches = read(&mut command, &args, &mut options, &positionals, warnings).map_err(NotTyped::Shown)?;
    let url = matches.try_get_one::<String>("url").ok().flatten();
    let kept = file::read(url.map(String::as_str), &command).map_err(NotTyped::File)?;
    warnings.extend(kept.warnings);
    let given = |id: &str| !matches!(matches.value_source(id), None | Some(ValueSource::DefaultValue));
    let added: Vec<_> = kept.options.into_iter().filter(|(id, _)| !given(id)).map(|(_, argument)| argument).collect();
    if added.is_empty() {
        return Ok(matches);
    }
    options.extend(added);
    // Without the file they were fine.
    read(&mut command, &args, &mut options, &positionals, warnings)
        .map_err(|error| NotTyped::File(file::refused(&error)))
}

/// Has clap read them, without the values that are forgiven.
fn read(
    command: &mut Command,
    program: &OsStr,
    options: &mut Vec<OsString>,
    positionals: &[OsString],
    warnings: &mut Vec<String>,
) -> Result<ArgMatches, clap::Error> {
    loop {
        let all = std::iter::once(program.to_owned()).chain(options.iter().cloned());
        let all = all.chain(std::iter::once("--".into())).chain(positionals.iter().cloned());
        let error = match command.try_get_matches_from_mut(all) {
            Ok(matches) => return Ok(matches),
            Err(error) => error,
        };
        let Some(name) = forgiven(&error) else { return Err(error) };
        let before = options.len();
        options.retain(|option| name_of(option) != Some(&name[2..]));
        if options.len() == before {
            // It came from the environment.
            return Err(error);
        }
        warnings.push(format!("the value of {name} is not one it can have; it counts as not given"));
    }
}

/// The option whose value clap refuses, if that is to be passed over.
fn forgiven(error: &clap::Error) -> Option<String> {
    if !matches!(error.kind(), ErrorKind::InvalidValue | ErrorKind::ValueValidation) {
        return None;
    }
    let Some(ContextValue::String(shown)) = error.get(ContextKind::InvalidArg) else { return None };
    let name = shown.split_whitespace().next()?;
    FORGIVING.contains(&name).then(|| name.to_owned())
}

/// The name of an option that is written with its dashes, and with its value or without.
fn name_of(arg: &OsStr) -> Option<&str> {
    let arg = arg.to_str().or_else(|| {
        // The value may be no text; the name is.
        let bytes = arg.as_encoded_bytes();
        let end = bytes.iter().position(|&byte| byte == b'=')?;
        std::str::from_utf8(&bytes[..end]).ok()
    })?;
    let name = arg.strip_prefix("--")?;
    Some(name.split_once('=').map_or(name, |(name, _)| name))
}

/// Arguments sorted into options, each one word with its value, and the rest.
#[derive(Default)]
struct Tidy {
    options: Vec<OsString>,
    positionals: Vec<OsString>,
    /// Positionals behind an option that nobody knows: perhaps its values.
    doubtful: Vec<OsString>,
    seen: HashSet<String>,
    warnings: Vec<String>,
}

impl Tidy {
    /// Returns the program's name.
    fn all(&mut self, command: &Command, args: Vec<OsString>) -> OsString {
        let mut args = args.into_iter().peekable();
        let program = args.next().unwrap_or_default();
        let mut after_unknown = false;
        while let Some(arg) = args.next() {
            if arg == "--" {
                self.positionals.extend(args.by_ref());
                break;
            }
            if !arg.as_encoded_bytes().starts_with(b"-") || arg == "-" {
                let list = if after_unknown { &mut self.doubtful } else { &mut self.positionals };
                list.push(arg);
                continue;
            }
            after_unknown = false;
            if matches!(arg.to_str(), Some("-h" | "-V")) {
                self.options.push(arg);
                continue;
            }
            match known(command, &arg) {
                Some(option) => {
                    let next = args.next_if(|next| takes_value(option) && !has_value(&arg) && !is_known(command, next));
                    self.option(option, arg, next);
                }
                None => {
                    after_unknown = true;
                    self.unknown(&arg);
                }
            }
        }
        self.sort_positionals();
        program
    }

    fn unknown(&mut self, arg: &OsStr) {
        // A name is shown, a secret that looks like an option is not.
        let shown = name_of(arg).filter(|name| {
            name.len() <= 40 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        });
        self.warnings.push(match shown {
            Some(name) => format!("--{name} is no option of mcp-ferry and is passed over"),
            None => "an argument that begins like an option is none and is passed over".to_owned(),
        });
    }

    fn option(&mut self, option: &clap::Arg, arg: OsString, value: Option<OsString>) {
        let name = option.get_long().unwrap_or_default().to_owned();
        let repeatable = matches!(option.get_action(), ArgAction::Append);
        if takes_value(option) {
            let given = if has_value(&arg) {
                arg
            } else if let Some(value) = value {
                let mut whole = OsString::from(format!("--{name}="));
                whole.push(value);
                whole
            } else if STRICT.contains(&name.as_str()) {
                return self.options.push(arg);
            } else {
                return self.warnings.push(format!("--{name} needs a value; without one it counts as not given"));
            };
            if !repeatable && !self.seen.insert(name.clone()) {
                return self.warnings.push(format!("--{name} is given more than once; the first counts"));
            }
            return self.options.push(given);
        }
        let on = match arg.to_str().and_then(|arg| arg.split_once('=')) {
            None => true,
            Some((_, value)) => !matches!(value.to_ascii_lowercase().as_str(), "" | "0" | "false" | "no" | "off"),
        };
        if on && self.seen.insert(name.clone()) {
            self.options.push(format!("--{name}").into());
        }
    }

    /// The address, then the port; anything else is passed over. Values of unknown options are neither, unless nothing
    /// else is an address.
    fn sort_positionals(&mut self) {
        let given = std::mem::take(&mut self.positionals);
        let mut rest = given.into_iter().filter(|arg| !arg.is_empty()).peekable();
        let mut skipped = 0;
        let mut before = Vec::new();
        while let Some(arg) = rest.next_if(|arg| !looks_like_an_address(arg)) {
            before.push(arg);
        }
        let mut doubtful = std::mem::take(&mut self.doubtful).into_iter();
        let url = rest.next().or_else(|| doubtful.find(|arg| looks_like_an_address(arg))).or_else(|| {
            // What is wrong with it is said by whoever reads addresses.
            (!before.is_empty()).then(|| before.remove(0))
        });
        skipped += before.len();
        let Some(url) = url else { return };
        self.positionals.push(url);
        if let Some(port) = rest.next() {
            match port.to_str().map(leading_number) {
                Some(Some(port)) => self.positionals.push(port.to_string().into()),
                // Some configurations say 0 where they mean none.
                Some(None) if port == "0" => {}
                _ => skipped += 1,
            }
        }
        skipped += rest.count();
        if skipped > 0 {
            self.warnings.push("there is an argument too many; values with spaces need quotes".to_owned());
        }
    }
}

/// `9696`, `9696abc`: the number that it begins with, if that is a port.
fn leading_number(text: &str) -> Option<u16> {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok().filter(|&port| port > 0)
}

fn looks_like_an_address(arg: &OsStr) -> bool {
    let text = arg.to_string_lossy();
    text.contains("://") || text.contains("${")
}

fn takes_value(option: &clap::Arg) -> bool {
    matches!(option.get_action(), ArgAction::Set | ArgAction::Append)
}

fn has_value(arg: &OsStr) -> bool {
    arg.as_encoded_bytes().contains(&b'=')
}

fn known<'a>(command: &'a Command, arg: &OsStr) -> Option<&'a clap::Arg> {
    let name = name_of(arg)?;
    command.get_arguments().find(|option| {
        option.get_long() == Some(name) || option.get_all_aliases().is_some_and(|aliases| aliases.contains(&name))
    })
}

fn is_known(command: &Command, arg: &OsStr) -> bool {
    matches!(arg.to_str(), Some("-h" | "-V" | "--")) || known(command, arg).is_some()
}
