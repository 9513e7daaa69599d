//! Which HTTP/1.1 connection carries a request? An idle one, or else a new one, unless another becomes free first.
//!
//! * [`connection`] opens one, and notes whether an answer has begun to come.
//! * [`idle`] keeps those that may be used again, and [`keep_alive`] says for how long.
//!
//! Written by hand: hyper-util's pool has one time limit for all servers, and does not tell a request that broke on a
//! connection which was used before from one on a new connection.

mod connection;
mod idle;
mod keep_alive;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;

use super::connector::Connector;
use super::error::{BoxError, find};
use crate::system::since_boot;
use crate::task;
use connection::Connection;
use idle::{IdleConnections, Origin, Taken};

/// How often a request is given to another new connection because one ended before anything of the request was sent.
const MOST_RESENDS: u32 = 3;

/// Connections that speak HTTP/1.1, to any origin. Cheap to clone.
#[derive(Clone)]
pub(super) struct Http1 {
    connector: Connector,
    /// Shared by all clones. Each request takes a connection and gives it back.
    idle: Arc<IdleConnections>,
}

/// Why there is no response.
#[derive(Debug)]
pub(super) enum Http1Error {
    /// No connection could be made.
    Connect(BoxError),
    /// The connection broke.
    Broken {
        error: hyper::Error,
        /// It had carried another request before, and broke before the first byte of an answer.
        reused: bool,
    },
}

impl Http1 {
    /// Connects to nothing yet.
    pub(super) fn new(connector: Connector) -> Self {
        Self { connector, idle: Arc::default() }
    }

    /// Sends a request, whose address is absolute, and waits for the head of the response.
    pub(super) async fn send(&self, mut request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Http1Error> {
        let uri = request.uri().clone();
        let origin = Origin::of(&uri);
        let mut resends = 0;
        loop {
            let (mut connection, idle) = self.connection(&origin, &uri).await.map_err(Http1Error::Connect)?;
            connection.prepare(&mut request, &uri);
            if !self.idle.keeps_connections(&origin) {
                request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            let sent_at = since_boot();
            let mut error = match connection.sender.try_send_request(request).await {
                Ok(response) => {
                    self.give_back(origin, connection, &response);
                    return Ok(response);
                }
                Err(error) => error,
            };
            let (unsent, error) = (error.take_message(), error.into_error());
            // Of a new connection, the server may not accept our certificate.
            let may_resend = idle.is_some() || (resends < MOST_RESENDS && find::<rustls::Error>(&error).is_none());
            match unsent.filter(|_| may_resend) {
                Some(unsent) => {
                    resends += u32::from(idle.is_none());
                    request = unsent;
                }
                None => {
                    let reused = connection.is_used_and_silent();
                    if let Some(idle) = idle.filter(|_| reused) {
                        self.idle.note_lost(&origin, idle, sent_at);
                    }
                    return Err(Http1Error::Broken { error, reused });
                }
            }
        }
    }

    /// A connection, and how long it was idle if it is not new.
    async fn connection(&self, origin: &Origin, uri: &Uri) -> Result<(Connection, Option<Duration>), BoxError> {
        let next = match self.idle.take(origin) {
            Taken::Idle(connection, idle) => return Ok((connection, Some(idle))),
            Taken::Nothing(next) => next,
        };
        let (idle, closed) = (Arc::downgrade(&self.idle), origin.clone());
        let mut opening = Box::pin(Connection::open(self.connector.clone(), uri.clone(), move |state| {
            if let Some(idle) = idle.upgrade() {
                idle.note_closed(&closed, state);
            }
        }));
        let freed = tokio::select! {
            biased;
            Ok(freed) = next => freed,
            opened = &mut opening => return Ok((opened?, None)),
        };
        if !freed.sender.is_ready() {
            return Ok((opening.await?, None));
        }
        // The next request finds the connection that this one did not wait for.
        let (idle, origin) = (Arc::clone(&self.idle), origin.clone());
        task::spawn(async move {
            if let Ok(mut opened) = opening.await
                && opened.sender.ready().await.is_ok()
            {
                idle.put(&origin, opened);
            }
        });
        Ok((freed, Some(Duration::ZERO)))
    }

    /// Keeps the connection for another request, once this response has been read.
    fn give_back(&self, origin: Origin, mut connection: Connection, response: &Response<Incoming>) {
        connection.has_answered = true;
        connection.named_limit = keep_alive::named_limit(response.headers()).or(connection.named_limit);
        if !self.idle.may_keep(&origin, &connection) {
            return;
        }
        if connection.sender.is_ready() {
            return self.idle.put(&origin, connection);
        }
        let idle = Arc::clone(&self.idle);
        task::spawn(async move {
            if connection.sender.ready().await.is_ok() {
                idle.put(&origin, connection);
            }
        });
    }
}
