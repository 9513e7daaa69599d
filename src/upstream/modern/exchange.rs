//! One request, its POST and its answer.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use http::{HeaderMap, Method, StatusCode};
use serde::Deserialize;

use super::{Server, called};
use crate::log;
use crate::message::code;
use crate::message::{self, Id, Kind, Members, Message, error_code, quoted};
use crate::task;
use crate::upstream::Context;
use crate::upstream::Failure;
use crate::upstream::answer::{self, Body, EventStream};
use crate::upstream::awaited::Awaited;
use crate::upstream::send::{Sent, post_headers};

/// A server that has more pages of tools than this has no end.
const MOST_PAGES: usize = 100;

/// How long a stream may stay open after its answer before it costs its connection.
const AFTERWORD: Duration = Duration::from_secs(5);

/// How long a server may take to hear that it cannot ask.
const REFUSAL: Duration = Duration::from_secs(5);

/// A server's answer, and the status it came with. An error is an answer.
#[derive(Debug)]
pub(in crate::upstream) struct Answered {
    pub(in crate::upstream) status: StatusCode,
    pub(in crate::upstream) answer: Message,
}

/// Which of the messages that come before the answer are for the client.
pub(in crate::upstream) type Sieve<'a> = dyn FnMut(&Message) -> bool + Send + 'a;

/// Carries a request and what the server says on the way to the client. Dropped, it closes the exchange, which cancels
/// the request.
///
/// A server that misses a header is asked for its tools, because it may want others mirrored than we know, and then
/// once more: what it refused so it has not carried out.
pub(in crate::upstream) async fn carry(
    context: &Context,
    message: &Message,
    sieve: &mut Sieve<'_>,
) -> Result<Answered, Failure> {
    let server = &context.modern;
    let mut answered = post(context, message, &server.headers(message), sieve).await?;
    match message.method() {
        Some("tools/call") if error_code(&answered.answer) == Some(code::HEADER_MISMATCH) => {
            Box::pin(learn(context, message)).await;
            let again = message.with_id(&server.ids.next());
            answered = Box::pin(post(context, &again, &server.headers(&again), sieve)).await?;
            answered.answer = answered.answer.with_id(message.raw_id().unwrap_or("null"));
        }
        Some("tools/list") => answered.answer = server.sift(answered.answer),
        _ => {}
    }
    Ok(answered)
}

/// Posts a notification.
pub(in crate::upstream) async fn notify(context: &Context, message: &Message) -> Result<(), Failure> {
    let sender = &context.sender;
    let sent = send(context, message, &context.modern.headers(message)).await?;
    if !sent.response.status().is_success() {
        let error = answer::refusal(sender, sent.response, false).await?;
        return Err(Failure::Unusable(format!("{} refused it: {}", sender.host(), error.text().escape_ascii())));
    }
    Ok(())
}

/// Sends a message to where the server is now.
pub(super) async fn send(context: &Context, message: &Message, headers: &HeaderMap) -> Result<Sent, Failure> {
    let Server { moved, .. } = &context.modern;
    let there = moved.lock().clone();
    let uri = there.as_ref().unwrap_or_else(|| context.sender.uri());
    let sent =
        context.sender.send(Method::POST, uri, headers, message.text().clone(), context.options.patience).await?;
    if let Some(there) = &sent.moved {
        *moved.lock() = Some(there.clone());
    }
    Ok(sent)
}

async fn post(
    context: &Context,
    message: &Message,
    headers: &HeaderMap,
    sieve: &mut Sieve<'_>,
) -> Result<Answered, Failure> {
    let sender = &context.sender;
    let owed = Owed::by(message);
    let Sent { response, .. } = send(context, message, headers).await?;
    let status = response.status();
    if !status.is_success() {
        let error = Box::pin(answer::refusal(sender, response, false)).await?;
        return Ok(Answered { status, answer: error.with_id(owed.raw_id) });
    }
    let answer = match answer::body(sender, response).await? {
        Body::Nothing(status) => return Err(answer::nothing(sender.host(), status)),
        Body::Message(answer) => owed
            .take(answer)
            .map_err(|_| Failure::Unusable(format!("{} answered another request than this", sender.host())))?,
        Body::Events(mut events) => {
            let answer = read(context, &mut events, &owed, sieve).await?;
            afterword(context, events);
            answer
        }
    };
    Ok(Answered { status, answer })
}

/// The request whose answer is owed.
struct Owed<'a> {
    id: Id,
    raw_id: &'a str,
}

impl<'a> Owed<'a> {
    fn by(request: &'a Message) -> Self {
        let raw_id = request.raw_id().unwrap_or("null");
        Self { id: Id::from_json(raw_id), raw_id }
    }

    /// The message as its answer, or the message again.
    fn take(&self, message: Message) -> Result<Message, Message> {
        match message.kind() {
            Kind::Response { id, .. } if *id == self.id => Ok(message),
            // What could not read the request, or read its id as a double, still answers it.
            Kind::Response { id, is_error } if (id.is_null() && *is_error) || id.same_as_double(&self.id) => {
                Ok(message.with_id(self.raw_id))
            }
            _ => Err(message),
        }
    }
}

/// Reads a stream until the answer has come.
async fn read(
    context: &Context,
    events: &mut EventStream,
    owed: &Owed<'_>,
    sieve: &mut Sieve<'_>,
) -> Result<Message, Failure> {
    let mut awaited = Awaited::new(&context.sender, events);
    loop {
        let message = awaited.next(&|id| *id == owed.id).await.map_err(|ended| ended.failure)?;
        match owed.take(message) {
            Ok(answer) => return Ok(answer),
            Err(message) => deliver(context, message, sieve).await,
        }
    }
}

/// Delivers what comes before the answer. A modern server has nothing to ask on a stream; a legacy one that has carried
/// out a request without a session may, and would wait for ever.
async fn deliver(context: &Context, message: Message, sieve: &mut Sieve<'_>) {
    match message.kind() {
        Kind::Notification { .. } if sieve(&message) => context.client.deliver(message).await,
        Kind::Notification { .. } => {}
        Kind::Request { .. } => refuse(context, &message),
        _ => log::warn!("{} sent on a stream what has no place there; it is dropped", context.sender.host()),
    }
}

/// Answers a server's question for the client, which cannot be asked.
fn refuse(context: &Context, question: &Message) {
    let (sender, raw_id) = (Arc::clone(&context.sender), question.raw_id().unwrap_or("null"));
    let method = question.method().unwrap_or_default();
    if !context.is_proven_modern() {
        context.found(false, None);
    }
    let why = "the client that sent this request has no session in which it could be asked";
    let answer = match method {
        "ping" => message::result(raw_id, "{}"),
        _ => message::error(raw_id, code::METHOD_NOT_FOUND, why, None),
    };
    log::warn!("{} asks {method} on a stream, where nobody can be asked; it is told so", sender.host());
    drop(task::spawn(async move {
        let headers = post_headers();
        let told = sender.send(Method::POST, sender.uri(), &headers, answer.into_text(), REFUSAL);
        if !matches!(tokio::time::timeout(REFUSAL, told).await, Ok(Ok(_))) {
            log::warn!("{} could not be told that nobody can be asked", sender.host());
        }
    }));
}

/// Lets a stream end by itself after its answer, because a connection whose stream is cut off is lost to the next
/// request.
fn afterword(context: &Context, mut events: EventStream) {
    if matches!(events.next().now_or_never(), Some(None | Some(Err(_)))) {
        return;
    }
    let host = context.sender.host().to_owned();
    drop(task::spawn(tokio::time::timeout(AFTERWORD, async move {
        while let Some(Ok(_)) = events.next().await {
            log::debug!("{host} goes on after its answer; that is passed over");
        }
    })));
}

/// Asks for the tools until the one that is called has been listed.
async fn learn(context: &Context, call: &Message) {
    #[derive(Deserialize)]
    struct Tool {
        name: String,
    }
    log::info!("{} misses a header; asking which it wants", context.sender.host());
    let tool = called(call);
    let mut cursor = None;
    for _ in 0..MOST_PAGES {
        let Some(request) = list(&context.modern, call, cursor.as_deref()) else { return };
        let listed = post(context, &request, &context.modern.headers(&request), &mut |_| false).await;
        let Ok(Answered { answer, .. }) = listed else { return };
        let answer = context.modern.sift(answer);
        let Some(result) = Members::of(answer.as_str()).and_then(|members| members.object("result")) else { return };
        let tools: Vec<Tool> =
            result.get("tools").and_then(|tools| serde_json::from_str(tools).ok()).unwrap_or_default();
        cursor = result.string("nextCursor");
        if cursor.is_none() || tools.iter().any(|listed| Some(&listed.name) == tool.as_ref()) {
            return;
        }
    }
}

/// A `tools/list` in the name of whoever calls.
fn list(server: &Server, call: &Message, cursor: Option<&str>) -> Option<Message> {
    let params = Members::of(call.as_str())?.object("params")?;
    let own = params.get("_meta").unwrap_or("{}");
    let cursor = cursor.map(|cursor| format!(r#","cursor":{}"#, quoted(cursor))).unwrap_or_default();
    let params = format!(r#"{{"_meta":{own}{cursor}}}"#);
    Some(message::request(&server.ids.next(), "tools/list", &params))
}
