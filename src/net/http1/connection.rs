//! How is one HTTP/1.1 connection opened, and what is known of it while it is used?

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderValue, Request, Uri};
use http_body_util::Full;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::client::legacy::connect::Connection as _;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tower_service::Service as _;

use crate::net::connector::Connector;
use crate::net::error::BoxError;
use crate::net::origin::{host_header, is_https};
use crate::task;

/// The most header lines of a response; hyper's own limit is 100.
const MOST_HEADERS: usize = 512;

/// A connection that carries one request at a time. Dropped, it is closed after the response that is being read.
pub(super) struct Connection {
    pub(super) sender: SendRequest<Full<Bytes>>,
    pub(super) state: Arc<State>,
    /// The value of the `Host` header.
    host: Option<HeaderValue>,
    /// The peer is a forward proxy: the request line must hold the whole address.
    is_forwarded: bool,
    /// It has carried a request, and the answer has come.
    pub(super) has_answered: bool,
    /// How long it may be idle by what the server names.
    pub(super) named_limit: Option<Duration>,
}

/// Shared by a connection and the task that reads and writes its bytes.
#[derive(Default)]
pub(super) struct State {
    /// A byte has come since the last request was given to the connection, which resets it.
    has_received: AtomicBool,
    /// Since when the connection is idle after an answer, on the clock since boot. Who makes it idle sets it; who takes it
    /// for a request or finds it closed takes it away.
    pub(super) idle_since: Mutex<Option<Duration>>,
}

impl Connection {
    /// Opens a connection to the server at this address. `closed` runs when it has ended.
    pub(super) async fn open(
        mut connector: Connector,
        uri: Uri,
        closed: impl FnOnce(&State) + Send + 'static,
    ) -> Result<Self, BoxError> {
        let stream = connector.call(uri.clone()).await?;
        let state = Arc::<State>::default();
        let is_forwarded = stream.connected().is_proxied();
        let bytes = TokioIo::new(Watched { bytes: TokioIo::new(stream), state: Arc::clone(&state) });
        let mut builder = Builder::new();
        // What Node takes, servers send: folded lines, a blank before the colon, many lines.
        builder.allow_obsolete_multiline_headers_in_responses(true);
        builder.allow_spaces_after_header_name_in_responses(true);
        builder.max_headers(MOST_HEADERS);
        let (sender, driver) = builder.handshake(bytes).await?;
        let shared = Arc::clone(&state);
        task::spawn(async move {
            // The requests learn of errors themselves.
            drop(driver.await);
            closed(&shared);
        });
        let host = host_header(&uri);
        Ok(Self { sender, state, host, is_forwarded, has_answered: false, named_limit: None })
    }

    /// Makes the request, which is for this address, one that this connection can carry.
    pub(super) fn prepare(&self, request: &mut Request<Full<Bytes>>, uri: &Uri) {
        if let Some(host) = &self.host {
            request.headers_mut().entry(http::header::HOST).or_insert_with(|| host.clone());
        }
        *request.uri_mut() = if self.is_forwarded && !is_https(uri) { uri.clone() } else { path_alone(uri) };
        self.state.has_received.store(false, Ordering::Relaxed);
    }

    /// Whether the last request was lost without a byte of an answer, on a connection that has carried another before.
    pub(super) fn is_used_and_silent(&self) -> bool {
        self.has_answered && !self.state.has_received.load(Ordering::Relaxed)
    }
}

/// The address as it stands in a request to its server (RFC 9112, section 3.2.1).
fn path_alone(uri: &Uri) -> Uri {
    let path = uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
    Uri::from(path)
}

/// The bytes of a connection. Notes when some come.
struct Watched<T> {
    bytes: T,
    state: Arc<State>,
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.bytes).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.state.has_received.store(true, Ordering::Relaxed);
        }
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.bytes).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.bytes).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.bytes).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.bytes.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.bytes).poll_write_vectored(cx, bufs)
    }
}
