//! How do we speak to people?
//!
//! One line per event on stderr, quiet by default. Secrets never get this far: they live in [`Secret`], and whatever a server
//! says back to us goes through [`redact`], because servers quote paths and headers.

use std::fmt;
use std::io::Write;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{OnceLock, PoisonError, RwLock};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// Values too short to be a secret; redacting them would only garble sentences.
const SHORTEST_SECRET: usize = 6;

static SECRETS: RwLock<Vec<String>> = RwLock::new(Vec::new());

/// A value that is not to be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Also has it redacted from whatever is said from now on.
    pub fn new(value: impl Into<String>) -> Self {
        let value = value.into();
        hide(&value);
        Self(value)
    }

    /// The value, for sending.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Only for files that are the user's alone: what is known of a login.
impl serde::Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Has a value, and each long word of it, redacted from whatever is said from now on.
pub fn hide(value: &str) {
    let mut secrets = SECRETS.write().unwrap_or_else(PoisonError::into_inner);
    for part in std::iter::once(value).chain(value.split_ascii_whitespace()) {
        if part.len() >= SHORTEST_SECRET && !secrets.iter().any(|known| known == part) {
            secrets.push(part.to_owned());
        }
    }
    // The whole before its parts, or the rest of it would stand there.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
}

/// The length of the longest value that is redacted, in bytes.
pub fn longest_secret() -> usize {
    SECRETS.read().unwrap_or_else(PoisonError::into_inner).first().map_or(0, String::len)
}

/// The text without secrets and without control characters, which a terminal would obey.
pub fn redact(text: &str) -> String {
    let secrets = SECRETS.read().unwrap_or_else(PoisonError::into_inner);
    let mut text = text.to_owned();
    for secret in secrets.iter() {
        if text.contains(secret) {
            text = text.replace(secret, "***");
        }
    }
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Lines that may wait for stderr. A host that keeps stderr open but never reads it must not stop the protocol.
const LINES_WAITING: usize = 256;

/// How long the end of the process waits for the last of them.
const LAST_LINES: Duration = Duration::from_millis(100);

static LINES: OnceLock<SyncSender<Said>> = OnceLock::new();

enum Said {
    Line(Vec<u8>),
    /// Tells when all before is written.
    Flush(SyncSender<()>),
}

/// Hands each line to a thread that may block; a line for which there is no room is lost.
struct Stderr;

impl Write for Stderr {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let lines = LINES.get_or_init(|| {
            let (lines, waiting) = sync_channel(LINES_WAITING);
            std::thread::spawn(move || write_lines(&waiting));
            lines
        });
        lines.try_send(Said::Line(line.to_vec())).ok();
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn write_lines(waiting: &Receiver<Said>) {
    while let Ok(said) = waiting.recv() {
        match said {
            Said::Line(line) => drop(std::io::stderr().write_all(&line)),
            Said::Flush(done) => drop(done.try_send(())),
        }
    }
}

/// Sees the last lines out, if somebody reads them.
pub fn finish() {
    let Some(lines) = LINES.get() else { return };
    let (done, written) = sync_channel(1);
    if lines.try_send(Said::Flush(done)).is_ok() {
        written.recv_timeout(LAST_LINES).ok();
    }
}

/// A bug is told in one line too, and without secrets. Where it was is in it; the rest is in a debugger.
pub fn hook_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!("a bug in the bridge at {place}");
    }));
}

/// Sends log lines of this level and above to stderr. Once a process; later calls change nothing.
pub fn start(level: tracing::Level) {
    let layer = tracing_subscriber::fmt::layer().with_writer(|| Stderr).event_format(OneLine);
    let ours = Targets::new().with_target("mcp_ferry", level);
    tracing_subscriber::registry().with(ours).with(layer).try_init().ok();
}

struct OneLine;

impl<S, N> FormatEvent<S, N> for OneLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut line = Line(String::new());
        event.record(&mut line);
        let level = event.metadata().level().as_str().to_ascii_lowercase();
        writeln!(writer, "mcp-ferry: {level}: {}", redact(&line.0))
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        use fmt::Write as _;
        if field.name() == "message" {
            let rest = std::mem::take(&mut self.0);
            write!(self.0, "{value:?}{rest}").ok();
        } else {
            write!(self.0, " {}={value:?}", field.name()).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_redacted_whole_and_in_parts() {
        let secret = Secret::new("Bearer sk-marked-secret");
        assert_eq!(redact("got 'Bearer sk-marked-secret'\n"), "got '***' ");
        assert_eq!(redact("token sk-marked-secret\u{1b}[2J"), "token *** [2J");
        assert_eq!(format!("{secret:?}"), "(secret)");
    }
}
