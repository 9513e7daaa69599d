//! Files of clients in a home directory of their own: what is in them afterwards, and after that?

mod entries;
mod files;
mod neighbours;
mod races;
mod records;
mod remote;

use std::path::{Path, PathBuf};

use super::*;
use crate::log::Secret;

pub(super) const URL: &str = "https://mcp.linear.app/mcp";

/// A user's machine, which goes with its folder.
pub(super) struct Machine {
    pub(super) world: World,
    _folder: tempfile::TempDir,
}

impl Machine {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let world = World {
            system: System::Linux,
            home: root.join("home"),
            variables: [].into(),
            project: None,
            records: root.join("home/.mcp-ferry/installs"),
            program: PathBuf::from("/usr/local/bin/mcp-ferry"),
            temporary: PathBuf::from("/nowhere"),
        };
        std::fs::create_dir_all(&world.home).unwrap();
        Self { world, _folder: folder }
    }

    pub(super) fn file(&self, client: &str) -> PathBuf {
        Client::named(client).unwrap().files(&self.world, "linear").remove(0)
    }

    pub(super) fn write(&self, client: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let file = self.file(client);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, bytes).unwrap();
        file
    }

    pub(super) fn install(&self, client: &str) -> Step {
        self.install_as(client, "linear")
    }

    pub(super) fn install_as(&self, client: &str, name: &str) -> Step {
        let request = Request {
            url: URL.into(),
            name: Some(name.into()),
            clients: vec![client.into()],
            env: vec![("LINEAR_TOKEN".into(), Secret::new("marked-token-0123456789"))],
            ..Request::default()
        };
        install(&self.world, &request).unwrap().steps.remove(0)
    }

    pub(super) fn uninstall(&self, what: &str) -> Vec<Outcome> {
        let removal = Removal { what: what.into(), ..Removal::default() };
        uninstall(&self.world, &removal).unwrap().steps.into_iter().map(|step| step.outcome).collect()
    }

    /// The names of our records and copies.
    pub(super) fn kept(&self) -> Vec<String> {
        let names = |folder: &Path| -> Vec<String> {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            entries
                .filter(|entry| entry.path().is_file())
                .map(|entry| entry.file_name().into_string().unwrap())
                .collect()
        };
        let mut all = names(&self.world.records);
        all.extend(names(&self.world.records.join("backups")));
        all.retain(|name| name != "lock");
        all
    }
}

pub(super) fn reason(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Refused(refusal) => &refusal.reason,
        _ => "",
    }
}
