//! What does an HTTP error mean, for a person who wants the server to work?

use http::StatusCode;

use super::context::Way;
use super::talk::{Body, Response};
use crate::auth::challenge::Challenge;
use crate::doctor::{Cause, Code};
use crate::log;
use crate::net::retry_after;
use crate::upstream::summary;

/// Headers in which servers name the request for their operators.
const REQUEST_IDS: [&str; 4] = ["x-request-id", "cf-ray", "x-amzn-requestid", "x-correlation-id"];

/// What the body says, in one line; empty or `: …`.
pub(super) fn said(response: &Response) -> String {
    let text = summary(response.bytes());
    if text.is_empty() { text } else { format!(": {text}") }
}

/// Whether the body is a page for browsers.
pub(super) fn is_page(response: &Response) -> bool {
    let is_html = response.header("content-type").trim_start().to_ascii_lowercase().starts_with("text/html");
    let start = response.bytes().trim_ascii_start();
    let start = String::from_utf8_lossy(&start[..start.len().min(15)]).to_ascii_lowercase();
    is_html || start.starts_with("<!doctype html") || start.starts_with("<html")
}

/// Whether a protection against robots answers in the place of the server.
fn is_bot_protection(response: &Response) -> bool {
    response.header("cf-mitigated") == "challenge" || !response.header("x-amzn-waf-action").is_empty()
}

/// The cause where a page, and no server of MCP, answers.
pub(super) fn page(way: &Way<'_>, response: &Response) -> Cause {
    let (host, status, said) = (&way.host, response.status.as_u16(), said(response));
    if is_bot_protection(response) {
        let sentence = format!("a protection against robots answers for {host} ({status}){said}");
        return Cause::new(Code::Html, sentence, "ask the server's operator to let programs reach this path");
    }
    let sentence = format!("a web page answers at this address, and no MCP server ({status}){said}");
    Cause::new(
        Code::Html,
        sentence,
        "look for the address of the MCP server in the documentation; often it ends with /mcp",
    )
}

/// The cause of an HTTP error other than 401, 404 and 405.
pub(super) fn cause(way: &Way<'_>, response: &Response) -> Cause {
    let (host, status, said) = (&way.host, response.status, said(response));
    let code = status.as_u16();
    let id = REQUEST_IDS.iter().map(|name| response.header(name)).find(|id| !id.is_empty());
    let id = id.map(|id| format!(" (request {})", log::foreign_name(id))).unwrap_or_default();
    match code {
        511 => Cause::new(
            Code::CaptivePortal,
            format!(
                "the network answers in the place of {host}: it wants its own login page to be visited first (511)"
            ),
            "open any http:// page in a browser, log in to the network, then try again",
        ),
        403 => forbidden(way, response, &said),
        429 => {
            let wait = retry_after(&response.headers);
            let wait = wait.map(|wait| format!(" for {} seconds", wait.as_secs())).unwrap_or_default();
            let sentence = format!("{host} takes no more requests{wait} (429){said}");
            Cause::new(Code::RateLimit, sentence, "wait, and start fewer programs that use this server at once")
        }
        500.. if is_page(response) || said.is_empty() || code != 500 => {
            let sentence = format!("{host}, or a gateway before it, fails with {status}{said}{id}");
            Cause::new(Code::ServerError, sentence, "try again in a while; if it stays, tell the server's operator")
        }
        500.. => {
            let sentence = format!("{host} fails with {status}{said}{id}");
            Cause::new(Code::ServerError, sentence, "tell the server's operator; nothing is wrong on this machine")
        }
        _ if is_page(response) => page(way, response),
        400 | 406 | 415 | 421 if mentions_host(&said) => wrong_host(way, code, &said),
        _ => {
            let sentence = format!("{host} answers with {status}{said}{id}");
            Cause::new(Code::OtherStatus, sentence, "check the URL and the headers against the server's documentation")
        }
    }
}

fn mentions_host(said: &str) -> bool {
    let said = said.to_ascii_lowercase();
    ["invalid host", "host header", "dns rebinding", "invalid origin", "origin not allowed", "host not allowed"]
        .iter()
        .any(|words| said.contains(words))
}

fn wrong_host(way: &Way<'_>, code: u16, said: &str) -> Cause {
    let sentence = format!("{} does not answer for requests with this host or origin ({code}){said}", way.host);
    let fix = "use the address that the server itself is configured with, or allow this one in its settings";
    Cause::new(Code::Forbidden, sentence, fix)
}

fn forbidden(way: &Way<'_>, response: &Response, said: &str) -> Cause {
    let host = &way.host;
    let challenge = Challenge::read(&response.headers);
    if let Some(challenge) = challenge.filter(Challenge::is_insufficient_scope) {
        let scope = challenge.scope.map(|scope| log::foreign_name(&scope)).unwrap_or_default();
        let sentence = match scope.as_str() {
            "" => format!("the login lacks a scope that {host} wants, and does not name (403)"),
            scope => format!("the login lacks the scope {scope:?} that {host} wants (403)"),
        };
        return Cause::new(Code::ScopeMissing, sentence, way.login_command(" --force"));
    }
    if is_bot_protection(response) || is_page(response) {
        return page(way, response);
    }
    if mentions_host(said) {
        return wrong_host(way, 403, said);
    }
    let lower = said.to_ascii_lowercase();
    if lower.contains("not enabled") || lower.contains("disabled") {
        let sentence = format!("the MCP server is switched off for this account (403){said}");
        return Cause::new(Code::Forbidden, sentence, "ask whoever runs the account to switch it on");
    }
    let sentence = format!("{host} knows you, or your network, and does not allow this (403){said}");
    Cause::new(Code::Forbidden, sentence, "ask whoever runs the account for access to the MCP server")
}

/// The error of a response in words.
pub(super) fn refusal(response: &Response) -> String {
    let error = response.member("error").unwrap_or_default();
    match error["message"].as_str() {
        Some(text) => format!("{} ({})", log::foreign(text), error["code"]),
        None if matches!(&response.body, Body::Other(_)) => "no answer came on the stream".to_owned(),
        None => "an answer without a result".to_owned(),
    }
}

/// The status in the short form for the fact of a step.
pub(super) fn fact(response: &Response) -> String {
    let version = match response.version {
        http::Version::HTTP_2 => "HTTP/2",
        http::Version::HTTP_10 => "HTTP/1.0",
        _ => "HTTP/1.1",
    };
    let kind = response.header("content-type").split(';').next().unwrap_or_default().trim();
    let kind = if kind.is_empty() { String::new() } else { format!(", {}", log::foreign_name(kind)) };
    format!("{version}, {}{kind}", status_words(response.status))
}

fn status_words(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_u16()),
        None => status.as_u16().to_string(),
    }
}
