//! What waits to be written, and how much of it may.
//!
//! Small lines gather until the tasks that are ready now have had their say; then one write takes them all. If the
//! client's end can take them at once, the write is made here and now: waking the writing thread would cost more than
//! all else about a call. Whatever could block goes to that thread.

use parking_lot::{Mutex, MutexGuard};
use std::fmt;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use crate::log::trace;
use bytes::Bytes;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, TryAcquireError};

/// Room for lines that wait for the client to read, in KiB. A client that stops reading stops the streams behind it,
/// not us.
const ROOM_KIB: u32 = 16 * 1024;

/// Lines up to this size gather; a longer one is not worth copying.
const GATHERED: usize = 8 * 1024;

/// What gathers is handed on when it is this long.
const BATCH: usize = 32 * 1024;

/// Writes without blocking, or says that it cannot.
pub(super) type WriteNow = fn(&[u8]) -> bool;

/// Starts the writing thread. Dropped unused, it counts as a thread that has written all.
pub(super) type StartThread = Box<dyn FnOnce(Queue) + Send>;

/// The way to the client's end. Cheap to clone; the writing thread ends with [`finish`](Self::finish) or when the last
/// one is gone.
#[derive(Clone)]
pub struct Outgoing(Arc<Shared>);

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outgoing")
    }
}

struct Shared {
    thread: mpsc::Sender<Item>,
    /// Until something must wait there is nothing for a thread to do, and often that is never.
    start: Mutex<Option<(StartThread, Queue)>>,
    room: Arc<Semaphore>,
    gathered: Mutex<Gathered>,
    /// Wakes whoever runs [`Outgoing::flush_when_due`].
    due: Notify,
    /// Items that the thread has not written yet; nothing may overtake them.
    waiting: Arc<AtomicUsize>,
    framed: Arc<AtomicBool>,
    write_now: WriteNow,
}

#[derive(Debug, Default)]
struct Gathered {
    bytes: Vec<u8>,
    room: Option<OwnedSemaphorePermit>,
}

/// A line that has its room; dropped unwritten, it gives the room back.
#[derive(Debug)]
pub struct Reserved {
    text: Bytes,
    room: Option<OwnedSemaphorePermit>,
}

impl Reserved {
    /// Another line in its room.
    #[must_use]
    pub fn with_text(self, text: Bytes) -> Self {
        Self { text, ..self }
    }
}

#[derive(Debug)]
enum Item {
    Batch(Gathered),
    /// One long line, without its end.
    Line(Reserved),
    End,
}

/// The other end of [`Outgoing`].
pub(super) struct Queue {
    items: mpsc::Receiver<Item>,
    room: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    framed: Arc<AtomicBool>,
}

/// `framed`: the client wants `Content-Length` framing.
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
    /// Waits until the client has read enough for this line to wait its turn. A line larger than all the room waits
    /// until it is alone.
    pub async fn reserve(&self, text: Bytes) -> Reserved {
        let kib = u32::try_from(text.len() / 1024 + 1).unwrap_or(ROOM_KIB).min(ROOM_KIB);
        // Closed means that the client is gone; the line will go nowhere, at once.
        let room = match Arc::clone(&self.0.room).try_acquire_many_owned(kib) {
            Err(TryAcquireError::NoPermits) => Arc::clone(&self.0.room).acquire_many_owned(kib).await.ok(),
            room => room.ok(),
        };
        Reserved { text, room }
    }

    /// Writes a line that has its room.
    pub fn commit(&self, line: Reserved) {
        trace::to_client(&line.text);
        let mut gathered = self.0.gathered();
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

    /// Writes without waiting: for the bridge's own few lines, whose number the client's requests bound.
    pub fn send_now(&self, text: Bytes) {
        self.commit(Reserved { text, room: None });
    }

    /// Sees to it that what gathers goes out when the tasks that are ready have run. Runs for ever, as a task among
    /// them.
    pub async fn flush_when_due(self) {
        loop {
            self.0.due.notified().await;
            // Whoever writes may have seen to it already.
            if self.is_gathering() {
                // The runtime comes back to this only when the tasks that are ready now have run.
                tokio::task::yield_now().await;
                self.flush();
            }
        }
    }

    /// Whether anything waits to be sent on its way.
    pub fn is_gathering(&self) -> bool {
        !self.0.gathered().bytes.is_empty()
    }

    /// Sends what gathered on its way.
    pub fn flush(&self) {
        let mut gathered = self.0.gathered();
        if gathered.bytes.is_empty() {
            return;
        }
        // Only this process writes here, and the thread has nothing: so what there is room for now, there is room for.
        if self.0.waiting.load(Ordering::Acquire) == 0 && (self.0.write_now)(&gathered.bytes) {
            gathered.bytes.clear();
            gathered.room = None;
        } else {
            self.0.hand_on(&mut gathered);
        }
    }

    /// What was committed before is written, nothing after.
    pub fn finish(&self) {
        self.flush();
        if !self.0.never_started() {
            self.0.to_thread(Item::End);
        }
    }
}

impl Shared {
    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock()
    }

    fn hand_on(&self, gathered: &mut Gathered) {
        if !gathered.bytes.is_empty() {
            self.to_thread(Item::Batch(std::mem::take(gathered)));
        }
    }

    /// Whether there is no thread; then there will be none.
    fn never_started(&self) -> bool {
        self.start.lock().take().is_some()
    }

    fn to_thread(&self, item: Item) {
        if let Some((start, queue)) = self.start.lock().take() {
            start(queue);
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        // A client that is gone ends the bridge through `Connection::written`.
        self.thread.send(item).ok();
    }
}

fn header(length: usize) -> String {
    format!("Content-Length: {length}\r\n\r\n")
}

impl Queue {
    /// Writes until all is written that ever will be, or the client is gone.
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
