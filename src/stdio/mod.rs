//! How do lines come from the client, and how do they go to it?
//!
//! A [`Connection`] is a pair of channels. [`stdio`] joins them to the process's stdin and stdout, `local` to a client in
//! this process, `join` to other ends in tests. Two threads do what can block: one reads, one writes. A client that stops reading must not delay
//! cancellation or keep-alive. The runtime must not own the thread that reads: its read cannot be cancelled and would
//! delay the exit.

mod lines;
mod local;
mod outgoing;

use std::io::{Read, Write};
use std::thread;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use crate::log::trace;
use crate::task;

pub use lines::{Line, Lines};
pub(crate) use local::{LocalClient, local};
pub use outgoing::{Outgoing, Reserved};

/// How many lines may wait between the reading thread and the bridge. The bridge only passes them on, so few are
/// enough.
const LINES_WAITING: usize = 256;

/// How much is read at once. The first size is enough for short messages; the second is what a pipe holds.
const FIRST_READ: usize = 8 * 1024;
const READ_SIZE: usize = 64 * 1024;

/// The two directions of the connection to the client.
#[derive(Debug)]
pub struct Connection {
    /// The client's lines. `None` when it has closed our stdin.
    pub incoming: mpsc::Receiver<Line>,
    /// The way to the client.
    pub outgoing: Outgoing,
    /// Resolves when nothing more will be written: after [`Outgoing::finish`], when everything is written, or when the
    /// client closed its end.
    pub written: oneshot::Receiver<()>,
}

/// A connection over this process's stdin and stdout, and what resolves at the end of stdin, even if nobody reads the
/// lines before it. `limit` is the longest line in bytes.
pub fn stdio(limit: usize) -> (Connection, oneshot::Receiver<()>) {
    let (ended, input_ended) = oneshot::channel();
    let stdin = NotifyingInput { input: std::io::stdin(), ended: Some(ended) };
    let connection = match unbuffered_stdout() {
        Ok(stdout) => connect(stdin, stdout, limit, stdout_now),
        Err(_) => connect(stdin, std::io::stdout(), limit, stdout_now),
    };
    (connection, input_ended)
}

/// Notifies of the end of an input.
struct NotifyingInput<R> {
    input: R,
    ended: Option<oneshot::Sender<()>>,
}

impl<R: Read> Read for NotifyingInput<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.input.read(buffer);
        let is_end = match &read {
            Ok(size) => *size == 0,
            Err(error) => error.kind() != std::io::ErrorKind::Interrupted,
        };
        if let Some(ended) = self.ended.take_if(|_| is_end) {
            ended.send(()).ok();
        }
        read
    }
}

/// A connection over these ends.
#[cfg(test)]
pub(crate) fn join(input: impl Read + Send + 'static, output: impl Write + Send + 'static, limit: usize) -> Connection {
    connect(input, output, limit, |_| false)
}

fn connect(
    input: impl Read + Send + 'static,
    mut output: impl Write + Send + 'static,
    limit: usize,
    write_now: outgoing::WriteNow,
) -> Connection {
    let (lines, incoming) = mpsc::channel(LINES_WAITING);
    let splitter = Lines::new(limit);
    let (done, written) = oneshot::channel();
    let start = move |queue: outgoing::Queue| {
        task::spawn_blocking(move || {
            // An error means that the client closed its end. The bridge ends when `done` is dropped.
            queue.drain(&mut output).ok();
            drop(done);
        });
    };
    let outgoing = outgoing::outgoing(splitter.framed(), write_now, Box::new(start));
    thread::spawn(move || read(input, &lines, splitter));
    Connection { incoming, outgoing, written }
}

/// Stdout without the buffer of the standard library, which searches every byte for line ends.
#[cfg(unix)]
fn unbuffered_stdout() -> std::io::Result<std::fs::File> {
    use std::os::fd::AsFd;
    std::io::stdout().as_fd().try_clone_to_owned().map(Into::into)
}

#[cfg(windows)]
fn unbuffered_stdout() -> std::io::Result<std::fs::File> {
    use std::os::windows::io::AsHandle;
    std::io::stdout().as_handle().try_clone_to_owned().map(Into::into)
}

/// Writes to stdout if that cannot block: a pipe or socket that is ready takes `PIPE_BUF` bytes at once.
#[cfg(unix)]
fn stdout_now(bytes: &[u8]) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut stdout = std::io::stdout();
    let mut polled = [PollFd::new(&stdout, PollFlags::OUT)];
    bytes.len() <= rustix::pipe::PIPE_BUF
        && poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok()
        && polled[0].revents() == PollFlags::OUT
        // Stdout would wait for a newline, which framed messages do not end with.
        && stdout.write_all(bytes).and_then(|()| stdout.flush()).is_ok()
}

/// Windows cannot tell whether a pipe is ready.
#[cfg(windows)]
fn stdout_now(_: &[u8]) -> bool {
    false
}

fn read(mut input: impl Read, lines: &mpsc::Sender<Line>, mut splitter: Lines) {
    let mut buffer = vec![0; FIRST_READ];
    loop {
        let size = match input.read(&mut buffer) {
            Ok(size) => size,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => 0,
        };
        let mut is_read = true;
        let mut emit = |line| {
            if let Line::Text(text) = &line {
                trace::from_client(text);
            }
            is_read &= match lines.try_send(line) {
                Ok(()) => true,
                Err(TrySendError::Full(line)) => lines.blocking_send(line).is_ok(),
                Err(TrySendError::Closed(_)) => false,
            };
        };
        if size == 0 {
            splitter.end(&mut emit);
            return;
        }
        splitter.push(&buffer[..size], &mut emit);
        if size == FIRST_READ {
            buffer.resize(READ_SIZE, 0);
        }
        if !is_read {
            return;
        }
    }
}
