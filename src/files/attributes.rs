//! What has a file besides its content, and can a new file get it too?

use std::fs::{File, Metadata};
use std::io;
use std::path::Path;

/// Gives a new file the owner, the group and the mode of an existing one. An error where that is not all there is to the
/// existing one: other names, other attributes, a list of who may read it.
#[cfg(unix)]
pub(super) fn make_alike(file: &File, path: &Path, old: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    if old.nlink() != 1 {
        return Err(io::Error::other("the file has other names"));
    }
    let new = file.metadata()?;
    let differing = |old: u32, new: u32| (old != new).then_some(old);
    let (owner, group) = (differing(old.uid(), new.uid()), differing(old.gid(), new.gid()));
    if owner.is_some() || group.is_some() {
        std::os::unix::fs::fchown(file, owner, group)?;
    }
    // After the owner, whose change clears some bits.
    file.set_permissions(old.permissions())?;
    // Some systems give every file an attribute, such as a label of its folder's kind: the new one has that too.
    if attributes(&File::open(path)?)? == attributes(file)? {
        Ok(())
    } else {
        Err(io::Error::other("the file has attributes"))
    }
}

/// The extended attributes, which hold the lists of who may do what on Linux, with their values.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "macos"))]
fn attributes(file: &File) -> io::Result<Vec<(String, Vec<u8>)>> {
    use rustix::fs::{fgetxattr, flistxattr};
    use rustix::io::Errno;
    /// The kernel of Linux has no longer lists and values.
    const LONGEST: usize = 64 * 1024;
    let mut names = vec![0_u8; LONGEST];
    let length = match flistxattr(file, names.as_mut_slice()) {
        Ok(length) => length,
        // A file system without them.
        Err(Errno::NOTSUP) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut found = Vec::new();
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let name = String::from_utf8_lossy(name).into_owned();
        let mut value = vec![0_u8; LONGEST];
        let length = fgetxattr(file, name.as_str(), value.as_mut_slice())?;
        value.truncate(length);
        found.push((name, value));
    }
    found.sort();
    Ok(found)
}

#[cfg(all(unix, not(any(target_os = "linux", target_os = "android", target_os = "macos"))))]
fn attributes(_: &File) -> io::Result<Vec<(String, Vec<u8>)>> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}

/// std tells neither how many names a file has on Windows nor who may read it.
#[cfg(windows)]
pub(super) fn make_alike(_: &File, _: &Path, _: &Metadata) -> io::Result<()> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}
