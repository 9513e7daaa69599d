//! The configuration entries that the project hands out, each started as its host would start it: the host replaces its
//! own `${…}` words, and gives the program little more than `HOME`, `PATH` and `USER`.
//!
//! `tests/interop` does the same with the packed bundle and the bundle format's official tool.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::*;

const URL_IN_EXAMPLES: &str = "https://mcp.example.com/mcp";
const TOKEN: &str = "sk-org-0123456789";

/// An entry after its host has replaced what it replaces.
struct Entry {
    command: String,
    args: Vec<String>,
    env: Vec<(String, String)>,
}

impl Entry {
    fn from_json(entry: &Value, substitute: impl Fn(&str) -> String) -> Self {
        let text = |value: &Value| substitute(value.as_str().expect("a string"));
        Self {
            command: text(&entry["command"]),
            args: entry["args"].as_array().unwrap().iter().map(text).collect(),
            env: entry["env"].as_object().unwrap().iter().map(|(name, value)| (name.clone(), text(value))).collect(),
        }
    }

    /// Starts it; the server must be shown the token, which does not stand in argv.
    fn reaches(&self, upstream: &Upstream) {
        assert!(self.args.iter().all(|arg| !arg.contains(TOKEN)), "the token is in argv: {:?}", self.args);
        let launch = self.args.iter().fold(Bridge::bare(), |launch, arg| launch.arg(arg));
        let launch = self.env.iter().fold(launch, |launch, (name, value)| launch.env(name, value));
        let mut bridge = launch.secret(TOKEN).start();
        bridge.initialize();
        bridge.finish();
        let request = upstream.wait_for("initialize", 1);
        assert_eq!(request.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
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

/// The bundle's manifest as `dist/mcpb/pack` fills it in for a server with an account in its path.
fn manifest() -> Value {
    let filled = [
        ("@NAME@", "acme-mcp"),
        ("@DISPLAY_NAME@", "Acme"),
        ("@VERSION@", "1.2.3"),
        ("@DESCRIPTION@", "Acme's tools"),
        ("@AUTHOR@", "Acme"),
        ("@MAIN@", "mcp-ferry-linux"),
        ("@URL@", "${user_config.server}/${user_config.account}/mcp"),
    ];
    let template = read("dist/mcpb/manifest.template.json");
    let text = filled.iter().fold(template, |text, (word, value)| text.replace(word, value));
    assert!(!text.contains('@'), "a word of the template is not known here");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn the_bundle_s_command_works() {
    let manifest = manifest();
    let upstream = Upstream::well_behaved();
    let answers = [
        ("${__dirname}", "/opt/bundle"),
        ("${user_config.server}", &upstream.url("")),
        ("${user_config.account}", "acme"),
        ("${user_config.token}", TOKEN),
    ];
    let config = &manifest["server"]["mcp_config"];
    let substitute = |text: &str| answers.iter().fold(text.to_owned(), |text, (word, value)| text.replace(word, value));
    let entry = Entry::from_json(config, substitute);
    assert_eq!(entry.command, "/opt/bundle/server/mcp-ferry-linux");
    entry.reaches(&upstream);
}

#[test]
fn the_bundle_keeps_the_token_secret() {
    let manifest = manifest();
    assert_eq!(manifest["user_config"]["token"]["sensitive"], true);
    let args = manifest["server"]["mcp_config"]["args"].to_string();
    assert!(!args.contains("user_config"), "answers belong in the environment, not in argv: {args}");
}

/// One program reads bundles more strictly than the format asks: it knows the keys of format 0.2 only.
#[test]
fn the_bundle_has_no_keys_that_a_strict_host_refuses() {
    let manifest = manifest();
    let keys: Vec<_> = manifest.as_object().unwrap().keys().map(String::as_str).collect();
    for unknown in ["icons", "localization", "_meta"] {
        assert!(!keys.contains(&unknown), "{unknown}");
    }
}
