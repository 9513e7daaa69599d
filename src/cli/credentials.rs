//! What does the server get to see of the user?

use clap::Args;

/// Headers and tokens that the user has.
#[derive(Debug, Args)]
#[command(next_help_heading = "Credentials")]
pub struct Credentials {
    /// A header for the server, `Name: value`; `${VAR}` is taken from the environment (repeatable)
    #[arg(long, value_name = "HEADER", env = "MCP_FERRY_HEADER", hide_env_values = true)]
    pub header: Vec<String>,

    /// A file of headers, one `Name: value` a line, `#` for comments (repeatable)
    #[arg(long, value_name = "FILE", env = "MCP_FERRY_HEADER_FILE")]
    pub header_file: Vec<String>,

    /// The environment variable that holds the bearer token
    #[arg(long, value_name = "VAR", env = "MCP_FERRY_BEARER_TOKEN_ENV")]
    pub bearer_token_env: Option<String>,

    /// The file that holds the bearer token; read again when the server refuses it
    #[arg(long, value_name = "FILE", env = "MCP_FERRY_BEARER_TOKEN_FILE")]
    pub bearer_token_file: Option<String>,

    /// A command that prints the bearer token (no shell); run again when the server refuses it
    #[arg(long, value_name = "CMD", env = "MCP_FERRY_TOKEN_COMMAND", hide_env_values = true)]
    pub token_command: Option<String>,
}
