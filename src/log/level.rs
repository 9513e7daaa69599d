//! How much is said? The levels, and a macro for each.
//!
//! What a macro leaves where it stands is a comparison and a call. Nothing of what makes a logging framework large is
//! of use to a program with one listener: spans, fields, filters by module.

use std::sync::atomic::{AtomicU8, Ordering};

/// From what ends the program to what helps to find a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What ends the program.
    Error = 1,
    /// What a person should look at.
    Warn,
    /// Connections and sessions as they come and go.
    Info,
    /// Every message's way, without its content.
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

/// The most that anybody wants to read; 0 where nobody listens.
static MOST: AtomicU8 = AtomicU8::new(0);

pub(super) fn listen(most: Level) {
    MOST.store(most as u8, Ordering::Relaxed);
}

/// Whether anybody listens at this level.
pub fn wants(level: Level) -> bool {
    level as u8 <= MOST.load(Ordering::Relaxed)
}

macro_rules! at {
    ($level:ident, $($what:tt)+) => {
        if $crate::log::wants($crate::log::Level::$level) {
            $crate::log::say($crate::log::Level::$level, format_args!($($what)+));
        }
    };
}

macro_rules! error_ {
    ($($what:tt)+) => { $crate::log::at!(Error, $($what)+) };
}

macro_rules! warn_ {
    ($($what:tt)+) => { $crate::log::at!(Warn, $($what)+) };
}

macro_rules! info_ {
    ($($what:tt)+) => { $crate::log::at!(Info, $($what)+) };
}

macro_rules! debug_ {
    ($($what:tt)+) => { $crate::log::at!(Debug, $($what)+) };
}

// `warn` alone is an attribute of the language, which a macro defined by that name could be mistaken for.
pub(crate) use {at, debug_ as debug, error_ as error, info_ as info, warn_ as warn};
