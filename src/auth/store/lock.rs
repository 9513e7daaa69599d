//! Who may change a login?
//!
//! The process that holds the kernel's lock on a file. The file is never removed or renamed. When a process dies, the
//! kernel releases its lock at once; no clock and no process id is needed. `std` opens files so that a child process,
//! such as a browser, does not inherit the lock.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::error::StoreError;
use crate::log;
use crate::task;

/// How often a lock that is held is tried again.
const AGAIN: Duration = Duration::from_millis(25);

/// A lock; dropping it releases it.
#[derive(Debug)]
pub(in crate::auth) struct Lock {
    /// `None` where the file system has no locks.
    _file: Option<File>,
}

impl Lock {
    /// Takes the lock if it is free.
    pub(in crate::auth) fn try_acquire(path: &Path) -> Option<Self> {
        Lockable::new(path).try_lock()
    }

    /// Waits for the lock, on the monotonic clock. If this future is dropped, the wait ends at the next try.
    pub(in crate::auth) async fn acquire(path: &Path, limit: Duration) -> Result<Self, StoreError> {
        let (alive, path) = (Arc::new(()), path.to_owned());
        let is_dropped = Arc::downgrade(&alive);
        let wait = move || Self::wait(&path, limit, || is_dropped.strong_count() == 0);
        let acquired = task::blocking(wait).await.flatten();
        drop(alive);
        acquired.ok_or(StoreError::Busy(limit.as_secs()))
    }

    /// [`Lock::acquire`] for work that is not on the runtime's thread.
    pub(super) fn acquire_blocking(path: &Path, limit: Duration) -> Result<Self, StoreError> {
        Self::wait(path, limit, || false).ok_or(StoreError::Busy(limit.as_secs()))
    }

    fn wait(path: &Path, limit: Duration, is_dropped: impl Fn() -> bool) -> Option<Self> {
        let deadline = Instant::now() + limit;
        let mut lockable = Lockable::new(path);
        loop {
            if let Some(lock) = lockable.try_lock() {
                return Some(lock);
            }
            if Instant::now() >= deadline || is_dropped() {
                return None;
            }
            std::thread::sleep(AGAIN);
        }
    }
}

/// A file that can be locked, and where else to try if its file system cannot.
#[derive(Debug)]
struct Lockable {
    file: Option<File>,
    elsewhere: Option<PathBuf>,
}

impl Lockable {
    fn new(path: &Path) -> Self {
        let mut lockable = Self { file: None, elsewhere: elsewhere(path) };
        let opened = open(path).map(|file| lockable.file = Some(file));
        opened.unwrap_or_else(|error| lockable.give_up(&error));
        lockable
    }

    /// `None` if another process has the lock.
    fn try_lock(&mut self) -> Option<Lock> {
        loop {
            let Some(file) = &self.file else { return Some(Lock { _file: None }) };
            match file.try_lock() {
                Ok(()) => return Some(Lock { _file: self.file.take() }),
                Err(TryLockError::WouldBlock) => return None,
                Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(TryLockError::Error(error)) => self.give_up(&error),
            }
        }
    }

    /// Network file systems may have no locks (ENOLCK, ENOTSUP), and a read-only one has no file to lock. Without a
    /// lock, processes still read the record again before they send a refresh token: a race of some milliseconds is
    /// left, and a warning.
    fn give_up(&mut self, error: &io::Error) {
        self.file = self.elsewhere.take().and_then(|path| open(&path).ok());
        if self.file.is_none() {
            static SAID: std::sync::Once = std::sync::Once::new();
            SAID.call_once(|| {
                log::warn!(
                    "the folder of logins has no locks ({error}): two programs may refresh one login at the same time"
                );
            });
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        crate::files::create_private(folder)?;
    }
    crate::files::open_private(path, OpenOptions::new().read(true).write(true).create(true).truncate(false))
}

/// The folder of the user's session is on a local file system.
#[cfg(unix)]
fn elsewhere(path: &Path) -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("XDG_RUNTIME_DIR").filter(|folder| !folder.is_empty())?);
    Some(folder.join("mcp-ferry").join(path.file_name()?))
}

#[cfg(windows)]
fn elsewhere(_: &Path) -> Option<PathBuf> {
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_until_it_is_dropped_and_its_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logins").join("a.lock");
        let first = Lock::try_acquire(&path).expect("a free lock is given");
        assert!(Lock::try_acquire(&path).is_none(), "one owner at a time");
        drop(first);
        assert!(path.exists(), "removing it would let two own two files of one name");
        assert!(Lock::try_acquire(&path).is_some());
    }

    #[tokio::test]
    async fn waiting_ends_with_the_lock_or_at_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.lock");
        let first = Lock::try_acquire(&path).unwrap();
        let late = Lock::acquire(&path, Duration::from_millis(60)).await;
        assert!(matches!(late, Err(StoreError::Busy(_))), "the wait has a limit");
        let (second, ()) = tokio::join!(Lock::acquire(&path, Duration::from_secs(20)), async { drop(first) });
        assert!(second.is_ok(), "whoever waits has it next");
    }

    #[test]
    fn where_nothing_can_be_locked_work_goes_on() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut lockable = Lockable { file: None, elsewhere: None };
        lockable.give_up(&io::Error::from(io::ErrorKind::Unsupported));
        assert!(lockable.try_lock().is_some());
        // A file where the folder should be.
        let mut lockable = Lockable::new(&file.path().join("a.lock"));
        assert!(lockable.try_lock().is_some());
    }
}
