//! The two endpoints of an HTTP+SSE server: a stream to listen to, an address to POST to.

use std::sync::{Arc, Mutex};

use super::{Events, Exchange, initialize_result, result};

pub(crate) const HTTP_SSE_REVISION: &str = "2024-11-05";

/// An HTTP+SSE server's manners; a clone speaks on the same stream.
#[derive(Clone)]
pub(crate) struct HttpSse {
    endpoint: &'static str,
    stream: Arc<Mutex<Option<Events>>>,
}

impl HttpSse {
    pub(crate) fn new(endpoint: &'static str) -> Self {
        Self { endpoint, stream: Arc::default() }
    }

    /// Answers as such a server does; a call of the tool `hang` is accepted and left unanswered.
    pub(crate) fn serve(&self, call: Exchange) {
        let path =
            self.endpoint.rsplit_once("//").map_or(self.endpoint, |(_, rest)| &rest[rest.find('/').unwrap_or(0)..]);
        match call.request.http_method.as_str() {
            "GET" => self.open(call, self.endpoint),
            "POST" if call.path().trim_start_matches('/') == path.trim_start_matches('/') => {
                let (kind, id) = (call.kind().to_owned(), call.request.id.clone());
                let hangs = call.request.text().contains(r#""hang""#);
                call.accepted();
                if let Some(id) = id.filter(|_| kind != "answer" && !hangs) {
                    let answer =
                        if kind == "initialize" { initialize_result(HTTP_SSE_REVISION) } else { "{}".to_owned() };
                    self.event(&result(&id, &answer));
                }
            }
            _ => call.plain("405 Method Not Allowed", "this address is for listening"),
        }
    }

    /// Begins the stream and names the endpoint in its first event.
    pub(crate) fn open(&self, call: Exchange, endpoint: &str) {
        // Whoever answers on the stream must find it there, however quick the client is to use the endpoint.
        let mut stream = self.stream.lock().unwrap();
        stream.insert(call.sse()).chunk(&format!("event: endpoint\ndata: {endpoint}\n\n"));
    }

    pub(crate) fn event(&self, data: &str) {
        if let Some(events) = &*self.stream.lock().unwrap() {
            events.event(data);
        }
    }

    /// The stream breaks.
    pub(crate) fn cut(&self) {
        self.stream.lock().unwrap().take().expect("a stream to cut").cut();
    }
}
