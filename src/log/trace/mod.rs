//! What was sent and received? For a bug report: every line on stdio, every HTTP request and its response, each as one
//! line of JSON.
//!
//! **Messages are the user's own data, and a trace holds them: that is its purpose.** It holds no secrets (see
//! `clean.rs`), and only its owner may read the file. Without a trace file, each call here only reads a static.
//!
//! Each record has `time`, `pid` and `what`: `start`, `from client`, `to client`, `request`, `response`, `failed`,
//! `body`, `event`, `lost`. The records of one HTTP request have the same `exchange`.

mod clean;

use std::fmt::{Display, Write as _};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode, Uri};
use serde_json::json;

use super::file::LogFile;
use super::foreign::neutral_json;
use super::queue::Queue;
use super::secret::longest_secret;
use super::sinks::timestamp;

/// How many records, and bytes of their texts, may wait to be written.
const RECORDS_WAITING: usize = 4096;
const BYTES_WAITING: usize = 64 * 1024 * 1024;

/// The longest part of a text that is written, in bytes.
const LONGEST_TEXT: usize = 1024 * 1024;

/// Set once when a trace is started; every record is written through it.
static TRACE: OnceLock<Trace> = OnceLock::new();

struct Trace {
    queue: Queue<Record>,
    /// Bytes of texts that wait to be written. Tasks that trace add to it, the thread that writes subtracts from it.
    waiting: Arc<AtomicUsize>,
    /// How many HTTP requests have been traced: the number of the next exchange.
    exchanges: AtomicU64,
}

/// The number of one HTTP request with its response.
#[derive(Debug, Clone, Copy)]
pub struct Exchange(u64);

impl Exchange {
    /// The exchange of the response with these extensions, if it is traced.
    pub fn of(extensions: &http::Extensions) -> Option<Self> {
        extensions.get().copied()
    }
}

struct Record {
    time: SystemTime,
    exchange: Option<Exchange>,
    what: &'static str,
    details: Details,
    text: Bytes,
}

/// Still with its secrets: the thread that writes removes them.
enum Details {
    None,
    Program,
    Request(Method, Uri, HeaderMap),
    Response(StatusCode, HeaderMap),
    Event { name: String, id: Option<String> },
    Lost(u64),
}

/// Starts a trace in this file.
pub(super) fn start(mut file: LogFile) {
    let waiting = Arc::new(AtomicUsize::new(0));
    let written = Arc::clone(&waiting);
    let lost = |count| Record::new(None, "lost", Details::Lost(count), Bytes::new());
    let queue = Queue::new(RECORDS_WAITING, lost, move |record: &Record| {
        file.append(record.line().as_bytes());
        written.fetch_sub(record.text.len(), Ordering::AcqRel);
    });
    if TRACE.set(Trace { queue, waiting, exchanges: AtomicU64::new(0) }).is_ok() {
        record(None, "start", Details::Program, Bytes::new);
    }
}

/// Waits until all records are written, but no longer than this.
pub(super) fn flush(timeout: Duration) {
    TRACE.get().iter().for_each(|trace| trace.queue.flush(timeout));
}

/// Records a line from the client.
pub fn from_client(line: &[u8]) {
    record(None, "from client", Details::None, || Bytes::copy_from_slice(line));
}

/// Records a line to the client.
pub fn to_client(line: &Bytes) {
    record(None, "to client", Details::None, || line.clone());
}

/// Records a request before it is sent. Returns `None` without a trace.
pub fn request(method: &Method, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Option<Exchange> {
    let trace = TRACE.get()?;
    let exchange = Some(Exchange(trace.exchanges.fetch_add(1, Ordering::Relaxed) + 1));
    record(exchange, "request", Details::Request(method.clone(), uri.clone(), headers.clone()), || body.clone());
    exchange
}

/// Records the head of a response, and adds the [`Exchange`] to its extensions for the reader of its body.
pub fn response<T>(exchange: Option<Exchange>, response: &mut Response<T>) {
    let Some(exchange) = exchange else { return };
    let details = Details::Response(response.status(), response.headers().clone());
    record(Some(exchange), "response", details, Bytes::new);
    response.extensions_mut().insert(exchange);
}

/// Records that a request has no response.
pub fn failed(exchange: Option<Exchange>, error: &dyn Display) {
    if exchange.is_some() {
        record(exchange, "failed", Details::None, || error.to_string().into());
    }
}

/// Records a body that was read as a whole.
pub fn body(exchange: Option<Exchange>, body: &[u8]) {
    if exchange.is_some() {
        record(exchange, "body", Details::None, || Bytes::copy_from_slice(body));
    }
}

/// Records an event of a stream, and the last event id so far.
pub fn event(exchange: Option<Exchange>, name: &str, data: &Bytes, id: Option<&str>) {
    if exchange.is_some() {
        let details = Details::Event { name: name.to_owned(), id: id.map(str::to_owned) };
        record(exchange, "event", details, || data.clone());
    }
}

fn record(exchange: Option<Exchange>, what: &'static str, details: Details, text: impl FnOnce() -> Bytes) {
    let Some(trace) = TRACE.get() else { return };
    let text = text();
    let size = text.len();
    // A text that is larger than the limit is accepted when no other is waiting.
    let before = trace.waiting.fetch_add(size, Ordering::AcqRel);
    let fits = before == 0 || before + size <= BYTES_WAITING;
    if !fits || !trace.queue.push(Record::new(exchange, what, details, text)) {
        trace.waiting.fetch_sub(size, Ordering::AcqRel);
        if !fits {
            trace.queue.count_lost(1);
        }
    }
}

impl Record {
    fn new(exchange: Option<Exchange>, what: &'static str, details: Details, text: Bytes) -> Self {
        Self { time: SystemTime::now(), exchange, what, details, text }
    }

    /// The record as a line of the file.
    fn line(&self) -> String {
        let mut line = format!(r#"{{"time":"{}","pid":{}"#, timestamp(self.time), std::process::id());
        let mut member = |name: &str, value: serde_json::Value| {
            write!(line, r#","{name}":{value}"#).ok();
        };
        if let Some(Exchange(number)) = self.exchange {
            member("exchange", json!(number));
        }
        member("what", json!(self.what));
        match &self.details {
            Details::None => {}
            Details::Program => {
                member("version", json!(env!("CARGO_PKG_VERSION")));
                member("platform", json!(format!("{} {}", std::env::consts::OS, std::env::consts::ARCH)));
                member("arguments", json!(argument_names(std::env::args())));
            }
            Details::Request(method, uri, headers) => {
                member("method", json!(method.as_str()));
                member("url", json!(clean::uri(uri)));
                member("headers", json!(clean::headers(headers)));
            }
            Details::Response(status, headers) => {
                member("status", json!(status.as_u16()));
                member("headers", json!(clean::headers(headers)));
            }
            Details::Event { name, id } => {
                member("event", json!(clean::text(name)));
                if let Some(id) = id {
                    member("id", json!(clean::text(id)));
                }
            }
            Details::Lost(count) => member("records", json!(count)),
        }
        if !self.text.is_empty() {
            member("size", json!(self.text.len()));
            member("text", json!(shown(&self.text)));
        }
        line.push_str("}\n");
        neutral_json(&line)
    }
}

/// The text without its secrets, truncated if it is very long. It is not cut inside a secret, because the beginning of
/// the secret would remain.
fn shown(text: &[u8]) -> String {
    if text.len() <= LONGEST_TEXT {
        return clean::text(&String::from_utf8_lossy(text));
    }
    let longest = longest_secret();
    let cleaned = clean::text(&String::from_utf8_lossy(&text[..text.len().min(LONGEST_TEXT + longest)]));
    let whole = cleaned.len().saturating_sub(longest);
    let end = (0..=whole).rev().find(|&end| cleaned.is_char_boundary(end)).unwrap_or(0);
    format!("{}…", &cleaned[..end])
}

/// The names of the options on the command line, without their values.
fn argument_names(args: impl Iterator<Item = String>) -> Vec<String> {
    let name = |arg: String| {
        let name = arg.split('=').next().unwrap_or_default().to_owned();
        let is_name = |name: &str| {
            name.len() <= 32 && name.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'-' | b'4' | b'6'))
        };
        (name.starts_with("--") && is_name(&name)).then_some(name)
    };
    args.skip(1).filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_names_of_options_are_written() {
        let args = ["mcp-ferry", "https://h/secret", "--header", "K: v", "--log-level=debug", "--ipv4", "--Secret123"];
        assert_eq!(argument_names(args.map(str::to_owned).into_iter()), ["--header", "--log-level", "--ipv4"]);
    }

    #[test]
    fn a_long_text_is_cut_but_not_within_a_secret() {
        let secret = "marked-secret-at-the-cut";
        crate::log::hide(secret);
        for place in (LONGEST_TEXT - 60..LONGEST_TEXT + 30).step_by(7) {
            let text = "x".repeat(place) + secret + &"y".repeat(100);
            let shown = shown(text.as_bytes());
            assert!(!shown.contains("mark") && shown.len() < LONGEST_TEXT + 10, "{}", &shown[LONGEST_TEXT - 100..]);
        }
    }
}
