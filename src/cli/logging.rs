//! Which events are shown or written, and where?

use super::option::options;
use super::value::one_of;
use crate::log::Level;

options! {
    /// Where events go, and how many of them.
    pub struct Logging {
        /// Which events are written to stderr: those of this level and of the levels before it
        log_level LEVEL: Level = "warn",

        /// Write events to this file too, with the time; at 10 MB it is renamed to FILE.1, and a new file begins
        log_file FILE: Option<String>,

        /// Write every message and every header to this file as JSON lines, without secrets, for a bug report
        trace_file FILE: Option<String>,

        /// Write events of every level to stderr and to a file under ~/.mcp-ferry/logs
        debug: bool,

        /// Write nothing to stderr except where to log in
        silent: bool,
    }
}

one_of! {
    Level {
        Error = "error", "Errors that end the program";
        Warn = "warn", "Problems that a person should look at";
        Info = "info", "Connections and sessions that open and close";
        Debug = "debug", "The way of every message, without its content";
    }
}
