//! The simplest bridge there can be on the libraries of mcp-ferry: line in, POST, line out.
//!
//! It is the benchmark's lower limit, and not for use: it checks no answer, resumes no stream, opens no GET stream, and
//! ends at the first error. What mcp-ferry costs more than this is the price of correctness.
//!
//! `cargo run --release --example floor -- http://127.0.0.1:3000/mcp`

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{self, BufRead, BufReader, Write};
use std::sync::OnceLock;
use std::thread;

use bytes::Bytes;
use futures_util::FutureExt;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

static SESSION: OnceLock<HeaderValue> = OnceLock::new();
const SESSION_ID: &str = "mcp-session-id";

fn main() {
    let url: Uri = std::env::args().nth(1).expect("usage: floor URL").parse().expect("a URL");
    let (sender, mut lines) = mpsc::unbounded_channel();
    thread::spawn(move || {
        let mut stdin = BufReader::with_capacity(64 * 1024, io::stdin());
        loop {
            let mut line = Vec::new();
            if stdin.read_until(b'\n', &mut line).unwrap() == 0 || sender.send(line).is_err() {
                return;
            }
        }
    });

    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    runtime.block_on(async {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        let mut exchanges = JoinSet::new();
        while let Some(line) = lines.recv().await {
            exchanges.spawn(exchange(client.clone(), url.clone(), Bytes::from(line)));
            while exchanges.try_join_next().is_some() {}
        }
        exchanges.join_all().await;
    });
}

async fn exchange(client: Client<HttpConnector, Full<Bytes>>, url: Uri, line: Bytes) {
    let mut request = Request::post(url)
        .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
        .header(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    if let Some(session) = SESSION.get() {
        request = request.header(SESSION_ID, session);
    }
    let response = client.request(request.body(Full::new(line)).unwrap()).await.unwrap();
    if let Some(session) = response.headers().get(SESSION_ID) {
        let _ = SESSION.set(session.clone());
    }
    match response.headers().get(CONTENT_TYPE) {
        Some(kind) if kind.as_bytes().starts_with(b"text/event-stream") => copy_events(response.into_body()).await,
        _ => copy_body(response).await,
    }
}

async fn copy_body(response: Response<Incoming>) {
    let length = response.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let mut body = response.into_body();
    let mut answer = Vec::with_capacity(length.unwrap_or(0) + 1);
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.unwrap().into_data() {
            answer.extend_from_slice(&data);
        }
    }
    if !answer.is_empty() {
        answer.push(b'\n');
        io::stdout().write_all(&answer).unwrap();
    }
}

async fn copy_events(mut body: Incoming) {
    let mut unfinished = Vec::new();
    let mut out = Vec::new();
    loop {
        // Events that have arrived already are written together.
        let frame = match body.frame().now_or_never() {
            Some(frame) => frame,
            None => {
                if !out.is_empty() {
                    io::stdout().write_all(&out).unwrap();
                    out.clear();
                }
                body.frame().await
            }
        };
        let Some(frame) = frame else { break };
        let Ok(data) = frame.unwrap().into_data() else {
            continue;
        };
        let mut rest = &data[..];
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, after) = rest.split_at(end + 1);
            rest = after;
            if unfinished.is_empty() {
                out.extend_from_slice(data_of(line));
            } else {
                unfinished.extend_from_slice(line);
                io::stdout().write_all(&out).unwrap();
                out.clear();
                io::stdout().write_all(data_of(&unfinished)).unwrap();
                unfinished = Vec::new();
            }
        }
        unfinished.extend_from_slice(rest);
    }
    io::stdout().write_all(&out).unwrap();
}

fn data_of(line: &[u8]) -> &[u8] {
    line.strip_prefix(b"data:").map_or(b"", |data| data.strip_prefix(b" ").unwrap_or(data))
}
