//! What can a user type? All that knows clap: the commands and their options, and how arguments, the environment and
//! the configuration file are read into them.
//!
//! Rules for options: no short names but the usual ones; value names in upper case; the doc comment of an option is its
//! help; every option has an environment variable `MCP_FERRY_…` and can stand in the configuration file, because the
//! programs that start the bridge differ in what a user can configure.

// People read doc comments as help texts, without Markdown.
#![allow(clippy::doc_markdown)]

mod account;
mod arguments;
mod bundle;
mod call;
mod command;
mod doctor;
mod file;
mod help;
mod install;
mod login;
mod option;
mod options;
mod parse;
mod split_header;

pub use account::{LoginCommand, LogoutCommand, StatusCommand};
pub use bundle::BundleCommand;
pub use call::{CallCommand, ToolsCommand};
pub use command::{BridgeCommand, Command, tree};
pub use doctor::DoctorCommand;
pub use install::{Changes, InstallCommand, UninstallCommand};
pub use login::Login;
pub use options::{Connection, Credentials, Logging, Network, Options, Tools};
pub use parse::{ParseError, Parsed, parse};

pub(crate) use split_header::is_auth_scheme;

#[cfg(test)]
mod tests;
