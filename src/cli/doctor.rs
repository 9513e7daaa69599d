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

    /// Start this entry of a client's configuration as the client does, and walk the way to its server
    #[arg(long, value_name = "NAME", conflicts_with = "url")]
    pub entry: Option<String>,

    /// The client whose entry is meant, if several have one of this name
    #[arg(long, value_name = "CLIENT", requires = "entry")]
    pub client: Option<String>,

    /// Look with the environment that this client passes on to the programs that it starts: claude-desktop, codex,
    /// gemini and others
    #[arg(long = "as", value_name = "CLIENT")]
    pub as_client: Option<String>,

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
