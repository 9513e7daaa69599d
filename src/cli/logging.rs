//! What do people get to see of a run?

use clap::builder::{EnumValueParser, FalseyValueParser};
use clap::{Args, ValueEnum};

use super::OrDefault;
use crate::log::Level;

/// Where events go, and how many of them.
#[derive(Debug, Args)]
#[command(next_help_heading = "Logging")]
pub struct Logging {
    /// How much is said on stderr
    #[arg(
        long,
        value_name = "LEVEL",
        default_value = "warn",
        env = "MCP_FERRY_LOG_LEVEL",
        value_parser = OrDefault(EnumValueParser::<LogLevel>::new(), LogLevel::Warn)
    )]
    pub log_level: LogLevel,

    /// Say it in this file too, with the time; begun anew at 10 MB, the last one kept as FILE.1
    #[arg(long, value_name = "FILE", env = "MCP_FERRY_LOG_FILE")]
    pub log_file: Option<String>,

    /// Write every message and every header to this file as JSON lines, without secrets, for a report of a bug
    #[arg(long, value_name = "FILE", env = "MCP_FERRY_TRACE_FILE")]
    pub trace_file: Option<String>,

    /// Say everything on stderr and in a file under ~/.mcp-ferry/logs
    #[arg(long, env = "MCP_FERRY_DEBUG", value_parser = OrDefault(FalseyValueParser::new(), false))]
    pub debug: bool,

    /// Say nothing on stderr but where to log in
    #[arg(long, env = "MCP_FERRY_SILENT", value_parser = OrDefault(FalseyValueParser::new(), false))]
    pub silent: bool,
}

/// The levels of `--log-level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// What ends the program
    Error,
    /// What a person should look at
    Warn,
    /// Connections and sessions as they come and go
    Info,
    /// Every message's way, without its content
    Debug,
}

impl From<LogLevel> for Level {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::Error,
            LogLevel::Warn => Self::Warn,
            LogLevel::Info => Self::Info,
            LogLevel::Debug => Self::Debug,
        }
    }
}
