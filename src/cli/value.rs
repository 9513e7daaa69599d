//! Which values can an option have? Each type of field has one parser.

use std::ffi::OsStr;
use std::net::IpAddr;

use clap::builder::{FalseyValueParser, PossibleValue, TypedValueParser, ValueParser};
use clap::{Arg, Command, value_parser};

use super::text::is_unset;

/// A type that the field of an option can have.
pub(super) trait OptionValue {
    /// Reads one value of the option.
    fn parser() -> ValueParser;
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
        value_parser!(IpAddr).into()
    }
}

impl OptionValue for Option<String> {
    fn parser() -> ValueParser {
        ValueParser::string()
    }
}

impl OptionValue for Vec<String> {
    fn parser() -> ValueParser {
        ValueParser::string()
    }
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

        impl $crate::cli::value::OptionValue for $choice {
            fn parser() -> clap::builder::ValueParser {
                $crate::cli::value::DefaultIfUnset(clap::builder::EnumValueParser::<Self>::new()).into()
            }
        }
    )+};
}

pub(super) use one_of;

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
