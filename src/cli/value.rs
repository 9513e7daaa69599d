//! What can be said of an option? Each type of field has its values, which clap checks as text and the field then reads.

use std::ffi::OsStr;
use std::net::IpAddr;
use std::str::FromStr;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Arg, ArgAction, Command, ValueEnum};

use crate::config::is_unset;

/// Which values make sense. All kinds are one parser and text to clap, which is compiled anew for each type it sees.
#[derive(Clone, Copy)]
pub(super) enum Values {
    /// Given or not; in the environment anything but a no is a yes.
    Switch,
    Text,
    /// Texts, as often as the option is given.
    Texts,
    Seconds,
    /// A number between these, inclusive.
    Whole(u32, u32),
    Address,
    OneOf(fn() -> Vec<PossibleValue>),
}

impl Values {
    pub(super) fn action(self) -> ArgAction {
        match self {
            Self::Switch => ArgAction::SetTrue,
            Self::Texts => ArgAction::Append,
            _ => ArgAction::Set,
        }
    }

    /// Whether an option that a host's user did not fill in counts as not given already here. Elsewhere the one who
    /// reads the text knows better.
    fn can_be_unset(self) -> bool {
        !matches!(self, Self::Text | Self::Texts | Self::Address)
    }

    /// The text that the field is read from.
    fn check(self, text: &str) -> Result<String, String> {
        match self {
            Self::Switch => {
                let off = ["", "0", "f", "false", "n", "no", "off"].iter().any(|no| text.eq_ignore_ascii_case(no));
                return Ok((!off).to_string());
            }
            Self::Seconds => match text.parse::<f64>() {
                Ok(seconds) if seconds.is_finite() && (0.0..=1e9).contains(&seconds) => {}
                _ => return Err("not a number of seconds".to_owned()),
            },
            Self::Whole(least, most) => {
                let number: u64 = text.parse().map_err(|error: std::num::ParseIntError| error.to_string())?;
                if !(u64::from(least)..=u64::from(most)).contains(&number) {
                    return Err(format!("{number} is not in {least}..={most}"));
                }
            }
            Self::Address => {
                IpAddr::from_str(text).map_err(|error| error.to_string())?;
            }
            Self::Text | Self::Texts | Self::OneOf(_) => {}
        }
        Ok(text.to_owned())
    }
}

impl TypedValueParser for Values {
    type Value = String;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<String, clap::Error> {
        if self.can_be_unset() && value.to_str().is_some_and(is_unset) {
            let default = arg.and_then(|arg| arg.get_default_values().first()?.to_str());
            return Ok(default.unwrap_or("0").to_owned());
        }
        let values = *self;
        match values {
            // What is no text is none of them.
            Self::OneOf(all) => {
                PossibleValuesParser::new(all()).parse_ref(command, arg, value.to_string_lossy().as_ref().as_ref())
            }
            _ => (move |text: &str| values.check(text)).parse_ref(command, arg, value),
        }
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        match self {
            Self::OneOf(all) => Some(Box::new(all().into_iter())),
            _ => None,
        }
    }
}

/// A type that a field can have.
pub(super) trait Value: Default {
    /// What clap lets through.
    const VALUES: Values;

    /// From what was let through, in the order in which it was given.
    fn read(texts: Vec<String>) -> Self;
}

/// The one that was given. clap lets nothing through that cannot be read, so that a type's own default is for none.
fn one<T: FromStr + Default>(mut texts: Vec<String>) -> T {
    texts.pop().and_then(|text| text.parse().ok()).unwrap_or_default()
}

fn one_or_none<T: FromStr>(mut texts: Vec<String>) -> Option<T> {
    texts.pop()?.parse().ok()
}

impl Value for bool {
    const VALUES: Values = Values::Switch;

    fn read(texts: Vec<String>) -> Self {
        one(texts)
    }
}

/// Seconds.
impl Value for f64 {
    const VALUES: Values = Values::Seconds;

    fn read(texts: Vec<String>) -> Self {
        one(texts)
    }
}

impl Value for u32 {
    const VALUES: Values = Values::Whole(0, u32::MAX);

    fn read(texts: Vec<String>) -> Self {
        one(texts)
    }
}

/// A port.
impl Value for Option<u16> {
    const VALUES: Values = Values::Whole(0, u16::MAX as u32);

    fn read(texts: Vec<String>) -> Self {
        one_or_none(texts)
    }
}

impl Value for Option<IpAddr> {
    const VALUES: Values = Values::Address;

    fn read(texts: Vec<String>) -> Self {
        one_or_none(texts)
    }
}

impl Value for Option<String> {
    const VALUES: Values = Values::Text;

    fn read(mut texts: Vec<String>) -> Self {
        texts.pop()
    }
}

impl Value for Vec<String> {
    const VALUES: Values = Values::Texts;

    fn read(texts: Vec<String>) -> Self {
        texts
    }
}

/// Has an enum of another room be an option's value: each variant with its word on the command line and its help.
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

        impl $crate::cli::value::Value for $choice {
            const VALUES: $crate::cli::value::Values = $crate::cli::value::Values::OneOf($crate::cli::value::all::<Self>);

            fn read(mut texts: Vec<String>) -> Self {
                texts.pop().and_then(|text| clap::ValueEnum::from_str(&text, true).ok()).unwrap_or_default()
            }
        }
    )+};
}

pub(super) use one_of;

pub(super) fn all<T: ValueEnum>() -> Vec<PossibleValue> {
    T::value_variants().iter().filter_map(ValueEnum::to_possible_value).collect()
}
