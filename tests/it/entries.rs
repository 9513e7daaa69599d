//! The configuration entries that the project hands out, each started as its host would start it: the host replaces its
//! own `${…}` words, and gives the program little more than `HOME`, `PATH` and `USER`.
//!
//! `bundle_command` does the same with bundles.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::*;

const URL_IN_EXAMPLES: &str = "https://mcp.example.com/mcp";
pub(crate) const TOKEN: &str = "sk-org-0123456789";

/// An entry after its host has replaced what it replaces.
pub(crate) struct Entry {
    pub(crate) command: String,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
}

impl Entry {
    pub(crate) fn from_json(entry: &Value, substitute: impl Fn(&str) -> String) -> Self {
        let text = |value: &Value| substitute(value.as_str().expect("a string"));
        Self {
            command: text(&entry["command"]),
            args: entry["args"].as_array().unwrap().iter().map(text).collect(),
            env: entry["env"].as_object().unwrap().iter().map(|(name, value)| (name.clone(), text(value))).collect(),
        }
    }

    /// Starts it; the server must be shown the token, which does not stand in argv.
    fn reaches(&self, upstream: &Upstream) {
        self.reaches_with(upstream, Some(&format!("Bearer {TOKEN}")));
    }

    /// Starts it; the server must be shown this credential.
    pub(crate) fn reaches_with(&self, upstream: &Upstream, authorization: Option<&str>) {
        assert!(self.args.iter().all(|arg| !arg.contains(TOKEN)), "the token is in argv: {:?}", self.args);
        let launch = self.args.iter().fold(Bridge::bare(), |launch, arg| launch.arg(arg));
        let launch = self.env.iter().fold(launch, |launch, (name, value)| launch.env(name, value));
        let mut bridge = launch.secret(TOKEN).start();
        bridge.initialize();
        bridge.finish();
        let request = upstream.wait_for("initialize", 1);
        assert_eq!(request.header("authorization"), authorization);
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The absolute path of our program, as that system writes one.
fn is_absolute_path_of_ours(command: &str, system: &str) -> bool {
    match system {
        "windows" => command.get(1..3) == Some(":\\") && command.ends_with("\\mcp-ferry.exe"),
        _ => command.starts_with('/') && command.ends_with("/mcp-ferry"),
    }
}

fn entries_of(host: &str) {
    for system in ["macos", "windows", "linux"] {
        let config: Value = serde_json::from_str(&read(&format!("examples/{host}/{system}.json"))).unwrap();
        let servers = config["mcpServers"].as_object().unwrap();
        assert!(!servers.is_empty());
        for entry in servers.values() {
            let upstream = Upstream::well_behaved();
            let url = upstream.url("/mcp");
            let entry = Entry::from_json(entry, |text| {
                text.replace("REPLACE-WITH-YOUR-TOKEN", TOKEN).replace(URL_IN_EXAMPLES, &url)
            });
            assert!(is_absolute_path_of_ours(&entry.command, system), "{}", entry.command);
            assert!(entry.args.contains(&url), "{host}/{system} names {URL_IN_EXAMPLES}");
            entry.reaches(&upstream);
        }
    }
}

#[test]
fn claude_desktop_entries_work() {
    entries_of("claude-desktop");
}

#[test]
fn cursor_entries_work() {
    entries_of("cursor");
}
