//! What do people get to see of a run?

use clap::ValueEnum;

use super::option::options;
use super::value::one_of;
use crate::log::Level;

options! {
    /// Where events go, and how many of them.
    pub struct Logging {
        /// How much is said on stderr
        log_level LEVEL: LogLevel = "warn",

        /// Say it in this file too, with the time; begun anew at 10 MB, the last one kept as FILE.1
        log_file FILE: Option<String>,

        /// Write every message and every header to this file as JSON lines, without secrets, for a report of a bug
        trace_file FILE: Option<String>,

        /// Say everything on stderr and in a file under ~/.mcp-ferry/logs
        debug: bool,

        /// Say nothing on stderr but where to log in
        silent: bool,
    }
}

one_of!(LogLevel);

/// The levels of `--log-level`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// What ends the program
    Error,
    /// What a person should look at
    #[default]
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
