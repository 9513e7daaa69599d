//! How is an option declared? In one line: the rest are rules, so that no option can differ from the others.
//!
//! `transport STRATEGY: TransportStrategy = "http-first"` is the field `transport`, typed as `--transport <STRATEGY>`,
//! in the environment `MCP_FERRY_TRANSPORT`, by default `http-first`. The type says which values are valid, the doc
//! comment is the help, and the struct's name is the heading above it. An attribute of clap that only one option has
//! follows an arrow.

use clap::Arg;

/// Declares a group of options, and the struct that holds their values.
macro_rules! options {
    (
        $(#[$about:meta])*
        pub struct $group:ident {
            $($(#[$help:meta])+ $name:ident $($value_name:ident)?: $type:ty $(= $default:literal)? $(=> $attribute:meta)?,)+
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, clap::Args)]
        #[command(next_help_heading = stringify!($group))]
        pub struct $group {
            $(
                $(#[$help])+
                #[arg(long, $(value_name = stringify!($value_name),)? $(default_value = $default,)?)]
                #[arg(value_parser = <$type as $crate::cli::value::OptionValue>::parser())]
                $(#[arg($attribute)])?
                pub $name: $type,
            )+
        }
    };
}

pub(super) use options;

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
