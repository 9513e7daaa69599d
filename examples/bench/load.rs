//! The benchmark's server: a process of its own, which builds every large answer in advance.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Mutex;
use std::task::{Context, Poll};
use std::thread;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::value::RawValue;
use tokio::net::TcpListener;

use crate::messages;

/// Prints its port on stdout, then serves until the end of stdin.
pub fn serve() -> ExitCode {
    thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let mut stdout = io::stdout();
        writeln!(stdout, "{port}").and_then(|()| stdout.flush()).expect("a reader of stdout");
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                continue;
            };
            let _ = stream.set_nodelay(true);
            let connection =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
            tokio::spawn(async move {
                let _ = connection.await;
            });
        }
    })
}

/// A body of parts that are built already. It is sent with `Content-Length` if its length is known, else with a chunk
/// for each part.
pub struct Parts {
    parts: VecDeque<Bytes>,
    length: Option<u64>,
    /// The body never ends, as that of the GET stream.
    open: bool,
}

impl Body for Parts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.parts.pop_front() {
            Some(part) => Poll::Ready(Some(Ok(Frame::data(part)))),
            None if self.open => Poll::Pending,
            None => Poll::Ready(None),
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// Answers a request as the load server does.
pub async fn answer(request: Request<Incoming>) -> Result<Response<Parts>, Infallible> {
    Ok(match *request.method() {
        // A bridge may request metadata for a login at other paths. This server has none.
        _ if request.uri().path() != "/mcp" => status(StatusCode::NOT_FOUND),
        Method::GET => stream(VecDeque::new(), true),
        Method::POST => {
            let length = request.body().size_hint().lower();
            let mut body = request.into_body();
            let mut message = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
            while let Some(Ok(frame)) = body.frame().await {
                message.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
            }
            post(&message)
        }
        _ => status(StatusCode::NO_CONTENT),
    })
}

type Members<'a> = BTreeMap<&'a str, &'a RawValue>;

fn post(message: &[u8]) -> Response<Parts> {
    let Ok(message) = serde_json::from_slice::<Members<'_>>(message) else {
        return status(StatusCode::BAD_REQUEST);
    };
    let (Some(id), Some(method)) = (message.get("id"), message.get("method")) else {
        return status(StatusCode::ACCEPTED);
    };
    let id = id.get();
    let params = message.get("params").map_or_else(Members::new, |raw| members(raw));
    let tool = params.get("name").map_or("", |name| name.get());
    let arguments = params.get("arguments").map_or_else(Members::new, |raw| members(raw));
    let number = |name: &str| arguments.get(name).and_then(|raw| raw.get().parse().ok()).unwrap_or(0);
    let sse = arguments.get("as").is_some_and(|raw| raw.get() == "\"sse\"");
    match (method.get(), tool) {
        (r#""initialize""#, _) => {
            let name = messages::SERVER_NAME;
            let mut response = json([format!(
                r#"{{"jsonrpc":"2.0","id":{id},"result":{{"protocolVersion":"2025-06-18","capabilities":{{"tools":{{}},"resources":{{}},"prompts":{{}}}},"serverInfo":{{"name":"{name}","version":"1"}}}}}}"#
            )
            .into()]);
            response.headers_mut().insert("mcp-session-id", HeaderValue::from_static("load-session"));
            response
        }
        (_, r#""echo""#) => {
            let text = arguments.get("text").map_or("", |raw| raw.get().trim_matches('"'));
            let result = messages::text_result(id, text);
            if sse {
                stream(VecDeque::from([format!("event: message\ndata: {result}\n\n").into()]), false)
            } else {
                json([result.into()])
            }
        }
        (_, r#""large""#) => {
            let frame = messages::text_result(id, "");
            let (head, tail) = frame.split_at(frame.len() - r#""}]}}"#.len());
            let text = messages::payload(number("mib"));
            if sse {
                let (head, tail) = (format!("event: message\ndata: {head}"), format!("{tail}\n\n"));
                stream(VecDeque::from([head.into(), text, tail.into()]), false)
            } else {
                json([head.to_owned().into(), text, tail.to_owned().into()])
            }
        }
        (_, r#""swallow""#) => {
            let wanted = messages::payload(number("mib"));
            let right = arguments.get("text").is_some_and(|raw| raw.get().trim_matches('"').as_bytes() == wanted);
            json([messages::text_result(id, if right { "swallowed" } else { "bad" }).into()])
        }
        (_, r#""events""#) => {
            let mut parts = series(number("count"));
            parts.push_back(format!("event: message\ndata: {}\n\n", messages::text_result(id, "done")).into());
            stream(parts, false)
        }
        (method, _) => json([messages::list_result(id, method.trim_matches('"')).into()]),
    }
}

/// A part, and so a chunk, for each event: a server writes its events one by one.
fn series(count: usize) -> VecDeque<Bytes> {
    static KEPT: Mutex<VecDeque<Bytes>> = Mutex::new(VecDeque::new());
    let mut kept = KEPT.lock().expect("no panic while held");
    if kept.len() != count {
        let event = |number| format!("event: message\ndata: {}\n\n", messages::event(number)).into();
        *kept = (0..count).map(event).collect();
    }
    kept.clone()
}

fn members(raw: &RawValue) -> Members<'_> {
    serde_json::from_str(raw.get()).unwrap_or_default()
}

fn status(status: StatusCode) -> Response<Parts> {
    let mut response = json([]);
    *response.status_mut() = status;
    response
}

fn json<const N: usize>(parts: [Bytes; N]) -> Response<Parts> {
    let length = parts.iter().map(|part| part.len() as u64).sum();
    respond("application/json", Parts { parts: parts.into(), length: Some(length), open: false })
}

fn stream(parts: VecDeque<Bytes>, open: bool) -> Response<Parts> {
    respond("text/event-stream", Parts { parts, length: None, open })
}

fn respond(kind: &'static str, parts: Parts) -> Response<Parts> {
    let mut response = Response::new(parts);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
