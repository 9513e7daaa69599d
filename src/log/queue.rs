//! How does a line get written without anybody waiting for it?

use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

/// Pieces on their way to a thread that may block in writing them. One for which there is no room is lost, and counted.
pub(super) struct Queue<T = Vec<u8>> {
    pieces: SyncSender<Piece<T>>,
    lost: AtomicU64,
    /// Until something is to be written there is nothing for a thread to do, and often that is never.
    start: Mutex<Option<Start>>,
}

/// Starts the thread.
type Start = Box<dyn FnOnce() + Send>;

enum Piece<T> {
    /// With how many were lost just before it.
    Text(T, u64),
    /// Tells when all before is written.
    Flush(SyncSender<()>, u64),
}

impl<T: Send + 'static> Queue<T> {
    /// Holds up to `room` pieces for `write`; `lost` makes one that tells of the loss of so many.
    pub(super) fn new(room: usize, lost: fn(u64) -> T, write: impl FnMut(&T) + Send + 'static) -> Self {
        let (pieces, waiting) = sync_channel(room);
        let start = move || drop(std::thread::spawn(move || write_all(&waiting, lost, write)));
        Self { pieces, lost: AtomicU64::new(0), start: Mutex::new(Some(Box::new(start))) }
    }

    /// Hands on a piece; false if there is no room, and it is counted as lost.
    pub(super) fn push(&self, piece: T) -> bool {
        if let Some(start) = self.start.lock().take() {
            start();
        }
        let lost = self.lost.swap(0, Ordering::AcqRel);
        let taken = self.pieces.try_send(Piece::Text(piece, lost)).is_ok();
        if !taken {
            self.lose(lost + 1);
        }
        taken
    }

    /// Counts pieces as lost.
    pub(super) fn lose(&self, count: u64) {
        self.lost.fetch_add(count, Ordering::AcqRel);
    }

    /// Waits until all is written that was handed on, but no longer than this.
    pub(super) fn flush(&self, patience: Duration) {
        if self.start.lock().is_some() {
            return;
        }
        let (done, written) = sync_channel(1);
        let lost = self.lost.swap(0, Ordering::AcqRel);
        let begun = std::time::Instant::now();
        let mut flush = Piece::Flush(done, lost);
        while let Err(std::sync::mpsc::TrySendError::Full(back)) = self.pieces.try_send(flush) {
            if begun.elapsed() >= patience {
                return;
            }
            flush = back;
            std::thread::sleep(Duration::from_millis(1));
        }
        written.recv_timeout(patience.saturating_sub(begun.elapsed())).ok();
    }
}

fn write_all<T>(waiting: &Receiver<Piece<T>>, lost: fn(u64) -> T, mut write: impl FnMut(&T)) {
    while let Ok(piece) = waiting.recv() {
        match piece {
            Piece::Text(text, before) => {
                if before > 0 {
                    write(&lost(before));
                }
                write(&text);
            }
            Piece::Flush(done, before) => {
                if before > 0 {
                    write(&lost(before));
                }
                done.try_send(()).ok();
            }
        }
    }
}
