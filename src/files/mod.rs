//! How are private files written: readable only by the user, replaced as a whole, durable? `access`: which files are
//! trusted. `other`: how are the files of other programs changed? `attributes`: what have they besides their content?
//! `format`: which documents are a newer version's?
//!
//! Every write to the disk goes through this room, except that the log appends to its files itself.

mod access;
mod attributes;
mod format;
mod other;

use std::fmt::Write as _;
use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Seek, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use tempfile::NamedTempFile;

pub(crate) use access::{check, check_folder, is_readable_by_others, read, warn_if_readable};
pub(crate) use format::{Newer, UPDATE, check_format};
pub(crate) use other::{OtherFile, ReplaceError, create_new, missing_folders, remove_empty_folders, resolve};

/// How the name of an unfinished file begins.
const UNFINISHED: &str = ".unfinished-";

/// An unfinished file of this age is abandoned: the process that wrote it was killed.
pub(crate) const ABANDONED: Duration = Duration::from_secs(600);

/// A new content may be longer than the one before it by this much, in bytes.
const GROWTH: usize = 32 * 1024;

/// Identifies the state of a file: after each write the stamp is another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    inode: u64,
}

impl Stamp {
    /// The stamp of this file now; `None` if the file does not exist.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self { modified: metadata.modified().ok(), length: metadata.len(), inode: inode(&metadata) })
    }
}

#[cfg(unix)]
fn inode(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

/// The time of creation, which serves as well as an inode: each write creates a new file.
#[cfg(windows)]
fn inode(metadata: &Metadata) -> u64 {
    std::os::windows::fs::MetadataExt::creation_time(metadata)
}

/// Replaces a file, or creates it, so that only the user can read it. A reader gets the old content or the new one, and
/// when this returns the new content survives a power failure.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (folder, file) = write_unfinished(path, bytes)?;
    sync(file.as_file())?;
    persist(file, path)?;
    sync_folder(folder)
}

/// Room on the disk for the next content of a file, and proof that the file can be replaced.
#[derive(Debug)]
pub(crate) struct Reservation(NamedTempFile);

impl Reservation {
    /// Room for a content somewhat longer than that of now.
    pub(crate) fn new(path: &Path) -> io::Result<Self> {
        let length = std::fs::metadata(path).map_or(0, |metadata| usize::try_from(metadata.len()).unwrap_or_default());
        // Bytes that no file system compresses.
        let mut bytes = vec![0; length + GROWTH];
        let random = ring::rand::SystemRandom::new();
        ring::rand::SecureRandom::fill(&random, &mut bytes).map_err(|_| io::Error::other("no random numbers"))?;
        let (_, file) = write_unfinished(path, &bytes)?;
        sync(file.as_file())?;
        Ok(Self(file))
    }

    /// [`replace`], in this room.
    pub(crate) fn replace(mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.0.rewind()?;
        self.0.write_all(bytes)?;
        self.0.as_file().set_len(u64::try_from(bytes.len()).unwrap_or_default())?;
        sync(self.0.as_file())?;
        persist(self.0, path)?;
        sync_folder(path.parent().unwrap_or(Path::new(".")))
    }
}

/// The same for a cache: a power failure may lose the new content, so this does not wait for the disk.
pub(crate) fn replace_cache(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (_, file) = write_unfinished(path, bytes)?;
    persist(file, path)
}

fn write_unfinished<'p>(path: &'p Path, bytes: &[u8]) -> io::Result<(&'p Path, NamedTempFile)> {
    let folder = path.parent().unwrap_or(Path::new("."));
    create_private(folder)?;
    sweep(folder, ABANDONED, Duration::MAX);
    let mut file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(folder)?;
    file.write_all(bytes)?;
    Ok((folder, file))
}

/// Removes the unfinished files that are older than `abandoned`, because killed processes left them and they may hold
/// secrets, and other files that were written longer ago than `unused`.
pub(crate) fn sweep(folder: &Path, abandoned: Duration, unused: Duration) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let age = || entry.metadata().ok()?.modified().ok()?.elapsed().ok();
        let is_unfinished = entry.file_name().to_string_lossy().starts_with(UNFINISHED);
        let limit = if is_unfinished { abandoned } else { unused };
        if age().is_some_and(|age| age > limit) {
            remove(&entry.path()).ok();
        }
    }
}

/// Writes what a user wants to have in a file of the user's own, with the usual permissions.
pub(crate) fn write_result(path: &Path, bytes: &[u8]) -> io::Result<()> {
    std::fs::write(path, bytes)
}

/// Removes a file. A missing one is no error.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    std::fs::remove_file(path)
        .or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// Opens a file with these options. If it is created, only the user can read it: on Windows a new file inherits that
/// from its folder. A file that other users may change is refused; a device, such as a terminal, is not.
pub(crate) fn open_private(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    let file = options.open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() {
        check(path, &metadata)?;
    }
    Ok(file)
}

/// Creates a folder if it is missing, with its parents. Only the user can read the new ones.
pub(crate) fn create_missing(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

/// Creates a folder that only the user can read. Restricts an existing one: its permissions may come from a backup. One
/// that others may change is refused: they may have put something into it. On Windows only the user can read a folder
/// in the user's profile.
pub(crate) fn create_private(folder: &Path) -> io::Result<()> {
    check_folder(folder)?;
    create_missing(folder)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mut permissions = std::fs::metadata(folder)?.permissions();
        if permissions.mode() & 0o077 != 0 {
            permissions.set_mode(0o700);
            std::fs::set_permissions(folder, permissions)?;
        }
    }
    Ok(())
}

/// On Windows, virus scanners and indexers open a new file for a moment, and in that time it cannot be renamed.
fn persist(mut file: NamedTempFile, path: &Path) -> io::Result<()> {
    let mut retries = if cfg!(windows) { 39 } else { 0 };
    loop {
        match file.persist(path) {
            Ok(_) => return Ok(()),
            Err(failed) if retries > 0 && failed.error.kind() == io::ErrorKind::PermissionDenied => file = failed.file,
            Err(failed) => return Err(failed.error),
        }
        retries -= 1;
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Some file systems, network file systems on macOS above all, do not support this. The file is written all the same.
fn sync(file: &File) -> io::Result<()> {
    #[cfg(unix)]
    use rustix::io::Errno;
    match file.sync_all() {
        #[cfg(unix)]
        Err(error)
            if Errno::from_io_error(&error)
                .is_some_and(|errno| [Errno::INVAL, Errno::NOTSUP, Errno::OPNOTSUPP].contains(&errno)) =>
        {
            Ok(())
        }
        result => result,
    }
}

/// The new name is part of the folder, which must be written too. NTFS has a journal for names.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(windows) { Ok(()) } else { sync(&File::open(folder)?) }
}

/// The SHA-256 digest of these bytes.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut digest = [0; 32];
    digest.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref());
    digest
}

/// Bytes in lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").ok();
        text
    })
}
