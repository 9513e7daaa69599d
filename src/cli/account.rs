//! What can a user type for logins? The commands `login`, `logout` and `status`.

use clap::Args;

use super::help;
use super::option::{OptionValue, complete};
use super::options::Options;

/// Log in to a server, for all programs on this machine that use it
#[derive(Debug, Args)]
#[command(mut_args = complete, after_help = help::LOGIN)]
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

/// Delete a login, and have the authorization server revoke it
#[derive(Debug, Args)]
#[command(mut_args = complete, after_help = help::LOGOUT)]
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

/// Show the logins of this machine, without their secrets
#[derive(Debug, Args)]
#[command(mut_args = complete, after_help = help::STATUS)]
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
