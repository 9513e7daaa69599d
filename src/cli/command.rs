//! Which commands can a user type? Without a command's name, the program is the bridge itself.

use clap::Parser;

use super::option::{OptionValue, complete};
use super::options::Options;

/// What the program was told to do.
#[derive(Debug)]
pub enum Command {
    /// Carry messages.
    Bridge(Cli),
    /// `login`
    Login(LoginCommand),
    /// `logout`
    Logout(LogoutCommand),
    /// `status`
    Status(StatusCommand),
}

impl Command {
    /// The server's address, as it was typed.
    pub fn url(&self) -> Option<&str> {
        match self {
            Self::Bridge(Cli { url, .. }) | Self::Login(LoginCommand { url, .. }) => Some(url),
            Self::Logout(LogoutCommand { url, .. }) | Self::Status(StatusCommand { url, .. }) => url.as_deref(),
        }
    }

    /// The same, to fill in the values.
    pub(super) fn options_mut(&mut self) -> &mut Options {
        match self {
            Self::Bridge(Cli { options, .. })
            | Self::Login(LoginCommand { options, .. })
            | Self::Logout(LogoutCommand { options, .. })
            | Self::Status(StatusCommand { options, .. }) => options,
        }
    }

    /// The options that every command has.
    pub fn options(&self) -> &Options {
        match self {
            Self::Bridge(Cli { options, .. })
            | Self::Login(LoginCommand { options, .. })
            | Self::Logout(LogoutCommand { options, .. })
            | Self::Status(StatusCommand { options, .. }) => options,
        }
    }
}

/// Reach a remote MCP server from a program that speaks MCP only over stdio.
#[derive(Debug, Parser)]
#[command(name = "mcp-ferry", version, after_help = AFTER_HELP, mut_args = complete)]
pub struct Cli {
    /// The server's MCP endpoint; `${VAR}` stands for an environment variable
    #[arg(value_name = "URL")]
    pub url: String,

    /// The port on this machine to which the browser returns after a login
    #[arg(value_name = "CALLBACK_PORT")]
    pub port: Option<u16>,

    /// The options that every command has.
    #[command(flatten)]
    pub options: Options,
}

/// Log in to a server, for all programs on this machine that use it.
#[derive(Debug, Parser)]
#[command(name = "mcp-ferry login", bin_name = "mcp-ferry login", version, mut_args = complete)]
#[allow(clippy::struct_excessive_bools)]
pub struct LoginCommand {
    /// The server's MCP endpoint, exactly as the programs that use it are configured
    #[arg(value_name = "URL")]
    pub url: String,

    /// The port on this machine to which the browser returns after the login
    #[arg(value_name = "CALLBACK_PORT")]
    pub port: Option<u16>,

    /// Do not open a browser: print the address, and read the address or code at which the browser ends from stdin
    #[arg(long, value_parser = bool::parser())]
    pub no_browser: bool,

    /// Print the address and exit; --complete finishes the login
    #[arg(long, value_parser = bool::parser())]
    pub no_wait: bool,

    /// Finish a login that --no-wait has begun: the address at which the browser ended
    #[arg(long, value_name = "REDIRECT_URL")]
    pub complete: Option<String>,

    /// Log in again, even if there is a login
    #[arg(long, value_parser = bool::parser())]
    pub force: bool,

    /// Print JSON, one object a line
    #[arg(long, value_parser = bool::parser())]
    pub json: bool,

    /// The options that every command has.
    #[command(flatten)]
    pub options: Options,
}

/// Delete a login, and have the authorization server revoke it.
#[derive(Debug, Parser)]
#[command(name = "mcp-ferry logout", bin_name = "mcp-ferry logout", version, mut_args = complete)]
pub struct LogoutCommand {
    /// The server to log out of
    #[arg(value_name = "URL", required_unless_present = "all")]
    pub url: Option<String>,

    /// Log out of all servers
    #[arg(long, value_parser = bool::parser())]
    pub all: bool,

    /// Print JSON, one object a line
    #[arg(long, value_parser = bool::parser())]
    pub json: bool,

    /// The options that every command has.
    #[command(flatten)]
    pub options: Options,
}

/// Show the logins of this machine, without their secrets.
#[derive(Debug, Parser)]
#[command(name = "mcp-ferry status", bin_name = "mcp-ferry status", version, mut_args = complete)]
pub struct StatusCommand {
    /// Show only this server's login
    #[arg(value_name = "URL")]
    pub url: Option<String>,

    /// Print JSON: an array of logins
    #[arg(long, value_parser = bool::parser())]
    pub json: bool,

    /// The options that every command has.
    #[command(flatten)]
    pub options: Options,
}

const AFTER_HELP: &str = "\
Commands:
  mcp-ferry login URL   log in to a server, for all programs on this machine that use it
  mcp-ferry logout URL  delete the login, and have the authorization server revoke it
  mcp-ferry status      show the logins of this machine

Environment and configuration:
  MCP_FERRY_<OPTION>         the value of an option that is not typed; 1 turns a switch on
  MCP_FERRY_HOME             the folder for the bridge's files [default: ~/.mcp-ferry]
  ~/.mcp-ferry/config.toml   options by their long names: at the top for every server,
                             in [servers.\"https://host/path\"] for one server

A typed option is used before the environment, and the environment before config.toml.

Exit status: 0 when the client closed stdin or stdout, or a signal ended the bridge; 1 when the bridge could not run, \
or could not keep a login; 2 when the arguments are wrong.";
