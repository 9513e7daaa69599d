//! What can a user type to find out why a server does not work? The command `doctor`.

use clap::Args;

use super::help;
use super::option::{OptionValue, complete};
use super::options::Options;

/// Find out why a server does not work here, step by step
///
/// Nothing is changed: no login, no registration, no refresh, no file. Without a URL it looks at this machine and at the
/// configuration files of programs on it.
#[derive(Debug, Args)]
#[command(mut_args = complete, after_help = help::DOCTOR)]
#[allow(clippy::struct_excessive_bools)]
pub struct DoctorCommand {
    /// The server's MCP endpoint, exactly as the program that fails has it
    #[arg(value_name = "URL")]
    pub url: Option<String>,

    /// Count warnings as failures
    #[arg(long, value_parser = bool::parser())]
    pub strict: bool,

    /// List the codes of all causes, with what they mean
    #[arg(long, value_parser = bool::parser())]
    pub codes: bool,

    /// Print JSON
    #[arg(long, value_parser = bool::parser())]
    pub json: bool,

    /// The options that every command has.
    #[command(flatten)]
    pub options: Options,
}
