//! HTTP/2 over TLS on a socket: requests side by side, and every way of responding that HTTP/2 has.

use std::future::{Future, poll_fn};
use std::io;
use std::net::{Shutdown, TcpStream};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderName, HeaderValue, Response};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::DEADLINE;
use super::connection::{Connection, Head};
use super::request::Request;
use super::upstream::{Ended, State};

/// How much a client may send before this server has read it.
const WINDOW: u32 = 4 << 20;

/// What an exchange wants of its whole connection.
enum Command {
    /// Resets a stream. What was sent on it before leaves first.
    Cut(Half, Reason),
    GoAway,
    Close,
    Reset,
    Garble,
}

/// Serves one connection until it ends.
pub(super) fn serve(state: &Arc<State>, stream: &Arc<TcpStream>, number: usize) -> Ended {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(serve_connection(state, stream, number)).unwrap_or(Ended::Orderly)
}

async fn serve_connection(state: &Arc<State>, stream: &TcpStream, number: usize) -> Option<Ended> {
    let socket = stream.try_clone().unwrap();
    socket.set_nonblocking(true).unwrap();
    let socket = tokio::net::TcpStream::from_std(socket).unwrap();
    let tls = TlsAcceptor::from(state.tls.clone()?).accept(socket).await.ok()?;
    if tls.get_ref().1.alpn_protocol() != Some(b"h2") {
        state.fail("the client offered no h2".to_owned());
        return None;
    }
    let tls = SharedTls(Arc::new(Mutex::new(tls)));
    let mut builder = h2::server::Builder::new();
    builder.initial_window_size(WINDOW).initial_connection_window_size(2 * WINDOW);
    if let Some(most_streams) = state.most_streams {
        builder.max_concurrent_streams(most_streams);
    }
    let mut connection = builder.handshake::<_, Bytes>(tls.clone()).await.ok()?;
    let (commands, mut commanded) = unbounded_channel();
    let mut next = None;
    loop {
        tokio::select! {
            // What an exchange has sent leaves before its command is obeyed.
            biased;
            accepted = connection.accept() => {
                let (request, response) = accepted?.ok()?;
                let stream = Stream { half: Mutex::new(Half::Waiting(response)), commands: commands.clone(), number };
                tokio::spawn(receive(Arc::clone(state), request, stream));
            }
            command = async {
                if next.is_none() {
                    next = commanded.recv().await;
                    tokio::task::yield_now().await;
                }
                next.take()
            } => match command? {
                Command::Cut(half, reason) => half.reset(reason),
                Command::GoAway => connection.graceful_shutdown(),
                Command::Close => {
                    drop(stream.shutdown(Shutdown::Both));
                    return None;
                }
                Command::Reset => {
                    drop(socket2::SockRef::from(stream).set_linger(Some(std::time::Duration::ZERO)));
                    return Some(Ended::ByReset);
                }
                Command::Garble => {
                    // A frame of a gigantic length.
                    tls.clone().write_all(b"\xff\xff\xff220 mail.invalid ESMTP\r\n").await.ok()?;
                    tls.clone().flush().await.ok()?;
                    return None;
                }
            }
        }
    }
}

/// Reads the request to its end and has it answered.
async fn receive(state: Arc<State>, request: http::Request<RecvStream>, stream: Stream) -> Option<()> {
    let (parts, mut body) = request.into_parts();
    let mut bytes = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece.ok()?;
        bytes.extend_from_slice(&piece);
        body.flow_control().release_capacity(piece.len()).ok()?;
    }
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let mut headers: Vec<_> = parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    headers.push((":authority".to_owned(), parts.uri.authority()?.to_string()));
    let path = parts.uri.path_and_query()?.to_string();
    let request = Request::new(parts.method.to_string(), path, headers, bytes, stream.number);
    let exchange = state.receive(request, Box::new(stream));
    // A handler may block, and must not block the other streams.
    std::thread::Builder::new().stack_size(512 << 10).spawn(move || state.respond(exchange)).unwrap();
    Some(())
}

/// The half of a stream that the server sends.
enum Half {
    Waiting(SendResponse<Bytes>),
    Started(SendStream<Bytes>),
    Ended,
}

impl Half {
    fn reset(self, reason: Reason) {
        match self {
            Self::Waiting(mut response) => response.send_reset(reason),
            Self::Started(mut stream) => stream.send_reset(reason),
            Self::Ended => {}
        }
    }
}

/// The stream of one exchange. Dropping it before its end resets it.
struct Stream {
    half: Mutex<Half>,
    commands: UnboundedSender<Command>,
    /// The number of its connection.
    number: usize,
}

impl Stream {
    /// Sends the head. `length` is that of the body, if the server names it.
    fn begin(&self, head: &Head, length: Option<usize>, is_all: bool) {
        let mut half = self.half.lock().unwrap();
        let Half::Waiting(response) = &mut *half else { panic!("the response has begun") };
        let mut start = Response::new(());
        *start.status_mut() = head.status[..3].parse().unwrap();
        for (name, value) in head.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            start.headers_mut().append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        if let Some(length) = length.filter(|_| !head.status.starts_with("204")) {
            start.headers_mut().insert("content-length", length.into());
        }
        // The client may have reset the stream; the test decides whether that is right.
        *half = match response.send_response(start, is_all) {
            Ok(stream) if !is_all => Half::Started(stream),
            _ => Half::Ended,
        };
    }

    /// Sends data as the client's windows allow.
    fn write(&self, bytes: &[u8], is_last: bool) {
        let mut half = self.half.lock().unwrap();
        let Half::Started(stream) = &mut *half else { return };
        let mut rest = Bytes::copy_from_slice(bytes);
        while !rest.is_empty() {
            stream.reserve_capacity(rest.len());
            let capacity = match block_on(poll_fn(|context| stream.poll_capacity(context))) {
                Some(Ok(capacity)) => capacity.min(rest.len()),
                Some(Err(_)) | None => return,
            };
            let piece = rest.split_to(capacity);
            if stream.send_data(piece, is_last && rest.is_empty()).is_err() {
                return;
            }
        }
        if is_last && bytes.is_empty() {
            stream.send_data(Bytes::new(), true).ok();
        }
        if is_last {
            *half = Half::Ended;
        }
    }

    fn respond_with(&self, head: &Head, length: usize, body: &[u8]) {
        self.begin(head, Some(length), body.is_empty());
        self.write(body, true);
    }

    fn reset_with(&self, reason: Reason) {
        let half = std::mem::replace(&mut *self.half.lock().unwrap(), Half::Ended);
        self.command(Command::Cut(half, reason));
    }

    fn command(&self, command: Command) {
        // The connection may have ended.
        self.commands.send(command).ok();
    }
}

impl Connection for Stream {
    fn respond(self: Box<Self>, head: &Head, body: &[u8]) {
        self.respond_with(head, body.len(), body);
    }

    fn respond_and_close(self: Box<Self>, head: &Head, body: &[u8], is_announced: bool) {
        self.respond_with(head, body.len(), body);
        self.command(if is_announced { Command::GoAway } else { Command::Close });
    }

    fn truncate(self: Box<Self>, head: &Head, body: &[u8]) {
        self.respond_with(head, body.len() + 1000, body);
    }

    fn start(&self, head: &Head) {
        self.begin(head, None, false);
    }

    fn send(&self, bytes: &[u8]) {
        self.write(bytes, false);
    }

    fn end(self: Box<Self>) {
        self.write(b"", true);
    }

    fn cut(self: Box<Self>) {
        self.reset_with(Reason::INTERNAL_ERROR);
    }

    fn reset(self: Box<Self>) {
        *self.half.lock().unwrap() = Half::Ended;
        self.command(Command::Reset);
    }

    fn garble(self: Box<Self>) {
        self.command(Command::Garble);
    }

    fn closed_by_client(&self) -> bool {
        let mut half = self.half.lock().unwrap();
        let reset = poll_fn(|context| match &mut *half {
            Half::Waiting(response) => response.poll_reset(context),
            Half::Started(stream) => stream.poll_reset(context),
            Half::Ended => Poll::Ready(Ok(Reason::NO_ERROR)),
        });
        block_on(async { tokio::time::timeout(DEADLINE, reset).await.is_ok() })
    }

    fn refuse(self: Box<Self>) {
        self.reset_with(Reason::REFUSED_STREAM);
    }

    fn go_away(&self) {
        self.command(Command::GoAway);
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.reset_with(Reason::INTERNAL_ERROR);
    }
}

/// Waits on a thread of a handler or a test; the connection lives on its own thread.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

/// One TLS stream for the protocol and for bytes that are none of it.
#[derive(Clone)]
struct SharedTls(Arc<Mutex<TlsStream<tokio::net::TcpStream>>>);

impl SharedTls {
    fn with<T>(&self, act: impl FnOnce(Pin<&mut TlsStream<tokio::net::TcpStream>>) -> T) -> T {
        act(Pin::new(&mut *self.0.lock().unwrap()))
    }
}

impl AsyncRead for SharedTls {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context, buffer: &mut ReadBuf) -> Poll<io::Result<()>> {
        self.with(|tls| tls.poll_read(context, buffer))
    }
}

impl AsyncWrite for SharedTls {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.with(|tls| tls.poll_write(context, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context) -> Poll<io::Result<()>> {
        self.with(|tls| tls.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context) -> Poll<io::Result<()>> {
        self.with(|tls| tls.poll_shutdown(context))
    }
}
