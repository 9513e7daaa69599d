//! How does this program itself take the place of the client? Its lines go through the channels that stdin and stdout
//! are joined to otherwise.

use std::io::{self, Write};

use tokio::sync::{mpsc, oneshot};

use super::{Connection, LINES_WAITING, Line, Lines, outgoing};
use crate::task;

/// The client's end of a [`local`] connection.
#[derive(Debug)]
pub(crate) struct LocalClient {
    /// Lines for the bridge. The bridge ends when it is dropped.
    pub(crate) lines: mpsc::Sender<Line>,
    /// Lines from the bridge. `None` after the last one.
    pub(crate) answers: mpsc::UnboundedReceiver<Line>,
}

/// A connection to a client in this process. `limit` is the longest line in bytes.
pub(crate) fn local(limit: usize) -> (Connection, LocalClient) {
    let (lines, incoming) = mpsc::channel(LINES_WAITING);
    let (received, answers) = mpsc::unbounded_channel();
    let (done, written) = oneshot::channel();
    let splitter = Lines::new(limit);
    let framed = splitter.framed();
    let start = move |queue: outgoing::Queue| {
        task::spawn_blocking(move || {
            queue.drain(&mut Receiver { received, splitter }).ok();
            drop(done);
        });
    };
    let outgoing = outgoing::outgoing(framed, |_| false, Box::new(start));
    (Connection { incoming, outgoing, written }, LocalClient { lines, answers })
}

/// Takes what would be written to stdout.
struct Receiver {
    received: mpsc::UnboundedSender<Line>,
    splitter: Lines,
}

impl Write for Receiver {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Self { received, splitter } = self;
        let mut is_received = true;
        splitter.push(bytes, &mut |line| is_received &= received.send(line).is_ok());
        if is_received { Ok(bytes.len()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
