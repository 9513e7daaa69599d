//! How do we speak to people?
//!
//! One line per event on stderr, quiet by default. Secrets never get this far: they live in [`Secret`], and whatever a server
//! says back to us goes through [`redact`], because servers quote paths and headers.

use std::fmt;
use std::sync::{PoisonError, RwLock};

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

/// Sends log lines of this level and above to stderr. Once a process; later calls change nothing.
pub fn start(level: tracing::Level) {
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).event_format(OneLine);
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
        use fmt::Write;
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
