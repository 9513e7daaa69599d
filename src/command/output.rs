//! What do commands print, and how do they end badly?

use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};

use super::terminal::neutral_lines;
use crate::auth::{LoginError, OAuth, Record, now};
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
    let ends = tokens.and_then(|tokens| Some(tokens.obtained_at.saturating_add(tokens.lifetime?)));
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
        "expiresAt": ends,
        "refreshable": record.is_renewable(),
        "loggedIn": tokens.is_some() && !record.logged_out && !has_ended(record, ends),
        "state": state(record, ends),
        "storedIn": path.display().to_string(),
    })
}

/// The state of a login in a word, for scripts.
fn state(record: &Record, ends: Option<u64>) -> &'static str {
    match &record.tokens {
        _ if record.logged_out => "signed_out",
        None => "registered",
        Some(_) if has_ended(record, ends) => "ended",
        Some(_) => "signed_in",
    }
}

/// Whether the access token has expired or was refused, and cannot be renewed.
fn has_ended(record: &Record, ends: Option<u64>) -> bool {
    let is_over = record.is_refused() || ends.is_some_and(|ends| ends <= now());
    is_over && !record.is_renewable()
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
