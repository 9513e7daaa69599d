//! What else does the program do besides carrying messages? Commands for people and scripts.

mod login;
mod logout;
mod output;
mod status;

use crate::cli::{LoginCommand, LogoutCommand, StatusCommand};
use crate::config::Settings;
use crate::error::{Error, Exit};
use crate::task;

/// Logs in to a server.
pub fn login(typed: &LoginCommand) -> Result<Exit, Error> {
    let settings = Settings::new(&typed.url, typed.port, &typed.options)?;
    task::run(login::run(&settings, typed)).map(|()| Exit::Orderly)
}

/// Logs out, of one server or of all.
pub fn logout(typed: &LogoutCommand) -> Result<Exit, Error> {
    let url = typed.url.as_deref().unwrap_or(ANY);
    let settings = Settings::new(url, None, &typed.options)?;
    task::run(logout::run(&settings, typed)).map(|()| Exit::Orderly)
}

/// Shows logins.
pub fn status(typed: &StatusCommand) -> Result<Exit, Error> {
    let url = typed.url.as_deref().unwrap_or(ANY);
    let settings = Settings::new(url, None, &typed.options)?;
    task::run(status::run(&settings, typed)).map(|()| Exit::Orderly)
}

/// Takes the place of the URL where the user names no server: the options are read with one.
const ANY: &str = "http://localhost/";
