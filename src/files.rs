//! Private files: whole, durable, named by a hash. Every file that the bridge keeps, but for logs, is written here.

use std::fs::{File, Metadata};
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// What our unfinished files are called. One that is left was left by a process that was killed.
const UNFINISHED: &str = ".unfinished-";

/// No write takes this long.
const ABANDONED: Duration = Duration::from_secs(3600);

/// Tells one state of a file from the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    inode: u64,
}

impl Stamp {
    /// Of the file as it is now; `None` if there is none.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self { modified: metadata.modified().ok(), length: metadata.len(), inode: inode(&metadata) })
    }
}

#[cfg(unix)]
fn inode(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

/// A file's time of creation takes the inode's place: each state is a new file.
#[cfg(windows)]
fn inode(metadata: &Metadata) -> u64 {
    std::os::windows::fs::MetadataExt::creation_time(metadata)
}

/// Puts a file of the user's alone in the place of what was there. A reader sees the old one or the new one, and when
/// this returns the new one survives a power cut.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    create_private(folder)?;
    sweep(folder);
    let mut file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(folder)?;
    file.write_all(bytes)?;
    sync(file.as_file())?;
    persist(file, path)?;
    sync_folder(folder)
}

/// Removes what killed processes left: it holds secrets.
fn sweep(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_old = || entry.metadata().ok()?.modified().ok()?.elapsed().ok().map(|age| age > ABANDONED);
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) && is_old() == Some(true) {
            std::fs::remove_file(entry.path()).ok();
        }
    }
}

/// Creates a folder that is the user's alone, or makes it so: it may have come out of a backup.
#[cfg(unix)]
pub(crate) fn create_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut permissions = std::fs::metadata(folder)?.permissions();
    if permissions.mode() & 0o077 != 0 {
        permissions.set_mode(0o700);
        std::fs::set_permissions(folder, permissions)?;
    }
    Ok(())
}

/// A folder in the user's profile is the user's alone already.
#[cfg(windows)]
pub(crate) fn create_private(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)
}

#[cfg(unix)]
fn persist(file: tempfile::NamedTempFile, path: &Path) -> io::Result<()> {
    file.persist(path)?;
    Ok(())
}

/// Scanners and indexers open a new file for a moment, and while they do its name cannot be changed.
#[cfg(windows)]
fn persist(mut file: tempfile::NamedTempFile, path: &Path) -> io::Result<()> {
    const TRIES: u32 = 40;
    for _ in 1..TRIES {
        match file.persist(path) {
            Ok(_) => return Ok(()),
            Err(failed) if failed.error.kind() == io::ErrorKind::PermissionDenied => file = failed.file,
            Err(failed) => return Err(failed.error),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    file.persist(path)?;
    Ok(())
}

/// Some file systems, macOS's of networks above all, cannot promise that a write lasts: no reason to keep nothing.
#[cfg(unix)]
fn sync(file: &File) -> io::Result<()> {
    use rustix::io::Errno;
    match file.sync_all() {
        Err(error) => match Errno::from_io_error(&error) {
            Some(errno) if [Errno::INVAL, Errno::NOTSUP, Errno::OPNOTSUPP].contains(&errno) => Ok(()),
            _ => Err(error),
        },
        Ok(()) => Ok(()),
    }
}

#[cfg(windows)]
fn sync(file: &File) -> io::Result<()> {
    file.sync_all()
}

/// The new name is in the folder, and the folder is a file too.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    sync(&File::open(folder)?)
}

/// NTFS keeps a journal of names.
#[cfg(windows)]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// A name for the file that belongs to this text, which may hold a secret: the first 16 bytes of its SHA-256, in
/// hexadecimal.
pub(crate) fn hashed_name(text: &str) -> String {
    hex(&sha256(text.as_bytes())[..16])
}

/// The SHA-256 digest of these bytes.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut digest = [0; 32];
    digest.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref());
    digest
}

/// Bytes in lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
