//! How much is logged, and how does a line get into the log? By a macro for each level.
//!
//! Where a macro stands, it leaves a comparison and a call. The `log` crate would name two things `log` and bring the
//! records of dependencies, which may hold secrets; spans and fields of `tracing` have no use here.

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

macro_rules! at {
    ($level:ident, $($text:tt)+) => {
        if $crate::log::is_enabled($crate::log::Level::$level) {
            $crate::log::write_line($crate::log::Level::$level, format_args!($($text)+));
        }
    };
}

macro_rules! error_ {
    ($($text:tt)+) => { $crate::log::at!(Error, $($text)+) };
}

macro_rules! warn_ {
    ($($text:tt)+) => { $crate::log::at!(Warn, $($text)+) };
}

macro_rules! info_ {
    ($($text:tt)+) => { $crate::log::at!(Info, $($text)+) };
}

macro_rules! debug_ {
    ($($text:tt)+) => { $crate::log::at!(Debug, $($text)+) };
}

// A macro with the name `warn` could be mistaken for the attribute of the language.
pub(crate) use {at, debug_ as debug, error_ as error, info_ as info, warn_ as warn};
