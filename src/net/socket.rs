//! How is a server on this machine reached without a port? By a Unix-domain socket, or by a named pipe on Windows.

use std::path::Path;

use hyper_util::rt::TokioIo;

use super::error::BoxError;
use super::network::NetworkError;
use super::stream::Stream;

const SOCKET_HINT: &str = r"on Windows, name a pipe: \\.\pipe\NAME";

/// Whether this system can have such a socket.
#[cfg(unix)]
pub(super) fn check(path: &Path) -> Result<(), NetworkError> {
    if path.as_os_str().is_empty() {
        return Err(NetworkError::new("--unix-socket names no socket", SOCKET_HINT));
    }
    Ok(())
}

#[cfg(unix)]
pub(super) async fn connect(path: &Path) -> Result<Stream, BoxError> {
    Ok(Stream::direct(TokioIo::new(tokio::net::UnixStream::connect(path).await?)))
}

#[cfg(windows)]
pub(super) fn check(path: &Path) -> Result<(), NetworkError> {
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
pub(super) async fn connect(path: &Path) -> Result<Stream, BoxError> {
    const ERROR_PIPE_BUSY: i32 = 231;
    const PAUSE: std::time::Duration = std::time::Duration::from_millis(50);
    loop {
        match tokio::net::windows::named_pipe::ClientOptions::new().open(path) {
            Ok(pipe) => return Ok(Stream::direct(TokioIo::new(pipe))),
            Err(error) if error.raw_os_error() == Some(ERROR_PIPE_BUSY) => tokio::time::sleep(PAUSE).await,
            Err(error) => return Err(error.into()),
        }
    }
}
