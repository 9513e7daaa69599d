//! One HTTP request that waits for its response, and every way, right or wrong, of responding.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::Sender;

use super::upstream::State;
use super::{DEADLINE, REVISION, Request, error, initialize_result, result};

/// The session id that `Exchange::respond_normally` assigns.
pub(crate) const SESSION: &str = "session-1";

/// What the connection does after an exchange.
pub(super) enum After {
    NextRequest,
    /// The next request is lost, as when the connection has ended and the other side does not know it yet.
    Lost,
    Close,
    Reset,
}

pub(crate) struct Exchange {
    pub(crate) request: Arc<Request>,
    /// How many requests of this kind came before.
    pub(crate) nth: usize,
    connection: Connection,
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
        Self { request, nth, connection: Connection { stream: Some(stream), done, loses_next: false }, state }
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

    /// The request's id as raw JSON; empty if it has no id.
    pub(crate) fn id(&self) -> String {
        self.request.id.clone().unwrap_or_default()
    }

    /// A string member of `params`; empty if it is absent.
    pub(crate) fn param(&self, name: &str) -> String {
        let message: serde_json::Value = serde_json::from_slice(&self.request.body).unwrap_or_default();
        message["params"][name].as_str().unwrap_or_default().to_owned()
    }

    /// The connection answers this exchange and no later one, and the response does not announce that.
    pub(crate) fn lose_next_request(mut self) -> Self {
        self.connection.loses_next = true;
        self
    }

    /// Keeps the exchange for the test, see `Upstream::take`.
    pub(crate) fn hold(self) {
        let state = Arc::clone(&self.state);
        state.hold(self);
    }

    pub(crate) fn respond(self, status: &str, headers: &[(&str, &str)], body: &str) {
        self.respond_bytes(status, headers, body.as_bytes());
    }

    /// Responds with a body that need not be text.
    pub(crate) fn respond_bytes(self, status: &str, headers: &[(&str, &str)], body: &[u8]) {
        let mut head = head(status, headers);
        // A 204 has neither a body nor a length.
        if !status.starts_with("204") {
            write!(head, "Content-Length: {}\r\n", body.len()).unwrap();
        }
        head += "\r\n";
        self.connection.write(head.as_bytes());
        self.connection.write(body);
        self.connection.finish(After::NextRequest);
    }

    pub(crate) fn json(self, body: &str) {
        self.json_with_status("200 OK", body);
    }

    pub(crate) fn json_with_status(self, status: &str, body: &str) {
        self.respond(status, &[("Content-Type", "application/json")], body);
    }

    pub(crate) fn result(self, members: &str) {
        let answer = result(&self.id(), members);
        self.json(&answer);
    }

    pub(crate) fn error(self, status: &str, code: i64, message: &str) {
        let answer = error(&self.id(), code, message);
        self.json_with_status(status, &answer);
    }

    pub(crate) fn accepted(self) {
        self.respond("202 Accepted", &[], "");
    }

    pub(crate) fn plain(self, status: &str, body: &str) {
        self.respond(status, &[("Content-Type", "text/plain")], body);
    }

    /// Answers `initialize` and assigns this session id.
    pub(crate) fn open_session(self, session: &str) {
        let answer = result(&self.id(), &initialize_result(REVISION));
        self.respond("200 OK", &[("Content-Type", "application/json"), ("Mcp-Session-Id", session)], &answer);
    }

    /// Answers `initialize` and assigns the session id `session-1`, `session-2`, … by the number of the request.
    pub(crate) fn open_numbered_session(self) {
        let session = format!("session-{}", self.nth + 1);
        self.open_session(&session);
    }

    /// Responds as a simple, correct server: a session, empty results, no GET stream.
    pub(crate) fn respond_normally(self) {
        match self.request.kind.as_str() {
            "initialize" => self.open_session(SESSION),
            "GET" => self.plain("405 Method Not Allowed", "no stream here"),
            "DELETE" => self.respond("200 OK", &[], ""),
            _ if self.request.id.is_some() && self.request.kind != "response" => self.result("{}"),
            _ => self.accepted(),
        }
    }

    /// Starts a stream of events.
    pub(crate) fn sse(self) -> Events {
        self.sse_with(&[])
    }

    pub(crate) fn sse_with(self, headers: &[(&str, &str)]) -> Events {
        let kind = [("Content-Type", "text/event-stream; charset=utf-8"), ("Cache-Control", "no-cache")];
        self.chunked(&[&kind, headers].concat())
    }

    /// Starts a body that is sent in pieces.
    pub(crate) fn chunked(self, headers: &[(&str, &str)]) -> Events {
        self.start_response("200 OK", headers)
    }

    /// Starts a response with this status; its body stays open until the test ends it.
    pub(crate) fn start_response(self, status: &str, headers: &[(&str, &str)]) -> Events {
        let head = head(status, headers) + "Transfer-Encoding: chunked\r\n\r\n";
        self.connection.write(head.as_bytes());
        Events { connection: self.connection }
    }

    /// Sends these bytes instead of a response and closes the connection.
    pub(crate) fn raw(self, bytes: &[u8]) {
        self.connection.write(bytes);
        self.connection.finish(After::Close);
    }

    /// Closes the connection without a response.
    pub(crate) fn cut(self) {
        self.connection.finish(After::Close);
    }

    /// Resets the connection without a response.
    pub(crate) fn reset(self) {
        self.connection.reset();
    }

    /// Waits until the other side has closed the connection.
    pub(crate) fn closed_by_client(&self) -> bool {
        self.connection.closed_by_client()
    }
}

/// The status line and these headers.
fn head(status: &str, headers: &[(&str, &str)]) -> String {
    let mut head = format!("HTTP/1.1 {status}\r\n");
    for (name, value) in headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    head
}

/// A started stream of server-sent events. Dropping it closes the connection in the middle of the stream.
pub(crate) struct Events {
    connection: Connection,
}

impl Events {
    /// Sends one chunk as it is.
    pub(crate) fn chunk(&self, text: &str) -> &Self {
        self.chunk_bytes(text.as_bytes())
    }

    /// Sends one chunk that need not be text.
    pub(crate) fn chunk_bytes(&self, bytes: &[u8]) -> &Self {
        self.connection.write(&[format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat());
        self
    }

    pub(crate) fn event(&self, data: &str) -> &Self {
        self.chunk(&format!("event: message\ndata: {data}\n\n"))
    }

    pub(crate) fn event_with_id(&self, id: &str, data: &str) -> &Self {
        self.chunk(&format!("id: {id}\ndata: {data}\n\n"))
    }

    /// Ends the stream correctly.
    pub(crate) fn end(self) {
        self.connection.write(b"0\r\n\r\n");
        self.connection.finish(After::NextRequest);
    }

    /// Closes the connection in the middle of the stream.
    pub(crate) fn cut(self) {
        self.connection.finish(After::Close);
    }

    /// Resets the connection in the middle of the stream.
    pub(crate) fn reset(self) {
        self.connection.reset();
    }

    /// Waits until the other side has closed the connection.
    pub(crate) fn closed_by_client(&self) -> bool {
        self.connection.closed_by_client()
    }
}

/// The socket of one exchange. Dropping it before `finish` closes the connection.
struct Connection {
    stream: Option<Arc<TcpStream>>,
    done: Sender<After>,
    loses_next: bool,
}

impl Connection {
    fn write(&self, bytes: &[u8]) {
        // The client may have closed the connection; the test decides whether that is right.
        if let Some(stream) = &self.stream {
            drop((&**stream).write_all(bytes));
        }
    }

    fn finish(mut self, after: After) {
        self.stream = None;
        let is_lost = self.loses_next && matches!(after, After::NextRequest);
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
        // Zero bytes mean a clean end; an error other than the time limit means a reset.
        match (&**stream).read(&mut [0]) {
            Ok(read) => read == 0,
            Err(error) => !matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take() {
            drop(stream.shutdown(Shutdown::Both));
            drop(self.done.send(After::Close));
        }
    }
}
