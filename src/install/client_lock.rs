//! How is the lock taken that a client holds while it writes its file, a folder beside the file?

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::clients::Client;

/// A lock that was not renewed for so long is abandoned.
const ABANDONED: Duration = Duration::from_secs(10);

/// How long the client may hold it.
const PATIENCE: Duration = Duration::from_secs(5);

/// The lock of a client; dropping it releases it.
#[derive(Debug)]
pub(super) struct ClientLock(Option<PathBuf>);

impl ClientLock {
    /// Takes the lock that this client looks at, if it looks at one.
    pub(super) fn acquire(client: &Client, file: &Path) -> io::Result<Self> {
        if !client.has_lock || !file.exists() {
            return Ok(Self(None));
        }
        let mut name = file.as_os_str().to_owned();
        name.push(".lock");
        Self::wait(PathBuf::from(name), PATIENCE)
    }

    fn wait(folder: PathBuf, patience: Duration) -> io::Result<Self> {
        let deadline = Instant::now() + patience;
        loop {
            match std::fs::create_dir(&folder) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                // Where we cannot create a folder, the client cannot either.
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) =>
                {
                    return Ok(Self(None));
                }
                result => return result.map(|()| Self(Some(folder))),
            }
            let modified = folder.metadata().and_then(|metadata| metadata.modified());
            let is_abandoned = modified.is_ok_and(|time| time.elapsed().is_ok_and(|age| age > ABANDONED));
            if is_abandoned && std::fs::remove_dir(&folder).is_ok() {
                continue;
            }
            if Instant::now() >= deadline {
                return Err(io::Error::new(io::ErrorKind::WouldBlock, "the client is writing to it"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for ClientLock {
    fn drop(&mut self) {
        if let Some(folder) = &self.0 {
            std::fs::remove_dir(folder).ok();
        }
    }
}

// Windows does not let a folder be opened to set its time.
#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_the_client_holds_is_waited_for_and_an_abandoned_one_taken() {
        let folder = tempfile::tempdir().unwrap();
        let (file, lock) = (folder.path().join("f"), folder.path().join("f.lock"));
        std::fs::write(&file, "{}").unwrap();
        let cline = Client::named("cline").unwrap();
        let held = ClientLock::acquire(cline, &file).unwrap();
        assert!(lock.is_dir() && ClientLock::wait(lock.clone(), Duration::ZERO).is_err());
        drop(held);
        assert!(!lock.exists());
        std::fs::create_dir(&lock).unwrap();
        let old = std::time::SystemTime::now() - ABANDONED * 2;
        std::fs::File::open(&lock).unwrap().set_modified(old).unwrap();
        drop(ClientLock::wait(lock.clone(), Duration::ZERO).unwrap());
        assert!(!lock.exists());
        let _held = ClientLock::acquire(Client::named("codex").unwrap(), &file).unwrap();
        assert!(!lock.exists(), "Codex looks at no lock");
    }
}
