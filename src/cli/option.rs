//! How is an option declared? In one line: the rest are rules, so that no option can differ from the others.
//!
//! `transport STRATEGY: TransportStrategy = "http-first"` is the field `transport`, typed as `--transport <STRATEGY>`,
//! in the environment `MCP_FERRY_TRANSPORT`, by default `http-first`. The type says which values are valid, the doc
//! comment is the help, and the struct's name is the heading above it. An attribute of clap that only one option has
//! follows an arrow.

use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use clap::builder::{FalseyValueParser, OsStringValueParser, PossibleValue, TypedValueParser, ValueParser};
use clap::{Arg, Command, value_parser};

use crate::typed::{expand_path, fill_in, is_unset};

/// Declares a group of options, and the struct that holds their values.
macro_rules! options {
    (
        $(#[$about:meta])*
        pub struct $group:ident {
            $($(#[$help:meta])+ $name:ident $($value_name:ident)?: $type:ty $(= $default:literal)? $(=> $attribute:meta)?,)+
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, clap::Args)]
        #[command(next_help_heading = stringify!($group))]
        pub struct $group {
            $(
                $(#[$help])+
                #[arg(long, hide_short_help = true, $(value_name = stringify!($value_name),)? $(default_value = $default,)?)]
                #[arg(value_parser = <$type as $crate::cli::option::OptionValue>::parser())]
                $(#[arg($attribute)])?
                pub $name: $type,
            )+
        }

        impl $group {
            /// Replaces what stands for something else in each value. The error has the option's name.
            pub(super) fn fill_in(&mut self) -> Result<(), (&'static str, String)> {
                $(
                    let name = stringify!($name);
                    if !$crate::cli::option::FILLED_IN_LATER.contains(&name) {
                        $crate::cli::option::OptionValue::fill_in(&mut self.$name).map_err(|why| (name, why))?;
                    }
                )+
                Ok(())
            }
        }
    };
}

/// The rules for every option of a command: it has an environment variable, and the case of words does not matter.
pub(super) fn complete(arg: Arg) -> Arg {
    if arg.get_long().is_none() {
        return arg;
    }
    let variable = format!("MCP_FERRY_{}", arg.get_id().as_str().to_ascii_uppercase());
    let has_value = arg.get_action().takes_values();
    // Help does not show the variable's value, which may be a secret.
    arg.env(variable).hide_env_values(true).ignore_case(has_value)
}

/// Options whose values are needed as they were typed too, or have rules of their own: the room that reads them fills
/// them in.
pub(super) const FILLED_IN_LATER: [&str; 7] = [
    "header",
    "static_oauth_client_info",
    "static_oauth_client_metadata",
    "token_command",
    "bearer_token_env",
    "client_secret_env",
    "idp_client_secret_env",
];

/// A type that the field of an option can have.
pub(super) trait OptionValue: Sized {
    /// Reads one value of the option.
    fn parser() -> ValueParser;

    /// Replaces what stands for something else in the value: variables, and `~` in a path.
    fn fill_in(&mut self) -> Result<(), String> {
        Ok(())
    }
}

/// A switch. In the environment every value except "0", "false", "no" and the like turns it on.
impl OptionValue for bool {
    fn parser() -> ValueParser {
        DefaultIfUnset(FalseyValueParser::new()).into()
    }
}

/// Seconds.
impl OptionValue for f64 {
    fn parser() -> ValueParser {
        DefaultIfUnset(|text: &str| match text.parse() {
            Ok(seconds) if (0.0..=1e9).contains(&seconds) => Ok(seconds),
            _ => Err("not a number of seconds"),
        })
        .into()
    }
}

/// A size in MiB. Its number of bytes fits in 32 bits.
impl OptionValue for u32 {
    fn parser() -> ValueParser {
        DefaultIfUnset(value_parser!(u32).range(1..=2047)).into()
    }
}

/// A port.
impl OptionValue for Option<u16> {
    fn parser() -> ValueParser {
        DefaultIfUnset(value_parser!(u16)).into()
    }
}

impl OptionValue for Option<IpAddr> {
    fn parser() -> ValueParser {
        // An address that is not set adds none to those of this machine.
        let none = IpAddr::V4(Ipv4Addr::LOCALHOST);
        ValueParser::new(move |typed: &str| if is_unset(typed) { Ok(none) } else { typed.parse() })
    }
}

impl OptionValue for Option<String> {
    fn parser() -> ValueParser {
        ValueParser::string()
    }

    fn fill_in(&mut self) -> Result<(), String> {
        fill_in_texts(self.as_mut_slice())
    }
}

impl OptionValue for Vec<String> {
    fn parser() -> ValueParser {
        ValueParser::string()
    }

    fn fill_in(&mut self) -> Result<(), String> {
        fill_in_texts(self)
    }
}

fn fill_in_texts(texts: &mut [String]) -> Result<(), String> {
    for text in texts.iter_mut().filter(|text| !is_unset(text)) {
        *text = fill_in(text).map_err(|unfilled| unfilled.to_string())?;
    }
    Ok(())
}

/// A file.
impl OptionValue for Option<PathBuf> {
    fn parser() -> ValueParser {
        OsStringValueParser::new().map(PathBuf::from).into()
    }

    fn fill_in(&mut self) -> Result<(), String> {
        expand_paths(self.as_mut_slice())
    }
}

impl OptionValue for Vec<PathBuf> {
    fn parser() -> ValueParser {
        <Option<PathBuf>>::parser()
    }

    fn fill_in(&mut self) -> Result<(), String> {
        expand_paths(self)
    }
}

fn expand_paths(paths: &mut [PathBuf]) -> Result<(), String> {
    for path in paths.iter_mut().filter(|path| !path.to_str().is_some_and(is_unset)) {
        *path = expand_path(path)?;
    }
    Ok(())
}

/// Makes enums of other rooms the values of options: each variant with its word on the command line and its help.
macro_rules! one_of {
    ($($choice:ty { $($variant:ident = $word:literal, $help:literal;)+ })+) => {$(
        impl clap::ValueEnum for $choice {
            fn value_variants<'a>() -> &'a [Self] {
                &[$(Self::$variant),+]
            }

            fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
                let (word, help) = match self {
                    $(Self::$variant => ($word, $help),)+
                };
                Some(clap::builder::PossibleValue::new(word).help(help))
            }
        }

        impl $crate::cli::option::OptionValue for $choice {
            fn parser() -> clap::builder::ValueParser {
                $crate::cli::option::DefaultIfUnset(clap::builder::EnumValueParser::<Self>::new()).into()
            }
        }
    )+};
}

/// Reads a value that the client's user did not fill in as the option's default. Texts are not read so: where they are
/// used, an empty one may have a meaning of its own.
#[derive(Clone)]
pub(super) struct DefaultIfUnset<P>(pub(super) P);

impl<P: TypedValueParser> TypedValueParser for DefaultIfUnset<P> {
    type Value = P::Value;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<P::Value, clap::Error> {
        if !value.to_str().is_some_and(is_unset) {
            return self.0.parse_ref(command, arg, value);
        }
        let default = arg.and_then(|arg| arg.get_default_values().first());
        self.0.parse_ref(command, arg, default.map_or(OsStr::new("0"), |default| default))
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        self.0.possible_values()
    }
}

pub(super) use {one_of, options};
