//! How is a line written without a delay for the task that logs it?

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Items on their way to a thread that writes them and may block. An item for which there is no room is lost; the lost
/// ones are counted, and the next item that gets through reports the count.
pub(super) struct Queue<T = Vec<u8>> {
    items: SyncSender<Item<T>>,
    /// Items lost since the last one that got through. Tasks that log add to it and reset it.
    lost: AtomicU64,
    /// Starts the thread; the first item takes it. Many queues never get an item.
    start: Mutex<Option<StartThread>>,
}

type StartThread = Box<dyn FnOnce() + Send>;

/// With the number of items that were lost just before it.
enum Item<T> {
    Text(T, u64),
    /// Signals that everything before it is written.
    Flush(SyncSender<()>, u64),
}

impl<T: Send + 'static> Queue<T> {
    /// Holds up to `room` items for `write`. `lost` makes an item that reports how many were lost.
    pub(super) fn new(room: usize, lost: fn(u64) -> T, write: impl FnMut(&T) + Send + 'static) -> Self {
        let (items, receiver) = sync_channel(room);
        let start = move || drop(std::thread::spawn(move || write_all(&receiver, lost, write)));
        Self { items, lost: AtomicU64::new(0), start: Mutex::new(Some(Box::new(start))) }
    }

    /// Adds an item; false if there is no room, and then it is counted as lost.
    pub(super) fn push(&self, item: T) -> bool {
        if let Some(start) = self.start.lock().take() {
            start();
        }
        let lost = self.lost.swap(0, Ordering::AcqRel);
        let is_added = self.items.try_send(Item::Text(item, lost)).is_ok();
        if !is_added {
            self.count_lost(lost + 1);
        }
        is_added
    }

    /// Counts items as lost.
    pub(super) fn count_lost(&self, count: u64) {
        self.lost.fetch_add(count, Ordering::AcqRel);
    }

    /// Waits until all items so far are written, but no longer than `timeout`.
    pub(super) fn flush(&self, timeout: Duration) {
        if self.start.lock().is_some() {
            return;
        }
        let (done, written) = sync_channel(1);
        let lost = self.lost.swap(0, Ordering::AcqRel);
        let start = Instant::now();
        let mut flush = Item::Flush(done, lost);
        while let Err(TrySendError::Full(not_added)) = self.items.try_send(flush) {
            if start.elapsed() >= timeout {
                return;
            }
            flush = not_added;
            std::thread::sleep(Duration::from_millis(1));
        }
        written.recv_timeout(timeout.saturating_sub(start.elapsed())).ok();
    }
}

fn write_all<T>(items: &Receiver<Item<T>>, lost: fn(u64) -> T, mut write: impl FnMut(&T)) {
    while let Ok(item) = items.recv() {
        let (Item::Text(_, count) | Item::Flush(_, count)) = &item;
        if *count > 0 {
            write(&lost(*count));
        }
        match item {
            Item::Text(text, _) => write(&text),
            Item::Flush(done, _) => drop(done.try_send(())),
        }
    }
}
