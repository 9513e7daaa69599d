//! How does somebody log in? [`log_in()`] waits for the result; [`begin_in_background`] leaves the login to a task;
//! [`begin_login`] and [`complete_login`] are the two halves of a login that two calls of the program make.

mod address;
mod background;
mod begin;
mod default_endpoints;
mod device;
mod error;
mod finish;
mod log_in;
mod prompt;
mod register;

pub use error::LoginError;
pub use prompt::LoginOptions;

pub(super) use background::{begin_in_background, is_login_useless};
pub(super) use log_in::complete_with_address;
pub(crate) use log_in::{begin_login, complete_login, log_in, prepare_login};
