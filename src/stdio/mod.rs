//! Lines in, lines out.
//!
//! A [`Connection`] is a pair of channels: [`stdio`] joins them to the process's own stdin and stdout for life, [`memory`] to a
//! test. Two OS threads do the blocking: one reads, one writes. tokio's own stdin cannot be cancelled and holds the runtime at
//! exit, and a client that stops reading must not stall cancellation or keep-alive.

mod lines;
mod outgoing;

use std::io::{BufWriter, Read, Write};
use std::sync::atomic::Ordering;
use std::thread;

use tokio::sync::{mpsc, oneshot};

pub use lines::{Line, Lines};
pub use outgoing::{Outgoing, Reserved};

/// Lines that may wait between the reading thread and the bridge. The bridge only ever hands them on, so few are enough.
const LINES_WAITING: usize = 256;

/// How much is asked of the operating system in one read: what a pipe holds.
const READ_SIZE: usize = 64 * 1024;

/// The client: what it says and what it is told.
#[derive(Debug)]
pub struct Connection {
    /// Its lines; ends with `None` when it closes our stdin.
    pub incoming: mpsc::Receiver<Line>,
    /// Where its answers go.
    pub outgoing: Outgoing,
    /// Resolves when nothing more can be written: all is out after the last [`Outgoing`] went, or the client closed its end.
    pub written: oneshot::Receiver<()>,
}

/// Joins a connection to this process's stdin and stdout. `limit` is the longest line in bytes.
pub fn stdio(limit: usize) -> Connection {
    join(std::io::stdin(), std::io::stdout(), limit)
}

/// A connection to these ends, for tests.
pub fn join(input: impl Read + Send + 'static, output: impl Write + Send + 'static, limit: usize) -> Connection {
    let (lines, incoming) = mpsc::channel(LINES_WAITING);
    let splitter = Lines::new(limit);
    let framed = splitter.framed();
    thread::spawn(move || read(input, &lines, splitter));
    let (outgoing, queue) = outgoing::queue();
    let (done, written) = oneshot::channel();
    thread::spawn(move || {
        // A client that closed its end wants nothing more; the bridge ends when `done` is dropped.
        queue.drain(&mut BufWriter::with_capacity(READ_SIZE, output), || framed.load(Ordering::Acquire)).ok();
        drop(done);
    });
    Connection { incoming, outgoing, written }
}

/// A connection whose client is the other pair of channels.
pub fn memory() -> (Connection, mpsc::Sender<Line>, outgoing::Queue) {
    let (lines, incoming) = mpsc::channel(LINES_WAITING);
    let (outgoing, queue) = outgoing::queue();
    let (_, written) = oneshot::channel();
    (Connection { incoming, outgoing, written }, lines, queue)
}

fn read(mut input: impl Read, lines: &mpsc::Sender<Line>, mut splitter: Lines) {
    let mut buffer = vec![0; READ_SIZE];
    loop {
        let size = match input.read(&mut buffer) {
            Ok(size) => size,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => 0,
        };
        let mut ours = true;
        let mut hand_on = |line| ours &= lines.blocking_send(line).is_ok();
        if size == 0 {
            splitter.end(&mut hand_on);
            return;
        }
        splitter.push(&buffer[..size], &mut hand_on);
        if !ours {
            return;
        }
    }
}
