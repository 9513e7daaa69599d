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
mod connection;
mod credentials;
mod file;
mod logging;
mod login;
mod network;
mod option;
mod parse;
mod split_header;
mod text;
mod tools;
mod value;

pub use command::{Cli, Command, LoginCommand, LogoutCommand, Options, StatusCommand};
pub use connection::Connection;
pub use credentials::Credentials;
pub use logging::Logging;
pub use login::Login;
pub use network::Network;
pub use parse::{ParseError, Parsed, parse};
pub use tools::Tools;

pub(crate) use split_header::is_auth_scheme;
pub(crate) use text::{expand, is_unset, is_variable_name, variables};

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::parse::LENIENT;
    use super::*;
    use crate::auth::AuthMode;
    use crate::auth::settings::DpopChoice;
    use crate::auth::store::KeptIn;
    use crate::log::Level;
    use crate::upstream::{ClientProtocol, Protocol, TransportStrategy};

    #[test]
    fn the_definition_is_sound_and_every_option_has_its_variable() {
        let command = Cli::command();
        command.clone().debug_assert();
        let options = command.get_arguments().filter(|option| option.get_long().is_some());
        for option in options.filter(|option| !["help", "version"].contains(&option.get_id().as_str())) {
            let variable = format!("MCP_FERRY_{}", option.get_id().as_str().to_ascii_uppercase());
            assert_eq!(option.get_env().and_then(|name| name.to_str()), Some(variable.as_str()));
        }
    }

    #[test]
    fn lenient_options_exist() {
        let command = Cli::command();
        for lenient in LENIENT {
            assert!(command.get_opts().any(|option| lenient.strip_prefix("--") == option.get_long()), "{lenient}");
        }
    }

    #[test]
    fn an_option_s_default_is_its_type_s_default() {
        let command = Cli::command();
        let default = |id: &str| {
            let option = command.get_opts().find(|option| option.get_id() == id);
            option.and_then(|option| option.get_default_values().first()?.to_str())
        };
        assert_eq!(default("transport"), name(&TransportStrategy::default()).as_deref());
        assert_eq!(default("protocol"), name(&Protocol::default()).as_deref());
        assert_eq!(default("client_protocol"), name(&ClientProtocol::default()).as_deref());
        assert_eq!(default("auth"), name(&AuthMode::default()).as_deref());
        assert_eq!(default("dpop"), name(&DpopChoice::default()).as_deref());
        assert_eq!(default("token_store"), name(&KeptIn::default()).as_deref());
        assert_eq!(default("log_level"), name(&Level::default()).as_deref());
    }

    fn name(choice: &impl clap::ValueEnum) -> Option<String> {
        choice.to_possible_value().map(|value| value.get_name().to_owned())
    }
}
