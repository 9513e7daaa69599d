//! How are connections to the callback server served, with a limit on their number, size and time?

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::Request;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use super::responder::{EXCHANGE_LIMIT, Responder};
use crate::task;

/// Browsers open connections in advance; one without a request is closed after this time.
const HEADER_LIMIT: Duration = Duration::from_secs(5);

/// How long a browser that has its page may take to close the connection.
const LINGER: Duration = Duration::from_secs(1);

/// Any program on this machine may connect.
pub(super) const MOST_CONNECTIONS: usize = 64;

/// Codes of several kilobytes exist.
const LONGEST_HEAD: usize = 64 * 1024;

/// Browsers send about twenty.
const MOST_HEADERS: usize = 128;

/// Accepts connections until it is dropped.
pub(super) async fn accept(socket: TcpListener, responder: Arc<Responder>) {
    let mut connections = JoinSet::new();
    let mut silent: VecDeque<(AbortHandle, Arc<AtomicBool>)> = VecDeque::new();
    loop {
        tokio::select! {
            accepted = socket.accept() => match accepted {
                Ok((connection, _)) => {
                    silent.retain(|(task, has_request)| !task.is_finished() && !has_request.load(Ordering::Relaxed));
                    if connections.len() >= MOST_CONNECTIONS {
                        // The oldest connection without a request is the least likely to bring the code.
                        let Some((task, _)) = silent.pop_front() else { continue };
                        task.abort();
                    }
                    let has_request = Arc::new(AtomicBool::new(false));
                    let serving = serve(connection, responder.clone(), has_request.clone());
                    silent.push_back((task::spawn_in(&mut connections, serving), has_request));
                }
                // Probably too many open files, which may be over soon.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Serves one request. `has_request`: set here when its head has arrived, read by [`accept`].
async fn serve(mut connection: TcpStream, responder: Arc<Responder>, has_request: Arc<AtomicBool>) {
    let writing = Mutex::new(None);
    let (responder, has_request, writing_ref) = (&responder, &has_request, &writing);
    let service = service_fn(|request: Request<Incoming>| async move {
        has_request.store(true, Ordering::Relaxed);
        let response = responder.respond(&request.map(drop), writing_ref).await;
        Ok::<_, Infallible>(response.map(Full::new))
    });
    let serving = http1::Builder::new()
        .keep_alive(false)
        // A browser that has sent its request may close its side.
        .half_close(true)
        .max_buf_size(LONGEST_HEAD)
        .max_headers(MOST_HEADERS)
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_LIMIT)
        .serve_connection(TokioIo::new(&mut connection), service);
    let served = tokio::time::timeout(HEADER_LIMIT + 2 * EXCHANGE_LIMIT, serving).await;
    // The page is written, or the browser does not read it.
    drop(writing);
    if served.is_ok() {
        tokio::time::timeout(LINGER, drain(&mut connection)).await.ok();
    }
}

/// Reads until the browser closes the connection. If a connection is closed with unread data, it is reset, and the
/// browser may lose its page (RFC 9112 section 9.6).
async fn drain(connection: &mut TcpStream) {
    let mut rest = [0; 2048];
    while connection.read(&mut rest).await.is_ok_and(|length| length > 0) {}
}
