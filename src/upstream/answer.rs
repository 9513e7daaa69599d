//! What does an HTTP answer say in MCP's terms?

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::Value;

use super::send::Sender;
use crate::log;
use crate::log::trace::{self, Exchange};
use crate::message::{ErrorObject, Kind, Message};
use crate::net::{self, BodyError, Events, SseError, retry_after};
use crate::upstream::Failure;

/// How much of what a server says in an error is shown.
const GIST: usize = 300;

/// How long the reason may take of a refusal that a login mends, whatever it says.
const LOGIN_REASON_WAIT: Duration = Duration::from_millis(500);

/// How much of an answer that is none is looked at for what it is.
const START: usize = 1024;

/// A stream of events from a response. Boxed, or every request's future would have room for one, twice over.
pub(super) type EventStream = Box<Events<BoxStream<'static, Result<Bytes, SseError>>>>;

/// The body of a good answer.
pub(super) enum Body {
    /// 202, 204, or nothing at all.
    Nothing(StatusCode),
    /// JSON: a message, or an array of them.
    Message(Message),
    /// An event stream.
    Events(EventStream),
}

/// Reads a 2xx answer.
pub(super) async fn body(sender: &Sender, response: Response<Incoming>) -> Result<Body, Failure> {
    let host = sender.host();
    let (head, body) = response.into_parts();
    if matches!(head.status, StatusCode::ACCEPTED | StatusCode::NO_CONTENT) {
        // Some leave the body open, which says nothing more.
        return Ok(Body::Nothing(head.status));
    }
    if let Some(encoding) = head.headers.get(CONTENT_ENCODING).filter(|encoding| *encoding != "identity") {
        let encoding = log::redact(&String::from_utf8_lossy(encoding.as_bytes()));
        return Err(Failure::Unusable(format!("{host} sent a body encoded as {encoding}, which was not asked for")));
    }
    if is(&head.headers, "text/event-stream") {
        return Ok(Body::Events(events(sender, body, Exchange::of(&head.extensions))));
    }
    let text =
        net::read(&head.headers, body, sender.limit(), sender.body_timeout()).await.map_err(|error| match error {
            BodyError::TooLong(_) => Failure::TooLarge(format!("{host}: {error}")),
            BodyError::Broken(cause) => {
                Failure::Broken(format!("the connection to {host} broke within its answer: {cause}"))
            }
        })?;
    trace::body(Exchange::of(&head.extensions), &text);
    if text.iter().all(u8::is_ascii_whitespace) {
        return Ok(Body::Nothing(head.status));
    }
    // A copy, because a large text must stay the only one.
    let start = text[..text.len().min(START + log::longest_secret())].to_vec();
    let what = match Message::parse(text) {
        Ok(message) if !matches!(message.kind(), Kind::Invalid(_)) => return Ok(Body::Message(message)),
        Ok(_) => "JSON that is no JSON-RPC message".to_owned(),
        Err(_) if is(&head.headers, "application/json") => "broken JSON".to_owned(),
        Err(_) => match head.headers.get(CONTENT_TYPE) {
            Some(kind) => format!("{}, not MCP", log::redact(&String::from_utf8_lossy(kind.as_bytes()))),
            None => "no MCP message".to_owned(),
        },
    };
    Err(Failure::Unusable(format!("{host} answered {} with {what}: {}", head.status, gist(&start))))
}

/// [`Body::Nothing`], where something was owed.
pub(super) fn nothing(host: &str, status: StatusCode) -> Failure {
    Failure::Unusable(format!("{host} answered {status} and nothing more to a request, which wants a result"))
}

/// The events of a body whose content type says that it has some.
fn events(sender: &Sender, body: Incoming, exchange: Option<Exchange>) -> EventStream {
    let chunks = body.into_data_stream().map(|chunk| {
        chunk.map_err(|error| {
            SseError::Broken(std::error::Error::source(&error).map_or(error.to_string(), ToString::to_string))
        })
    });
    Box::new(Events::new(chunks.boxed(), sender.limit()).traced(exchange))
}

/// Whether the content type is this one, parameters aside.
pub(super) fn is(headers: &HeaderMap, kind: &str) -> bool {
    let given = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let end = memchr::memchr(b';', given).unwrap_or(given.len());
    given[..end].trim_ascii().eq_ignore_ascii_case(kind.as_bytes())
}

/// Reads an answer that is not 2xx. `Ok` is a JSON-RPC error of the server's own, which passes through. `in_session`:
/// the request named a session, so that the answer may mean that it is lost.
pub(super) async fn refusal(
    sender: &Sender,
    response: Response<Incoming>,
    in_session: bool,
) -> Result<Message, Failure> {
    let (head, body) = response.into_parts();
    let (status, host) = (head.status, sender.host().to_owned());
    // Now, and not when the body is there: somebody may have logged in by then, and the request shall be sent again,
    // not fail.
    let wants_login = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) && sender.auth().wants_login();
    let reading = net::snippet(body);
    let text = if wants_login {
        tokio::time::timeout(LOGIN_REASON_WAIT, reading).await.unwrap_or_default()
    } else {
        reading.await
    };
    trace::body(Exchange::of(&head.extensions), &text);
    let said = gist(&text);
    let rpc = Message::parse(text).ok().filter(is_rpc_error);
    if in_session && is_session_lost(status, &said, rpc.as_ref()) {
        return Err(Failure::SessionLost { host, status, said, rpc: rpc.map(Box::new) });
    }
    if wants_login {
        return Err(Failure::SignIn { host, prompt: None, why: None });
    }
    if status == StatusCode::UNAUTHORIZED {
        return Err(if sender.auth().is_given() {
            let rpc = rpc.as_ref().and_then(code_and_data).map(Box::new);
            Failure::Refused {
                host,
                status,
                said,
                source_name: sender.auth().source(),
                left_out: sender.auth().left_out(),
                rpc,
            }
        } else {
            Failure::LoginNeeded { host, status, said, left_out: sender.auth().left_out() }
        });
    }
    if let Some(message) = rpc {
        return Ok(message);
    }
    Err(Failure::Status { host, status, said, retry_after: retry_after(&head.headers).map(|delay| delay.as_secs()) })
}

/// 404 is what the specification says; many servers answer 400 or 401 and speak of a session.
fn is_session_lost(status: StatusCode, said: &str, rpc: Option<&Message>) -> bool {
    let code = rpc.and_then(code_and_data).and_then(|(code, _)| code.as_i64());
    // What servers use for it. Another code is about something else that has a session.
    let may_be = code.is_none_or(|code| matches!(code, -32000 | -32001 | -32600));
    match status {
        // Of another thing that is not there, unless they say so.
        StatusCode::NOT_FOUND => !matches!(code, Some(-32601 | -32602 | -32002)) || speaks_of_session(said),
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED => may_be && speaks_of_session(said),
        _ => false,
    }
}

/// Whether these are the words of a server that misses a session.
fn speaks_of_session(said: &str) -> bool {
    let said = said.to_ascii_lowercase();
    said.contains("session") || said.contains("not initialized")
}

/// Many a plain error has an `error` member with a code and a message in it. A client that waits for JSON-RPC would
/// pass over it.
fn is_rpc_error(message: &Message) -> bool {
    #[derive(Deserialize)]
    struct Version {
        jsonrpc: String,
    }
    matches!(message.kind(), Kind::Response { is_error: true, .. })
        && message.read::<Version>().is_some_and(|version| version.jsonrpc == "2.0")
        && code_and_data(message).is_some_and(|(code, _)| code.is_number())
}

fn code_and_data(message: &Message) -> Option<(Value, Option<Value>)> {
    ErrorObject::of(message).map(|error| (error.code, error.data))
}

/// One line of what a body says, for people: the message of a JSON error if it is one, else the text without its tags.
fn gist(body: &[u8]) -> String {
    // Redacted before it is cut anywhere, or the beginning of a secret could stand at the cut.
    let text = log::redact(&String::from_utf8_lossy(&body[..body.len().min(START + log::longest_secret())]));
    let text = text.char_indices().nth(START).map_or(&*text, |(end, _)| &text[..end]);
    let told = serde_json::from_str::<Value>(text).ok().and_then(|value| sentence(&value));
    let told = told.unwrap_or_else(|| without_tags(text));
    let line = log::redact(&told).split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(GIST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// The human part of the error shapes in use: `{error: {message}}`, `{message}`, `{error, error_description}`,
/// `{detail}`, with the machine's word for it where there is one.
fn sentence(value: &Value) -> Option<String> {
    let word = ["code", "error"].iter().find_map(|name| value.get(name)?.as_str());
    if let Some(inner) = value.get("error").filter(|inner| inner.is_object()) {
        return sentence(inner);
    }
    let text =
        ["message", "error_description", "detail", "title", "reason"].iter().find_map(|name| value.get(name)?.as_str());
    match (word, text) {
        (Some(word), Some(text)) => Some(format!("{word}: {text}")),
        (word, text) => text.or(word).map(str::to_owned),
    }
}

fn without_tags(html: &str) -> String {
    let mut text = String::new();
    let mut depth = 0usize;
    for c in html.chars() {
        match c {
            '<' => depth += 1,
            '>' if depth > 0 => {
                depth -= 1;
                text.push(' ');
            }
            c if depth == 0 => text.push(c),
            _ => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_in_a_line() {
        for (body, line) in [
            (r#"{"code":"UNAUTHENTICATED","message":"key expired"}"#, "UNAUTHENTICATED: key expired"),
            (r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"No session"},"id":null}"#, "No session"),
            (r#"{"error":"invalid_token","error_description":"gone"}"#, "invalid_token: gone"),
            ("<html><title>Not here</title>\n<p>x</html>", "Not here x"),
            ("plain\ntext", "plain text"),
            ("", ""),
        ] {
            assert_eq!(gist(body.as_bytes()), line);
        }
    }

    #[test]
    fn a_lost_session_is_told_from_other_refusals() {
        let unknown = Message::parse(r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}"#).ok();
        for (status, said, rpc, lost) in [
            (404, "", None, true),
            (404, "no", unknown.as_ref(), false),
            (400, "Bad Request: No valid session ID provided", None, true),
            (400, "Server not initialized", None, true),
            (400, "missing argument", None, false),
            (401, "Unknown Session", None, true),
            (401, "bad token", None, false),
            (500, "session", None, false),
        ] {
            let status = StatusCode::from_u16(status).unwrap_or_default();
            assert_eq!(is_session_lost(status, said, rpc), lost, "{status} {said}");
        }
    }
}
