//! Which path of this program goes into an entry? An absolute one that stays when the program is updated.

use std::path::{Path, PathBuf};

use super::package::Package;
use super::world::{System, World};

/// The path to write, and a notice if it will not last.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) path: String,
    pub(super) notice: Option<String>,
}

/// This program, by the name under which a shell finds it, if that lasts: package managers keep the file itself in a
/// folder with the version in its name.
pub(super) fn program(world: &World) -> Program {
    let own = std::fs::canonicalize(&world.program).unwrap_or_else(|_| world.program.clone());
    let name = if world.system == System::Windows { "mcp-ferry.exe" } else { "mcp-ferry" };
    let folders =
        world.variable("PATH").map(|path| std::env::split_paths(path).collect::<Vec<_>>()).unwrap_or_default();
    let found = folders
        .into_iter()
        .map(|folder| folder.join(name))
        .filter(|path| path.is_absolute() && std::fs::canonicalize(path).is_ok_and(|real| real == own));
    let found = found.into_iter().find(|path| short_lived_folder(world, path).is_none());
    let path = found.unwrap_or_else(|| plain(&own));
    let notice = short_lived_folder(world, &path).map(|what| {
        format!(
            "{} lies in {what}, and the entry stops working when that is cleaned; install mcp-ferry first",
            path.display()
        )
    });
    Program { path: path.to_string_lossy().into_owned(), notice }
}

/// A path without the prefix that Windows puts before resolved ones, which many programs do not understand.
pub(super) fn plain(path: &Path) -> PathBuf {
    let text = path.to_string_lossy();
    let Some(rest) = text.strip_prefix(r"\\?\") else { return path.to_owned() };
    match rest.strip_prefix(r"UNC\") {
        Some(share) => PathBuf::from(format!(r"\\{share}")),
        None if rest.as_bytes().get(1) == Some(&b':') => PathBuf::from(rest),
        None => path.to_owned(),
    }
}

/// The kind of folder for passing files that a path lies in.
pub(crate) fn short_lived_folder(world: &World, path: &Path) -> Option<String> {
    let package = Package::by_folders(&path.to_string_lossy()).filter(|package| package.is_cache);
    if let Some(package) = package {
        return Some(format!("the cache of {}", package.name));
    }
    let has = |name: &str| path.components().any(|part| part.as_os_str().eq_ignore_ascii_case(name));
    let temporary = std::fs::canonicalize(&world.temporary);
    let is_temporary = path.starts_with(&world.temporary) || temporary.is_ok_and(|folder| path.starts_with(folder));
    match () {
        () if has(".cache") => Some("a cache".to_owned()),
        () if is_temporary || has("temp") => Some("a folder for temporary files".to_owned()),
        () => None,
    }
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn world(folder: &Path, program: &str, path: &str) -> World {
        let at = |file: &str| folder.join(file);
        std::fs::create_dir_all(at(program).parent().unwrap()).unwrap();
        std::fs::write(at(program), "").unwrap();
        World {
            system: System::Linux,
            home: folder.into(),
            variables: [("PATH".to_owned(), at(path).to_string_lossy().into_owned())].into(),
            project: None,
            records: at("records"),
            program: at(program),
            temporary: "/nowhere".into(),
        }
    }

    #[test]
    fn a_path_loses_the_prefix_of_resolved_ones() {
        for (path, wanted) in [
            (r"\\?\C:\bin\mcp-ferry.exe", r"C:\bin\mcp-ferry.exe"),
            (r"\\?\UNC\server\share\mcp-ferry.exe", r"\\server\share\mcp-ferry.exe"),
            (r"\\?\Volume{1}\mcp-ferry.exe", r"\\?\Volume{1}\mcp-ferry.exe"),
            ("/bin/mcp-ferry", "/bin/mcp-ferry"),
        ] {
            assert_eq!(plain(Path::new(path)), Path::new(wanted));
        }
    }

    #[test]
    fn the_name_that_a_shell_finds_is_written_and_a_cache_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let cellar = world(&root, "Cellar/mcp-ferry/1.2/bin/mcp-ferry", "bin");
        assert!(program(&cellar).path.contains("Cellar"));
        std::fs::create_dir(root.join("bin")).unwrap();
        std::os::unix::fs::symlink(&cellar.program, root.join("bin/mcp-ferry")).unwrap();
        assert_eq!(
            program(&cellar),
            Program { path: root.join("bin/mcp-ferry").to_str().unwrap().into(), notice: None }
        );
        for (path, what) in [
            (".npm/_npx/1a/node_modules/.bin/mcp-ferry", "npx"),
            (".cache/uv/archive-v0/x/bin/mcp-ferry", "uvx"),
            ("AppData/Local/Temp/mcp-ferry", "temporary"),
        ] {
            let world = world(&root, path, Path::new(path).parent().unwrap().to_str().unwrap());
            assert!(program(&world).notice.is_some_and(|notice| notice.contains(what)), "{path}");
        }
    }
}
