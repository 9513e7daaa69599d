//! How does a line get into the log? By a macro for each level.
//!
//! Where a macro stands, it leaves a comparison and a call. The `log` crate would name two things `log` and bring the
//! records of dependencies, which may hold secrets; spans and fields of `tracing` have no use here.

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
