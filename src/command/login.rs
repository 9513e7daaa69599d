//! How does a person log in before any program needs it (`mcp-ferry login`)?

use std::io::{BufRead, IsTerminal};

use http::{HeaderMap, Method, StatusCode};
use serde_json::json;
use tokio::sync::mpsc;

use super::output::{oauth, say, say_event, shown};
use crate::auth::{self, AuthError, Grant, LoginOptions, OAuth, Snapshot};
use crate::cli::LoginCommand;
use crate::config::Settings;
use crate::error::{Error, Exit};
use crate::net::{self, ResponseOrRedirect};

/// How often `initialize` may be sent: to where the server redirects it, and with another token.
const MOST_REQUESTS: usize = 5;

/// How the server answers `initialize`.
enum Probe {
    /// With 401, and these headers.
    Unauthorized(HeaderMap),
    /// With another status.
    Other(StatusCode),
}

pub(super) async fn run(settings: &Settings, typed: &LoginCommand) -> Result<Exit, Error> {
    if typed.no_wait && matches!(settings.auth.login.grant, Grant::Device) {
        return Err(Error::Usage(
            "--no-wait is for a login in a browser, which --complete finishes; one on another device is waited for"
                .to_owned(),
        ));
    }
    let oauth = oauth(settings)?;
    let host = net::origin(&settings.upstream.uri);
    if let Some(redirect) = &typed.complete {
        let held = auth::complete_login(&oauth.context, redirect).await?;
        return Ok(signed_in(&oauth, &held, typed, &host));
    }
    let held = oauth.context.account.snapshot().await.filter(|held| !typed.force && held.is_good());
    let probe = probe(settings, held.as_ref().map(|_| &oauth)).await?;
    if let (Some(held), Probe::Other(status)) = (held, &probe) {
        return already_signed_in(&oauth, held, *status, typed, &host).await;
    }
    if !wants_login(&oauth, &probe, &host).await? {
        say_event(
            typed.json,
            &format!("{host} wants no login"),
            &json!({ "event": "no_login_wanted", "server": host }),
        );
        return Ok(Exit::Orderly);
    }
    if typed.no_wait {
        return begin_login(&oauth, typed, &host).await;
    }
    let pasted = pasted_lines(typed);
    let options = LoginOptions { opens: !typed.no_browser, asked_for: true, pasted, ..LoginOptions::default() };
    let held = tokio::select! {
        held = auth::log_in(&oauth.context, options) => held?,
        never = print_url(&oauth, typed.json, &host) => match never {},
    };
    Ok(signed_in(&oauth, &held, typed, &host))
}

/// There is a login, and the server has not refused its token.
async fn already_signed_in(
    oauth: &OAuth,
    held: Snapshot,
    status: StatusCode,
    typed: &LoginCommand,
    host: &str,
) -> Result<Exit, Error> {
    if status.is_server_error() {
        return Err(Error::Login {
            cause: format!("{host} answers {status}, so it is not known whether the login is still good"),
            hint: "try again later, or log in anew with --force".to_owned(),
        });
    }
    let held = oauth.context.account.snapshot().await.unwrap_or(held);
    say_event(typed.json, &format!("already signed in to {host}"), &login_event("already_signed_in", oauth, &held));
    Ok(Exit::Orderly)
}

/// Whether the server wants a login. If nothing shows that it does, it must have answered with success.
async fn wants_login(oauth: &OAuth, probe: &Probe, host: &str) -> Result<bool, Error> {
    let refused = match probe {
        Probe::Unauthorized(headers) => Some(headers),
        Probe::Other(_) => None,
    };
    let wants_login = auth::prepare_login(&oauth.context, refused).await?;
    match probe {
        Probe::Other(status) if !wants_login && !status.is_success() => Err(Error::Login {
            cause: format!("{host} answers {status}, and does not say that it wants a login"),
            hint: "check the URL; some servers have their endpoint at /mcp or /sse".to_owned(),
        }),
        _ => Ok(wants_login),
    }
}

/// Prints where to sign in; another call of the program completes the login.
async fn begin_login(oauth: &OAuth, typed: &LoginCommand, host: &str) -> Result<Exit, Error> {
    let url = auth::begin_login(&oauth.context).await?;
    let server = &typed.url;
    let words =
        format!("{url}\n\nthen run: mcp-ferry login {server} --complete 'the address that the browser ends at'");
    say_event(typed.json, &words, &json!({ "event": "authorization_url", "url": url, "server": host }));
    Ok(Exit::Orderly)
}

fn signed_in(oauth: &OAuth, held: &Snapshot, typed: &LoginCommand, host: &str) -> Exit {
    let mut words = format!("signed in to {host}");
    if held.record.tokens.as_ref().is_some_and(|tokens| tokens.refresh_token.is_none()) {
        words.push_str("; the authorization server issued no refresh token, so the login ends when the token expires");
    }
    say_event(typed.json, &words, &login_event("signed_in", oauth, held));
    Exit::Orderly
}

fn login_event(name: &str, oauth: &OAuth, held: &Snapshot) -> serde_json::Value {
    let mut event = shown(&held.record, &oauth.context.account.store().path(oauth.context.account.key()));
    event["event"] = name.into();
    event
}

/// Prints where to sign in on stdout, for scripts. People read it on stderr.
async fn print_url(oauth: &OAuth, json: bool, host: &str) -> std::convert::Infallible {
    let mut printed = None;
    loop {
        if let Ok(Some(prompt)) = oauth.context.login_status.prompt(std::time::Duration::MAX).await
            && json
            && printed.as_ref() != Some(&prompt.url)
        {
            let event =
                json!({ "event": "authorization_url", "url": prompt.url, "userCode": prompt.code, "server": host });
            say(&event.to_string());
            printed = Some(prompt.url);
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

/// The lines that a person pastes. The login ends with a pasted address or with the browser's redirect, whichever
/// comes first.
fn pasted_lines(typed: &LoginCommand) -> Option<mpsc::Receiver<String>> {
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

/// Sends `initialize`, as a client would, with a login or without, to see whether the server wants a login.
async fn probe(settings: &Settings, login: Option<&OAuth>) -> Result<Probe, Error> {
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
    for _ in 0..MOST_REQUESTS {
        let mut headers = headers.clone();
        let fingerprint = match login {
            Some(oauth) => oauth.authorize(&Method::POST, &uri, &mut headers).await.map_err(no_token)?,
            None => 0,
        };
        let sent = client.send(Method::POST, &uri, headers, body.clone()).await;
        let sent = sent.map_err(|error| Error::Login { cause: error.to_string(), hint: error.hint().to_owned() })?;
        match sent {
            ResponseOrRedirect::Redirect(next) => uri = next,
            ResponseOrRedirect::Response(response) if response.status() == StatusCode::UNAUTHORIZED => {
                if let Some(oauth) = login
                    && oauth
                        .challenge(fingerprint, &uri, response.status(), response.headers())
                        .await
                        .map_err(no_token)?
                {
                    continue;
                }
                return Ok(Probe::Unauthorized(response.headers().clone()));
            }
            ResponseOrRedirect::Response(response) => return Ok(Probe::Other(response.status())),
        }
    }
    Err(Error::Login {
        cause: format!("{} redirects in a circle, or refuses every token", net::origin(&settings.upstream.uri)),
        hint: "check the URL".to_owned(),
    })
}
