//! Lines in, lines out.
//!
//! A [`Connection`] is a pair of channels: [`stdio`] joins them to the process's own stdin and stdout for life, `join`
//! to a test's ends. Two OS threads do what can block: one reads, one writes. tokio's own stdin cannot be cancelled and
//! holds the runtime at exit, and a client that stops reading must not stall cancellation or keep-alive.

mod lines;
mod outgoing;

use std::io::{Read, Write};
use std::thread;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use crate::log::trace;

pub use lines::{Line, Lines};
pub use outgoing::{Outgoing, Reserved};

/// Lines that may wait between the reading thread and the bridge. The bridge only ever hands them on, so few are
/// enough.
const LINES_WAITING: usize = 256;

/// How much is asked of the operating system in one read: at first what a chat needs, then what a pipe holds.
const FIRST_READ: usize = 8 * 1024;
const READ_SIZE: usize = 64 * 1024;

/// The client: what it says and what it is told.
#[derive(Debug)]
pub struct Connection {
    /// Its lines; ends with `None` when it closes our stdin.
    pub incoming: mpsc::Receiver<Line>,
    /// Where its answers go.
    pub outgoing: Outgoing,
    /// Resolves when nothing more can be written: all is out after [`Outgoing::finish`], or the client closed its end.
    pub written: oneshot::Receiver<()>,
}

/// Joins a connection to this process's stdin and stdout. `limit` is the longest line in bytes.
pub fn stdio(limit: usize) -> Connection {
    match unbuffered_stdout() {
        Ok(stdout) => connect(std::io::stdin(), stdout, limit, stdout_now),
        Err(_) => connect(std::io::stdin(), std::io::stdout(), limit, stdout_now),
    }
}

/// Joins a connection to these ends.
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
        thread::spawn(move || {
            // A client that closed its end wants nothing more; the bridge ends when `done` is dropped.
            queue.drain(&mut output).ok();
            drop(done);
        });
    };
    let outgoing = outgoing::outgoing(splitter.framed(), write_now, Box::new(start));
    thread::spawn(move || read(input, &lines, splitter));
    Connection { incoming, outgoing, written }
}

/// Stdout without the search for line ends that std's makes in every megabyte.
#[cfg(unix)]
fn unbuffered_stdout() -> std::io::Result<std::fs::File> {
    use std::os::fd::AsFd;
    std::io::stdout().as_fd().try_clone_to_owned().map(Into::into)
}

/// Stdout without the search for line ends that std's makes in every megabyte.
#[cfg(windows)]
fn unbuffered_stdout() -> std::io::Result<std::fs::File> {
    use std::os::windows::io::AsHandle;
    std::io::stdout().as_handle().try_clone_to_owned().map(Into::into)
}

/// Writes to stdout if that cannot block: a pipe or socket that is ready takes this much as a whole, whatever its kind.
#[cfg(unix)]
fn stdout_now(bytes: &[u8]) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    const AT_ONCE: usize = rustix::pipe::PIPE_BUF;
    let mut stdout = std::io::stdout();
    let mut polled = [PollFd::new(&stdout, PollFlags::OUT)];
    bytes.len() <= AT_ONCE
        && poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok()
        && polled[0].revents() == PollFlags::OUT
        // Framed messages end in no newline, for which stdout would wait.
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
        let mut ours = true;
        let mut hand_on = |line| {
            if let Line::Text(text) = &line {
                trace::from_client(text);
            }
            ours &= match lines.try_send(line) {
                Ok(()) => true,
                Err(TrySendError::Full(line)) => lines.blocking_send(line).is_ok(),
                Err(TrySendError::Closed(_)) => false,
            };
        };
        if size == 0 {
            splitter.end(&mut hand_on);
            return;
        }
        splitter.push(&buffer[..size], &mut hand_on);
        if size == FIRST_READ {
            buffer.resize(READ_SIZE, 0);
        }
        if !ours {
            return;
        }
    }
}
