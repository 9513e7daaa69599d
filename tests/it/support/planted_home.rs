//! A home directory with files of clients in it, for `doctor`.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::Value;
use tempfile::TempDir;

use super::{Bridge, Launch, diagnose_at};

/// What stands in planted files where a secret stands, and may stand in no output.
const PLANTED: &str = "sk-marked-planted-0123456789abcdef";

pub(crate) struct PlantedHome {
    folder: TempDir,
}

/// What is on the disk: path, mode, time of the last change, content or target.
pub(crate) type Snapshot = Vec<(PathBuf, u32, Option<SystemTime>, Vec<u8>)>;

impl PlantedHome {
    pub(crate) fn new() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A text with `{home}`, `{ferry}` (this program), `{planted}` (a secret) filled in.
    pub(crate) fn fill(&self, text: &str) -> String {
        text.replace("{home}", self.path().to_str().unwrap())
            .replace("{ferry}", env!("CARGO_BIN_EXE_mcp-ferry"))
            .replace("{planted}", PLANTED)
    }

    /// Writes a file that only this user can read.
    pub(crate) fn write(&self, path: &str, text: &str) {
        self.write_bytes(path, self.fill(text).as_bytes());
    }

    pub(crate) fn write_bytes(&self, path: &str, bytes: &[u8]) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        mode(&path, 0o600);
    }

    /// Writes a program.
    pub(crate) fn write_program(&self, path: &str, text: &str) {
        self.write(path, text);
        self.set_mode(path, 0o755);
    }

    pub(crate) fn set_mode(&self, path: &str, bits: u32) {
        mode(&self.path().join(path), bits);
    }

    pub(crate) fn launch(&self) -> Launch {
        Bridge::bare()
            .home(&self.path().join(".mcp-ferry"))
            .env("HOME", self.path().to_str().unwrap())
            .env("USERPROFILE", self.path().to_str().unwrap())
            .env("PATH", &self.fill("{home}/bin:/usr/bin:/bin"))
    }

    /// Runs `doctor`, which must leave everything as it is and show no planted secret.
    #[track_caller]
    pub(crate) fn doctor(&self, launch: impl Fn() -> Launch, arguments: &[&str]) -> (Option<i32>, Value) {
        let before = self.snapshot();
        let all = || arguments.iter().fold(launch().arg("doctor"), |launch, argument| launch.arg(argument));
        let found = diagnose_at(self.path(), &["sk-marked"], all);
        assert_eq!(self.snapshot(), before, "nothing is written");
        (Some(found.exit), found.json)
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut found = Vec::new();
        let mut folders = vec![self.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let metadata = path.symlink_metadata().unwrap();
                let bytes = if metadata.is_file() { std::fs::read(&path).unwrap() } else { Vec::new() };
                found.push((path.clone(), bits(&metadata), metadata.modified().ok(), bytes));
                if metadata.is_dir() {
                    folders.push(path);
                }
            }
        }
        found.sort();
        found
    }
}

/// The steps of a report that have this code.
pub(crate) fn steps_with<'r>(report: &'r Value, code: &str) -> Vec<&'r Value> {
    let sections = report["sections"].as_array().unwrap().iter();
    let steps = sections.flat_map(|section| section["steps"].as_array().unwrap());
    steps.filter(|step| step["cause"]["code"] == code).collect()
}

/// The first step of this name in any section.
#[track_caller]
pub(crate) fn step_named<'r>(report: &'r Value, name: &str) -> &'r Value {
    let sections = report["sections"].as_array().unwrap().iter();
    let mut steps = sections.flat_map(|section| section["steps"].as_array().unwrap());
    steps.find(|step| step["name"] == name).unwrap_or_else(|| panic!("no step {name}: {report:#}"))
}

#[cfg(unix)]
fn mode(path: &Path, bits: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(bits)).unwrap();
}

#[cfg(windows)]
fn mode(_: &Path, _: u32) {}

#[cfg(unix)]
fn bits(metadata: &std::fs::Metadata) -> u32 {
    std::os::unix::fs::MetadataExt::mode(metadata)
}

#[cfg(windows)]
fn bits(_: &std::fs::Metadata) -> u32 {
    0
}
