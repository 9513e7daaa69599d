//! How do we speak to people?
//!
//! One line per event on stderr, quiet by default; with the time of day also in a file, where one is wanted. A
//! [`trace`] for a bug report is a third thing: what went over the wire. Secrets get into none of them: they live in
//! [`Secret`], and whatever a server says back to us goes through [`redact`], because servers quote paths and headers.

mod file;
mod level;
mod queue;
mod secret;
pub mod trace;

use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use file::LogFile;
use queue::Queue;

pub use level::{Level, wants};
pub(crate) use level::{at, debug, error, info, warn};
pub use secret::{Secret, hide, hide_url, longest_secret, redact};

/// How long the end of the process waits for the last lines. A host that keeps stderr open but never reads it gets no
/// more.
const LAST_LINES: Duration = Duration::from_millis(100);

/// The same for files, which nobody can refuse to read.
const LAST_RECORDS: Duration = Duration::from_secs(2);

/// Lines that may wait to be written.
const LINES_WAITING: usize = 256;

/// Where things are said, and how much.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The level on stderr; nothing but [`notice`]s where it is `None`.
    pub stderr: Option<Level>,
    /// The file of `--log-file`, and its own level.
    pub file: Option<(PathBuf, Level)>,
    /// The file of `--trace-file`.
    pub trace: Option<PathBuf>,
}

static SINKS: OnceLock<Sinks> = OnceLock::new();

/// Where lines go. Each way has a thread of its own, because each may block.
struct Sinks {
    stderr: Queue,
    level: Option<Level>,
    file: Option<(Queue, Level)>,
}

impl Sinks {
    fn say(&self, level: Level, text: &str) {
        let word = level.word();
        if self.level.is_some_and(|most| level <= most) {
            self.stderr.push(format!("mcp-ferry: {word}: {text}\n").into_bytes());
        }
        if let Some((file, _)) = self.file.as_ref().filter(|(_, most)| level <= *most) {
            file.push(stamped(word, text));
        }
    }
}

/// A line of the log file: RFC 3339 in UTC, the process, what is said.
fn stamped(word: &str, text: &str) -> Vec<u8> {
    format!("{} [{}] {word}: {text}\n", timestamp(SystemTime::now()), std::process::id()).into_bytes()
}

/// Sends what is said from now on where these options want it. Once a process; later calls change nothing. A file that
/// cannot be opened is one warning.
pub fn start(options: Options) {
    let mut complaints = Vec::new();
    let mut open = |path: PathBuf, limit| {
        let opened = LogFile::open(&path, limit);
        opened.map_err(|error| complaints.push(format!("cannot write to {}: {error}", path.display()))).ok()
    };
    let file = options.file.and_then(|(path, level)| Some((open(path, Some(file::LIMIT))?, level)));
    let trace = options.trace.and_then(|path| open(path, None));
    let lost = |count| stamped("warn", &format!("{count} lines are lost here"));
    let sinks = Sinks {
        stderr: Queue::new(LINES_WAITING, |_| Vec::new(), |line| drop(std::io::stderr().write_all(line))),
        level: options.stderr,
        file: file.map(|(mut file, level)| (Queue::new(LINES_WAITING, lost, move |line| file.append(line)), level)),
    };
    let most = sinks.level.into_iter().chain(sinks.file.as_ref().map(|(_, level)| *level)).max();
    if SINKS.set(sinks).is_err() {
        return;
    }
    most.into_iter().for_each(level::listen);
    if let Some(file) = trace {
        trace::start(file);
    }
    for complaint in complaints {
        warn!("{complaint}");
    }
}

/// Says a line whatever the level on stderr: where to log in. An address that was redacted would lead nowhere, so
/// nothing of it is; the file, which nobody opens addresses from, gets it redacted.
pub fn notice(text: &str) {
    let Some(sinks) = SINKS.get() else { return };
    let line: String = text.chars().filter(|c| !c.is_control()).collect();
    sinks.stderr.push(format!("mcp-ferry: {line}\n").into_bytes());
    record("info", &redact(text));
}

/// What ends the program, for the file alone: stderr gets it in a shape of its own.
pub fn last_words(text: &str) {
    record("error", &redact(text));
}

fn record(word: &str, text: &str) {
    if let Some((file, _)) = SINKS.get().and_then(|sinks| sinks.file.as_ref()) {
        file.push(stamped(word, text));
    }
}

/// Sees the last lines out, if somebody reads them.
pub fn finish() {
    let Some(sinks) = SINKS.get() else { return };
    sinks.stderr.flush(LAST_LINES);
    if let Some((file, _)) = &sinks.file {
        file.flush(LAST_RECORDS);
    }
    trace::finish(LAST_RECORDS);
}

/// A bug is told in one line too, and without secrets. Where it was is in it; the rest is in a debugger.
pub fn hook_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        error!("a bug in the bridge at {place}");
    }));
}

/// Says a line at this level, without secrets. What the macros of this module come to.
pub fn say(level: Level, what: fmt::Arguments<'_>) {
    if let Some(sinks) = SINKS.get() {
        sinks.say(level, &redact(&what.to_string()));
    }
}

/// A time as RFC 3339 has it, in UTC, with milliseconds.
fn timestamp(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let (days, seconds) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", since.subsec_millis())
}

/// Year, month and day of the Gregorian calendar, from days since 1970. Years are counted from March, so that the leap
/// day is the last of its year.
fn date(days: u64) -> (u64, u64, u64) {
    const DAYS_TO_1970: u64 = 719_468;
    const IN_400_YEARS: u64 = 146_097;
    let days = days + DAYS_TO_1970;
    let (cycle, day_of_cycle) = (days / IN_400_YEARS, days % IN_400_YEARS);
    let year_of_cycle =
        (day_of_cycle - day_of_cycle / 1_460 + day_of_cycle / 36_524 - day_of_cycle / (IN_400_YEARS - 1)) / 365;
    let day_of_year = day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let months_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * months_from_march + 2) / 5 + 1;
    let month = if months_from_march < 10 { months_from_march + 3 } else { months_from_march - 9 };
    (cycle * 400 + year_of_cycle + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_rfc_3339_has_them() {
        for (seconds, told) in [
            (0, "1970-01-01T00:00:00.007Z"),
            (951_782_399, "2000-02-28T23:59:59.007Z"),
            (951_782_400, "2000-02-29T00:00:00.007Z"),
            (1_740_787_200, "2025-03-01T00:00:00.007Z"),
            (4_107_542_400, "2100-03-01T00:00:00.007Z"),
            (1_798_761_599, "2026-12-31T23:59:59.007Z"),
        ] {
            let time = SystemTime::UNIX_EPOCH + Duration::new(seconds, 7_000_000);
            assert_eq!(timestamp(time), told);
        }
    }
}
