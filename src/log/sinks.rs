//! Where do lines go? To stderr and to the log file.

use std::fmt;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use time::OffsetDateTime;

use super::file::LogFile;
use super::foreign::{neutral, redact};
use super::level::{self, Level};
use super::progress::write_above;
use super::queue::Queue;

/// How many lines may wait to be written.
const LINES_WAITING: usize = 256;

/// Set once by [`super::start`]; every line is written through it. A static, so that a macro can log from anywhere.
static SINKS: OnceLock<Sinks> = OnceLock::new();

/// Each sink has a thread of its own, because writing to it may block.
struct Sinks {
    stderr: Queue,
    level: Option<Level>,
    file: Option<(Queue, Level)>,
}

impl Sinks {
    fn write_to_file(&self, word: &str, text: &str) {
        if let Some((file, _)) = &self.file {
            file.push(file_line(word, text));
        }
    }
}

/// A line of the log file: the time, the process id, the level and the text.
fn file_line(word: &str, text: &str) -> Vec<u8> {
    format!("{} [{}] {word}: {text}\n", timestamp(SystemTime::now()), std::process::id()).into_bytes()
}

/// Logs to stderr and this file from now on; false if logging has started already.
pub(super) fn start(level: Option<Level>, file: Option<(LogFile, Level)>) -> bool {
    let most_verbose = level.into_iter().chain(file.as_ref().map(|(_, level)| *level)).max();
    let lost = |count| file_line("warn", &format!("{count} lines are lost here"));
    let stderr = Queue::new(LINES_WAITING, |_| Vec::new(), |line: &Vec<u8>| write_above(line));
    let file = file.map(|(mut file, level)| (Queue::new(LINES_WAITING, lost, move |line| file.append(line)), level));
    let is_first = SINKS.set(Sinks { stderr, level, file }).is_ok();
    if is_first {
        most_verbose.into_iter().for_each(level::enable);
    }
    is_first
}

/// Writes a line of this level, without secrets. The macros of this module call it.
pub(crate) fn write_line(level: Level, text: fmt::Arguments<'_>) {
    let Some(sinks) = SINKS.get() else { return };
    let (word, text) = (level.word(), redact(&text.to_string()));
    if sinks.level.is_some_and(|most_verbose| level <= most_verbose) {
        sinks.stderr.push(format!("mcp-ferry: {word}: {text}\n").into_bytes());
    }
    if sinks.file.as_ref().is_some_and(|(_, most_verbose)| level <= *most_verbose) {
        sinks.write_to_file(word, &text);
    }
}

/// Writes a line to stderr at any level, for example the address of a login. On stderr nothing is redacted, because a
/// redacted address would not work; in the log file the line is redacted.
pub fn notice(text: &str) {
    let Some(sinks) = SINKS.get() else { return };
    sinks.stderr.push(format!("mcp-ferry: {}\n", neutral(text)).into_bytes());
    sinks.write_to_file("info", &redact(text));
}

/// Writes the error that ends the program to the log file; to stderr the program writes it itself, in another form.
pub fn fatal_error(text: &str) {
    if let Some(sinks) = SINKS.get() {
        sinks.write_to_file("error", &redact(text));
    }
}

/// Waits until all lines are written, but no longer than this for each sink.
pub(super) fn flush(stderr: Duration, file: Duration) {
    let Some(sinks) = SINKS.get() else { return };
    sinks.stderr.flush(stderr);
    if let Some((queue, _)) = &sinks.file {
        queue.flush(file);
    }
}

/// A time as in RFC 3339, in UTC, with milliseconds.
pub(super) fn timestamp(time: SystemTime) -> String {
    let time = OffsetDateTime::from(time);
    let (hour, minute, second, milliseconds) = time.to_hms_milli();
    format!("{}T{hour:02}:{minute:02}:{second:02}.{milliseconds:03}Z", time.date())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_in_rfc_3339() {
        let time = SystemTime::UNIX_EPOCH + Duration::new(951_782_400, 7_000_000);
        assert_eq!(timestamp(time), "2000-02-29T00:00:00.007Z");
    }
}
