//! `mcp-ferry login`: a login outside of any host, for all of them.

use std::io::{BufRead, IsTerminal};
use std::sync::Arc;

use http::{HeaderMap, Method, StatusCode};
use serde_json::json;
use tokio::sync::mpsc;

use super::{failed, oauth, shown, tell};
use crate::auth::{self, AuthError, LoginOptions, OAuth, Snapshot};
use crate::cli::LoginCommand;
use crate::config::Settings;
use crate::error::{Error, Exit};
use crate::net::{self, ResponseOrRedirect};

/// How often the first message may be sent: to where the server redirects it, and with another token.
const REDIRECTS: usize = 5;

/// What the server says to somebody who is not logged in.
enum Said {
    /// It wants a login: its headers.
    Refused(HeaderMap),
    /// Something else, with this status.
    Other(StatusCode),
}

pub(super) async fn run(settings: &Settings, typed: &LoginCommand) -> Result<Exit, Error> {
    if typed.no_wait && matches!(settings.auth.login.grant, auth::settings::Grant::Device) {
        return Err(Error::Usage(
            "--no-wait is for a login in a browser, which --complete finishes; one on another device is waited for"
                .to_owned(),
        ));
    }
    let oauth = oauth(settings)?;
    let host = net::origin(&settings.upstream.uri);
    if let Some(redirect) = &typed.complete {
        let held = auth::complete(&oauth, redirect).await.map_err(|error| failed(&error))?;
        return Ok(done(&oauth, &held, typed, &host));
    }
    let held = oauth.account().snapshot().filter(|held| !typed.force && held.is_good());
    let said = ask(settings, held.as_ref().map(|_| &*oauth)).await?;
    if let (Some(held), Said::Other(status)) = (held, &said) {
        return already(&oauth, held, *status, typed, &host);
    }
    if !wants_login(&oauth, &said, &host).await? {
        tell(typed.json, &format!("{host} wants no login"), &json!({ "event": "no_login_wanted", "server": host }));
        return Ok(Exit::Orderly);
    }
    if typed.no_wait {
        return begin_only(&oauth, typed, &host).await;
    }
    let pasted = pasting(typed);
    let options = LoginOptions { opens: !typed.no_browser, asked_for: true, pasted, ..LoginOptions::default() };
    let logging_in = auth::log_in(&oauth, options);
    let telling = tell_url(&oauth, typed.json, &host);
    let held = tokio::select! {
        held = logging_in => held,
        never = telling => match never {},
    };
    let held = held.map_err(|error| failed(&error))?;
    Ok(done(&oauth, &held, typed, &host))
}

/// There is a login, and the server has not refused it.
fn already(oauth: &OAuth, held: Snapshot, status: StatusCode, typed: &LoginCommand, host: &str) -> Result<Exit, Error> {
    if status.is_server_error() {
        return Err(Error::Login {
            cause: format!("{host} answers {status}, so that nobody can say whether the login is good"),
            hint: "try again later, or log in anew with --force".to_owned(),
        });
    }
    let held = oauth.account().snapshot().unwrap_or(held);
    tell(typed.json, &format!("already signed in to {host}"), &event("already_signed_in", oauth, &held));
    Ok(Exit::Orderly)
}

/// Whether the server wants a login. One that says nothing of it must have served us.
async fn wants_login(oauth: &OAuth, said: &Said, host: &str) -> Result<bool, Error> {
    let refused = match said {
        Said::Refused(headers) => Some(headers),
        Said::Other(_) => None,
    };
    let wants_login = oauth.prepare(refused).await.map_err(|error| failed(&error))?;
    match said {
        Said::Other(status) if !wants_login && !status.is_success() => Err(Error::Login {
            cause: format!("{host} answers {status}, and does not say that it wants a login"),
            hint: "check the URL; some servers have their endpoint at /mcp or /sse".to_owned(),
        }),
        _ => Ok(wants_login),
    }
}

/// Shows the way to a login that another call completes.
async fn begin_only(oauth: &Arc<OAuth>, typed: &LoginCommand, host: &str) -> Result<Exit, Error> {
    let url = auth::begin_only(oauth).await.map_err(|error| failed(&error))?;
    let server = &typed.url;
    let words =
        format!("{url}\n\nthen run: mcp-ferry login {server} --complete 'the address that the browser ends at'");
    tell(typed.json, &words, &json!({ "event": "authorization_url", "url": url, "server": host }));
    Ok(Exit::Orderly)
}

fn done(oauth: &OAuth, held: &Snapshot, typed: &LoginCommand, host: &str) -> Exit {
    let mut words = format!("signed in to {host}");
    if held.record.tokens.as_ref().is_some_and(|tokens| tokens.refresh_token.is_none()) {
        words.push_str("; the authorization server gave nothing to renew it with, so it ends when the token does");
    }
    tell(typed.json, &words, &event("signed_in", oauth, held));
    Exit::Orderly
}

fn event(name: &str, oauth: &OAuth, held: &Snapshot) -> serde_json::Value {
    let mut event = shown(&held.record, Some(&oauth.account().store().path(oauth.account().key())));
    event["event"] = name.into();
    event
}

/// Scripts hear the address on stdout; people have it on stderr.
async fn tell_url(oauth: &OAuth, json: bool, host: &str) -> std::convert::Infallible {
    let mut told = None;
    loop {
        if let Ok(Some(prompt)) = oauth.login_status().prompt(std::time::Duration::MAX).await
            && json
            && told.as_ref() != Some(&prompt.url)
        {
            let event =
                json!({ "event": "authorization_url", "url": prompt.url, "userCode": prompt.code, "server": host });
            super::say(&event.to_string());
            told = Some(prompt.url);
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

/// What a person pastes races the browser's own way back.
fn pasting(typed: &LoginCommand) -> Option<mpsc::Receiver<String>> {
    if !typed.no_browser && !std::io::stdin().is_terminal() {
        return None;
    }
    let (lines, pasted) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok).filter(|line| !line.trim().is_empty()) {
            if lines.blocking_send(line).is_err() {
                return;
            }
        }
    });
    Some(pasted)
}

/// Says `initialize`, as a client would, with a login or without, to hear what is asked for.
async fn ask(settings: &Settings, login: Option<&OAuth>) -> Result<Said, Error> {
    let mut headers = crate::upstream::post_headers();
    for (name, value) in &settings.auth.headers.map {
        headers.append(name.clone(), value.clone());
    }
    let info = json!({ "name": "mcp-ferry", "version": env!("CARGO_PKG_VERSION") });
    let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info });
    let body = crate::message::request("1", "initialize", &params).into_text();
    let mut uri = settings.upstream.uri.clone();
    let client = settings.http()?;
    let no_token = |error: AuthError| Error::Login {
        cause: error.to_string(),
        hint: "try again later, or log in anew with --force".to_owned(),
    };
    for _ in 0..REDIRECTS {
        let mut headers = headers.clone();
        let mark = match login {
            Some(oauth) => oauth.apply(&Method::POST, &uri, &mut headers).await.map_err(no_token)?,
            None => 0,
        };
        let sent = client.send(Method::POST, &uri, headers, body.clone()).await;
        let sent = sent.map_err(|error| Error::Login { cause: error.to_string(), hint: error.hint().to_owned() })?;
        match sent {
            ResponseOrRedirect::Redirect(next) => uri = next,
            ResponseOrRedirect::Response(response) if response.status() == StatusCode::UNAUTHORIZED => {
                if let Some(oauth) = login
                    && oauth.refused(mark, &uri, response.status(), response.headers()).await.map_err(no_token)?
                {
                    continue;
                }
                return Ok(Said::Refused(response.headers().clone()));
            }
            ResponseOrRedirect::Response(response) => return Ok(Said::Other(response.status())),
        }
    }
    Err(Error::Login {
        cause: format!("{} redirects in a circle, or refuses every token", net::origin(&settings.upstream.uri)),
        hint: "check the URL".to_owned(),
    })
}
