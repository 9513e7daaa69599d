//! Which logins does this machine have (`mcp-ferry status`)? Without their secrets.

use serde_json::Value;

use super::output::{oauth, say, say_json, shown};
use crate::auth::{LoginError, now};
use crate::cli::StatusCommand;
use crate::config::Settings;
use crate::error::Error;
use crate::log;

pub(super) async fn run(settings: &Settings, typed: &StatusCommand) -> Result<(), Error> {
    let oauth = oauth(settings)?;
    let account = &oauth.context.account;
    let logins = match &typed.url {
        Some(_) => {
            let held = account.snapshot().await;
            held.map(|held| (account.key().clone(), held.record.as_ref().clone())).into_iter().collect()
        }
        None => account.store().list().map_err(LoginError::from)?,
    };
    let logins: Vec<_> = logins
        .into_iter()
        .filter(|(_, record)| typed.json || !record.logged_out)
        .map(|(key, record)| shown(&record, &account.store().path(&key)))
        .collect();
    if typed.json {
        say_json(&Value::Array(logins));
    } else if logins.is_empty() {
        say("nobody is signed in anywhere");
    } else {
        for login in &logins {
            say(&sentence(login));
        }
    }
    Ok(())
}

fn sentence(login: &Value) -> String {
    // What servers and files have written.
    let text = |name: &str| log::foreign(login[name].as_str().unwrap_or_default());
    let mut lines = vec![text("server")];
    let details = [
        ("issuer", text("issuer")),
        ("bound to", text("credentialsBoundTo")),
        ("scopes", text("scope")),
        ("state", state(login)),
        ("stored in", text("storedIn")),
    ];
    let details = details.iter().filter(|(_, text)| !text.is_empty());
    lines.extend(details.map(|(what, text)| format!("  {what:<10} {text}")));
    lines.join("\n")
}

fn state(login: &Value) -> String {
    match login["state"].as_str() {
        Some("signed_in") => {}
        Some("ended") => {
            let url = log::shell_word(login["server"].as_str().unwrap_or("URL"));
            return format!("ended: its token is not accepted any more; run `mcp-ferry login {url}`");
        }
        Some("signed_out") => return "signed out".to_owned(),
        _ => return "registered, but nobody is signed in".to_owned(),
    }
    let renewed = if login["refreshable"] == true { "renewed by itself" } else { "not renewed" };
    match login["expiresAt"].as_u64() {
        None => format!("signed in; it is not known until when, {renewed}"),
        Some(end) if end <= now() => format!("signed in; the token has expired, {renewed}"),
        Some(end) => format!("signed in; the token expires in {}, {renewed}", span(end - now())),
    }
}

/// A time span in the unit that a person would use.
fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}
