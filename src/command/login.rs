//! How does a person log in before any program needs it (`mcp-ferry login`)?

use std::io::{BufRead, IsTerminal};

use http::response::Parts;
use http::{Method, StatusCode};
use serde_json::json;
use tokio::sync::mpsc;

use super::output::{login_failed, oauth, say_event, say_json, shown};
use crate::auth::{self, AuthError, Grant, LoginOptions, OAuth, RefusedRequest, Remedy, Snapshot};
use crate::cli::LoginCommand;
use crate::config::Settings;
use crate::error::Error;
use crate::log;
use crate::net::{self, ResponseOrRedirect};

/// How often `initialize` may be sent: to where the server redirects it, and with another token.
const MOST_REQUESTS: usize = 5;

const TRY_LATER: &str = "try again later, or log in anew with --force";

pub(super) async fn run(settings: &Settings, typed: &LoginCommand) -> Result<(), Error> {
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
        return signed_in(&oauth, &held, typed, &host).await;
    }
    let held = oauth.context.account.snapshot().await.filter(|held| !typed.force && held.is_good());
    let Parts { status, headers, .. } = probe(settings, held.as_ref().map(|_| &oauth)).await?;
    let refusal = Some(&headers).filter(|_| status == StatusCode::UNAUTHORIZED);
    if let (Some(held), None) = (held, refusal) {
        // The server has not refused the token of the login.
        if status.is_server_error() {
            let cause = format!("{host} answers {status}, so it is not known whether the login is still good");
            return Err(login_failed(cause, TRY_LATER));
        }
        let held = oauth.context.account.snapshot().await.unwrap_or(held);
        let event = login_event("already_signed_in", &oauth, &held);
        say_event(typed.json, &format!("already signed in to {host}"), &event);
        return Ok(());
    }
    if !auth::prepare_login(&oauth.context, refusal).await? {
        // Nothing shows that the server wants a login; then it must have answered with success.
        if refusal.is_none() && !status.is_success() {
            let cause = format!("{host} answers {status}, and does not say that it wants a login");
            return Err(login_failed(cause, "check the URL; some servers have their endpoint at /mcp or /sse"));
        }
        let event = json!({ "event": "no_login_wanted", "server": host });
        say_event(typed.json, &format!("{host} wants no login"), &event);
        return Ok(());
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
    signed_in(&oauth, &held, typed, &host).await
}

/// Prints where to sign in; another call of the program completes the login.
async fn begin_login(oauth: &OAuth, typed: &LoginCommand, host: &str) -> Result<(), Error> {
    let url = auth::begin_login(&oauth.context).await?;
    let server = log::shell_word(&typed.url);
    let words =
        format!("{url}\n\nthen run: mcp-ferry login {server} --complete 'the address that the browser ends at'");
    say_event(typed.json, &words, &json!({ "event": "authorization_url", "url": url, "server": host }));
    Ok(())
}

async fn signed_in(oauth: &OAuth, held: &Snapshot, typed: &LoginCommand, host: &str) -> Result<(), Error> {
    if let Err(error) = oauth.close().await {
        return Err(login_failed(format!("signed in to {host}, but the login is lost: {error}"), error.hint()));
    }
    let mut words = format!("signed in to {host}");
    if held.record.tokens.as_ref().is_some_and(|tokens| tokens.refresh_token.is_none()) {
        words.push_str("; the authorization server issued no refresh token, so the login ends when the token expires");
    }
    say_event(typed.json, &words, &login_event("signed_in", oauth, held));
    Ok(())
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
            say_json(&event);
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
async fn probe(settings: &Settings, login: Option<&OAuth>) -> Result<Parts, Error> {
    let mut headers = crate::upstream::post_headers();
    for (name, value) in &settings.auth.headers.map {
        headers.append(name.clone(), value.clone());
    }
    let info = json!({ "name": "mcp-ferry", "version": env!("CARGO_PKG_VERSION") });
    let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info });
    let body = crate::message::request("1", "initialize", &params).into_text();
    let mut uri = settings.upstream.uri.clone();
    let client = settings.http()?;
    let no_token = |error: AuthError| login_failed(error.to_string(), TRY_LATER);
    let mut is_refreshed = false;
    for _ in 0..MOST_REQUESTS {
        let mut headers = headers.clone();
        let fingerprint = match login {
            Some(oauth) => oauth.authorize(&Method::POST, &uri, &mut headers).await.map_err(no_token)?,
            None => 0,
        };
        let sent = client.send(Method::POST, &uri, headers, body.clone()).await;
        let sent = sent.map_err(|error| login_failed(error.to_string(), error.hint()))?;
        let (head, _) = match sent {
            ResponseOrRedirect::Redirect(next) => {
                uri = next;
                continue;
            }
            ResponseOrRedirect::Response(response) => response.into_parts(),
        };
        let Some(oauth) = login.filter(|_| head.status == StatusCode::UNAUTHORIZED) else { return Ok(head) };
        let refused =
            RefusedRequest { token: fingerprint, uri: &uri, status: head.status, headers: &head.headers, is_refreshed };
        let remedy = oauth.challenge(refused).await.map_err(no_token)?;
        if !remedy.is_token() {
            return Ok(head);
        }
        is_refreshed |= matches!(remedy, Remedy::RefreshedToken);
    }
    let host = net::origin(&settings.upstream.uri);
    Err(login_failed(format!("{host} redirects in a circle, or refuses every token"), "check the URL"))
}
