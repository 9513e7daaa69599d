//! An HTTP+SSE server: an endpoint for the stream and an endpoint for POSTs.

use std::sync::{Arc, Mutex};

use super::{Events, Exchange, Upstream, initialize_result, result};

pub(crate) const HTTP_SSE_REVISION: &str = "2024-11-05";

/// The behavior of an HTTP+SSE server; a clone writes to the same stream.
#[derive(Clone)]
pub(crate) struct HttpSse {
    endpoint: &'static str,
    stream: Arc<Mutex<Option<Events>>>,
}

impl HttpSse {
    pub(crate) fn new(endpoint: &'static str) -> Self {
        Self { endpoint, stream: Arc::default() }
    }

    /// A server with this endpoint for POSTs, and the handle that writes to its stream.
    pub(crate) fn start(endpoint: &'static str) -> (Upstream, Self) {
        let sse_server = Self::new(endpoint);
        let handler = sse_server.clone();
        (Upstream::start(move |call| handler.serve(call)), sse_server)
    }

    /// Responds as a correct server; a call of the tool `hang` is accepted and never answered.
    pub(crate) fn serve(&self, call: Exchange) {
        let path =
            self.endpoint.rsplit_once("//").map_or(self.endpoint, |(_, rest)| &rest[rest.find('/').unwrap_or(0)..]);
        match call.request.http_method.as_str() {
            "GET" => self.open(call, self.endpoint),
            "POST" if call.path().trim_start_matches('/') == path.trim_start_matches('/') => {
                let (kind, id) = (call.kind().to_owned(), call.request.id.clone());
                let hangs = call.request.text().contains(r#""hang""#);
                call.accepted();
                if let Some(id) = id.filter(|_| kind != "response" && !hangs) {
                    let answer =
                        if kind == "initialize" { initialize_result(HTTP_SSE_REVISION) } else { "{}".to_owned() };
                    self.event(&result(&id, &answer));
                }
            }
            _ => call.plain("405 Method Not Allowed", "this endpoint only serves the stream"),
        }
    }

    /// Starts the stream and names the endpoint in its first event.
    pub(crate) fn open(&self, call: Exchange, endpoint: &str) {
        // The lock is held until the stream is stored: the client may POST as soon as it has read the endpoint.
        let mut stream = self.stream.lock().unwrap();
        stream.insert(call.sse()).chunk(&format!("event: endpoint\ndata: {endpoint}\n\n"));
    }

    pub(crate) fn event(&self, data: &str) {
        if let Some(events) = &*self.stream.lock().unwrap() {
            events.event(data);
        }
    }

    /// Sends these bytes and ends the stream in good order.
    pub(crate) fn end_with(&self, text: &str) {
        let stream = self.stream.lock().unwrap().take().expect("a stream to end");
        stream.chunk(text);
        stream.end();
    }

    /// Closes the stream's connection.
    pub(crate) fn cut(&self) {
        self.stream.lock().unwrap().take().expect("a stream to cut").cut();
    }
}
