//! What is an HTTP response in the terms of MCP: messages, an error response, or a failure? And which message in it
//! answers the request?

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::BodyExt;
use serde::Deserialize;

use super::Sender;
use super::summary::{needed_bytes, summary};
use crate::auth::Refusal;
use crate::log;
use crate::log::trace::{self, Exchange};
use crate::message::{ErrorObject, Id, Kind, Message, error_code};
use crate::net::{self, BodyError, Events, ResponseBody, SseError, retry_after};
use crate::upstream::Failure;

/// How long the body may take of a 401 or 403 that a login cures, whatever the body holds.
const LOGIN_REASON_WAIT: Duration = Duration::from_millis(500);

/// A stream of events from a response. Boxed, or every request's future would have room for one, twice over.
pub(crate) type EventStream = Box<Events<BoxStream<'static, Result<Bytes, SseError>>>>;

/// The body of a 2xx response.
pub(crate) enum Body {
    /// 202, 204, or an empty body.
    Nothing(StatusCode),
    /// JSON: a message, or an array of them.
    Message(Message),
    /// An event stream.
    Events(EventStream),
}

/// Reads a 2xx response.
pub(crate) async fn read_body(sender: &Sender, response: Response<ResponseBody>) -> Result<Body, Failure> {
    let host = &sender.host;
    let (head, body) = response.into_parts();
    if matches!(head.status, StatusCode::ACCEPTED | StatusCode::NO_CONTENT) && !announces_json(&head.headers) {
        // Some servers leave such a body open.
        return Ok(Body::Nothing(head.status));
    }
    if let Some(encoding) = head.headers.get(CONTENT_ENCODING) {
        let encoding = log::foreign_bytes(encoding.as_bytes());
        return Err(Failure::Unusable(format!("{host} sent a body encoded as {encoding}, which no request allows")));
    }
    if has_type(&head.headers, "text/event-stream") {
        return Ok(Body::Events(events(sender, body, Exchange::of(&head.extensions))));
    }
    let text = net::read(&head.headers, body, sender.limit, sender.body_timeout).await;
    let text = text.map_err(|error| match error {
        BodyError::TooLong(_) | BodyError::Full(_) => Failure::TooLarge(format!("{host}: {error}")),
        BodyError::Broken(cause) => {
            Failure::Broken(format!("the connection to {host} broke within its answer: {cause}"))
        }
    })?;
    trace::body(Exchange::of(&head.extensions), &text);
    let text = net::from_utf16(text);
    if text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&text).iter().all(u8::is_ascii_whitespace) {
        return Ok(Body::Nothing(head.status));
    }
    // A copy, because a large text must stay the only one.
    let start = text[..text.len().min(needed_bytes(&text))].to_vec();
    let received = Message::parse_decoding(text, |text| net::from_other(&head.headers, text)).map(Message::repaired);
    let what = match received {
        Ok(message) if !matches!(message.kind(), Kind::Invalid(_)) => return Ok(Body::Message(message)),
        Ok(_) => "JSON that is no JSON-RPC message".to_owned(),
        Err(_) if has_type(&head.headers, "application/json") => "broken JSON".to_owned(),
        Err(_) => match head.headers.get(CONTENT_TYPE) {
            Some(kind) => format!("{}, not MCP", log::foreign_bytes(kind.as_bytes())),
            None => "no MCP message".to_owned(),
        },
    };
    Err(Failure::Unusable(format!(
        "{host} answered {} with {what}: {}",
        head.status,
        summary(&net::to_utf8(&head.headers, start))
    )))
}

/// Whether a body of some length is announced that is JSON. Some servers send a whole response with 202.
fn announces_json(headers: &HeaderMap) -> bool {
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    length.is_some_and(|length| length > 0) && has_type(headers, "application/json")
}

/// The failure of a request whose response has [no body](Body::Nothing).
pub(crate) fn no_body(host: &str, status: StatusCode) -> Failure {
    Failure::Unusable(format!("{host} answered {status} and nothing more to a request, which wants a result"))
}

/// The events of a body whose content type says that it is an event stream.
fn events(sender: &Sender, body: ResponseBody, exchange: Option<Exchange>) -> EventStream {
    events_of(body, sender.limit, exchange)
}

/// The events in a body, none of them longer than the limit.
pub(crate) fn events_of(body: ResponseBody, limit: usize, exchange: Option<Exchange>) -> EventStream {
    let chunks = body.into_data_stream().map(|chunk| {
        chunk.map_err(|error| SseError::Broken(error.source().map_or(error.to_string(), ToString::to_string)))
    });
    Box::new(Events::new(chunks.boxed(), limit).traced(exchange))
}

/// Whether the content type is this one, parameters aside.
pub(crate) fn has_type(headers: &HeaderMap, kind: &str) -> bool {
    let given = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let end = memchr::memchr(b';', given).unwrap_or(given.len());
    given[..end].trim_ascii().eq_ignore_ascii_case(kind.as_bytes())
}

/// Reads a response that is not 2xx. `Ok` is a JSON-RPC error of the server's own, which passes through. `in_session`:
/// the request named a session, so that the response may mean that the session has expired.
pub(crate) async fn error_response(
    sender: &Sender,
    response: Response<ResponseBody>,
    in_session: bool,
) -> Result<Message, Failure> {
    let (head, body) = response.into_parts();
    let (status, host) = (head.status, sender.host.clone());
    let refusal = head.extensions.get::<Refusal>().cloned();
    let reading = net::snippet(body);
    let text = if refusal.is_some() {
        tokio::time::timeout(LOGIN_REASON_WAIT, reading).await.unwrap_or_default()
    } else {
        reading.await
    };
    trace::body(Exchange::of(&head.extensions), &text);
    let text = net::to_utf8(&head.headers, text);
    let summary = summary(&text);
    let rpc = Message::parse(text).ok().filter(is_rpc_error).map(Message::repaired);
    if in_session && is_session_expired(status, &summary, rpc.as_ref()) {
        return Err(Failure::SessionLost { host, status, summary, rpc: rpc.map(Box::new) });
    }
    let failure = if status == StatusCode::UNAUTHORIZED {
        let left_out = sender.auth.left_out();
        if sender.auth.is_given() {
            let rpc = rpc.as_ref().and_then(ErrorObject::of).map(Box::new);
            Failure::Refused { host, status, summary, source_name: sender.auth.source(), left_out, rpc }
        } else {
            Failure::LoginNeeded { host, status, summary, left_out }
        }
    } else {
        if let Some(message) = rpc.filter(|_| refusal.is_none()) {
            return Ok(message);
        }
        let retry_after = retry_after(&head.headers).map(|delay| delay.as_secs());
        Failure::Status { host, status, summary, retry_after }
    };
    Err(match refusal {
        Some(refusal) => Failure::LoginHelps { refusal, otherwise: Box::new(failure) },
        None => failure,
    })
}

/// The failure that a response within a session means, if it is an error that says that the session is lost.
pub(crate) fn lost_session(sender: &Sender, status: StatusCode, answer: &Message) -> Option<Failure> {
    let Kind::Response { is_error: true, .. } = answer.kind() else { return None };
    let is_code = |code| matches!(code, -32000 | -32001 | -32005 | -32600);
    let summary = || summary(&answer.text()[..answer.text().len().min(needed_bytes(answer.text()))]);
    if !error_code(answer).is_some_and(is_code) {
        return None;
    }
    let summary = Some(summary()).filter(|summary| says_that_session_is_lost(summary))?;
    Some(Failure::SessionLost { host: sender.host.clone(), status, summary, rpc: Some(Box::new(answer.clone())) })
}

/// The specification says 404; many servers answer 410, 400 or 401 and speak of a session.
fn is_session_expired(status: StatusCode, summary: &str, rpc: Option<&Message>) -> bool {
    let code = rpc.and_then(ErrorObject::of).and_then(|error| error.code.as_i64());
    // The codes that servers use for it. Another code is about something else that has a session.
    let may_be = code.is_none_or(|code| matches!(code, -32000 | -32001 | -32005 | -32600));
    match status {
        // A method, a parameter or a resource was not found, unless the server speaks of a session.
        StatusCode::NOT_FOUND | StatusCode::GONE => {
            !matches!(code, Some(-32601 | -32602 | -32002)) || speaks_of_session(summary)
        }
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED => may_be && speaks_of_session(summary),
        _ => false,
    }
}

/// Whether these are the words of a server that misses a session.
fn speaks_of_session(summary: &str) -> bool {
    let summary = summary.to_ascii_lowercase();
    summary.contains("session") || summary.contains("not initialized")
}

/// Whether these words say that a session is lost. In a good response many an error mentions a session of the tool's own,
/// so that the word alone shows nothing.
fn says_that_session_is_lost(summary: &str) -> bool {
    const LOST: [&str; 18] = [
        "not found",
        "not exist",
        "n't exist",
        "expired",
        "invalid",
        "no valid",
        "not valid",
        "unknown",
        "missing",
        "lost",
        "terminated",
        "closed",
        "no longer",
        "no such",
        "not recogni",
        "unrecogni",
        "initiali",
        "required",
    ];
    let summary = summary.to_ascii_lowercase();
    summary.contains("not initialized")
        || (summary.contains("session") && LOST.iter().any(|lost| summary.contains(lost)))
}

/// Many a plain error has an `error` member with a code and a message in it. A client that waits for JSON-RPC would
/// ignore it.
fn is_rpc_error(message: &Message) -> bool {
    #[derive(Deserialize)]
    struct Version {
        jsonrpc: String,
    }
    matches!(message.kind(), Kind::Response { is_error: true, .. })
        && message.read::<Version>().is_some_and(|version| version.jsonrpc == "2.0")
        && ErrorObject::of(message).is_some_and(|error| error.code.is_number())
}

/// A request that waits for its response.
#[derive(Clone, Copy)]
pub(crate) struct OwedResponse<'a> {
    id: &'a Id,
    /// The id as the request spells it.
    raw_id: &'a str,
}

impl<'a> OwedResponse<'a> {
    /// `None` for a message that is no request.
    pub(crate) fn to(request: &'a Message) -> Option<Self> {
        let Kind::Request { id, .. } = request.kind() else { return None };
        Some(Self { id, raw_id: request.raw_id().unwrap_or("null") })
    }

    pub(crate) fn id(&self) -> &'a Id {
        self.id
    }

    pub(crate) fn raw_id(&self) -> &'a str {
        self.raw_id
    }

    /// Whether this is the request's id, or what a server makes of it.
    pub(crate) fn has_id(&self, id: &Id) -> bool {
        id == self.id || id.resembles(self.id)
    }

    /// The message as the response under the request's own id; `Err` gives back a message that is not the response.
    pub(crate) fn take(&self, message: Message) -> Result<Message, Message> {
        match message.kind() {
            Kind::Response { id, .. } if id == self.id && message.has_id_as_in(self.raw_id) => Ok(message),
            // A server that could not read the request, or has changed its id, has answered it all the same.
            Kind::Response { id, is_error } if (id.is_null() && *is_error) || self.has_id(id) => {
                Ok(message.with_id(self.raw_id))
            }
            _ => Err(message),
        }
    }

    /// The same where the message is all that the server returned: an error under another id, and a result without an
    /// id, can only be about this request.
    pub(crate) fn take_only(&self, message: Message) -> Result<Message, Message> {
        match message.kind() {
            Kind::Response { id, is_error } if *is_error || id.is_null() => Ok(message.with_id(self.raw_id)),
            _ => self.take(message),
        }
    }

    /// An error under another id, as the response under the request's own: what counts if no other response comes.
    pub(crate) fn stray_error(&self, message: &Message) -> Option<Message> {
        matches!(message.kind(), Kind::Response { is_error: true, .. }).then(|| message.with_id(self.raw_id))
    }
}

/// The responses that a POST of a request or of a batch still owes.
pub(crate) enum Owed<'a> {
    One(OwedResponse<'a>),
    /// A batch's, with the spelling of their ids.
    Many(HashMap<Id, Box<str>>),
}

impl<'a> Owed<'a> {
    pub(crate) fn by(message: &'a Message) -> Self {
        match OwedResponse::to(message) {
            Some(one) => Self::One(one),
            None => Self::Many(message.requests().into_iter().collect()),
        }
    }

    /// Whether this message is a response that is owed.
    pub(crate) fn includes(&self, message: &Message) -> bool {
        let Kind::Response { id, is_error } = message.kind() else { return false };
        match self {
            Self::One(one) => one.has_id(id) || (id.is_null() && *is_error),
            Self::Many(ids) => ids.keys().any(|owed| owed == id || owed.resembles(id)),
        }
    }

    /// Whether the response with this id is all that is owed.
    pub(crate) fn is_all(&self, id: &Id) -> bool {
        matches!(self, Self::One(one) if one.has_id(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expired_session_is_told_from_other_errors() {
        let unknown = Message::parse(r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}"#).ok();
        for (status, said, rpc, lost) in [
            (404, "", None, true),
            (404, "no", unknown.as_ref(), false),
            (400, "Bad Request: No valid session ID provided", None, true),
            (400, "Server not initialized", None, true),
            (400, "missing argument", None, false),
            (401, "Unknown Session", None, true),
            (401, "bad token", None, false),
            (410, "", None, true),
            (500, "session", None, false),
        ] {
            let status = StatusCode::from_u16(status).unwrap_or_default();
            assert_eq!(is_session_expired(status, said, rpc), lost, "{status} {said}");
        }
    }
}
