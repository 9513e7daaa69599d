//! How does somebody log in? [`log_in`] waits for the result; [`begin_in_background`] leaves the login to a task;
//! [`begin_only`] and [`complete`] are the two halves of a login that two calls of the program make.

mod adjustments;
mod background;
mod begin;
mod client;
mod device;
mod error;
mod finish;
mod halves;
mod log_in;
mod options;
mod prompt;

pub use error::LoginError;
pub use options::LoginOptions;

pub(super) use background::begin_in_background;
pub(super) use halves::{begin_only, complete};
pub(super) use log_in::log_in;
