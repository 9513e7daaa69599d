//! What do people get to see of a run?

use super::option::options;
use super::value::one_of;
use crate::log::Level;

options! {
    /// Where events go, and how many of them.
    pub struct Logging {
        /// How much is said on stderr
        log_level LEVEL: Level = "warn",

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

one_of! {
    Level {
        Error = "error", "What ends the program";
        Warn = "warn", "What a person should look at";
        Info = "info", "Connections and sessions as they come and go";
        Debug = "debug", "Every message's way, without its content";
    }
}
