//! How is a file of another program changed, so that its place, its owner, its mode and its other names stay?

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::attributes::make_alike;
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
                return Ok(Self { real: resolve(path)?, found: None });
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
    /// has what a new file cannot get, such as other names, its owner or its list of who may read it: then the same file
    /// is written again.
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
        if let Ok(mut file) = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(folder) {
            file.write_all(bytes)?;
            if make_alike(file.as_file(), &self.real, metadata).is_ok() {
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

/// Where a file is or would be: absolute, and behind the symbolic links of the folders that exist.
pub(crate) fn resolve(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    let mut folder = path.as_path();
    let mut missing = Vec::new();
    loop {
        match (std::fs::canonicalize(folder), folder.parent(), folder.file_name()) {
            (Ok(real), ..) => return Ok(missing.iter().rev().fold(real, |path, name| path.join(name))),
            (Err(error), Some(parent), Some(name)) if error.kind() == io::ErrorKind::NotFound => {
                missing.push(name);
                folder = parent;
            }
            (Err(error), ..) => return Err(error),
        }
    }
}

/// The folders that must be created for a file, the innermost first.
pub(crate) fn missing_folders(path: &Path) -> Vec<PathBuf> {
    let is_missing = |folder: &&Path| !folder.as_os_str().is_empty() && folder.symlink_metadata().is_err();
    path.ancestors().skip(1).take_while(is_missing).map(Path::to_owned).collect()
}

/// Removes folders, the innermost first, up to one that is not empty. Gives those that are left.
pub(crate) fn remove_empty_folders(folders: &[PathBuf]) -> &[PathBuf] {
    let stays =
        |folder: &PathBuf| std::fs::remove_dir(folder).is_err_and(|error| error.kind() != io::ErrorKind::NotFound);
    let gone = folders.iter().position(stays).unwrap_or(folders.len());
    &folders[gone..]
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

    #[cfg(target_os = "linux")]
    #[test]
    fn attributes_of_the_file_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(folder.path(), 0o640);
        // The list of who may read it is an attribute too.
        let flags = rustix::fs::XattrFlags::empty();
        if rustix::fs::setxattr(&path, "user.mine", b"kept", flags).is_err() {
            return;
        }
        OtherFile::read(&path, 9).unwrap().replace(b"new").unwrap();
        let mut value = [0; 9];
        let length = rustix::fs::getxattr(&path, "user.mine", &mut value).unwrap();
        assert_eq!((&value[..length], fs::read(&path).unwrap()), (&b"kept"[..], b"new".to_vec()));
    }

    #[test]
    fn a_missing_file_is_found_behind_links_of_its_folders() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir(root.join("real")).unwrap();
        symlink("real", root.join("link")).unwrap();
        let (path, real) = (root.join("link/a/b/f"), root.join("real/a/b/f"));
        assert_eq!(OtherFile::read(&path, 9).unwrap().real(), real);
        let folders = missing_folders(&real);
        assert_eq!(folders, [root.join("real/a/b"), root.join("real/a")]);
        OtherFile::read(&path, 9).unwrap().replace(b"1").unwrap();
        assert_eq!(resolve(&path).unwrap(), real);
        assert_eq!(remove_empty_folders(&folders), folders);
        assert!(real.exists());
        fs::remove_file(&real).unwrap();
        fs::write(root.join("real/a/other"), "").unwrap();
        assert_eq!(remove_empty_folders(&folders), [root.join("real/a")]);
        assert!(!root.join("real/a/b").exists() && root.join("real/a/other").exists());
        assert!(resolve(Path::new("missing")).unwrap().is_absolute());
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
