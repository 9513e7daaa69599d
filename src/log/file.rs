//! A file that several processes append to, and that does not grow for ever.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a log file gets, in bytes.
pub(super) const LIMIT: u64 = 10_000_000;

/// How long another process may hold the file while it renames it: Windows lets nobody write meanwhile.
const HELD: Duration = Duration::from_millis(20);

/// Only its owner may read it. A file of the full length is renamed to `FILE.1`, in place of the one before it, and
/// begun anew.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    limit: Option<u64>,
}

impl LogFile {
    /// Opens it, made with its directories where it is missing.
    pub(super) fn open(path: &Path, limit: Option<u64>) -> io::Result<Self> {
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            create_directories(parent)?;
        }
        let mut opened = Self { path: path.to_owned(), file: append_to(path)?, limit };
        opened.renew_if_full(0);
        Ok(opened)
    }

    /// Writes one piece as a whole, so that those of several processes do not mix. Where that fails there is nobody to
    /// tell.
    pub(super) fn append(&mut self, piece: &[u8]) {
        self.renew_if_full(piece.len() as u64);
        if self.file.write_all(piece).is_err() {
            std::thread::sleep(HELD);
            self.file.write_all(piece).ok();
        }
    }

    fn renew_if_full(&mut self, more: u64) {
        let Some(limit) = self.limit else { return };
        let is_full = |file: &File| {
            file.metadata().is_ok_and(|file| file.is_file() && file.len() > 0 && file.len() + more > limit)
        };
        if !is_full(&self.file) {
            return;
        }
        // Whoever else writes to this file waits here too, and then finds it renamed.
        let held = self.file.lock().is_ok();
        let renewed = append_to(&self.path).and_then(|current| {
            if !is_full(&current) {
                return Ok(current);
            }
            std::fs::rename(&self.path, numbered(&self.path))?;
            append_to(&self.path)
        });
        if held {
            self.file.unlock().ok();
        }
        if let Ok(file) = renewed {
            self.file = file;
        }
    }
}

/// `FILE.1`.
fn numbered(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    name.into()
}

fn append_to(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    // Windows locks no file that can only be appended to.
    #[cfg(windows)]
    options.read(true);
    options.open(path)
}

/// On Windows a new file is its owner's by what its directory bequeaths.
fn create_directories(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn read(path: &Path) -> String {
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn at_its_limit_a_file_is_begun_anew_and_the_last_one_kept() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("deep/er/log");
        let mut file = LogFile::open(&path, Some(10)).unwrap();
        for line in ["one\n", "two\n", "three\n", "four\n"] {
            file.append(line.as_bytes());
        }
        assert_eq!((read(&path), read(&numbered(&path))), ("four\n".to_owned(), "three\n".to_owned()));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "its owner's alone");
        }
    }

    #[test]
    fn a_file_that_is_full_at_the_start_is_begun_anew() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("log");
        std::fs::write(&path, "0123456789a").unwrap();
        LogFile::open(&path, Some(10)).unwrap().append(b"new\n");
        assert_eq!((read(&path).as_str(), read(&numbered(&path)).as_str()), ("new\n", "0123456789a"));
    }

    #[test]
    fn processes_that_share_a_file_lose_nothing_when_one_begins_it_anew() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("log");
        let mut two = [LogFile::open(&path, Some(20)).unwrap(), LogFile::open(&path, Some(20)).unwrap()];
        for (nth, line) in ["one..\n", "two..\n", "three\n", "four.\n", "five.\n"].iter().enumerate() {
            two[nth % 2].append(line.as_bytes());
        }
        assert_eq!(read(&numbered(&path)), "one..\ntwo..\nthree\n");
        assert_eq!(read(&path), "four.\nfive.\n", "the other finds the new file");
    }
}
