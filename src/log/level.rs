//! How much is logged?

use std::sync::atomic::{AtomicU8, Ordering};

/// How important a line is, from the errors that end the program to details that help to find a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// An error that ends the program.
    Error = 1,
    /// A problem that the user should look at.
    Warn,
    /// Connections and sessions that open and close.
    Info,
    /// Each message, without its content.
    Debug,
}

impl Level {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

/// The most verbose level that any sink writes; 0 before logging has started. Set once, read for each line.
static MOST_VERBOSE: AtomicU8 = AtomicU8::new(0);

/// Enables this level and all that are less verbose.
pub(super) fn enable(level: Level) {
    MOST_VERBOSE.store(level as u8, Ordering::Relaxed);
}

/// Whether any sink writes lines of this level.
pub(crate) fn is_enabled(level: Level) -> bool {
    level as u8 <= MOST_VERBOSE.load(Ordering::Relaxed)
}
