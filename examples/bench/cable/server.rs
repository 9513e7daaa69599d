//! How does a server over TLS behave? As the load server, on HTTP/2 or HTTP/1.1 as the client prefers; it counts
//! connections, and can withhold the head of a GET stream.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use http::{Method, Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::direct::WINDOW;
use crate::load::{self, Parts};

/// A server, on a thread and a port of its own until this process ends.
pub struct Server {
    tls: TlsAcceptor,
    /// Written by the server's thread, read by the measurements.
    connections: AtomicU32,
    /// Written by the measurements, read by the server's thread.
    withholds_get: AtomicBool,
}

impl Server {
    pub fn start(config: Arc<ServerConfig>) -> io::Result<(Arc<Self>, SocketAddr)> {
        let server = Arc::new(Self {
            tls: config.into(),
            connections: AtomicU32::new(0),
            withholds_get: AtomicBool::new(false),
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
        let address = listener.local_addr()?;
        let serving = Arc::clone(&server);
        thread::spawn(move || {
            runtime.block_on(async {
                loop {
                    if let Ok((stream, _)) = listener.accept().await {
                        tokio::spawn(serve(Arc::clone(&serving), stream));
                    }
                }
            });
        });
        Ok((server, address))
    }

    /// The TLS connections so far.
    pub fn connections(&self) -> u32 {
        self.connections.load(Ordering::Relaxed)
    }

    pub fn withhold_get(&self, withhold: bool) {
        self.withholds_get.store(withhold, Ordering::Relaxed);
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Parts>, Infallible> {
        // Many servers send the head of the response together with the first event. Here no event comes.
        if request.method() == Method::GET && self.withholds_get.load(Ordering::Relaxed) {
            return pending().await;
        }
        load::answer(request).await
    }
}

/// Answers the requests of one connection.
async fn serve(server: Arc<Server>, stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let Ok(stream) = server.tls.accept(stream).await else { return };
    server.connections.fetch_add(1, Ordering::Relaxed);
    let has_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let stream = TokioIo::new(stream);
    let service = service_fn(move |request| Arc::clone(&server).answer(request));
    // A connection ends with an error when the client is gone.
    let _ = if has_http2 {
        // The server does not limit what is measured: the client.
        let mut http = http2::Builder::new(TokioExecutor::new());
        http.initial_stream_window_size(WINDOW).initial_connection_window_size(WINDOW);
        http.serve_connection(stream, service).await
    } else {
        http1::Builder::new().serve_connection(stream, service).await
    };
}
