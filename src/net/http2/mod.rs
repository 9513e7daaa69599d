//! Which connection carries a request to an https server that speaks HTTP/2 (RFC 9113)?
//!
//! All requests to one origin share one connection. Those that come while it is being opened wait for it; another one is
//! opened only where a server admits no more streams, or takes no more data, on those that are open. A connection stays
//! until the server closes it or does not answer any more. Which protocol a server speaks shows when the first
//! connection is open (ALPN, RFC 7301); a server without HTTP/2 gets HTTP/1.1, and that connection.
//!
//! [`connection`] holds one connection and finds out whether its path is dead, by what `activity` saw of its bytes;
//! `exchange` sends one request on it, and `body` reads the response.

mod activity;
mod body;
mod connection;
mod exchange;

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Uri;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::connector::{Connector, speaks_http2};
use super::error::ConnectError;
use super::origin::{is_https, origin};
use super::tls::Offer;
use super::tls_error;
use crate::task;
pub(super) use body::Http2Body;
use connection::Connection;
pub(super) use connection::Slot;
pub(super) use exchange::SendError;

/// How many streams a server admits, before it has said so: RFC 9113, section 6.5.2, recommends at least 100. So many
/// requests may wait for a connection that is being opened.
const STREAMS: usize = 100;

/// How many connections a request waits for in vain: others may take the room on one, and a server may admit nothing.
const MOST_OPENINGS: usize = 20;

/// When a connection has been opening for so long, the next request opens another: the path may have come back since.
const SLOW: Duration = Duration::from_secs(2);

/// The HTTP/2 connections of the process. Cheap to clone.
#[derive(Clone)]
pub(super) struct Http2 {
    connector: Connector,
    /// By scheme, host and port. Requests add origins; none is removed, because there are only few.
    origins: Arc<Mutex<HashMap<String, Arc<Origin>>>>,
}

/// What carries a request.
pub(super) enum Carrier {
    /// The pool of HTTP/1.1 connections.
    Http1,
    /// Room for one request on an HTTP/2 connection.
    Http2(Slot),
}

/// One server.
#[derive(Default)]
struct Origin {
    /// Changed when a connection was opened or given up; each request looks at it.
    state: Mutex<State>,
    /// Wakes all requests that wait for a connection when one is open.
    opened: Notify,
}

#[derive(Default)]
struct State {
    /// The protocol of the last connection; `None` before the first.
    is_http2: Option<bool>,
    /// Several requests will soon be sent together.
    expects_requests: bool,
    connections: Vec<Connection>,
    openings: Vec<Opening>,
    /// How many streams the server admits on a connection, as far as it has said so.
    most_streams: Option<usize>,
}

/// A connection that is being opened.
struct Opening {
    number: u64,
    begun: Instant,
    /// How many more requests may wait for it.
    seats: usize,
    result: Waiting,
}

type Waiting = watch::Receiver<Option<Result<(), ConnectError>>>;

impl Http2 {
    pub(super) fn new(connector: Connector) -> Self {
        Self { connector, origins: Arc::default() }
    }

    /// Begins to open the first connection to this server.
    pub(super) fn prepare(&self, uri: &Uri) {
        let origin = self.origin(uri);
        let mut state = origin.state.lock();
        if state.is_http2.is_none() && state.openings.is_empty() {
            self.open(uri, &origin, &mut state);
        }
    }

    /// Several requests to this server will soon be sent together: if it speaks HTTP/1.1, each needs a connection.
    pub(super) fn expect_requests(&self, uri: &Uri) {
        let origin = self.origin(uri);
        let mut state = origin.state.lock();
        match state.is_http2 {
            Some(true) => {}
            Some(false) => self.connector.open_spares(uri),
            None => state.expects_requests = true,
        }
    }

    /// What carries a request to this server, as soon as there is room.
    pub(super) async fn carrier(&self, uri: &Uri) -> Result<Carrier, ConnectError> {
        if !is_https(uri) {
            return Ok(Carrier::Http1);
        }
        let origin = self.origin(uri);
        // The connection that this request waits for, also while it looks for room on others.
        let mut opening = None;
        let mut openings = 0;
        loop {
            let mut opened = pin!(origin.opened.notified());
            opened.as_mut().enable();
            let mut waiting = {
                let mut state = origin.state.lock();
                if state.is_http2 == Some(false) {
                    return Ok(Carrier::Http1);
                }
                if let Some(slot) = state.slot() {
                    return Ok(Carrier::Http2(slot));
                }
                match opening.take().or_else(|| state.join()) {
                    Some(opening) => opening,
                    None => self.open(uri, &origin, &mut state),
                }
            };
            let result = tokio::select! {
                () = opened => None,
                result = waiting.wait_for(Option::is_some) => Some(result.ok().and_then(|result| result.clone())),
            };
            match result {
                Some(result) => {
                    result.unwrap_or_else(|| Err(ConnectError::temporary("the connection was given up")))?;
                    openings += 1;
                    if openings > MOST_OPENINGS {
                        return Err(ConnectError::temporary("no connection admits another request"));
                    }
                }
                None => opening = Some(waiting),
            }
        }
    }

    /// The server does not carry this out over HTTP/2 (`HTTP_1_1_REQUIRED`, RFC 9113, section 7).
    pub(super) fn require_http1(&self, uri: &Uri) {
        let origin = self.origin(uri);
        let mut state = origin.state.lock();
        state.is_http2 = Some(false);
        state.connections.clear();
    }

    /// Whether requests to this server share a connection that is open.
    pub(super) fn is_shared(&self, uri: &Uri) -> bool {
        is_https(uri) && self.origin(uri).state.lock().connections.iter_mut().any(Connection::is_open)
    }

    /// How long the way to this server and back takes, where that was measured.
    pub(super) fn round_trip(&self, uri: &Uri) -> Option<Duration> {
        self.origin(uri).state.lock().connections.iter().find_map(Connection::round_trip)
    }

    fn origin(&self, uri: &Uri) -> Arc<Origin> {
        Arc::clone(self.origins.lock().entry(origin(uri).to_ascii_lowercase()).or_default())
    }

    /// Opens a connection in a task of its own: a request that gives up does not take it from the others.
    fn open(&self, uri: &Uri, origin: &Arc<Origin>, state: &mut State) -> Waiting {
        let (sender, result) = watch::channel(None);
        let number = state.openings.last().map_or(0, |last| last.number + 1);
        let most_streams = state.most_streams.unwrap_or(STREAMS).max(1);
        let seats = most_streams.saturating_sub(1);
        state.openings.push(Opening { number, begun: Instant::now(), seats, result: result.clone() });
        let (connector, uri, origin) = (self.connector.clone(), uri.clone(), Arc::clone(origin));
        drop(task::spawn(async move {
            let opened = opened(&connector, &uri, most_streams).await;
            let mut state = origin.state.lock();
            state.openings.retain(|opening| opening.number != number);
            if let Ok(connection) = &opened {
                state.is_http2 = Some(connection.is_some());
                if connection.is_none() && std::mem::take(&mut state.expects_requests) {
                    connector.open_spares(&uri);
                }
            }
            let opened = opened.map(|connection| state.connections.extend(connection));
            drop(state);
            if opened.is_ok() {
                origin.opened.notify_waiters();
            }
            sender.send_replace(Some(opened));
        }));
        result
    }
}

/// A new connection; `None` if the server speaks HTTP/1.1, whose pool has got the connection.
async fn opened(connector: &Connector, uri: &Uri, most_streams: usize) -> Result<Option<Connection>, ConnectError> {
    let explain = |error: &(dyn std::error::Error + 'static)| tls_error::explain(error, uri, connector.identity(uri));
    let stream = connector.open(uri, Offer::Http2).await.map_err(|error| explain(&*error))?;
    if !speaks_http2(&stream) {
        connector.spares().add(uri, stream);
        return Ok(None);
    }
    Connection::open(TokioIo::new(stream), most_streams).await.map(Some).map_err(|error| explain(&error))
}

impl State {
    /// Room for a request on a connection that is open. Forgets those that are not, and those that are not needed any more.
    fn slot(&mut self) -> Option<Slot> {
        self.connections
            .retain_mut(|connection| connection.is_open() && (connection.is_in_use() || connection.has_room()));
        // Before a new connection's server has said so again, this is believed.
        let most_streams = self.connections.iter().map(Connection::most_streams).min();
        self.most_streams = most_streams.or(self.most_streams);
        let first = self.connections.iter().position(Connection::has_room)?;
        let slot = self.connections[first].slot();
        // Of those without room, each is in use. One that is not was needed for a while, or takes nothing more. A new one
        // is for the request that has opened it.
        let mut places = 0..;
        self.connections
            .retain(|connection| places.next() == Some(first) || connection.is_in_use() || !connection.is_used());
        Some(slot)
    }

    /// A connection that is being opened and will have room.
    fn join(&mut self) -> Option<Waiting> {
        let is_joined = |opening: &&mut Opening| opening.seats > 0 && opening.begun.elapsed() < SLOW;
        let opening = self.openings.iter_mut().find(is_joined)?;
        opening.seats -= 1;
        Some(opening.result.clone())
    }
}
