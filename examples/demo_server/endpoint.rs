//! The transport: what does each HTTP request mean?

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{ACCEPT, ALLOW, CONTENT_TYPE, HOST, HeaderValue, ORIGIN};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Frame, Incoming};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::session::{Session, Sessions, Stream, send};
use super::{content, tools};

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

const REVISIONS: [&str; 3] = ["2025-11-25", "2025-06-18", "2025-03-26"];
const SESSION_ID: &str = "mcp-session-id";
const MAX_MESSAGE: usize = 64 * 1024 * 1024;

pub async fn answer(sessions: Arc<Sessions>, request: Request<Incoming>) -> Result<Answer, Infallible> {
    Ok(route(&sessions, request).await.unwrap_or_else(|(status, why)| plain(status, why)))
}

type Refusal = (StatusCode, &'static str);

async fn route(sessions: &Arc<Sessions>, request: Request<Incoming>) -> Result<Answer, Refusal> {
    if request.uri().path() != "/mcp" {
        return Err((StatusCode::NOT_FOUND, "the server is at /mcp\n"));
    }
    check_origin(request.headers())?;
    match *request.method() {
        Method::POST => post(sessions, request).await,
        Method::GET => {
            let (_, session) = session_of(sessions, request.headers())?;
            if !accepts(request.headers(), "text/event-stream") {
                return Err((StatusCode::NOT_ACCEPTABLE, "this is an event stream\n"));
            }
            let (stream, body) = event_stream();
            session.open_get_stream(stream);
            Ok(body)
        }
        Method::DELETE => {
            let (id, _) = session_of(sessions, request.headers())?;
            sessions.close(&id);
            Ok(plain(StatusCode::NO_CONTENT, ""))
        }
        _ => {
            let mut refusal = plain(StatusCode::METHOD_NOT_ALLOWED, "");
            refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, POST, DELETE"));
            Ok(refusal)
        }
    }
}

async fn post(sessions: &Arc<Sessions>, request: Request<Incoming>) -> Result<Answer, Refusal> {
    let (head, body) = request.into_parts();
    if !accepts(&head.headers, "application/json") || !accepts(&head.headers, "text/event-stream") {
        return Err((StatusCode::NOT_ACCEPTABLE, "accept both application/json and text/event-stream\n"));
    }
    let body = Limited::new(body, MAX_MESSAGE).collect().await;
    let body = body.map_err(|_| (StatusCode::PAYLOAD_TOO_LARGE, "64 MiB at most\n"))?.to_bytes();
    let Ok(message) = serde_json::from_slice::<Value>(&body) else {
        return Ok(as_json(StatusCode::BAD_REQUEST, &error(&Value::Null, -32700, "this is not JSON")));
    };
    if message["method"] == "initialize" {
        return Ok(initialize(sessions, &message));
    }
    let (_, session) = session_of(sessions, &head.headers)?;
    if let Some(batch) = message.as_array() {
        return one_stream(&session, batch.clone());
    }
    let id = &message["id"];
    match (message["method"].as_str(), id) {
        (None, _) => {
            session.respond(&message);
            Ok(plain(StatusCode::ACCEPTED, ""))
        }
        (Some(method), Value::Null) => {
            notified(&session, method, &message["params"]);
            Ok(plain(StatusCode::ACCEPTED, ""))
        }
        (Some("tools/call"), _) => one_stream(&session, vec![message]),
        (Some(method), id) => Ok(as_json(StatusCode::OK, &at_once(&session, method, id, &message["params"]))),
    }
}

/// Answers these messages on one event stream, which ends when every message is answered.
fn one_stream(session: &Arc<Session>, messages: Vec<Value>) -> Result<Answer, Refusal> {
    if messages.is_empty() || (messages.len() > 1 && session.revision != "2025-03-26") {
        return Err((StatusCode::BAD_REQUEST, "this revision has no batches\n"));
    }
    let (stream, response) = event_stream();
    for message in messages {
        let (session, stream) = (Arc::clone(session), stream.clone());
        tokio::spawn(async move {
            let (id, params) = (&message["id"], &message["params"]);
            match message["method"].as_str() {
                Some(method) if id.is_null() => notified(&session, method, params),
                Some("tools/call") => {
                    let cancelled = session.started(id);
                    tokio::select! {
                        outcome = tools::call(&session, &stream, params) => send(&stream, &answered(id, outcome)),
                        () = cancelled.notified() => {}
                        () = stream.closed() => {}
                    }
                    session.ended(id);
                }
                Some(method) => send(&stream, &at_once(&session, method, id, params)),
                None => session.respond(&message),
            }
        });
    }
    Ok(response)
}

fn initialize(sessions: &Sessions, message: &Value) -> Answer {
    let asked = message["params"]["protocolVersion"].as_str().unwrap_or_default();
    let revision = REVISIONS.into_iter().find(|known| *known == asked).unwrap_or(REVISIONS[0]);
    let (id, _) = sessions.create(revision, message["params"]["capabilities"].clone());
    let result = json!({
        "protocolVersion": revision,
        "capabilities": {"tools": {}, "resources": {}, "prompts": {}, "logging": {}},
        "serverInfo": {"name": "mcp-ferry-demo", "title": "Demo server of mcp-ferry", "version": env!("CARGO_PKG_VERSION")},
        "instructions": "A small server to try clients and bridges with.",
    });
    let mut response = as_json(StatusCode::OK, &answered(&message["id"], Ok(result)));
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(SESSION_ID, id);
    }
    response
}

fn notified(session: &Session, method: &str, params: &Value) {
    if method == "notifications/cancelled" {
        session.cancel(&params["requestId"]);
    }
}

fn at_once(session: &Session, method: &str, id: &Value, params: &Value) -> Value {
    let outcome = match method {
        "ping" => Ok(json!({})),
        "logging/setLevel" => {
            session.set_level(params["level"].as_str().unwrap_or("info"));
            Ok(json!({}))
        }
        "tools/list" => Ok(tools::list()),
        _ => content::answer(method, params),
    };
    answered(id, outcome)
}

/// A result, or the code and message of a JSON-RPC error.
pub type Outcome = Result<Value, (i32, String)>;

fn answered(id: &Value, outcome: Outcome) -> Value {
    match outcome {
        Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
        Err((code, message)) => error(id, code, &message),
    }
}

fn error(id: &Value, code: i32, message: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}})
}

/// A page in a browser must not reach this server: neither from its own origin, nor by a host name that it made resolve to
/// this machine.
fn check_origin(headers: &HeaderMap) -> Result<(), Refusal> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let origin = text(ORIGIN).is_none_or(|origin| origin.split_once("://").is_some_and(|(_, host)| is_local(host)));
    if origin && text(HOST).is_none_or(is_local) {
        Ok(())
    } else {
        Err((StatusCode::FORBIDDEN, "only from this machine\n"))
    }
}

fn is_local(host: &str) -> bool {
    let name = host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(host, |(name, _)| name);
    matches!(name, "localhost" | "127.0.0.1" | "[::1]")
}

fn session_of(sessions: &Sessions, headers: &HeaderMap) -> Result<(String, Arc<Session>), Refusal> {
    let id = headers.get(SESSION_ID).and_then(|value| value.to_str().ok());
    let id = id.ok_or((StatusCode::BAD_REQUEST, "no Mcp-Session-Id\n"))?;
    let session = sessions.find(id).ok_or((StatusCode::NOT_FOUND, "no such session\n"))?;
    Ok((id.to_owned(), session))
}

fn accepts(headers: &HeaderMap, kind: &str) -> bool {
    headers
        .get_all(ACCEPT)
        .iter()
        .any(|value| value.to_str().is_ok_and(|text| text.contains(kind) || text.contains("*/*")))
}

fn plain(status: StatusCode, text: &'static str) -> Answer {
    respond(status, "text/plain", Full::from(text).boxed_unsync())
}

fn as_json(status: StatusCode, message: &Value) -> Answer {
    respond(status, "application/json", Full::from(message.to_string()).boxed_unsync())
}

fn event_stream() -> (Stream, Answer) {
    let (sender, events) = mpsc::unbounded_channel();
    (sender, respond(StatusCode::OK, "text/event-stream", Events(events).boxed_unsync()))
}

fn respond(status: StatusCode, kind: &'static str, body: UnsyncBoxBody<Bytes, Infallible>) -> Answer {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// A body that ends when the last sender is dropped.
struct Events(mpsc::UnboundedReceiver<Bytes>);

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|event| event.map(|event| Ok(Frame::data(event))))
    }
}
