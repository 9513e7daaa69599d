//! When is a line written to the client, and how many lines may wait?
//!
//! Small lines are gathered until every task that is ready now has run; then one write takes them all. If the client's
//! end can take them at once, they are written right here: waking the writing thread costs more than the rest of a
//! call. What could block goes to that thread.

use std::fmt;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, TryAcquireError};

use crate::log::trace;

/// Room for waiting lines, in KiB. If a client stops reading, the streams that its lines come from stop.
const ROOM_KIB: u32 = 16 * 1024;

/// Lines up to this size are gathered; to copy a longer one would cost more than a write.
const GATHERED: usize = 8 * 1024;

/// Gathered lines go to the writing thread when they are this long.
const BATCH: usize = 32 * 1024;

/// Writes without blocking; false if that is not possible now.
pub(super) type WriteNow = fn(&[u8]) -> bool;

/// Starts the writing thread. If it is dropped instead, that has the effect of a thread that has written everything.
pub(super) type StartThread = Box<dyn FnOnce(Queue) + Send>;

/// The way to the client. Cheap to clone; the writing thread ends with [`finish`](Self::finish) or when the last clone
/// is dropped.
#[derive(Clone)]
pub struct Outgoing(Arc<Shared>);

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outgoing")
    }
}

struct Shared {
    thread: mpsc::Sender<Item>,
    /// The task whose item must wait first takes this and starts the thread. Often no item ever must wait.
    start: Mutex<Option<(StartThread, Queue)>>,
    /// Tasks take room for a line; the writing thread gives it back when the line is written, and closes the semaphore
    /// when it ends.
    room: Arc<Semaphore>,
    /// Every task adds lines to it; the task that flushes takes them all.
    gathered: Mutex<Gathered>,
    /// A task that adds the first line wakes [`Outgoing::flush_when_due`] with it.
    due: Notify,
    /// How many items the thread has not written yet: tasks add, the thread subtracts. Nothing may overtake them.
    waiting: Arc<AtomicUsize>,
    /// Set by the thread that reads, see [`super::Lines::framed`].
    framed: Arc<AtomicBool>,
    write_now: WriteNow,
}

#[derive(Debug, Default)]
struct Gathered {
    bytes: Vec<u8>,
    room: Option<OwnedSemaphorePermit>,
}

/// A line that has its room. If it is dropped unwritten, it gives the room back.
#[derive(Debug)]
pub struct Reserved {
    text: Bytes,
    room: Option<OwnedSemaphorePermit>,
}

impl Reserved {
    /// Another line in the same room.
    #[must_use]
    pub fn with_text(self, text: Bytes) -> Self {
        Self { text, ..self }
    }
}

#[derive(Debug)]
enum Item {
    Batch(Gathered),
    /// One long line, without its line end.
    Line(Reserved),
    End,
}

/// What the writing thread has of [`Outgoing`].
pub(super) struct Queue {
    items: mpsc::Receiver<Item>,
    room: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    framed: Arc<AtomicBool>,
}

/// `framed`: whether the client expects `Content-Length` framing.
pub(super) fn outgoing(framed: Arc<AtomicBool>, write_now: WriteNow, start: StartThread) -> Outgoing {
    let (thread, items) = mpsc::channel();
    let room = Arc::new(Semaphore::new(ROOM_KIB as usize));
    let waiting = Arc::<AtomicUsize>::default();
    let queue = Queue { items, room: Arc::clone(&room), waiting: Arc::clone(&waiting), framed: Arc::clone(&framed) };
    let shared = Shared {
        thread,
        start: Mutex::new(Some((start, queue))),
        room,
        gathered: Mutex::default(),
        due: Notify::new(),
        waiting,
        framed,
        write_now,
    };
    Outgoing(Arc::new(shared))
}

impl Outgoing {
    /// Waits until there is room for this line. A line larger than all the room waits until no other line has any.
    pub async fn reserve(&self, text: Bytes) -> Reserved {
        let kib = u32::try_from(text.len() / 1024 + 1).unwrap_or(ROOM_KIB).min(ROOM_KIB);
        // A closed semaphore means that the client is gone; then the line is dropped when it is committed.
        let room = match Arc::clone(&self.0.room).try_acquire_many_owned(kib) {
            Err(TryAcquireError::NoPermits) => Arc::clone(&self.0.room).acquire_many_owned(kib).await.ok(),
            room => room.ok(),
        };
        Reserved { text, room }
    }

    /// Writes a line that has its room.
    pub fn commit(&self, line: Reserved) {
        trace::to_client(&line.text);
        let mut gathered = self.0.gathered.lock();
        if line.text.len() > GATHERED {
            self.0.hand_on(&mut gathered);
            return self.0.to_thread(Item::Line(line));
        }
        if gathered.bytes.is_empty() {
            self.0.due.notify_one();
        }
        gathered.bytes.reserve(line.text.len() + 32);
        if self.0.framed.load(Ordering::Acquire) {
            gathered.bytes.extend_from_slice(header(line.text.len()).as_bytes());
            gathered.bytes.extend_from_slice(&line.text);
        } else {
            gathered.bytes.extend_from_slice(&line.text);
            gathered.bytes.push(b'\n');
        }
        match (&mut gathered.room, line.room) {
            (Some(room), Some(more)) => room.merge(more),
            (room, more) => *room = room.take().or(more),
        }
        if gathered.bytes.len() >= BATCH {
            self.0.hand_on(&mut gathered);
        }
    }

    /// Waits for room and writes.
    pub async fn send(&self, text: Bytes) {
        self.commit(self.reserve(text).await);
    }

    /// Writes without waiting for room: for the bridge's own lines, which are no more than the client's requests.
    pub fn send_now(&self, text: Bytes) {
        self.commit(Reserved { text, room: None });
    }

    /// Flushes the gathered lines when the tasks that are ready have run. Runs for ever, as a task among them.
    pub async fn flush_when_due(self) {
        loop {
            self.0.due.notified().await;
            // Another task may have flushed them already.
            if self.is_gathering() {
                // The runtime continues this task when the tasks that are ready now have run.
                tokio::task::yield_now().await;
                self.flush();
            }
        }
    }

    /// Whether gathered lines wait for a flush.
    pub fn is_gathering(&self) -> bool {
        !self.0.gathered.lock().bytes.is_empty()
    }

    /// Writes the gathered lines, or gives them to the writing thread.
    pub fn flush(&self) {
        let mut gathered = self.0.gathered.lock();
        if gathered.bytes.is_empty() {
            return;
        }
        // Only this process writes to stdout, and the thread has nothing to write: no other write can take the room.
        if self.0.waiting.load(Ordering::Acquire) == 0 && (self.0.write_now)(&gathered.bytes) {
            gathered.bytes.clear();
            gathered.room = None;
        } else {
            self.0.hand_on(&mut gathered);
        }
    }

    /// Ends the writing: lines committed before are written, later lines are not.
    pub fn finish(&self) {
        self.flush();
        // A thread that was never started can no longer be started.
        if self.0.start.lock().take().is_none() {
            self.0.to_thread(Item::End);
        }
    }
}

impl Shared {
    fn hand_on(&self, gathered: &mut Gathered) {
        if !gathered.bytes.is_empty() {
            self.to_thread(Item::Batch(std::mem::take(gathered)));
        }
    }

    fn to_thread(&self, item: Item) {
        if let Some((start, queue)) = self.start.lock().take() {
            start(queue);
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        // This fails if the client is gone, which ends the bridge through `Connection::written`.
        self.thread.send(item).ok();
    }
}

fn header(length: usize) -> String {
    format!("Content-Length: {length}\r\n\r\n")
}

impl Queue {
    /// Writes until the last item is written or the client is gone.
    pub(super) fn drain(self, output: &mut impl Write) -> io::Result<()> {
        let result = self.write_all(output);
        self.room.close();
        result
    }

    fn write_all(&self, output: &mut impl Write) -> io::Result<()> {
        while let Ok(item) = self.items.recv() {
            match item {
                Item::Batch(batch) => output.write_all(&batch.bytes)?,
                Item::Line(line) if self.framed.load(Ordering::Acquire) => {
                    output.write_all(header(line.text.len()).as_bytes())?;
                    output.write_all(&line.text)?;
                }
                Item::Line(line) => {
                    output.write_all(&line.text)?;
                    output.write_all(b"\n")?;
                }
                Item::End => return output.flush(),
            }
            output.flush()?;
            self.waiting.fetch_sub(1, Ordering::Release);
        }
        Ok(())
    }
}
