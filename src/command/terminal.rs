//! What does a person at a terminal see besides results? One line of progress, and texts of servers made harmless.

use std::io::{IsTerminal, Write};

use crate::log;

/// Whether a person can be asked: questions go to stderr, answers come from stdin.
pub(super) fn is_interactive() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Whether results have colours: on a terminal that knows them, or where the user wants them.
pub(super) fn is_coloured() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
    let is_forced = std::env::var_os("CLICOLOR_FORCE").is_some_and(|value| !value.is_empty() && value != "0");
    !is_set("NO_COLOR") && (is_forced || (!is_dumb && std::io::stdout().is_terminal()))
}

/// A server's text of several lines, without characters that act on a terminal or deceive the eye.
pub(super) fn neutral_lines(text: &str) -> String {
    text.lines().map(log::neutral).collect::<Vec<_>>().join("\n")
}

/// A line on stderr that each further one replaces. Nothing is written where stderr is no terminal.
#[derive(Debug)]
pub(super) struct Progress {
    is_wanted: bool,
    /// The length of the line that is shown.
    shown: usize,
}

impl Progress {
    pub(super) fn new(quiet: bool) -> Self {
        let is_dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
        Self { is_wanted: !quiet && !is_dumb && std::io::stderr().is_terminal(), shown: 0 }
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.is_wanted
    }

    pub(super) fn show(&mut self, text: &str) {
        let line = log::foreign_name(text);
        self.replace(&line);
    }

    pub(super) fn clear(&mut self) {
        if self.shown > 0 {
            self.replace("");
        }
    }

    fn replace(&mut self, line: &str) {
        if !self.is_wanted {
            return;
        }
        let mut stderr = std::io::stderr();
        write!(stderr, "\r{}\r{line}", " ".repeat(self.shown)).and_then(|()| stderr.flush()).ok();
        self.shown = line.chars().count();
    }
}
