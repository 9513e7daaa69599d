//! One HTTP request that waits for its response, and every way, right or wrong, of responding.

use std::sync::Arc;

use super::connection::{Connection, Head};
use super::upstream::State;
use super::{REVISION, Request, error, initialize_result, result};

/// The session id that `Exchange::respond_normally` assigns.
pub(crate) const SESSION: &str = "session-1";

pub(crate) struct Exchange {
    pub(crate) request: Arc<Request>,
    /// How many requests of this kind came before.
    pub(crate) nth: usize,
    connection: Box<dyn Connection>,
    state: Arc<State>,
}

impl Exchange {
    pub(super) fn new(request: Arc<Request>, nth: usize, connection: Box<dyn Connection>, state: Arc<State>) -> Self {
        Self { request, nth, connection, state }
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
        self.connection.lose_next_request();
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
        self.connection.respond(&Head { status, headers }, body);
    }

    /// Responds with JSON and closes the connection, with or without the sign that HTTP has for that.
    pub(crate) fn json_and_close(self, body: &str, is_announced: bool) {
        let head = Head { status: "200 OK", headers: &[("Content-Type", "application/json")] };
        self.connection.respond_and_close(&head, body.as_bytes(), is_announced);
    }

    /// Sends this start of a JSON body that was announced as longer, and ends there.
    pub(crate) fn truncated_json(self, body: &str) {
        let head = Head { status: "200 OK", headers: &[("Content-Type", "application/json")] };
        self.connection.truncate(&head, body.as_bytes());
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
        self.connection.start(&Head { status, headers });
        Events { connection: self.connection }
    }

    /// Sends these bytes in place of an HTTP/1.1 response and closes the connection.
    pub(crate) fn raw(self, bytes: &[u8]) {
        self.connection.raw(bytes);
    }

    /// Sends bytes that are not of this protocol in place of a response.
    pub(crate) fn garble(self) {
        self.connection.garble();
    }

    /// Ends the exchange without a response: HTTP/1.1 closes the connection, HTTP/2 resets the stream.
    pub(crate) fn cut(self) {
        self.connection.cut();
    }

    /// Resets the connection without a response.
    pub(crate) fn reset(self) {
        self.connection.reset();
    }

    /// HTTP/2: tells the client that the request was not carried out.
    pub(crate) fn refuse(self) {
        self.connection.refuse();
    }

    /// HTTP/2: tells the client to send no further request on this connection, and responds as always.
    pub(crate) fn go_away(&self) {
        self.connection.go_away();
    }

    /// Waits until the other side has broken off this exchange.
    pub(crate) fn closed_by_client(&self) -> bool {
        self.connection.closed_by_client()
    }

    /// The server's origin as the client wrote it.
    pub(crate) fn origin(&self) -> String {
        let scheme = if self.header(":authority").is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.request.authority().unwrap_or_default())
    }
}

/// A started stream of server-sent events. Dropping it breaks it off.
pub(crate) struct Events {
    connection: Box<dyn Connection>,
}

impl Events {
    /// Sends one chunk as it is.
    pub(crate) fn chunk(&self, text: &str) -> &Self {
        self.chunk_bytes(text.as_bytes())
    }

    /// Sends one chunk that need not be text.
    pub(crate) fn chunk_bytes(&self, bytes: &[u8]) -> &Self {
        self.connection.send(bytes);
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
        self.connection.end();
    }

    /// Breaks off the stream: HTTP/1.1 closes the connection, HTTP/2 resets the stream.
    pub(crate) fn cut(self) {
        self.connection.cut();
    }

    /// Resets the connection in the middle of the stream.
    pub(crate) fn reset(self) {
        self.connection.reset();
    }

    /// Waits until the other side has broken off the stream.
    pub(crate) fn closed_by_client(&self) -> bool {
        self.connection.closed_by_client()
    }
}
