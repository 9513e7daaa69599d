//! What can a user type? All that knows clap: the commands and their options, and how arguments, the environment and
//! the configuration file are read into them.
//!
//! Rules for options: no short names but the usual ones; value names in upper case; the doc comment of an option is its
//! help; every option has an environment variable `MCP_FERRY_…` and can stand in the configuration file, because the
//! programs that start the bridge differ in what a user can configure.

// People read doc comments as help texts, without Markdown.
#![allow(clippy::doc_markdown)]

mod arguments;
mod command;
mod file;
mod login;
mod option;
mod options;
mod parse;
mod split_header;
mod text;

pub use command::{Cli, Command, LoginCommand, LogoutCommand, StatusCommand};
pub use login::Login;
pub use options::{Connection, Credentials, Logging, Network, Options, Tools};
pub use parse::{ParseError, Parsed, parse};

pub(crate) use split_header::is_auth_scheme;
pub(crate) use text::{expand, is_unset, is_variable_name, variables};

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::parse::LENIENT;
    use super::*;

    #[test]
    fn the_definitions_are_sound_and_every_option_has_its_variable() {
        let commands = [Cli::command(), LoginCommand::command(), LogoutCommand::command(), StatusCommand::command()];
        for command in commands {
            command.clone().debug_assert();
            for option in command.get_arguments().filter(|option| option.get_long().is_some()) {
                let variable = format!("MCP_FERRY_{}", option.get_id().as_str().to_ascii_uppercase());
                assert_eq!(option.get_env().and_then(|name| name.to_str()), Some(variable.as_str()));
            }
        }
    }

    #[test]
    fn lenient_options_exist() {
        let command = Cli::command();
        for lenient in LENIENT {
            assert!(command.get_opts().any(|option| lenient.strip_prefix("--") == option.get_long()), "{lenient}");
        }
    }
}
