//! How does a person log in before any program needs it (`mcp-ferry login`)?

use std::convert::Infallible;
use std::io::{BufRead, IsTerminal};
use std::time::{Duration, Instant};

use http::response::Parts;
use http::{Method, StatusCode};
use serde_json::json;
use tokio::sync::mpsc;

use super::moment::span;
use super::output::{login_failed, oauth, say_event, say_json, shown};
use super::status::validity;
use super::terminal::{Mark, Progress, say_marked};
use crate::auth::{self, AuthError, Grant, LoginError, LoginOptions, OAuth, RefusedRequest, Remedy, Snapshot};
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
    // A script that reads JSON shares the terminal with nothing that moves.
    let progress = Progress::new(typed.options.logging.silent || typed.json);
    if let Some(redirect) = &typed.complete {
        progress.show(&format!("exchanging the code for the tokens of {host}"));
        let held = auth::complete_login(&oauth.context, redirect).await?;
        progress.clear();
        return signed_in(&oauth, &held, typed, &host).await;
    }
    let held = oauth.context.account.snapshot().await.filter(|held| !typed.force && held.is_good());
    progress.show(&format!("asking {host} whether it wants a login"));
    oauth.context.account.prepare().await.map_err(LoginError::from)?;
    let Parts { status, headers, .. } = probe(settings, held.as_ref().map(|_| &oauth)).await?;
    let refusal = Some(&headers).filter(|_| status == StatusCode::UNAUTHORIZED);
    if let (Some(held), None) = (held, refusal) {
        // The server has not refused the token of the login.
        if status.is_server_error() {
            let cause = format!("{host} answers {status}, so it is not known whether the login is still good");
            return Err(login_failed(cause, TRY_LATER));
        }
        progress.clear();
        let held = oauth.context.account.snapshot().await.unwrap_or(held);
        say_login(typed.json, "already_signed_in", &format!("already signed in to {host}"), &oauth, &held);
        return Ok(());
    }
    progress.show(&format!("asking where to sign in to {host}"));
    if !auth::prepare_login(&oauth.context, refusal).await? {
        // Nothing shows that the server wants a login; then it must have answered with success.
        if refusal.is_none() && !status.is_success() {
            let cause = format!("{host} answers {status}, and does not say that it wants a login");
            return Err(login_failed(cause, "check the URL; some servers have their endpoint at /mcp or /sse"));
        }
        progress.clear();
        let event = json!({ "event": "no_login_wanted", "server": host });
        say_event(typed.json, &format!("{host} wants no login"), &event);
        return Ok(());
    }
    if typed.no_wait {
        return begin_login(&oauth, typed, &host, &progress).await;
    }
    let pasted = pasted_lines(typed);
    let is_typed_at = pasted.is_some() && !matches!(settings.auth.login.grant, Grant::Device);
    let options = LoginOptions { opens: !typed.no_browser, asked_for: true, pasted, ..LoginOptions::default() };
    let held = tokio::select! {
        held = auth::log_in(&oauth.context, options) => held?,
        never = watch(&oauth, typed, &host, &progress, is_typed_at, settings.auth.timeout) => match never {},
    };
    progress.clear();
    signed_in(&oauth, &held, typed, &host).await
}

/// Prints where to sign in; another call of the program completes the login.
async fn begin_login(oauth: &OAuth, typed: &LoginCommand, host: &str, progress: &Progress) -> Result<(), Error> {
    let url = auth::begin_login(&oauth.context).await?;
    progress.clear();
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
    say_login(typed.json, "signed_in", &words, oauth, held);
    Ok(())
}

/// Prints what is known of a login that is good.
fn say_login(as_json: bool, event: &str, words: &str, oauth: &OAuth, held: &Snapshot) {
    let mut login = shown(&held.record, &oauth.context.account.store().path(oauth.context.account.key()));
    if as_json {
        login["event"] = event.into();
        return say_json(&login);
    }
    let text = |name: &str| login[name].as_str().map(log::foreign).filter(|text| !text.is_empty());
    let account = text("account").map(|account| format!("\n  as {account}")).unwrap_or_default();
    let scope = text("scope").map(|scope| format!("\n  with the scopes {scope}")).unwrap_or_default();
    say_marked(Mark::Good, &format!("{words}{account}{scope}\n  {}", validity(&login)));
}

/// While a login is under way: prints where to sign in on stdout, for scripts, and shows on stderr what is waited for.
/// People read the address on stderr, where the login writes it.
async fn watch(
    oauth: &OAuth,
    typed: &LoginCommand,
    host: &str,
    progress: &Progress,
    is_typed_at: bool,
    limit: Duration,
) -> Infallible {
    let mut printed = None;
    let mut is_waiting = false;
    let began = Instant::now();
    loop {
        if let Ok(Some(prompt)) = oauth.context.login_status.settled_prompt(Duration::MAX).await {
            if typed.json && printed.as_ref() != Some(&prompt.url) {
                let event =
                    json!({ "event": "authorization_url", "url": prompt.url, "userCode": prompt.code, "server": host });
                say_json(&event);
                printed = Some(prompt.url);
            }
            let left = span(limit.saturating_sub(began.elapsed()).as_secs().div_ceil(60) * 60);
            let words = format!("waiting for the login at {host}, for {left} at most");
            if !is_waiting {
                progress.say(&words);
            } else if !is_typed_at {
                // A line that changes would overwrite what a person is pasting.
                progress.show(&words);
            }
            is_waiting = true;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
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
