//! Which byte stream carries requests? One to a server on this machine goes through a Unix-domain socket, or through a
//! named pipe on Windows.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;

use super::address::AddressScope;
use super::error::BoxError;
use super::network::NetworkError;

const SOCKET_HINT: &str = r"on Windows, name a pipe: \\.\pipe\NAME";

/// TCP, a socket of this machine, or TLS to a proxy; each has its own type.
trait Bytes: Read + Write + Send + Unpin {}

impl<T: Read + Write + Send + Unpin> Bytes for T {}

/// A connection to a server, or to a proxy that forwards requests to it.
pub(super) struct Stream {
    bytes: Box<dyn Bytes>,
    /// The peer is a forward proxy: the request line must hold the whole address.
    is_forwarded: bool,
    /// For addresses that the server at the other end names.
    scope: AddressScope,
}

impl Stream {
    /// To the server itself, or to a proxy that is still to be told where to connect.
    pub(super) fn direct(bytes: impl Read + Write + Send + Unpin + 'static, scope: AddressScope) -> Self {
        Self { bytes: Box::new(bytes), is_forwarded: false, scope }
    }

    /// To a forward proxy.
    pub(super) fn forwarded(self, scope: AddressScope) -> Self {
        Self { is_forwarded: true, scope, ..self }
    }

    /// Through a tunnel to the server.
    pub(super) fn tunnelled(self, scope: AddressScope) -> Self {
        Self { scope, ..self }
    }

    pub(super) fn scope(&self) -> AddressScope {
        self.scope
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new().proxy(self.is_forwarded)
    }
}

impl Read for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.bytes).poll_read(cx, buf)
    }
}

impl Write for Stream {
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

/// Whether this system can have such a socket.
#[cfg(unix)]
pub(super) fn check_socket(path: &Path) -> Result<(), NetworkError> {
    if path.as_os_str().is_empty() {
        return Err(NetworkError::new("--unix-socket names no socket", SOCKET_HINT));
    }
    Ok(())
}

/// Connects to a server on this machine.
#[cfg(unix)]
pub(super) async fn connect_socket(path: &Path) -> Result<Stream, BoxError> {
    Ok(Stream::direct(TokioIo::new(tokio::net::UnixStream::connect(path).await?), AddressScope::Any))
}

#[cfg(windows)]
pub(super) fn check_socket(path: &Path) -> Result<(), NetworkError> {
    let text = path.to_string_lossy();
    // Windows accepts both slashes, and users write the forward slash because JSON needs no escape for it.
    if text.to_ascii_lowercase().replace('/', r"\").starts_with(r"\\.\pipe\") {
        return Ok(());
    }
    let cause = format!("{text} is not the name of a pipe; Unix-domain sockets are not supported on Windows");
    Err(NetworkError::new(cause, SOCKET_HINT))
}

/// Waits while all instances of the pipe are in use: one becomes free when a client ends.
#[cfg(windows)]
pub(super) async fn connect_socket(path: &Path) -> Result<Stream, BoxError> {
    const ERROR_PIPE_BUSY: i32 = 231;
    const PAUSE: std::time::Duration = std::time::Duration::from_millis(50);
    loop {
        match tokio::net::windows::named_pipe::ClientOptions::new().open(path) {
            Ok(pipe) => return Ok(Stream::direct(TokioIo::new(pipe), AddressScope::Any)),
            Err(error) if error.raw_os_error() == Some(ERROR_PIPE_BUSY) => tokio::time::sleep(PAUSE).await,
            Err(error) => return Err(error.into()),
        }
    }
}
