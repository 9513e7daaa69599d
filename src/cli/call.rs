//! What can a user type to try a server? The commands `tools` and `call`.

use std::path::PathBuf;

use clap::Args;

use super::help;
use super::option::{OptionValue, complete};
use super::options::Options;

/// List the tools of a server, or show one with its schema
#[derive(Debug, Args)]
#[command(mut_args = complete, after_help = help::TOOLS)]
pub struct ToolsCommand {
    /// The server's MCP endpoint
    #[arg(value_name = "URL")]
    pub url: String,

    /// Show this tool alone: its description and its schema
    #[arg(value_name = "NAME")]
    pub name: Option<String>,

    /// Print the schema of the tool's arguments, and nothing else
    #[arg(long, value_parser = bool::parser(), requires = "name", conflicts_with = "json")]
    pub schema: bool,

    /// Print JSON: an array of tools as the server describes them, or the one tool
    #[arg(long, value_parser = bool::parser())]
    pub json: bool,

    /// The options that every command has.
    #[command(flatten)]
    pub options: Options,
}

/// Call a tool, read a resource or get a prompt
///
/// The types of arguments come from the tool's schema: n=3 is a number where the schema says so. What is missing or
/// unknown is told before the call. A value that begins with @ names a file; @@ stands for one @.
#[derive(Debug, Args)]
#[command(mut_args = complete, after_help = help::CALL)]
pub struct CallCommand {
    /// The server's MCP endpoint
    #[arg(value_name = "URL")]
    pub url: String,

    /// The tool to call; a name with :// is the URI of a resource to read
    #[arg(value_name = "TOOL", required_unless_present = "raw")]
    pub tool: Option<String>,

    /// NAME=VALUE, NAME:=JSON, NAME=@FILE, a JSON object, or - for a JSON object on stdin
    #[arg(value_name = "ARGUMENT")]
    pub arguments: Vec<String>,

    /// Get the prompt that has this name, instead of calling a tool
    #[arg(long, value_parser = bool::parser(), conflicts_with = "raw")]
    pub prompt: bool,

    /// Send this request as it is, and print its result as JSON
    #[arg(long, value_names = ["METHOD", "JSON"], num_args = 1..=2, conflicts_with_all = ["tool", "arguments"])]
    pub raw: Vec<String>,

    /// Write the result to this file: images, audio and other binary content, or else the text; - is stdout
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Print the whole result as JSON
    #[arg(long, value_parser = bool::parser())]
    pub json: bool,

    /// The options that every command has.
    #[command(flatten)]
    pub options: Options,
}
