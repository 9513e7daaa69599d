//! Which logins does this machine have (`mcp-ferry status`), without their secrets? And which version of the program?

use serde_json::{Value, json};

use super::moment::when;
use super::output::{oauth, say, say_json, shown};
use super::terminal::{Mark, say_marked};
use crate::auth::LoginError;
use crate::cli::StatusCommand;
use crate::config::Settings;
use crate::error::{Error, Exit};
use crate::install::this_program;
use crate::log;

const VERSION: &str = concat!("mcp-ferry ", env!("CARGO_PKG_VERSION"));

pub(super) async fn run(settings: &Settings, typed: &StatusCommand) -> Result<Exit, Error> {
    match &typed.url {
        Some(url) => of_server(settings, url, typed.json).await,
        None => of_machine(settings, typed.json),
    }
}

/// The login of one server. The exit status says whether it can be used.
async fn of_server(settings: &Settings, url: &str, as_json: bool) -> Result<Exit, Error> {
    let oauth = oauth(settings)?;
    let account = &oauth.context.account;
    let held = account.read_again().await.map_err(LoginError::from)?;
    let login = held.map(|held| shown(&held.record, &account.store().path(account.key())));
    let is_usable = login.as_ref().is_some_and(|login| login["loggedIn"] == true);
    if as_json {
        say_all(login.into_iter().collect::<Vec<_>>());
    } else if let Some(login) = login.filter(|login| login["state"] != "signed_out") {
        print(&login);
    } else {
        say_marked(Mark::Bad, &format!("nobody is signed in to {}", log::foreign(&oauth.context.address())));
        say(&format!("  {:<10} mcp-ferry login {}", "to sign in", log::shell_word(url)));
    }
    Ok(if is_usable { Exit::Orderly } else { Exit::LoginNeeded })
}

/// All logins.
fn of_machine(settings: &Settings, as_json: bool) -> Result<Exit, Error> {
    let oauth = oauth(settings)?;
    let store = oauth.context.account.store();
    let logins = store.list().map_err(LoginError::from)?.into_iter();
    let logins = logins.filter(|(_, record)| as_json || !record.logged_out);
    let logins: Vec<_> = logins.map(|(key, record)| shown(&record, &store.path(&key))).collect();
    if as_json {
        say_all(logins);
        return Ok(Exit::Orderly);
    }
    if logins.is_empty() {
        say("nobody is signed in anywhere");
    } else {
        logins.iter().for_each(print);
    }
    say(VERSION);
    if let Some((program, package)) = this_program() {
        let rows = [
            ("program", log::foreign(&program.display().to_string())),
            ("installed", package.name.to_owned()),
            ("to update", package.update.to_owned()),
        ];
        say(&rows.map(|(what, text)| format!("  {what:<10} {text}")).join("\n"));
    }
    Ok(Exit::Orderly)
}

/// Logins and the program as JSON, the same for one server and for all.
fn say_all(logins: impl Into<Value>) {
    let program = this_program();
    say_json(&json!({
        "version": env!("CARGO_PKG_VERSION"),
        "program": program.as_ref().map(|(program, _)| program.display().to_string()),
        "installation": program.map(|(_, package)| package.json()),
        "logins": logins.into(),
    }));
}

fn print(login: &Value) {
    // What servers and files have written.
    let text = |name: &str| log::foreign(login[name].as_str().unwrap_or_default());
    let mut lines = vec![text("server")];
    let details = [
        ("account", text("account")),
        ("issuer", text("issuer")),
        ("bound to", text("credentialsBoundTo")),
        ("scopes", text("scope")),
        ("state", state(login)),
        ("stored in", text("storedIn")),
    ];
    let details = details.iter().filter(|(_, text)| !text.is_empty());
    lines.extend(details.map(|(what, text)| format!("  {what:<10} {text}")));
    say_marked(mark(login), &lines.join("\n"));
}

fn mark(login: &Value) -> Mark {
    match login["state"].as_str() {
        Some("signed_in") => Mark::Good,
        Some("ended") => Mark::Bad,
        _ => Mark::Warning,
    }
}

fn state(login: &Value) -> String {
    match login["state"].as_str() {
        Some("signed_in") => format!("signed in; {}", validity(login)),
        Some("ended") => {
            let url = log::shell_word(&log::foreign(login["server"].as_str().unwrap_or("URL")));
            let expired = expiry(login).map(|expired| format!("; it {expired}")).unwrap_or_default();
            format!("ended: its token is not accepted any more{expired}; run `mcp-ferry login {url}`")
        }
        Some("signed_out") => "signed out".to_owned(),
        _ => "registered, but nobody is signed in".to_owned(),
    }
}

/// Until when a login is good.
pub(super) fn validity(login: &Value) -> String {
    let renewed = if login["refreshable"] == true { "is renewed by itself" } else { "is not renewed" };
    match expiry(login) {
        None => format!("it is not known when the token expires; it {renewed}"),
        Some(expiry) => format!("the token {expiry}, and {renewed}"),
    }
}

/// `expires in 50 minutes` or `expired 2 days ago`.
fn expiry(login: &Value) -> Option<String> {
    let words = when(login["expiresAt"].as_u64()?);
    Some(if words.starts_with("in ") { format!("expires {words}") } else { format!("expired {words}") })
}
