//! How does the program talk to people?
//!
//! One line per event on stderr, quiet by default; with a time also in a log file, if the user wants one. A [`trace`]
//! for a bug report is a third thing: all that is sent and received. No secret gets into any of them: secrets live in
//! [`Secret`], and every text that a server sends goes through [`foreign()`], because servers quote paths and headers, and
//! write what acts on a terminal or a model.

mod escapes;
mod file;
mod foreign;
mod known;
mod level;
mod plain;
mod progress;
mod queue;
mod secret;
mod sinks;
pub mod trace;

use std::path::PathBuf;
use std::time::Duration;

use file::LogFile;

pub use foreign::{foreign, foreign_bytes, foreign_name, neutral, neutral_json, redact, redact_start, shell_word};
pub use level::Level;
pub(crate) use level::{at, debug, error, info, is_enabled, warn};
pub use progress::show_progress;
pub use secret::{Secret, hide, hide_named, hide_url, is_part_of_secret, is_secret, longest_secret};
pub(crate) use sinks::write_line;
pub use sinks::{fatal_error, notice};

/// How long the end of the process waits for the last lines on stderr. A host that keeps stderr open but never reads it
/// must not delay the end any longer.
const STDERR_TIMEOUT: Duration = Duration::from_millis(100);

/// The same for files, where writing does not depend on a reader.
const FILE_TIMEOUT: Duration = Duration::from_secs(2);

/// What is logged, and where.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The level on stderr; with `None` only [`notice`]s are written there.
    pub stderr: Option<Level>,
    /// The file of `--log-file`, and its own level.
    pub file: Option<(PathBuf, Level)>,
    /// The file of `--trace-file`.
    pub trace: Option<PathBuf>,
}

/// Starts logging with these options. Only the first call in a process has an effect. A file that cannot be opened
/// causes one warning.
pub fn start(options: Options) {
    let mut warnings = Vec::new();
    let mut open = |path: PathBuf, limit| {
        let file = LogFile::open(&path, limit);
        file.map_err(|error| warnings.push(format!("cannot write to {}: {error}", path.display()))).ok()
    };
    let file = options.file.and_then(|(path, level)| Some((open(path, Some(file::LIMIT))?, level)));
    let trace = options.trace.and_then(|path| open(path, None));
    if !sinks::start(options.stderr, file) {
        return;
    }
    if let Some(file) = trace {
        trace::start(file);
    }
    for warning in warnings {
        warn!("{warning}");
    }
}

/// Waits until the last lines are written, but not long.
pub fn flush() {
    sinks::flush(STDERR_TIMEOUT, FILE_TIMEOUT);
    trace::flush(FILE_TIMEOUT);
}

/// Makes a panic one line of the log, without the panic's text, which may hold a secret.
pub fn hook_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        error!("a bug in the bridge at {place}");
    }));
}
