//! Which arguments are options, which are the address and the port?
//!
//! Options may stand anywhere. An unknown option is one warning, its values included; if an option is given twice, the
//! first one is used; a missing value is a warning. A stray argument is never shown: it may be a token whose option is
//! missing.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};

use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, Command};

use super::split_header::join_split_headers;

/// Options that are an error without a value: one says where tokens come from, the other where a person is sent.
const VALUE_REQUIRED: [&str; 2] = ["token-endpoint", "auth-success-url"];

/// Options of other programs that have the address as their value, and the transport that each means, if it means one.
const ADDRESS_OPTIONS: [(&str, &str); 5] = [
    ("url", ""),
    ("server-url", ""),
    ("sse", "sse-first"),
    ("streamable-http", "http-first"),
    ("streamableHttp", "http-first"),
];

/// The longest unknown option that is shown. A longer one may be a secret.
const LONGEST_SHOWN: usize = 40;

/// The arguments in an order that clap accepts.
#[derive(Default)]
pub(super) struct Arguments {
    /// Each with its value in one word: `--name=value`.
    pub(super) options: Vec<OsString>,
    positionals: Vec<OsString>,
}

impl Arguments {
    /// Sorts the arguments. Warnings tell what is ignored.
    pub(super) fn sort(command: &Command, args: Vec<OsString>, warnings: &mut Vec<String>) -> Self {
        let args = join_split_headers(args, warnings);
        let mut sorter = Sorter { command, warnings, seen: HashSet::new(), sorted: Self::default() };
        sorter.sort(args);
        sorter.sorted
    }

    /// The arguments for clap, after the program's name.
    pub(super) fn all(&self) -> impl Iterator<Item = &OsStr> {
        let options = [OsStr::new("mcp-ferry")].into_iter().chain(self.options.iter().map(OsString::as_os_str));
        options.chain([OsStr::new("--")]).chain(self.positionals.iter().map(OsString::as_os_str))
    }

    /// The word in the place of the address that nobody can have meant as one.
    pub(super) fn stray_word(&self) -> Option<&OsStr> {
        let word = self.positionals.first()?;
        let is_address = looks_like_an_address(word) || word.to_string_lossy().contains(['.', '/', ':', '$', '%']);
        (!is_address).then_some(word)
    }
}

struct Sorter<'a> {
    command: &'a Command,
    warnings: &'a mut Vec<String>,
    /// The options that have been given.
    seen: HashSet<String>,
    sorted: Arguments,
}

impl Sorter<'_> {
    fn sort(&mut self, args: Vec<OsString>) {
        let mut args = args.into_iter().peekable();
        let mut positionals = Vec::new();
        // Positionals that follow an unknown option may be its values.
        let mut doubtful = Vec::new();
        let mut after_unknown = false;
        let mut transports = Vec::new();
        while let Some(arg) = args.next() {
            if arg == "--" {
                positionals.extend(args.by_ref());
                break;
            }
            if !arg.as_encoded_bytes().starts_with(b"-") || arg == "-" {
                if after_unknown { &mut doubtful } else { &mut positionals }.push(arg);
                continue;
            }
            after_unknown = false;
            if is_about_program(&arg) {
                self.sorted.options.push(arg);
            } else if let Some(transport) = address_option(&arg) {
                let value = match arg.to_str().and_then(|arg| arg.split_once('=')) {
                    Some((_, value)) => Some(value.into()),
                    None => args.next_if(|next| !next.as_encoded_bytes().starts_with(b"-")),
                };
                if value.is_none() && transport.is_empty() {
                    self.warnings.push("an option for the address is ignored, because it has no value".to_owned());
                }
                transports.extend(Some(transport).filter(|transport| !transport.is_empty()));
                positionals.splice(0..0, value);
            } else if let Some(option) = find_option(self.command, &arg) {
                let command = self.command;
                let next = args.next_if(|next| {
                    option.get_action().takes_values() && !has_value(&arg) && !is_option(command, next)
                });
                self.option(option, arg, next);
            } else {
                after_unknown = true;
                self.unknown(&arg);
            }
        }
        if let Some(transport) = transports.first().filter(|_| !self.seen.contains("transport")) {
            self.sorted.options.push(format!("--transport={transport}").into());
        }
        self.positionals(positionals, doubtful);
    }

    fn unknown(&mut self, arg: &OsStr) {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let shown = option_name(arg).filter(|name| name.len() <= LONGEST_SHOWN && name.bytes().all(is_plain));
        self.warnings.push(match shown {
            Some(name) => {
                let suggestion = suggestion(self.command, name).map(|option| format!("; did you mean --{option}?"));
                format!(
                    "--{name} is not an option of this version of mcp-ferry and is ignored{}",
                    suggestion.unwrap_or_default()
                )
            }
            None => "an argument that begins like an option is not one and is ignored".to_owned(),
        });
    }

    fn option(&mut self, option: &Arg, arg: OsString, value: Option<OsString>) {
        let name = option.get_long().unwrap_or_default().to_owned();
        if !option.get_action().takes_values() {
            let is_on = match arg.to_str().and_then(|arg| arg.split_once('=')) {
                None => true,
                Some((_, value)) => !["", "0", "false", "no", "off"].iter().any(|off| value.eq_ignore_ascii_case(off)),
            };
            if is_on && self.seen.insert(name.clone()) {
                self.sorted.options.push(format!("--{name}").into());
            }
            return;
        }
        let whole = match value {
            _ if has_value(&arg) => arg,
            Some(value) => {
                let mut whole = OsString::from(format!("--{name}="));
                whole.push(value);
                whole
            }
            None if VALUE_REQUIRED.contains(&name.as_str()) => return self.sorted.options.push(arg),
            None => return self.warnings.push(format!("--{name} is ignored, because it has no value")),
        };
        if !matches!(option.get_action(), ArgAction::Append) && !self.seen.insert(name.clone()) {
            return self.warnings.push(format!("--{name} is given more than once; only the first value is used"));
        }
        self.sorted.options.push(whole);
    }

    /// Finds the address and the port. A value of an unknown option is the address only if no other argument is one.
    fn positionals(&mut self, given: Vec<OsString>, doubtful: Vec<OsString>) {
        let mut rest = given.into_iter().filter(|arg| !arg.is_empty()).peekable();
        let mut before = Vec::new();
        while let Some(arg) = rest.next_if(|arg| !looks_like_an_address(arg)) {
            before.push(arg);
        }
        let url = rest.next().or_else(|| doubtful.into_iter().find(|arg| looks_like_an_address(arg))).or_else(|| {
            // The settings' reader of addresses tells what is wrong with this one.
            (!before.is_empty()).then(|| before.remove(0))
        });
        let Some(url) = url else { return };
        self.sorted.positionals.push(url);
        let mut ignored = before.len();
        if let Some(port) = rest.next() {
            match port.to_str().map(leading_port) {
                Some(Some(port)) => self.sorted.positionals.push(port.to_string().into()),
                // Some configurations have 0 where they mean no port.
                Some(None) if port == "0" => {}
                _ => ignored += 1,
            }
        }
        if ignored + rest.count() > 0 {
            self.warnings
                .push("an argument is ignored: it is neither URL nor port; values with spaces need quotes".into());
        }
    }
}

/// The port that a text begins with: `9696`, `9696abc`.
fn leading_port(text: &str) -> Option<u16> {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok().filter(|&port| port > 0)
}

fn looks_like_an_address(arg: &OsStr) -> bool {
    let text = arg.to_string_lossy();
    text.contains("://") || text.contains("${") || text.contains("{env:")
}

/// Whether this asks for the help or the version. clap adds these options to a command when it reads arguments.
fn is_about_program(arg: &OsStr) -> bool {
    matches!(arg.to_str(), Some("-h" | "--help" | "-V" | "--version"))
}

pub(super) fn has_value(arg: &OsStr) -> bool {
    arg.as_encoded_bytes().contains(&b'=')
}

/// The name in `--name` or `--name=value`.
pub(super) fn option_name(arg: &OsStr) -> Option<&str> {
    // The value may be invalid Unicode; the name may not.
    let bytes = arg.as_encoded_bytes().split(|&byte| byte == b'=').next()?;
    std::str::from_utf8(bytes).ok()?.strip_prefix("--")
}

pub(super) fn find_option<'a>(command: &'a Command, arg: &OsStr) -> Option<&'a Arg> {
    let name = option_name(arg)?;
    command.get_arguments().find(|option| {
        option.get_long() == Some(name) || option.get_all_aliases().is_some_and(|aliases| aliases.contains(&name))
    })
}

/// The transport that an option of another program means whose value is the address; empty if it means none.
fn address_option(arg: &OsStr) -> Option<&'static str> {
    let name = option_name(arg)?;
    ADDRESS_OPTIONS.iter().find(|(option, _)| *option == name).map(|(_, transport)| *transport)
}

fn is_option(command: &Command, arg: &OsStr) -> bool {
    is_about_program(arg) || arg == "--" || address_option(arg).is_some() || find_option(command, arg).is_some()
}

/// The option whose name is most like an unknown one, without its dashes, if clap would suggest it.
pub(super) fn suggestion(command: &Command, unknown: &str) -> Option<String> {
    let error = command.clone().try_get_matches_from(["", &format!("--{unknown}")]).err()?;
    context(&error, ContextKind::SuggestedArg)?.strip_prefix("--").map(str::to_owned)
}

/// The name of the option that clap rejects, with its dashes.
pub(super) fn invalid_option(error: &clap::Error) -> Option<&str> {
    context(error, ContextKind::InvalidArg)?.split_whitespace().next()
}

fn context(error: &clap::Error, kind: ContextKind) -> Option<&str> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text),
        _ => None,
    }
}
