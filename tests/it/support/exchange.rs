//! One request that waits for its answer, and the ways, good and bad, of giving it one.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::Sender;

use super::upstream::State;
use super::{DEADLINE, REVISION, Request, error, initialize_result, result};

/// The session id that `Exchange::usual` gives out.
pub(crate) const SESSION: &str = "session-1";

/// What the connection does once an exchange is over.
pub(super) enum After {
    NextRequest,
    /// A request that follows is lost, as where the connection has ended without the other side's knowing yet.
    Lost,
    Close,
    Reset,
}

pub(crate) struct Exchange {
    pub(crate) request: Arc<Request>,
    /// How many of this kind came before.
    pub(crate) nth: usize,
    wire: Wire,
    state: Arc<State>,
}

impl Exchange {
    pub(super) fn new(
        request: Arc<Request>,
        nth: usize,
        stream: Arc<TcpStream>,
        state: Arc<State>,
        done: Sender<After>,
    ) -> Self {
        Self { request, nth, wire: Wire { stream: Some(stream), done, is_last: false }, state }
    }

    pub(crate) fn kind(&self) -> &str {
        &self.request.kind
    }

    pub(crate) fn path(&self) -> &str {
        &self.request.path
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.request.header(name)
    }

    /// The request's id in its own letters; nothing where there is none.
    pub(crate) fn id(&self) -> String {
        self.request.id.clone().unwrap_or_default()
    }

    /// A member of `params` that is a string; nothing where there is none.
    pub(crate) fn param(&self, name: &str) -> String {
        let message: serde_json::Value = serde_json::from_slice(&self.request.body).unwrap_or_default();
        message["params"][name].as_str().unwrap_or_default().to_owned()
    }

    /// The connection has no other answer than the one to this exchange, which does not say so.
    pub(crate) fn the_last(mut self) -> Self {
        self.wire.is_last = true;
        self
    }

    /// Leaves the exchange to the test, see `Upstream::take`.
    pub(crate) fn hold(self) {
        let state = Arc::clone(&self.state);
        state.hold(self);
    }

    pub(crate) fn respond(self, status: &str, headers: &[(&str, &str)], body: &str) {
        let mut head = format!("HTTP/1.1 {status}\r\n");
        for (name, value) in headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        // A 204 has no body, and says so by having no length either.
        if !status.starts_with("204") {
            write!(head, "Content-Length: {}\r\n", body.len()).unwrap();
        }
        head += "\r\n";
        self.wire.write(head.as_bytes());
        self.wire.write(body.as_bytes());
        self.wire.finish(After::NextRequest);
    }

    pub(crate) fn json(self, body: &str) {
        self.respond("200 OK", &[("Content-Type", "application/json")], body);
    }

    pub(crate) fn result(self, members: &str) {
        let answer = result(&self.id(), members);
        self.json(&answer);
    }

    pub(crate) fn error(self, status: &str, code: i64, message: &str) {
        let answer = error(&self.id(), code, message);
        self.respond(status, &[("Content-Type", "application/json")], &answer);
    }

    pub(crate) fn accepted(self) {
        self.respond("202 Accepted", &[], "");
    }

    pub(crate) fn plain(self, status: &str, body: &str) {
        self.respond(status, &[("Content-Type", "text/plain")], body);
    }

    /// `initialize` answered as a server does that keeps this session.
    pub(crate) fn open_session(self, session: &str) {
        let answer = result(&self.id(), &initialize_result(REVISION));
        self.respond("200 OK", &[("Content-Type", "application/json"), ("Mcp-Session-Id", session)], &answer);
    }

    /// What an honest, simple server does: a session, empty results, no GET stream.
    pub(crate) fn usual(self) {
        match self.request.kind.as_str() {
            "initialize" => self.open_session(SESSION),
            "GET" => self.plain("405 Method Not Allowed", "no stream here"),
            "DELETE" => self.respond("200 OK", &[], ""),
            _ if self.request.id.is_some() && self.request.kind != "answer" => self.result("{}"),
            _ => self.accepted(),
        }
    }

    /// Begins a stream of events.
    pub(crate) fn sse(self) -> Events {
        self.sse_with(&[])
    }

    pub(crate) fn sse_with(self, headers: &[(&str, &str)]) -> Events {
        let kind = [("Content-Type", "text/event-stream; charset=utf-8"), ("Cache-Control", "no-cache")];
        self.chunked(&[&kind, headers].concat())
    }

    /// Begins a body that comes in pieces.
    pub(crate) fn chunked(self, headers: &[(&str, &str)]) -> Events {
        self.begin("200 OK", headers)
    }

    /// Begins a response with this status; its body stays open until the test ends it.
    pub(crate) fn begin(self, status: &str, headers: &[(&str, &str)]) -> Events {
        let mut head = format!("HTTP/1.1 {status}\r\nTransfer-Encoding: chunked\r\n");
        for (name, value) in headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        head += "\r\n";
        self.wire.write(head.as_bytes());
        Events { wire: self.wire }
    }

    /// These bytes instead of a response, then the end of the connection.
    pub(crate) fn raw(self, bytes: &[u8]) {
        self.wire.write(bytes);
        self.wire.finish(After::Close);
    }

    /// The connection ends without a response.
    pub(crate) fn cut(self) {
        self.wire.finish(After::Close);
    }

    /// The connection is reset without a response.
    pub(crate) fn reset(self) {
        self.wire.reset();
    }

    /// Waits until the other side has closed the connection.
    pub(crate) fn closed_by_client(&self) -> bool {
        self.wire.closed_by_client()
    }
}

/// A stream of server-sent events that has begun. Dropped, it breaks off.
pub(crate) struct Events {
    wire: Wire,
}

impl Events {
    /// One chunk, as it is.
    pub(crate) fn chunk(&self, text: &str) -> &Self {
        self.wire.write(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes());
        self
    }

    pub(crate) fn event(&self, data: &str) -> &Self {
        self.chunk(&format!("event: message\ndata: {data}\n\n"))
    }

    pub(crate) fn event_with_id(&self, id: &str, data: &str) -> &Self {
        self.chunk(&format!("id: {id}\ndata: {data}\n\n"))
    }

    /// The stream ends as it should.
    pub(crate) fn end(self) {
        self.wire.write(b"0\r\n\r\n");
        self.wire.finish(After::NextRequest);
    }

    /// The connection ends in the middle of the stream.
    pub(crate) fn cut(self) {
        self.wire.finish(After::Close);
    }

    /// The connection is reset in the middle of the stream.
    pub(crate) fn reset(self) {
        self.wire.reset();
    }

    /// Waits until the other side has closed the connection.
    pub(crate) fn closed_by_client(&self) -> bool {
        self.wire.closed_by_client()
    }
}

/// The socket of one exchange; dropped before it finished, it closes the connection.
struct Wire {
    stream: Option<Arc<TcpStream>>,
    done: Sender<After>,
    is_last: bool,
}

impl Wire {
    fn write(&self, bytes: &[u8]) {
        // A peer that has gone is the test's business, not a fault of this side.
        if let Some(stream) = &self.stream {
            drop((&**stream).write_all(bytes));
        }
    }

    fn finish(mut self, after: After) {
        self.stream = None;
        let is_lost = self.is_last && matches!(after, After::NextRequest);
        drop(self.done.send(if is_lost { After::Lost } else { after }));
    }

    fn reset(mut self) {
        if let Some(stream) = self.stream.take() {
            drop(socket2::SockRef::from(&*stream).set_linger(Some(std::time::Duration::ZERO)));
        }
        drop(self.done.send(After::Reset));
    }

    fn closed_by_client(&self) -> bool {
        let Some(stream) = &self.stream else {
            return false;
        };
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        // Zero bytes are an orderly end, an error other than the time limit an abrupt one.
        match (&**stream).read(&mut [0]) {
            Ok(read) => read == 0,
            Err(error) => !matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut),
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take() {
            drop(stream.shutdown(Shutdown::Both));
            drop(self.done.send(After::Close));
        }
    }
}
