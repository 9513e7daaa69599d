//! How is a file of another program changed, so that its place, its owner, its mode and its other names stay?

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::{open_private, persist, sync, sync_folder};

/// How the name of an unfinished file begins.
const UNFINISHED: &str = ".mcp-ferry-unfinished-";

/// A file of another program, as it was read.
#[derive(Debug)]
pub(crate) struct OtherFile {
    /// Where the file is, behind symbolic links.
    real: PathBuf,
    /// What it was like; `None` if it was missing.
    found: Option<(Vec<u8>, Metadata)>,
}

/// Why a file was not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplaceError {
    /// It is not any more what was read.
    #[error("it changed while it was edited")]
    Changed,
    /// An error of the operating system.
    #[error(transparent)]
    System(#[from] io::Error),
}

impl OtherFile {
    /// Reads a file of at most `most` bytes. What is no file is refused; reading never waits for a writer.
    pub(crate) fn read(path: &Path, most: usize) -> io::Result<Self> {
        let real = match std::fs::canonicalize(path) {
            Ok(real) => real,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if path.symlink_metadata().is_ok() {
                    let why = "it is a symbolic link to a file that is missing";
                    return Err(io::Error::new(io::ErrorKind::NotFound, why));
                }
                return Ok(Self { real: path.to_owned(), found: None });
            }
            Err(error) => return Err(error),
        };
        let metadata = std::fs::metadata(&real)?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
        }
        let mut bytes = Vec::new();
        let room = u64::try_from(most).unwrap_or(u64::MAX);
        File::open(&real)?.take(room.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() > most {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is longer than {most} bytes")));
        }
        Ok(Self { real, found: Some((bytes, metadata)) })
    }

    /// What the file contained; `None` if it was missing.
    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        self.found.as_ref().map(|(bytes, _)| bytes.as_slice())
    }

    /// Where the file is, behind symbolic links.
    pub(crate) fn real(&self) -> &Path {
        &self.real
    }

    /// Whether the user wants the file to be written: not one that is read-only.
    pub(crate) fn check_writable(&self) -> io::Result<()> {
        let Some((_, metadata)) = &self.found else { return Ok(()) };
        if metadata.permissions().readonly() {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is read-only"));
        }
        OpenOptions::new().write(true).open(&self.real).map(drop)
    }

    /// Writes another content, or creates the file. A reader gets the old content or the new one, except where the file
    /// has several names or an owner that a new file cannot get: then the same file is written again.
    pub(crate) fn replace(&self, bytes: &[u8]) -> Result<(), ReplaceError> {
        self.check_writable()?;
        let folder = self.real.parent().unwrap_or(Path::new("."));
        let Some((_, metadata)) = &self.found else {
            super::create_missing(folder)?;
            let mut file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(folder)?;
            file.write_all(bytes)?;
            sync(file.as_file())?;
            return match file.persist_noclobber(&self.real) {
                Ok(_) => Ok(sync_folder(folder)?),
                Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Err(ReplaceError::Changed),
                Err(error) => Err(error.error.into()),
            };
        };
        self.check_unchanged()?;
        if links(metadata) == 1
            && let Ok(mut file) = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(folder)
        {
            file.write_all(bytes)?;
            if make_alike(file.as_file(), metadata).is_ok() {
                sync(file.as_file())?;
                self.check_unchanged()?;
                if persist(file, &self.real).is_ok() {
                    return Ok(sync_folder(folder)?);
                }
            }
        }
        self.check_unchanged()?;
        let mut file = OpenOptions::new().write(true).open(&self.real)?;
        let written = rewrite(&mut file, bytes);
        if let (Err(_), Some(before)) = (&written, self.bytes()) {
            // A full disk may have room for what was there before.
            rewrite(&mut file, before).ok();
        }
        Ok(written?)
    }

    /// Removes the file, if it is still what was read.
    pub(crate) fn remove(&self) -> Result<(), ReplaceError> {
        self.check_writable()?;
        self.check_unchanged()?;
        Ok(super::remove(&self.real)?)
    }

    /// Whether the file is still what was read.
    pub(crate) fn is_unchanged(&self) -> bool {
        self.check_unchanged().is_ok()
    }

    fn check_unchanged(&self) -> Result<(), ReplaceError> {
        let now = Self::read(&self.real, usize::MAX)?;
        if now.bytes() == self.bytes() { Ok(()) } else { Err(ReplaceError::Changed) }
    }
}

/// Gives an open file another content.
fn rewrite(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    file.rewind()?;
    file.write_all(bytes)?;
    file.set_len(u64::try_from(bytes.len()).unwrap_or_default())?;
    sync(file)
}

/// Creates a private file that does not exist yet.
pub(crate) fn create_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = open_private(path, OpenOptions::new().write(true).create_new(true))?;
    file.write_all(bytes)?;
    sync(&file)
}

#[cfg(unix)]
fn links(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::nlink(metadata)
}

/// std does not tell how many names a file has on Windows.
#[cfg(windows)]
fn links(_: &Metadata) -> u64 {
    1
}

/// Gives a new file the owner, the group and the mode of an existing one.
#[cfg(unix)]
fn make_alike(file: &File, old: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let new = file.metadata()?;
    let differing = |old: u32, new: u32| (old != new).then_some(old);
    let (owner, group) = (differing(old.uid(), new.uid()), differing(old.gid(), new.gid()));
    if owner.is_some() || group.is_some() {
        std::os::unix::fs::fchown(file, owner, group)?;
    }
    // After the owner, whose change clears some bits.
    file.set_permissions(old.permissions())
}

/// A new file inherits its permissions from the folder, as the existing one did.
#[cfg(windows)]
#[allow(clippy::unnecessary_wraps)]
fn make_alike(_: &File, _: &Metadata) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;

    fn file(folder: &Path, mode: u32) -> PathBuf {
        let path = folder.join(format!("{mode:o}"));
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn mode_symbolic_links_and_other_names_stay() {
        let folder = tempfile::tempdir().unwrap();
        for mode in [0o600, 0o644, 0o664, 0o755] {
            let path = file(folder.path(), mode);
            let (link, name) = (folder.path().join(format!("link {mode}")), folder.path().join(format!("name {mode}")));
            symlink(&path, &link).unwrap();
            OtherFile::read(&link, 9).unwrap().replace(b"new").unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"new");
            assert_eq!(fs::read_link(&link).unwrap(), path);
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, mode);
            fs::hard_link(&path, &name).unwrap();
            OtherFile::read(&link, 9).unwrap().replace(b"er").unwrap();
            assert_eq!(fs::read(&name).unwrap(), b"er", "the other name is still one of this file");
        }
        let left = fs::read_dir(folder.path())
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(UNFINISHED));
        assert_eq!(left.count(), 0);
    }

    #[test]
    fn a_file_that_changed_since_it_was_read_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(folder.path(), 0o644);
        let read = OtherFile::read(&path, 9).unwrap();
        fs::write(&path, "theirs").unwrap();
        assert!(matches!(read.replace(b"ours"), Err(ReplaceError::Changed)));
        assert!(matches!(read.remove(), Err(ReplaceError::Changed)));
        let missing = folder.path().join("a").join("missing");
        let read = OtherFile::read(&missing, 9).unwrap();
        read.replace(b"ours").unwrap();
        assert_eq!(fs::metadata(&missing).unwrap().mode() & 0o777, 0o600);
        assert!(matches!(read.replace(b"again"), Err(ReplaceError::Changed)), "somebody else has created it");
        assert_eq!((fs::read(&path).unwrap(), fs::read(&missing).unwrap()), (b"theirs".to_vec(), b"ours".to_vec()));
    }

    #[test]
    fn what_is_no_file_to_write_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let read_only = OtherFile::read(&file(folder.path(), 0o444), 9).unwrap();
        assert!(read_only.replace(b"new").unwrap_err().to_string().contains("read-only"));
        symlink("nowhere", folder.path().join("dangling")).unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for path in [folder.path().to_owned(), folder.path().join("dangling"), pipe] {
            assert!(OtherFile::read(&path, 9).is_err());
        }
        assert!(OtherFile::read(&file(folder.path(), 0o600), 2).is_err(), "too long");
        let new = folder.path().join("new");
        create_new(&new, b"1").unwrap();
        assert!(create_new(&new, b"2").is_err());
        assert_eq!(fs::metadata(&new).unwrap().mode() & 0o777, 0o600);
    }
}
