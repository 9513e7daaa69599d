//! What does the client get to see of the server?

use clap::Args;
use clap::builder::FalseyValueParser;

use super::OrDefault;

/// Which tools exist for the client.
#[derive(Debug, Args)]
#[command(next_help_heading = "Tools")]
pub struct Tools {
    /// Let the client see and call only tools of this name; `*` stands for anything (repeatable)
    #[arg(long, value_name = "GLOB", env = "MCP_FERRY_ALLOW_TOOL")]
    pub allow_tool: Vec<String>,

    /// Let the client neither see nor call tools of this name; `*` stands for anything (repeatable)
    #[arg(long, value_name = "GLOB", env = "MCP_FERRY_IGNORE_TOOL")]
    pub ignore_tool: Vec<String>,

    /// Let the client see and call only tools that the server declares to change nothing
    #[arg(long, env = "MCP_FERRY_READ_ONLY", value_parser = OrDefault(FalseyValueParser::new(), false))]
    pub read_only: bool,
}
