//! Which commands can a user type? Without a command's name, the program is the bridge itself.
//!
//! A command is a struct with the fields `url` and `options`, a variant of [`Command`], and a line of `each_command!`.

use clap::{CommandFactory, Parser, Subcommand};

use super::account::{LoginCommand, LogoutCommand, StatusCommand};
use super::bundle::BundleCommand;
use super::call::{CallCommand, ToolsCommand};
use super::doctor::DoctorCommand;
use super::help;
use super::install::{InstallCommand, UninstallCommand};
use super::option::complete;
use super::options::Options;

/// All that can be typed, as clap's command with subcommands. Options of a subcommand are added when they are needed:
/// a bridge starts without them.
pub fn tree() -> clap::Command {
    Tree::command()
}

/// Reach a remote MCP server from a program that speaks MCP only over stdio.
#[derive(Parser)]
#[command(name = "mcp-ferry", version, mut_args = complete)]
#[command(after_help = help::EXAMPLES, after_long_help = help::LONG)]
#[command(subcommand_negates_reqs = true, args_conflicts_with_subcommands = true)]
struct Tree {
    #[command(flatten)]
    _bridge: BridgeCommand,
    #[command(subcommand)]
    _command: Option<Command>,
}

/// What the program was told to do.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum Command {
    /// Carry messages.
    #[command(skip)]
    Bridge(BridgeCommand),

    /// Add a server to the configuration of the programs that are to use it
    Install(InstallCommand),

    /// Take a server out of the configuration of programs again
    Uninstall(UninstallCommand),

    /// Make an extension (.mcpb) for a server, which others install with a click
    Bundle(Box<BundleCommand>),

    /// Log in to a server, for all programs on this machine that use it
    Login(LoginCommand),

    /// Delete a login, and have the authorization server revoke it
    Logout(LogoutCommand),

    /// Show the logins of this machine, without their secrets
    Status(StatusCommand),

    /// List the tools of a server, or show one with its schema
    Tools(ToolsCommand),

    /// Call a tool, read a resource or get a prompt
    Call(CallCommand),

    /// Find out why a server does not work here, step by step
    Doctor(DoctorCommand),
}

/// The same expression for the arguments of whichever command it is.
macro_rules! each_command {
    ($command:expr, $typed:ident => $value:expr) => {
        match $command {
            Command::Bridge($typed) => $value,
            Command::Install($typed) => $value,
            Command::Uninstall($typed) => $value,
            Command::Bundle($typed) => $value,
            Command::Login($typed) => $value,
            Command::Logout($typed) => $value,
            Command::Status($typed) => $value,
            Command::Tools($typed) => $value,
            Command::Call($typed) => $value,
            Command::Doctor($typed) => $value,
        }
    };
}

impl Command {
    /// The server's address, as it was typed.
    pub fn url(&self) -> Option<&str> {
        each_command!(self, typed => typed.url.as_typed())
    }

    /// The options that every command has.
    pub fn options(&self) -> &Options {
        each_command!(self, typed => &typed.options)
    }

    /// The same, to fill in the values.
    pub(super) fn options_mut(&mut self) -> &mut Options {
        each_command!(self, typed => &mut typed.options)
    }
}

/// The type of a command's `url`: some commands need none.
trait Address {
    fn as_typed(&self) -> Option<&str>;
}

impl Address for String {
    fn as_typed(&self) -> Option<&str> {
        Some(self)
    }
}

impl Address for Option<String> {
    fn as_typed(&self) -> Option<&str> {
        self.as_deref()
    }
}

/// The bridge, which has no command's name.
#[derive(Debug, Parser)]
pub struct BridgeCommand {
    /// The server's MCP endpoint; `${VAR}` stands for an environment variable
    #[arg(value_name = "URL", hide_short_help = true)]
    pub url: String,

    /// The port on this machine to which the browser returns after a login
    #[arg(value_name = "CALLBACK_PORT", hide_short_help = true)]
    pub port: Option<u16>,

    /// The options that every command has.
    #[command(flatten)]
    pub options: Options,
}
