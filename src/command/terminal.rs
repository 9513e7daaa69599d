//! What does a person at a terminal see besides results? Marks, colours, one line of progress, and texts of servers made
//! harmless.

use std::io::{IsTerminal, Write};

use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice};

use crate::log;

/// Whether a person can be asked: questions go to stderr, answers come from stdin.
pub(super) fn is_interactive() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Whether this stream gets colours, marks and a line of progress: by the rule of the help's colours, a terminal unless
/// `NO_COLOR` or `TERM=dumb`, and with `CLICOLOR_FORCE` anything.
pub(super) fn is_styled(stream: &impl RawStream) -> bool {
    AutoStream::choice(stream) != ColorChoice::Never
}

/// A text of several lines, without characters that act on a terminal or deceive the eye. All that commands print goes
/// through it.
pub(super) fn neutral_lines(text: &str) -> String {
    text.lines().map(log::neutral).collect::<Vec<_>>().join("\n")
}

/// How something is, at a glance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Good,
    Warning,
    Bad,
}

impl Mark {
    /// The sign and its colour.
    fn shown(self) -> &'static str {
        match self {
            Self::Good => "\u{1b}[32m✓\u{1b}[0m ",
            Self::Warning => "\u{1b}[33m!\u{1b}[0m ",
            Self::Bad => "\u{1b}[31m✗\u{1b}[0m ",
        }
    }
}

/// Prints lines on stdout, with a mark where it may be. If its reader has closed the pipe, it wants no more.
pub(super) fn say_marked(mark: Mark, text: &str) {
    let stdout = std::io::stdout();
    let mark = if is_styled(&stdout) { mark.shown() } else { "" };
    writeln!(AutoStream::auto(stdout), "{mark}{}", neutral_lines(text)).ok();
}

/// Prints lines of ours on stdout that have colours, and in which texts of others are neutral already. Where colours may
/// not be, they are left out.
pub(super) fn say_coloured(text: &str) {
    writeln!(AutoStream::auto(std::io::stdout()), "{text}").ok();
}

/// A line on stderr that each further one replaces, where stderr is a terminal.
#[derive(Debug)]
pub(super) struct Progress {
    is_wanted: bool,
    is_quiet: bool,
}

impl Progress {
    pub(super) fn new(quiet: bool) -> Self {
        let stderr = std::io::stderr();
        Self { is_wanted: !quiet && stderr.is_terminal() && is_styled(&stderr), is_quiet: quiet }
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.is_wanted
    }

    pub(super) fn show(&self, text: &str) {
        if self.is_wanted {
            log::show_progress(&log::foreign_name(text));
        }
    }

    /// Says what is waited for, which may take long: elsewhere too, once.
    pub(super) fn say(&self, text: &str) {
        self.show(text);
        if !self.is_wanted && !self.is_quiet {
            log::notice(text);
        }
    }

    pub(super) fn clear(&self) {
        self.show("");
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}
