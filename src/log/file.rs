//! How do several processes append to one log file, and how is its size limited?
//!
//! This is not in files.rs, which replaces whole files: a log file is appended to and rotated.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::files;

/// The size at which a log file is rotated, in bytes.
pub(super) const LIMIT: u64 = 10_000_000;

/// The pause before a second attempt to write: on Windows no write succeeds while another process rotates the file.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// A file that only its owner may read. A full file is renamed to `FILE.1`, which replaces an older `FILE.1`, and a new
/// file is begun.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    limit: Option<u64>,
}

impl LogFile {
    /// Opens the file. Creates it and its folders if they are missing.
    pub(super) fn open(path: &Path, limit: Option<u64>) -> io::Result<Self> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            files::create_missing(folder)?;
        }
        let mut file = Self { path: path.to_owned(), file: append_to(path)?, limit };
        file.rotate_if_full(0);
        Ok(file)
    }

    /// Writes a line at once, so that lines of several processes do not mix. An error is ignored, because the log is
    /// the place where errors are reported.
    pub(super) fn append(&mut self, line: &[u8]) {
        self.rotate_if_full(line.len() as u64);
        if self.file.write_all(line).is_err() {
            std::thread::sleep(RETRY_PAUSE);
            self.file.write_all(line).ok();
        }
    }

    fn rotate_if_full(&mut self, more: u64) {
        let Some(limit) = self.limit else { return };
        let is_full = |file: &File| {
            file.metadata().is_ok_and(|file| file.is_file() && file.len() > 0 && file.len() + more > limit)
        };
        if !is_full(&self.file) {
            return;
        }
        // Another process that finds the file full waits here too, and then finds the new file.
        let is_locked = self.file.lock().is_ok();
        let rotated = append_to(&self.path).and_then(|current| {
            if !is_full(&current) {
                return Ok(current);
            }
            std::fs::rename(&self.path, numbered(&self.path))?;
            append_to(&self.path)
        });
        if is_locked {
            self.file.unlock().ok();
        }
        if let Ok(file) = rotated {
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
    // Windows cannot lock a file that is opened only to append.
    files::open_private(path, OpenOptions::new().append(true).create(true).read(cfg!(windows)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn read(path: &Path) -> String {
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn a_file_is_rotated_at_its_limit_and_the_last_one_kept() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("deep/er/log");
        let mut file = LogFile::open(&path, Some(10)).unwrap();
        for line in ["one\n", "two\n", "three\n", "four\n"] {
            file.append(line.as_bytes());
        }
        assert_eq!((read(&path), read(&numbered(&path))), ("four\n".to_owned(), "three\n".to_owned()));
    }

    #[test]
    fn processes_that_share_a_file_lose_nothing_when_one_rotates_it() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("log");
        let mut two = [LogFile::open(&path, Some(20)).unwrap(), LogFile::open(&path, Some(20)).unwrap()];
        for (nth, line) in ["one..\n", "two..\n", "three\n", "four.\n", "five.\n"].iter().enumerate() {
            two[nth % 2].append(line.as_bytes());
        }
        assert_eq!(read(&numbered(&path)), "one..\ntwo..\nthree\n");
        assert_eq!(read(&path), "four.\nfive.\n", "the other process finds the new file");
    }
}
