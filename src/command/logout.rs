//! How does a person end a login, here and at the authorization server (`mcp-ferry logout`)?

use std::path::Path;

use serde_json::json;

use super::output::{login_failed, oauth, say_event};
use super::terminal::Progress;
use crate::auth::{self, Account, LoggedOut, LoginError};
use crate::cli::LogoutCommand;
use crate::config::Settings;
use crate::error::Error;
use crate::{log, upstream};

pub(super) async fn run(settings: &Settings, typed: &LogoutCommand) -> Result<(), Error> {
    let named = oauth(settings)?;
    let (store, key) = (named.context.account.store(), named.context.account.key());
    let keys = if typed.all { store.keys().map_err(LoginError::from)? } else { [key.clone()].into() };
    let mut left = Vec::new();
    let mut has_ended = false;
    let progress = Progress::new(typed.options.logging.silent);
    for key in keys {
        progress.show("ending the login, and having its tokens revoked");
        let account = Account::new(store.of(&key), key.clone());
        let ended = auth::log_out(&named.context, &account, typed.all).await;
        progress.clear();
        match ended {
            Ok(LoggedOut::Nothing) => {}
            Ok(ended) => {
                has_ended = true;
                say(typed.json, &ended);
            }
            Err(error) => left.push((format!("{error}"), error.hint())),
        }
        forget(settings, Some(key.name()), &mut left);
    }
    if typed.all {
        store.sweep();
        forget(settings, None, &mut left);
    }
    if left.is_empty() && !has_ended {
        say_event(typed.json, "nobody was signed in", &json!({ "event": "not_signed_in" }));
    }
    for (what, _) in &left {
        if typed.json {
            say_event(true, "", &json!({ "event": "left", "reason": what }));
        }
    }
    let Some((_, hint)) = left.first() else { return Ok(()) };
    let hint = (*hint).to_owned();
    let all: Vec<String> = left.into_iter().map(|(what, _)| what).collect();
    Err(login_failed(format!("not everything is removed: {}", all.join("; ")), &hint))
}

fn say(json: bool, ended: &LoggedOut) {
    match ended {
        LoggedOut::Nothing => {}
        LoggedOut::Pending => {
            say_event(json, "the login that was under way is given up", &json!({ "event": "login_given_up" }));
        }
        LoggedOut::Credentials { issuer } => {
            let event = json!({ "event": "credentials_released", "issuer": issuer });
            let words = format!("your credentials do not belong to the issuer {} any more", log::foreign(issuer));
            say_event(json, &words, &event);
        }
        LoggedOut::Login { server, revoked } => {
            let there = if *revoked {
                "and its tokens are revoked"
            } else {
                "but its tokens are not revoked, and end by themselves"
            };
            let event = json!({ "event": "signed_out", "server": server, "revoked": revoked });
            say_event(
                json,
                &format!("signed out of {}; the login is removed from this machine, {there}", log::foreign(server)),
                &event,
            );
        }
        LoggedOut::Unreadable(path) => {
            let words = format!(
                "removed {}, which could not be read: its tokens are not revoked, and end by themselves",
                path.display()
            );
            say_event(json, &words, &json!({ "event": "removed", "file": path.display().to_string() }));
        }
    }
}

/// Removes what servers told through a login, or through any.
fn forget(settings: &Settings, login: Option<&str>, left: &mut Vec<(String, &'static str)>) {
    let Some(home) = settings.auth.home.as_deref().map(Path::new) else { return };
    if let Err((path, error)) = upstream::forget(home, login) {
        left.push((format!("{} cannot be removed: {error}", path.display()), "remove that file"));
    }
}
