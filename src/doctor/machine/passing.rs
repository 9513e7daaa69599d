//! What of its environment does a client pass on to the programs that it starts?
//!
//! One row for each client, with how that is known.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::install::{Entry, System, World};

/// What a client does.
#[derive(Debug)]
pub(super) struct Passing {
    /// The client's name for `--client` and `--as`.
    pub(super) client: &'static str,
    /// Which variables it passes on.
    passes: Passes,
    /// Whether it fills in what editors know: `${input:…}`, `${workspaceFolder}`.
    pub(super) is_editor: bool,
    /// How long it waits for the first answer.
    pub(super) patience: Option<Duration>,
    /// Whether it looks for programs where the desktop does, not where a shell does.
    is_of_desktop: bool,
    /// How the row is known.
    #[allow(dead_code)]
    source: &'static str,
}

#[derive(Debug)]
enum Passes {
    All,
    /// These, on Unix and on Windows.
    Only(&'static [&'static str], &'static [&'static str]),
    /// All but those with such a word in their name, and these.
    Without(&'static [&'static str], &'static [&'static str]),
    /// It runs elsewhere.
    Nothing,
}

/// The folders that programs of the desktop look into, whatever a shell's PATH is.
pub(super) const DESKTOP_PATH: [&str; 7] =
    ["/usr/local/bin", "/opt/homebrew/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/sbin"];

/// What the transport of the SDKs passes on.
const SDK_UNIX: &[&str] = &["HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER"];
const SDK_WINDOWS: &[&str] = &[
    "APPDATA",
    "HOMEDRIVE",
    "HOMEPATH",
    "LOCALAPPDATA",
    "PATH",
    "PATHEXT",
    "PROCESSOR_ARCHITECTURE",
    "SYSTEMDRIVE",
    "SYSTEMROOT",
    "TEMP",
    "USERNAME",
    "USERPROFILE",
];

const CODEX_UNIX: &[&str] = &[
    "HOME",
    "LANG",
    "LC_ALL",
    "LOGNAME",
    "NODE_EXTRA_CA_CERTS",
    "PATH",
    "SHELL",
    "SSL_CERT_FILE",
    "TERM",
    "TMPDIR",
    "TZ",
    "USER",
];

/// Variables that change the way to a server.
const OF_THE_WAY: [&str; 12] = [
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NODE_EXTRA_CA_CERTS",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "DBUS_SESSION_BUS_ADDRESS",
    "XDG_CONFIG_HOME",
    "BROWSER",
];

const TRIED: &str = "tried, 2026-11-30: started with such variables, and seen what came";
const SDK: &str = "the SDK's default, in its source";
const REPORTED: &str = "not tried; documentation and reports";

const ROW: Passing = Passing {
    client: "",
    passes: Passes::All,
    is_editor: false,
    patience: None,
    is_of_desktop: false,
    source: REPORTED,
};

/// A program of which nothing is known.
pub(super) static UNKNOWN: Passing = ROW;

const ROWS: &[Passing] = &[
    Passing {
        client: "claude-desktop",
        passes: Passes::Only(SDK_UNIX, SDK_WINDOWS),
        is_of_desktop: true,
        source: "the SDK's default; the program itself was not run",
        ..ROW
    },
    Passing { client: "claude-code", patience: Some(Duration::from_secs(30)), source: TRIED, ..ROW },
    Passing { client: "cursor", is_editor: true, ..ROW },
    Passing { client: "vscode", is_editor: true, ..ROW },
    Passing { client: "vscode-insiders", is_editor: true, ..ROW },
    Passing { client: "vscodium", is_editor: true, ..ROW },
    Passing { client: "windsurf", ..ROW },
    Passing { client: "cline", patience: Some(Duration::from_millis(2900)), source: TRIED, ..ROW },
    Passing { client: "zed", ..ROW },
    Passing {
        client: "codex",
        passes: Passes::Only(CODEX_UNIX, SDK_WINDOWS),
        patience: Some(Duration::from_secs(10)),
        source: TRIED,
        ..ROW
    },
    Passing {
        client: "gemini",
        passes: Passes::Without(
            &["TOKEN", "SECRET", "PASSWORD", "PASSWD", "KEY", "AUTH", "CREDENTIAL", "CREDS", "PRIVATE", "CERT"],
            &["CLIENT_ID", "DATABASE_URL", "GOOGLE_CLOUD_PROJECT"],
        ),
        patience: Some(Duration::from_secs(90)),
        source: "tried, 2026-11-30, and the words in its source",
        ..ROW
    },
    Passing { client: "qwen", source: TRIED, ..ROW },
    Passing { client: "opencode", patience: Some(Duration::from_secs(30)), source: TRIED, ..ROW },
    Passing { client: "copilot", patience: Some(Duration::from_secs(65)), source: TRIED, ..ROW },
    Passing { client: "continue", patience: Some(Duration::from_secs(60)), source: TRIED, ..ROW },
    Passing { client: "lm-studio", is_of_desktop: true, ..ROW },
    Passing { client: "kiro", ..ROW },
    Passing { client: "warp", ..ROW },
    Passing { client: "goose", ..ROW },
    Passing { client: "kilo", ..ROW },
    Passing { client: "junie", is_of_desktop: true, ..ROW },
    Passing { client: "jetbrains", is_of_desktop: true, ..ROW },
    Passing { client: "amazon-q", ..ROW },
    Passing { client: "amp", ..ROW },
    Passing { client: "trae", ..ROW },
    Passing { client: "antigravity", ..ROW },
    Passing { client: "crush", ..ROW },
    Passing {
        client: "inspector",
        passes: Passes::Only(SDK_UNIX, SDK_WINDOWS),
        patience: Some(Duration::from_secs(15)),
        source: TRIED,
        ..ROW
    },
    Passing { client: "sdk", passes: Passes::Only(SDK_UNIX, SDK_WINDOWS), source: SDK, ..ROW },
    Passing { client: "claude-ai", passes: Passes::Nothing, ..ROW },
    Passing { client: "chatgpt", passes: Passes::Nothing, ..ROW },
];

/// The row of a client.
pub(super) fn of(client: &str) -> Option<&'static Passing> {
    ROWS.iter().find(|row| row.client == client)
}

/// The names of all rows.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    ROWS.iter().map(|row| row.client)
}

impl Passing {
    /// Whether a shell's PATH does not reach it.
    pub(super) fn has_path_of_desktop(&self) -> bool {
        self.is_of_desktop
    }

    /// Whether it runs on machines of its vendor.
    pub(super) fn is_in_the_cloud(&self) -> bool {
        matches!(self.passes, Passes::Nothing)
    }

    /// Whether a program that it starts gets this variable.
    pub(super) fn passes(&self, world: &World, name: &str) -> bool {
        let name = if world.system == System::Windows { name.to_ascii_uppercase() } else { name.to_owned() };
        match self.passes {
            Passes::All => true,
            Passes::Only(unix, windows) => {
                let known = if world.system == System::Windows { windows } else { unix };
                known.contains(&name.as_str())
            }
            Passes::Without(words, names) => {
                let upper = name.to_ascii_uppercase();
                name.starts_with("GEMINI_CLI_")
                    || !(names.contains(&name.as_str()) || words.iter().any(|word| upper.contains(word)))
            }
            Passes::Nothing => false,
        }
    }

    /// The environment of a program that it starts, with the variables of an entry.
    pub(super) fn environment(&self, world: &World, entry: Option<&Entry>) -> BTreeMap<String, String> {
        let asked = |name: &str| entry.is_some_and(|entry| entry.passed.iter().any(|passed| passed == name));
        let passed = world.variables.iter().filter(|(name, _)| self.passes(world, name) || asked(name));
        let mut environment: BTreeMap<_, _> = passed.map(|(name, value)| (name.clone(), value.clone())).collect();
        if self.is_of_desktop && world.system == System::Mac {
            environment.insert("PATH".to_owned(), DESKTOP_PATH.join(":"));
        }
        let own = entry.map(|entry| entry.env.as_slice()).unwrap_or_default();
        environment.extend(own.iter().map(|(name, value)| (name.clone(), value.clone())));
        environment
    }

    /// The variables that are set, change the way to a server or our own options, and do not reach the program.
    pub(super) fn withheld<'w>(&self, world: &'w World, entry: Option<&Entry>) -> Vec<&'w str> {
        let environment = self.environment(world, entry);
        let matters = |name: &str| {
            let upper = name.to_ascii_uppercase();
            OF_THE_WAY.contains(&upper.as_str()) || upper.starts_with("MCP_FERRY_")
        };
        let names = world.variables.iter().filter(|(_, value)| !value.is_empty()).map(|(name, _)| name.as_str());
        names.filter(|name| matters(name) && !environment.contains_key(*name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::install::CLIENTS;

    #[test]
    fn each_client_has_one_row() {
        for client in CLIENTS {
            assert_eq!(names().filter(|name| *name == client.name).count(), 1, "{}", client.name);
        }
    }
}
