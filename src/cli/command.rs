//! What can a user type besides the bridge itself? A command's word first, then much the same as without it.

use clap::Parser;
use clap::builder::FalseyValueParser;

use super::{Options, Typed};

/// Log in to a server, for all programs of this machine that use it.
#[derive(Debug, Parser)]
#[command(name = "mcp-ferry login", bin_name = "mcp-ferry login", version)]
#[allow(clippy::struct_excessive_bools)]
#[command(mut_args = |option| option.hide_env_values(true))]
pub struct LoginCommand {
    /// The server's MCP endpoint, as in the entries of the programs that use it
    #[arg(value_name = "URL")]
    pub url: String,

    /// The port on this machine to which the login comes back
    #[arg(value_name = "CALLBACK_PORT")]
    pub port: Option<u16>,

    /// Open no browser: show the address; paste here the address, or the code, that the browser ends at
    #[arg(long, env = "MCP_FERRY_NO_BROWSER", value_parser = FalseyValueParser::new())]
    pub no_browser: bool,

    /// Show the address and end; `--complete` finishes it
    #[arg(long, env = "MCP_FERRY_NO_WAIT", value_parser = FalseyValueParser::new())]
    pub no_wait: bool,

    /// Finish a login that was begun with --no-wait: the address that the browser ended at
    #[arg(long, value_name = "REDIRECT_URL", env = "MCP_FERRY_COMPLETE")]
    pub complete: Option<String>,

    /// Log in anew though there is a login
    #[arg(long, env = "MCP_FERRY_FORCE", value_parser = FalseyValueParser::new())]
    pub force: bool,

    /// Say it as JSON, one object a line
    #[arg(long, env = "MCP_FERRY_JSON", value_parser = FalseyValueParser::new())]
    pub json: bool,

    /// Everything else.
    #[command(flatten)]
    pub options: Options,
}

/// Forget a login, and have the authorization server forget it too.
#[derive(Debug, Parser)]
#[command(name = "mcp-ferry logout", bin_name = "mcp-ferry logout", version)]
#[command(mut_args = |option| option.hide_env_values(true))]
pub struct LogoutCommand {
    /// The server to log out of
    #[arg(value_name = "URL", required_unless_present = "all")]
    pub url: Option<String>,

    /// All servers
    #[arg(long, env = "MCP_FERRY_ALL", value_parser = FalseyValueParser::new())]
    pub all: bool,

    /// Say it as JSON, one object a line
    #[arg(long, env = "MCP_FERRY_JSON", value_parser = FalseyValueParser::new())]
    pub json: bool,

    /// Everything else.
    #[command(flatten)]
    pub options: Options,
}

/// Show the logins of this machine, without their secrets.
#[derive(Debug, Parser)]
#[command(name = "mcp-ferry status", bin_name = "mcp-ferry status", version)]
#[command(mut_args = |option| option.hide_env_values(true))]
pub struct StatusCommand {
    /// This server alone
    #[arg(value_name = "URL")]
    pub url: Option<String>,

    /// Say it as JSON: an array of logins
    #[arg(long, env = "MCP_FERRY_JSON", value_parser = FalseyValueParser::new())]
    pub json: bool,

    /// Everything else.
    #[command(flatten)]
    pub options: Options,
}

impl Typed for LoginCommand {
    fn url(&self) -> Option<&str> {
        Some(&self.url)
    }

    fn options(&self) -> &Options {
        &self.options
    }
}

impl Typed for LogoutCommand {
    fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    fn options(&self) -> &Options {
        &self.options
    }
}

impl Typed for StatusCommand {
    fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    fn options(&self) -> &Options {
        &self.options
    }
}
