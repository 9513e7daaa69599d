//! Which files do we trust? Those that no other user of this machine may change.
//!
//! On Windows the files of a profile inherit from it that only its user may read and change them.

#[cfg(unix)]
use std::collections::BTreeSet;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::path::Path;
#[cfg(unix)]
use std::path::PathBuf;

#[cfg(unix)]
use parking_lot::Mutex;

#[cfg(unix)]
use crate::log;

/// Reads a file of ours. Refused: one that another user may change, one that is longer than `most` bytes, and what is no
/// file. Never waits for a writer, as reading a named pipe would.
pub(crate) fn read(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    let file = open(path).map_err(|error| explain(path, error))?;
    let metadata = file.metadata()?;
    check(path, &metadata)?;
    let mut bytes = Vec::new();
    let room = u64::try_from(most).unwrap_or(u64::MAX);
    file.take(room.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() > most {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is longer than {most} bytes")));
    }
    Ok(bytes)
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    if let Ok(flags) = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()) {
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, flags);
    }
    let file = options.open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
    }
    Ok(file)
}

/// Whether a folder of ours, and the one around it, may be used. A missing one may.
pub(crate) fn check_folder(folder: &Path) -> io::Result<()> {
    for (folder, is_around) in [(folder.parent(), true), (Some(folder), false)] {
        let Some(folder) = folder.filter(|folder| !folder.as_os_str().is_empty()) else { continue };
        match std::fs::metadata(folder) {
            // In a folder like /tmp nobody can take the place of a folder of ours.
            Ok(metadata) if is_around && is_sticky(&metadata) => {}
            Ok(metadata) => check(folder, &metadata)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(unix)]
fn is_sticky(metadata: &Metadata) -> bool {
    std::os::unix::fs::MetadataExt::mode(metadata) & 0o1000 != 0
}

#[cfg(windows)]
fn is_sticky(_: &Metadata) -> bool {
    false
}

/// Whether no other user may change this file or folder. The error has the command that mends it.
#[cfg(unix)]
pub(crate) fn check(path: &Path, metadata: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let owner = metadata.uid();
    // Root may change everything anyway.
    if owner != rustix::process::geteuid().as_raw() && owner != 0 {
        return Err(of_another_user(path, owner));
    }
    if metadata.mode() & writable_by_others(metadata) != 0 {
        let why = format!("other users may change it; run `chmod go-w {}`", quoted(path));
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    Ok(())
}

#[cfg(unix)]
fn of_another_user(path: &Path, owner: u32) -> io::Error {
    let user = rustix::process::geteuid().as_raw();
    let why = format!("it belongs to the user {owner}; run `sudo chown {user} {}`", quoted(path));
    io::Error::new(io::ErrorKind::PermissionDenied, why)
}

/// The error of a file that cannot be opened, with its cause if that is its owner.
#[cfg(unix)]
fn explain(path: &Path, error: io::Error) -> io::Error {
    let owner = std::fs::metadata(path).map(|metadata| std::os::unix::fs::MetadataExt::uid(&metadata));
    match owner {
        Ok(owner)
            if error.kind() == io::ErrorKind::PermissionDenied && owner != rustix::process::geteuid().as_raw() =>
        {
            of_another_user(path, owner)
        }
        _ => error,
    }
}

#[cfg(windows)]
fn explain(_: &Path, error: io::Error) -> io::Error {
    error
}

#[cfg(windows)]
#[allow(clippy::unnecessary_wraps)]
pub(crate) fn check(_: &Path, _: &Metadata) -> io::Result<()> {
    Ok(())
}

/// The bits that let others write. Many systems give each user a group of its own, with the same number, and let new
/// files be written by it; root's group is not such a one.
#[cfg(unix)]
fn writable_by_others(metadata: &Metadata) -> u32 {
    use std::os::unix::fs::MetadataExt;
    if metadata.uid() != 0 && metadata.gid() == metadata.uid() { 0o002 } else { 0o022 }
}

/// Warns, once for each file, that other users may read a file with a secret.
#[cfg(unix)]
pub(crate) fn warn_if_readable(path: &Path) {
    static WARNED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    // Containers get their secrets there, readable by everybody inside.
    let is_mounted = ["/run/secrets", "/var/run/secrets"].iter().any(|folder| path.starts_with(folder));
    if path.is_file() && is_readable_by_others(path) && !is_mounted && WARNED.lock().insert(path.to_owned()) {
        let command = format!("chmod go-rwx {}", quoted(path));
        log::warn!("other users of this machine may read {}, which holds a secret; run `{command}`", path.display());
    }
}

#[cfg(windows)]
pub(crate) fn warn_if_readable(_: &Path) {}

/// Whether other users may read or change this file or folder.
#[cfg(unix)]
pub(crate) fn is_readable_by_others(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.mode() & (writable_by_others(&metadata) * 3) != 0)
}

#[cfg(windows)]
pub(crate) fn is_readable_by_others(_: &Path) -> bool {
    false
}

/// A path as a shell takes it.
#[cfg(unix)]
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn file(folder: &Path, mode: u32) -> PathBuf {
        let path = folder.join(format!("file's {mode:o}"));
        fs::write(&path, "{}").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn a_file_that_others_may_change_is_refused_with_the_command_that_mends_it() {
        let folder = tempfile::tempdir().unwrap();
        for mode in [0o602, 0o606, 0o666] {
            let path = file(folder.path(), mode);
            let why = read(&path, 100).unwrap_err().to_string();
            let command = why.split('`').nth(1).unwrap();
            let ran = std::process::Command::new("sh").args(["-c", command]).status().unwrap();
            assert!(ran.success() && read(&path, 100).is_ok(), "{command}");
        }
        for mode in [0o600, 0o644, 0o400] {
            assert_eq!(read(&file(folder.path(), mode), 100).unwrap(), b"{}", "{mode:o}");
        }
    }

    #[test]
    fn a_file_of_another_user_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(folder.path(), 0o600);
        let is_root = std::os::unix::fs::chown(&path, Some(65_534), None).is_ok();
        assert_eq!(read(&path, 100).is_err(), is_root);
        if is_root {
            assert!(read(&path, 100).unwrap_err().to_string().contains("sudo chown 0 "));
            std::os::unix::fs::chown(folder.path(), Some(65_534), None).unwrap();
            assert!(check_folder(&folder.path().join("missing")).is_err(), "the folder around it is another's");
        }
    }

    #[test]
    fn what_would_block_or_fill_the_memory_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert!(read(&pipe, 100).is_err() && read(folder.path(), 100).is_err());
        let long = file(folder.path(), 0o600);
        assert!(read(&long, 1).is_err() && read(&long, 2).is_ok());
    }
}
