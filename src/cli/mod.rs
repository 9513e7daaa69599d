//! What can a user type? clap types and help text, nothing else.
//!
//! House rules: no short flags but the usual ones; value names in upper case; the first line of a doc comment is the
//! short help and says what it is for; every option has an environment variable `MCP_FERRY_…` and can stand in the
//! configuration file, because hosts differ in what they let one configure.

// Doc comments are help texts here, and people read those without Markdown.
#![allow(clippy::doc_markdown)]

mod command;
mod connection;
mod credentials;
mod logging;
mod login;
mod network;
mod option;
mod tools;
mod value;

use clap::{Args, Parser};

pub use command::{LoginCommand, LogoutCommand, StatusCommand};
pub use connection::Connection;
pub use credentials::Credentials;
pub use logging::Logging;
pub use login::Login;
pub use network::Network;
pub use tools::Tools;

/// Reach a remote MCP server from a program that speaks MCP only over stdio.
#[derive(Debug, Parser)]
#[command(name = "mcp-ferry", version, about, after_help = AFTER_HELP)]
pub struct Cli {
    /// The server's MCP endpoint; `${VAR}` is taken from the environment
    #[arg(value_name = "URL")]
    pub url: String,

    /// The port on this machine to which a login comes back
    #[arg(value_name = "CALLBACK_PORT")]
    pub port: Option<u16>,

    /// Everything else.
    #[command(flatten)]
    pub options: Options,
}

/// All that can be said of a server besides where it is.
#[derive(Debug, Args)]
pub struct Options {
    /// What the server gets to see.
    #[command(flatten)]
    pub credentials: Credentials,
    /// How it is spoken to.
    #[command(flatten)]
    pub connection: Connection,
    /// How it is reached.
    #[command(flatten)]
    pub network: Network,
    /// What the client gets to see.
    #[command(flatten)]
    pub tools: Tools,
    /// How a login goes.
    #[command(flatten)]
    pub login: Login,
    /// What people get to see.
    #[command(flatten)]
    pub logging: Logging,
}

/// What every command line has in common.
pub trait Typed {
    /// The server, as it was typed.
    fn url(&self) -> Option<&str>;
    /// Everything else.
    fn options(&self) -> &Options;
}

impl Typed for Cli {
    fn url(&self) -> Option<&str> {
        Some(&self.url)
    }

    fn options(&self) -> &Options {
        &self.options
    }
}

const AFTER_HELP: &str = "\
Commands:
  mcp-ferry login URL   log in to a server, for all programs of this machine that use it
  mcp-ferry logout URL  forget the login, and have the authorization server forget it
  mcp-ferry status      show the logins of this machine

Environment and configuration:
  MCP_FERRY_<OPTION>         a value for any option above that is not typed; a switch is on with 1
  MCP_FERRY_HOME             where the bridge keeps what it remembers [default: ~/.mcp-ferry]
  ~/.mcp-ferry/config.toml   options by their long names, for every server or in [servers.\"https://host/path\"] for one; \
what is typed goes before the environment, that before this file

Exit status: 0 when the client closed stdin or stdout or a signal asked for the end, 1 when the bridge could not run, \
2 when the arguments are wrong.";

/// Options whose values, where they make no sense, are passed over with a warning: configurations written for another
/// bridge have them, and there they never kept anything from running.
pub const FORGIVING: [&str; 7] = [
    "--transport",
    "--protocol",
    "--connect-timeout",
    "--headers-timeout",
    "--body-timeout",
    "--ping-interval",
    "--auth-timeout",
];

/// Options that are not passed over for want of a value: where tokens come from, and where a person is sent.
pub const STRICT: [&str; 2] = ["token-endpoint", "auth-success-url"];

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::auth::AuthMode;
    use crate::auth::DpopChoice;
    use crate::auth::KeptIn;
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
    fn what_is_forgiven_is_an_option() {
        let command = Cli::command();
        for forgiven in FORGIVING {
            assert!(command.get_opts().any(|option| forgiven.strip_prefix("--") == option.get_long()), "{forgiven}");
        }
    }

    #[test]
    fn what_is_not_given_is_the_type_s_own_default() {
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
