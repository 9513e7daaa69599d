//! What else does the program do besides carrying messages? Commands for people and scripts: thin, over the rooms
//! below.

mod login;
mod logout;
mod status;

use std::io::Write;
use std::sync::Arc;

use serde_json::Value;

use crate::auth::Record;
use crate::cli::{LoginCommand, LogoutCommand, StatusCommand};
use crate::config::Settings;
use crate::error::{Error, Exit};
use crate::task;

/// Logs in to a server.
pub fn login(typed: &LoginCommand) -> Result<Exit, Error> {
    let settings = Settings::new(&typed.url, typed.port, &typed.options)?;
    task::run(login::run(&settings, typed))
}

/// Forgets logins.
pub fn logout(typed: &LogoutCommand) -> Result<Exit, Error> {
    let url = typed.url.as_deref().unwrap_or(ANY);
    let settings = Settings::new(url, None, &typed.options)?;
    task::run(logout::run(&settings, typed))
}

/// Shows logins.
pub fn status(typed: &StatusCommand) -> Result<Exit, Error> {
    let url = typed.url.as_deref().unwrap_or(ANY);
    let settings = Settings::new(url, None, &typed.options)?;
    status::run(&settings, typed)
}

/// Stands where no server is named, so that the options can be read.
const ANY: &str = "http://localhost/";

/// A line for the person or script that asked. Who closes the pipe wants no more.
fn say(text: &str) {
    writeln!(std::io::stdout(), "{text}").ok();
}

/// One thing that happened, in words or as a JSON object.
fn tell(json: bool, words: &str, object: &Value) {
    if json { say(&object.to_string()) } else { say(words) }
}

/// Whether what is kept of a login is of no use any more: its token is over or refused, and cannot be renewed.
fn has_ended(record: &Record, ends: Option<u64>) -> bool {
    let is_over = record.is_refused() || ends.is_some_and(|ends| ends <= crate::auth::now());
    is_over && !record.is_renewable()
}

/// In a word, for scripts.
fn state(record: &Record, ends: Option<u64>) -> &'static str {
    match &record.tokens {
        _ if record.logged_out => "signed_out",
        None => "registered",
        Some(_) if has_ended(record, ends) => "ended",
        Some(_) => "signed_in",
    }
}

/// A login without its secrets.
fn shown(record: &Record, path: Option<&std::path::Path>) -> Value {
    let tokens = record.tokens.as_ref();
    let ends = tokens.and_then(|tokens| Some(tokens.obtained_at + tokens.lifetime?));
    serde_json::json!({
        "server": record.server,
        "issuer": record.issuer.as_ref().map(|issuer| &issuer.issuer),
        "resource": record.issuer.as_ref().and_then(|issuer| issuer.resource.as_ref()).map(|text| crate::log::redact(text)),
        "clientId": record.client.as_ref().map(|client| &client.client_id),
        "scope": tokens.and_then(|tokens| tokens.scope.as_ref()),
        "expiresAt": ends,
        "refreshable": record.is_renewable(),
        "loggedIn": tokens.is_some() && !record.logged_out && !has_ended(record, ends),
        "state": state(record, ends),
        "storedIn": path.map(|path| path.display().to_string()),
    })
}

/// A failure of a login, as what ends the program.
fn failed(error: &crate::auth::LoginError) -> Error {
    Error::Login { cause: error.to_string(), hint: error.hint() }
}

/// The login of these settings.
fn oauth(settings: &Settings) -> Result<Arc<crate::auth::OAuth>, Error> {
    let oauth = crate::auth::OAuth::new(&settings.auth, &settings.http()?);
    oauth.map(Arc::new).ok_or_else(|| Error::System("there is no home directory to keep a login in".to_owned()))
}
