//! How is an option declared? In one line: the rest are rules, so that no option can differ from the others.
//!
//! `transport STRATEGY: Transport = "http-first"` is the field `transport`, typed as `--transport <STRATEGY>`, in the
//! environment `MCP_FERRY_TRANSPORT`, by default `http-first`; the type says what its values are, the doc comment is its
//! help, and the struct's name the heading above it. What is particular to an option follows an arrow.
//!
//! clap's own derive does as much, but at a kilobyte of machine code for every option; a table costs a tenth.

use clap::{Arg, ArgMatches, Command};

use super::value::{Value, Values};

/// Declares options, and the struct that holds what was given for them.
macro_rules! options {
    (
        $(#[$about:meta])*
        pub struct $group:ident {
            $($(#[doc = $help:literal])+ $name:ident $($value_name:ident)?: $type:ty $(= $default:literal)? $(=> $also:expr)?,)+
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Default)]
        pub struct $group {
            $($(#[doc = $help])+ pub $name: $type,)+
        }

        impl clap::Args for $group {
            fn augment_args(command: clap::Command) -> clap::Command {
                #[allow(unused_mut, unused_assignments)]
                const OPTIONS: &[$crate::cli::option::Declared] = &[$({
                    let mut declared = $crate::cli::option::Declared {
                        name: stringify!($name),
                        help: concat!($($help),+),
                        value_name: None,
                        default: None,
                        values: <$type as $crate::cli::value::Value>::VALUES,
                        also: None,
                    };
                    $(declared.value_name = Some(stringify!($value_name));)?
                    $(declared.default = Some($default);)?
                    $(declared.also = Some($also);)?
                    declared
                }),+];
                $crate::cli::option::declare(command, stringify!($group), OPTIONS)
            }

            fn augment_args_for_update(command: clap::Command) -> clap::Command {
                Self::augment_args(command)
            }
        }

        impl clap::FromArgMatches for $group {
            fn from_arg_matches(matches: &clap::ArgMatches) -> Result<Self, clap::Error> {
                Self::from_arg_matches_mut(&mut matches.clone())
            }

            fn from_arg_matches_mut(matches: &mut clap::ArgMatches) -> Result<Self, clap::Error> {
                let mut read = Self::default();
                $($crate::cli::option::read(&mut read.$name, matches, stringify!($name));)+
                Ok(read)
            }

            fn update_from_arg_matches(&mut self, matches: &clap::ArgMatches) -> Result<(), clap::Error> {
                *self = Self::from_arg_matches(matches)?;
                Ok(())
            }
        }
    };
}

pub(super) use options;

/// An option as it was declared.
pub(super) struct Declared {
    /// Of the field, with underscores.
    pub(super) name: &'static str,
    /// The doc comment, with the spaces that its lines begin with.
    pub(super) help: &'static str,
    pub(super) value_name: Option<&'static str>,
    pub(super) default: Option<&'static str>,
    pub(super) values: Values,
    /// What no rule says.
    pub(super) also: Option<fn(Arg) -> Arg>,
}

/// Makes them clap's.
pub(super) fn declare(command: Command, heading: &'static str, options: &'static [Declared]) -> Command {
    command.args(options.iter().map(|option| {
        let arg = Arg::new(option.name)
            .long(option.name.replace('_', "-"))
            .env(format!("MCP_FERRY_{}", option.name.to_ascii_uppercase()))
            // It may be a secret.
            .hide_env_values(true)
            .help(option.help.trim_start())
            .help_heading(heading)
            .value_name(option.value_name)
            .default_value(option.default)
            .action(option.values.action())
            .ignore_case(matches!(option.values, Values::OneOf(_)))
            .value_parser(option.values);
        match option.also {
            Some(also) => also(arg),
            None => arg,
        }
    }))
}

/// Puts what was given for an option, or its default, into its field: a struct filled in place needs no code for the
/// fields that there would be when one fails.
pub(super) fn read<T: Value>(field: &mut T, matches: &mut ArgMatches, name: &str) {
    *field = T::read(texts(matches, name));
}

fn texts(matches: &mut ArgMatches, name: &str) -> Vec<String> {
    matches.remove_many(name).map(Iterator::collect).unwrap_or_default()
}
