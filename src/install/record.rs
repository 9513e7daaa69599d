//! What did we change, so that every byte of it can be undone? A record for each entry, and a copy of the file before.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use super::edit::{Piece, Refusal};
use crate::files::{self, Newer};

/// The format of records.
const FORMAT: u64 = 1;

/// A longer record is none of ours.
const LONGEST: usize = 1024 * 1024;

/// How long another run may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was done to a file for one entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// [`FORMAT`], in files; the first versions wrote none.
    #[serde(default)]
    pub(super) format: u64,
    pub(super) client: String,
    /// The file, behind symbolic links.
    pub(super) path: PathBuf,
    pub(super) section: Vec<String>,
    pub(super) name: String,
    /// The address that the entry is for.
    pub(super) url: String,
    /// The hash of the file before; `None` if there was none.
    pub(super) before: Option<String>,
    /// The hashes of the file as we left it.
    pub(super) after: Vec<String>,
    /// The copy of the file before. Without one, only the entry can be taken out.
    pub(super) backup: Option<PathBuf>,
    /// Whether the file before is known: we made the file, or there is a copy.
    pub(super) is_whole: bool,
    /// What was inserted.
    pub(super) piece: Option<Piece>,
    /// The entry of another program that ours took the place of.
    pub(super) earlier: Option<String>,
    /// The program that the entry starts.
    #[serde(default)]
    pub(super) program: String,
    /// The variables of the entry.
    #[serde(default)]
    pub(super) variables: Vec<String>,
    /// The folders that were created for the file, the innermost first.
    #[serde(default)]
    pub(super) folders: Vec<PathBuf>,
}

/// The folder of records, locked: two runs at once lose nothing.
#[derive(Debug)]
pub(super) struct Records {
    folder: PathBuf,
    _lock: Option<std::fs::File>,
}

impl Records {
    /// Opens the folder for reading only: a preview writes nothing.
    pub(super) fn preview(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), _lock: None }
    }

    /// Waits until no other run is at work.
    pub(super) fn lock(folder: &Path) -> io::Result<Self> {
        files::create_private(folder)?;
        let mut options = std::fs::OpenOptions::new();
        let path = folder.join("lock");
        let lock = files::open_private(&path, options.read(true).write(true).create(true).truncate(false))?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Self { folder: folder.to_owned(), _lock: Some(lock) }),
                Err(std::fs::TryLockError::WouldBlock) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(25));
                }
                Err(std::fs::TryLockError::WouldBlock) => {
                    return Err(io::Error::new(io::ErrorKind::WouldBlock, "another run of mcp-ferry is at work"));
                }
                // A file system without locks.
                Err(std::fs::TryLockError::Error(_)) => return Ok(Self { folder: folder.to_owned(), _lock: None }),
            }
        }
    }

    /// All records. One that cannot be read is no record: its entry can still be taken out by its name.
    pub(super) fn all(&self) -> Vec<Record> {
        self.paths().into_iter().filter_map(|path| read(&path).ok()?).collect()
    }

    fn paths(&self) -> Vec<PathBuf> {
        let names = std::fs::read_dir(&self.folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut paths: Vec<_> = names.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
        paths.sort();
        paths
    }

    pub(super) fn find(&self, path: &Path, name: &str) -> Result<Option<Record>, Refusal> {
        let found = read(&self.place(path, name));
        let found =
            found.map_err(|newer| Refusal::new(format!("the record of the entry there {newer}; {}", files::UPDATE)))?;
        Ok(found.filter(|record| record.path == path && record.name == name))
    }

    pub(super) fn save(&self, record: &Record) -> io::Result<()> {
        let document = Record { format: FORMAT, ..record.clone() };
        files::replace(&self.place(&record.path, &record.name), &serde_json::to_vec_pretty(&document)?)
    }

    /// Deletes a record and its copy.
    pub(super) fn delete(&self, record: &Record) -> io::Result<()> {
        self.forget(record)?;
        self.remove_copy(record)
    }

    /// Deletes a record; another one has its copy now.
    pub(super) fn forget(&self, record: &Record) -> io::Result<()> {
        files::remove(&self.place(&record.path, &record.name))
    }

    /// Removes the folders that were created for the file of a record, which has been deleted, as long as they are empty.
    /// Where another file of ours keeps one, they go with that. Records are files too: only folders that the file is in.
    pub(super) fn remove_folders(&self, record: &Record) -> io::Result<()> {
        let folders: Vec<_> = record.folders.iter().filter(|folder| record.path.starts_with(folder)).cloned().collect();
        let left = files::remove_empty_folders(&folders);
        for mut other in self.all() {
            let both = left.iter().filter(|folder| other.path.starts_with(folder) && !other.folders.contains(folder));
            let both: Vec<_> = both.cloned().collect();
            if !both.is_empty() {
                other.folders.extend(both);
                self.save(&other)?;
            }
        }
        Ok(())
    }

    /// Deletes the copies that no record has. One that cannot be read, or is a newer version's, may have any of them.
    pub(super) fn sweep(&self) -> io::Result<()> {
        let all = self.paths().into_iter().map(|path| read(&path).ok()?).collect::<Option<Vec<Record>>>();
        let Some(all) = all else { return Ok(()) };
        let kept: Vec<_> = all.into_iter().filter_map(|record| record.backup).collect();
        let copies = std::fs::read_dir(self.folder.join("backups"))?.flatten().map(|entry| entry.path());
        copies.filter(|path| !kept.contains(path)).try_for_each(|path| files::remove(&path))
    }

    /// Deletes the copy of a record. Records are files too: one that names another file does not have it deleted.
    pub(super) fn remove_copy(&self, record: &Record) -> io::Result<()> {
        match &record.backup {
            Some(backup) if backup.parent() == Some(&self.folder.join("backups")) => files::remove(backup),
            _ => Ok(()),
        }
    }

    /// Keeps a copy of a file, under the time and the name of its client.
    pub(super) fn back_up(&self, client: &str, bytes: &[u8]) -> io::Result<PathBuf> {
        let folder = self.folder.join("backups");
        files::create_private(&folder)?;
        let now = time::UtcDateTime::from(SystemTime::now());
        let (date, time) = (now.date(), now.time());
        let stamp = format!(
            "{:04}{:02}{:02}-{:02}{:02}{:02}",
            date.year(),
            u8::from(date.month()),
            date.day(),
            time.hour(),
            time.minute(),
            time.second()
        );
        for count in 0.. {
            let path = folder.join(format!("{stamp}-{client}-{count}.bak"));
            match files::create_new(&path, bytes) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && count < 10_000 => {}
                result => return result.map(|()| path),
            }
        }
        Err(io::Error::other("no name is free for a backup"))
    }

    fn place(&self, path: &Path, name: &str) -> PathBuf {
        let key = format!("{}\0{name}", path.display());
        self.folder.join(format!("{}.json", &hash(key.as_bytes())[..32]))
    }
}

fn read(path: &Path) -> Result<Option<Record>, Newer> {
    let Ok(bytes) = files::read(path, LONGEST) else { return Ok(None) };
    files::check_format(&bytes, FORMAT)?;
    Ok(serde_json::from_slice(&bytes).ok())
}

/// The hash by which a file is recognized.
pub(super) fn hash(bytes: &[u8]) -> String {
    files::hex(&files::sha256(bytes))
}
