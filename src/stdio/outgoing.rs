//! What waits to be written, and how much of it may.

use std::io::{self, Write};
use std::sync::{Arc, mpsc};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Room for lines that wait for the client to read, in KiB. A client that stops reading stops the streams behind it, not us.
const ROOM_KIB: u32 = 16 * 1024;

/// The way to the client's end. Cheap to clone; the writing thread ends with [`finish`](Self::finish) or when the last one is gone.
#[derive(Debug, Clone)]
pub struct Outgoing {
    lines: mpsc::Sender<Option<Reserved>>,
    room: Arc<Semaphore>,
}

/// A line that has its room; dropped unwritten, it gives the room back.
#[derive(Debug)]
pub struct Reserved {
    text: Bytes,
    room: Option<OwnedSemaphorePermit>,
}

/// The other end of [`Outgoing`].
#[derive(Debug)]
pub struct Queue {
    lines: mpsc::Receiver<Option<Reserved>>,
    room: Arc<Semaphore>,
}

pub(super) fn queue() -> (Outgoing, Queue) {
    let (sender, receiver) = mpsc::channel();
    let room = Arc::new(Semaphore::new(ROOM_KIB as usize));
    (Outgoing { lines: sender, room: Arc::clone(&room) }, Queue { lines: receiver, room })
}

impl Outgoing {
    /// Waits until the client has read enough for this line to wait its turn. A line larger than all the room waits until it is
    /// alone.
    pub async fn reserve(&self, text: Bytes) -> Reserved {
        let kib = u32::try_from(text.len() / 1024 + 1).unwrap_or(ROOM_KIB).min(ROOM_KIB);
        // Closed means that the client is gone; the line will go nowhere, at once.
        let room = Arc::clone(&self.room).acquire_many_owned(kib).await.ok();
        Reserved { text, room }
    }

    /// Writes a line that has its room.
    pub fn commit(&self, line: Reserved) {
        // A client that is gone ends the bridge through `Connection::written`.
        self.lines.send(Some(line)).ok();
    }

    /// What was committed before is written, nothing after.
    pub fn finish(&self) {
        self.lines.send(None).ok();
    }

    /// Waits for room and writes.
    pub async fn send(&self, text: Bytes) {
        self.commit(self.reserve(text).await);
    }

    /// Writes without waiting: for the bridge's own few lines, whose number the client's requests bound.
    pub fn send_now(&self, text: Bytes) {
        self.commit(Reserved { text, room: None });
    }
}

impl Queue {
    /// Writes lines until the last sender is gone or the client is. Flushes whenever nothing waits.
    pub(super) fn drain(self, output: &mut impl Write, framed: impl Fn() -> bool) -> io::Result<()> {
        let result = self.write_all(output, framed);
        self.room.close();
        result
    }

    fn write_all(&self, output: &mut impl Write, framed: impl Fn() -> bool) -> io::Result<()> {
        while let Ok(Some(mut line)) = self.lines.recv() {
            loop {
                if framed() {
                    write!(output, "Content-Length: {}\r\n\r\n", line.text.len())?;
                    output.write_all(&line.text)?;
                } else {
                    output.write_all(&line.text)?;
                    output.write_all(b"\n")?;
                }
                drop(line.room.take());
                match self.lines.try_recv() {
                    Ok(Some(next)) => line = next,
                    Ok(None) => return output.flush(),
                    Err(_) => break,
                }
            }
            output.flush()?;
        }
        Ok(())
    }

    /// The next line, for tests.
    pub fn next(&self) -> Option<Bytes> {
        self.lines.recv().ok().flatten().map(|line| line.text)
    }
}
