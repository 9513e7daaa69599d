//! Where are the folders and variables that decide which files are a client's? Injected, so that a test has its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// An operating system, as far as clients tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// macOS.
    Mac,
    /// Windows.
    Windows,
    /// Linux and its kin.
    Linux,
}

/// The user's machine. Variables may hold secrets, so that it cannot be shown.
#[derive(Clone)]
pub struct World {
    /// Its operating system.
    pub system: System,
    /// The user's home directory.
    pub home: PathBuf,
    /// The environment.
    pub variables: BTreeMap<String, String>,
    /// The folder that this program was started in: that of a project, perhaps.
    pub project: Option<PathBuf>,
    /// Where we keep records and backups: `~/.mcp-ferry/installs`.
    pub records: PathBuf,
    /// This program.
    pub program: PathBuf,
    /// The folder for temporary files.
    pub temporary: PathBuf,
}

impl World {
    /// This machine; `home` is the folder for the bridge's files. `None` if there is no home directory.
    pub fn of_this_machine(home: &Path) -> Option<Self> {
        let system = if cfg!(windows) {
            System::Windows
        } else if cfg!(target_os = "macos") {
            System::Mac
        } else {
            System::Linux
        };
        let text = |text: std::ffi::OsString| text.into_string().ok();
        // The clients ask the environment on every system.
        let profile = std::env::var_os("USERPROFILE").filter(|_| cfg!(windows)).map(PathBuf::from);
        let home_directory = || Some(directories::BaseDirs::new()?.home_dir().to_owned());
        Some(Self {
            system,
            home: profile.filter(|path| path.is_absolute()).or_else(home_directory)?,
            variables: std::env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?))).collect(),
            project: std::env::current_dir().ok(),
            records: home.join("installs"),
            program: std::env::current_exe().ok()?,
            temporary: std::env::temp_dir(),
        })
    }

    /// The value of a variable that is set and not empty.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        // Windows spells `Path`, and does not tell upper from lower case.
        let is_meant = |other: &str| self.system == System::Windows && other.eq_ignore_ascii_case(name);
        let found = self
            .variables
            .get(name)
            .or_else(|| self.variables.iter().find(|(other, _)| is_meant(other)).map(|(_, value)| value));
        found.map(String::as_str).filter(|value| !value.trim().is_empty())
    }

    /// A path as a template spells it, with the folders of this machine: `~`, `{config}` (XDG), `{data}` (where programs
    /// of this system keep settings), `{appdata}`, `{localappdata}`, `${VARIABLE:-~/otherwise}`. `None` without such a
    /// folder.
    pub(super) fn path(&self, template: &str) -> Option<PathBuf> {
        if let Some((variable, rest)) = template.strip_prefix("${").and_then(|rest| rest.split_once('}')) {
            let (name, otherwise) = variable.split_once(":-").unwrap_or((variable, ""));
            let folder = match self.variable(name) {
                Some(value) => self.path(value)?,
                None if otherwise.is_empty() => return None,
                None => self.path(otherwise)?,
            };
            return Some(below(folder, rest));
        }
        let (folder, rest) = match template.split_once('}') {
            Some((place, rest)) => (self.folder(place.strip_prefix('{')?)?, rest),
            None => match template.strip_prefix('~') {
                Some(rest) => (self.home.clone(), rest),
                None => return Some(PathBuf::from(template)),
            },
        };
        Some(below(folder, rest))
    }

    fn folder(&self, name: &str) -> Option<PathBuf> {
        let variable = |name: &str| self.variable(name).map(PathBuf::from).filter(|path| !path.as_os_str().is_empty());
        let config = || Some(variable("XDG_CONFIG_HOME").unwrap_or_else(|| self.home.join(".config")));
        let appdata = || Some(variable("APPDATA").unwrap_or_else(|| below(self.home.clone(), "AppData/Roaming")));
        match (name, self.system) {
            ("config", _) | ("data", System::Linux) => config(),
            ("data", System::Mac) => Some(below(self.home.clone(), "Library/Application Support")),
            ("appdata" | "data", System::Windows) => appdata(),
            ("localappdata", System::Windows) => {
                Some(variable("LOCALAPPDATA").unwrap_or_else(|| below(self.home.clone(), "AppData/Local")))
            }
            _ => None,
        }
    }
}

/// A path below a folder, in the separators of this system.
fn below(folder: PathBuf, rest: &str) -> PathBuf {
    rest.split('/').filter(|part| !part.is_empty()).fold(folder, |path, part| path.join(part))
}

/// The existing paths that a path with `*` in some names stands for, in the order of their names.
pub(super) fn each_existing(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for part in pattern.components() {
        let name = part.as_os_str().to_string_lossy();
        found = match name.split_once('*') {
            None => found.into_iter().map(|path| path.join(part)).collect(),
            Some((start, end)) => {
                let inside = |folder: PathBuf| {
                    let names = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
                    let matches = |path: &PathBuf| {
                        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                        name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
                    };
                    let mut names: Vec<_> = names.filter(matches).collect();
                    names.sort();
                    names
                };
                found.into_iter().flat_map(inside).collect()
            }
        };
    }
    found.retain(|path| path.exists());
    found
}
