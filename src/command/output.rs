//! What do commands print, and how do they end badly?

use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};

use super::terminal::neutral_lines;
use crate::auth::{LoginError, OAuth, Record};
use crate::config::Settings;
use crate::error::Error;
use crate::log;

/// Prints lines on stdout. If its reader has closed the pipe, it wants no more.
pub(super) fn say(text: &str) {
    writeln!(std::io::stdout(), "{}", neutral_lines(text)).ok();
}

/// Prints lines on stderr.
pub(super) fn note(text: &str) {
    writeln!(std::io::stderr(), "{}", neutral_lines(text)).ok();
}

/// Prints JSON, with escapes for what would act on a terminal.
pub(super) fn say_json(json: &Value) {
    say(&log::neutral_json(&json.to_string()));
}

/// Prints one event, in words or as a JSON object.
pub(super) fn say_event(json: bool, words: &str, object: &Value) {
    if json { say_json(object) } else { say(words) }
}

/// A login without its secrets; `path` is its file.
pub(super) fn shown(record: &Record, path: &Path) -> Value {
    let tokens = record.tokens.as_ref();
    let resource = record.issuer.as_ref().and_then(|issuer| issuer.resource.as_ref());
    json!({
        "server": record.server,
        "issuer": record.issuer.as_ref().map(|issuer| &issuer.issuer),
        "credentialsBoundTo": record.bound_issuer,
        "resource": resource.map(|text| log::redact(text)),
        "account": record.account(),
        "clientId": record.client.as_ref().map(|client| &client.client_id),
        "scope": tokens.and_then(|tokens| tokens.scope.as_ref()),
        "obtainedAt": tokens.map(|tokens| tokens.obtained_at),
        "expiresAt": record.ends(),
        "refreshable": record.is_renewable(),
        "loggedIn": record.state() == "signed_in",
        "state": record.state(),
        "storedIn": path.display().to_string(),
    })
}

/// A login failed, or is not known to be good.
pub(super) fn login_failed(cause: String, hint: &str) -> Error {
    Error::Login { cause, hint: hint.to_owned() }
}

/// The error of a login ends the program. (Here, because `error` knows no login.)
impl From<LoginError> for Error {
    fn from(error: LoginError) -> Self {
        login_failed(error.to_string(), &error.hint())
    }
}

/// The login of these settings.
pub(super) fn oauth(settings: &Settings) -> Result<OAuth, Error> {
    let oauth = OAuth::new(&settings.auth, &settings.http()?);
    oauth.ok_or_else(|| Error::System("there is no home directory to keep a login in".to_owned()))
}
