//! What else does the program do besides carrying messages? Commands for people and scripts.

mod bundle;
mod call;
mod client;
mod doctor;
mod document;
mod install;
mod login;
mod logout;
mod moment;
mod output;
mod prompt;
mod schema;
mod status;
mod terminal;
mod tools;

use std::sync::Arc;

use crate::cli::{
    BundleCommand, CallCommand, DoctorCommand, InstallCommand, LoginCommand, LogoutCommand, StatusCommand,
    ToolsCommand, UninstallCommand,
};
use crate::config::Settings;
use crate::error::{Error, Exit};
use crate::task;

/// Logs in to a server.
pub fn login(typed: &LoginCommand) -> Result<Exit, Error> {
    let mut settings = Settings::new(&typed.url, typed.port, &typed.options)?;
    if let Some(auth) = Arc::get_mut(&mut settings.auth) {
        auth.unlocks_keychain = true;
    }
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
    task::run(status::run(&settings, typed))
}

/// Lists a server's tools.
pub fn tools(typed: &ToolsCommand) -> Result<Exit, Error> {
    let settings = Settings::new(&typed.url, None, &typed.options)?;
    let listed = task::run(async {
        let mut client = client::Client::connect(settings, typed.options.logging.silent).await?;
        let listed = tools::list(&mut client).await;
        client.close().await;
        listed
    })?;
    tools::print(&listed, typed).map(|()| Exit::Orderly)
}

/// Calls a tool, reads a resource, gets a prompt, or sends any request.
pub fn call(typed: &CallCommand) -> Result<Exit, Error> {
    let settings = Settings::new(&typed.url, None, &typed.options)?;
    let arguments = call::check(typed)?;
    let called = task::run(call::run(settings, typed, arguments))?;
    call::print(&called, typed)
}

/// Looks for what is wrong.
pub fn doctor(typed: &DoctorCommand) -> Result<Exit, Error> {
    task::run(doctor::run(typed))
}

/// Writes entries into the files of other programs, or shows what there is.
pub fn install(typed: &InstallCommand) -> Result<Exit, Error> {
    install::install(typed)
}

/// Takes entries out again.
pub fn uninstall(typed: &UninstallCommand) -> Result<Exit, Error> {
    install::uninstall(typed)
}

/// Makes extensions that others install.
pub fn bundle(typed: &BundleCommand) -> Result<Exit, Error> {
    bundle::run(typed)
}

/// Takes the place of the URL where the user names no server: the options are read with one.
const ANY: &str = "http://localhost/";
