//! The command `doctor` without a server to walk to: a machine with one fault on it, and the code that names the fault.

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::support::*;

const CLAUDE: &str = ".config/Claude/claude_desktop_config.json";
const CURSOR: &str = ".cursor/mcp.json";
const CODE: &str = ".config/Code/User/mcp.json";
const ZED: &str = ".config/zed/settings.json";
const CODEX: &str = ".codex/config.toml";
const GEMINI: &str = ".gemini/settings.json";

/// A fault: the code, the exit status, the file of a client, what stands there.
type Row = (&'static str, i32, &'static str, &'static str);

const FILES: &[Row] = &[
    ("client.syntax", 1, CLAUDE, "{\n  // mine\n  \"mcpServers\": {}\n}"),
    ("client.syntax", 1, CURSOR, "{\"mcpServers\": {\"a\": {\"command\": \"{ferry}\"},}}"),
    ("client.syntax", 1, GEMINI, "\u{feff}{\"mcpServers\": {}}"),
    ("client.syntax", 1, CLAUDE, "{“mcpServers”: {}}"),
    ("client.syntax", 1, CLAUDE, "{\"mcpServers\": {\"a\": {\"env\": {\"K\": \"{planted}"),
    ("client.syntax", 1, CODEX, "[mcp_servers.a\ncommand = 1"),
    ("client.syntax", 1, CLAUDE, "{\"mcpServers\": null}"),
    ("client.wrong-key", 1, CLAUDE, r#"{"servers": {"a": {"command": "{ferry}", "args": ["https://h.example/mcp"]}}}"#),
    (
        "client.wrong-key",
        1,
        CODE,
        r#"{"mcpServers": {"a": {"command": "{ferry}", "env": {"API_TOKEN": "{planted}"}}}}"#,
    ),
    ("client.wrong-key", 1, ZED, r#"{"theme": "x", "mcpServers": {"a": {"url": "https://h.example/mcp"}}}"#),
    ("client.wrong-key", 1, CODEX, "[mcpServers.a]\ncommand = \"{ferry}\"\n"),
    (
        "client.wrong-key",
        0,
        CURSOR,
        r#"{"mcpServers": {"a": {"command": "sh"}}, "context_servers": {"b": {"command": "sh"}}}"#,
    ),
    ("client.url-ignored", 1, CLAUDE, r#"{"mcpServers": {"a": {"url": "https://h.example/mcp?key={planted}"}}}"#),
    (
        "client.binary-gone",
        1,
        CLAUDE,
        r#"{"mcpServers": {"a": {"command": "/opt/gone/mcp-ferry", "args": ["https://h.example/mcp"]}}}"#,
    ),
    (
        "client.binary-gone",
        1,
        CURSOR,
        r#"{"mcpServers": {"a": {"command": "{home}/.npm/_npx/1f/node_modules/.bin/mcp-ferry", "args": ["https://h.example/mcp"]}}}"#,
    ),
    ("client.binary-gone", 1, CURSOR, r#"{"mcpServers": {"a": {"command": "sh", "args": ["/opt/gone/run.sh"]}}}"#),
    ("client.binary-gone", 1, CURSOR, r#"{"mcpServers": {"a": {"command": "no-such-program-anywhere"}}}"#),
    ("client.binary-gone", 1, CODEX, "[mcp_servers.a]\ncommand = \"~/bin/server\"\n"),
    ("client.one-string", 1, CURSOR, r#"{"mcpServers": {"a": {"command": "sh -c {planted}"}}}"#),
    ("client.exec-bit", 1, CURSOR, r#"{"mcpServers": {"a": {"command": "{home}/plain"}}}"#),
    ("client.exec-bit", 1, CURSOR, r#"{"mcpServers": {"a": {"command": "{home}/bin"}}}"#),
    ("client.path", 0, CLAUDE, r#"{"mcpServers": {"a": {"command": "of-my-shell"}}}"#),
    ("client.old-node", 0, CLAUDE, r#"{"mcpServers": {"a": {"command": "npx", "args": ["some-server"]}}}"#),
    (
        "client.duplicate",
        0,
        CURSOR,
        r#"{"mcpServers": {"a": {"command": "{ferry}", "args": ["https://h.example/mcp"]}, "b": {"url": "https://h.example/mcp/"}}}"#,
    ),
    (
        "client.duplicate",
        0,
        CLAUDE,
        r#"{"mcpServers": {"a": {"command": "{ferry}", "args": ["https://twice.example/mcp"]}}}"#,
    ),
    (
        "client.mcp-remote",
        0,
        CURSOR,
        r#"{"mcpServers": {"a": {"command": "npx", "args": ["-y", "mcp-remote", "https://h.example/mcp"]}}}"#,
    ),
    (
        "env.unset",
        1,
        CLAUDE,
        r#"{"mcpServers": {"a": {"command": "{ferry}", "args": ["https://h.example/mcp"], "env": {"KEY": "${user_config.key}"}}}}"#,
    ),
    (
        "env.unset",
        1,
        CURSOR,
        r#"{"mcpServers": {"a": {"command": "{ferry}", "args": ["https://h.example/mcp", "--header", "X-Key:${NOT_SET_ANYWHERE}"]}}}"#,
    ),
    (
        "env.unset",
        1,
        CODEX,
        "[mcp_servers.a]\ncommand = \"{ferry}\"\nargs = [\"https://h.example/mcp\", \"--header\", \"X-Key:${SET_HERE}\"]\n",
    ),
    (
        "env.unset",
        0,
        ".claude.json",
        r#"{"mcpServers": {"a": {"command": "sh", "env": {"KEY": "${NOT_SET_ANYWHERE}"}}}}"#,
    ),
    (
        "header.split",
        1,
        CURSOR,
        r#"{"mcpServers": {"a": {"command": "npx", "args": ["mcp-remote", "https://h.example/mcp", "--header", "Authorization:", "Bearer", "{planted}"]}}}"#,
    ),
    (
        "header.split",
        0,
        CURSOR,
        r#"{"mcpServers": {"a": {"command": "{ferry}", "args": ["https://h.example/mcp", "--header", "Authorization: Bearer", "{planted}"]}}}"#,
    ),
];

/// A machine with what the rows name.
fn machine() -> PlantedHome {
    let home = PlantedHome::new();
    home.write("plain", "no program");
    for program in
        ["bin/of-my-shell", "bin/npx", ".nvm/versions/node/v22.1.0/bin/npx", ".nvm/versions/node/v16.20.0/bin/npx"]
    {
        home.write_program(program, "#!/bin/sh\nexit 1\n");
    }
    home.write(
        ".config/Claude/Claude Extensions/local.mcpb.twice/manifest.json",
        r#"{"name": "twice", "server": {"mcp_config": {"args": ["https://twice.example/mcp"]}}}"#,
    );
    home
}

#[track_caller]
fn assert_found(report: &Value, code: &str) {
    let steps = steps_with(report, code);
    assert!(!steps.is_empty(), "{code} is missing: {report:#}");
    for step in steps {
        let cause = &step["cause"];
        let words = [&step["fact"], &cause["sentence"], &cause["fix"]].map(|text| text.as_str().unwrap_or_default());
        assert!(words.iter().all(|text| !text.is_empty() && !text.contains('\n')), "{step:#}");
    }
}

#[test]
fn each_fault_in_a_clients_file_has_its_code() {
    for (code, exit, path, text) in FILES {
        let home = machine();
        home.write(path, text);
        let (status, report) = home.doctor(|| home.launch().env("SET_HERE", "x"), &[]);
        assert_found(&report, code);
        assert_eq!(status, Some(*exit), "{code} {text}: {report:#}");
        if *exit == 1 {
            assert_eq!(report["cause"]["code"], *code, "it is the cause: {report:#}");
        }
    }
}

#[test]
fn a_file_in_another_encoding_is_told() {
    let home = machine();
    let text: Vec<u8> = "\u{feff}{\"mcpServers\": {}}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    home.write_bytes(CLAUDE, &text);
    let (status, report) = home.doctor(|| home.launch(), &[]);
    assert_found(&report, "client.syntax");
    assert_eq!(status, Some(1));
}

#[test]
fn files_and_folders_that_others_can_read_are_told() {
    let entry = r#"{"mcpServers": {"a": {"command": "sh", "env": {"API_TOKEN": "{planted}"}}}}"#;
    let without = r#"{"mcpServers": {"a": {"command": "sh", "env": {"LEVEL": "info"}}}}"#;
    for (path, text, bits, code, exit) in [
        (CURSOR, entry, 0o644, "client.readable", 0),
        (CURSOR, entry, 0o600, "", 0),
        (CURSOR, without, 0o644, "", 0),
        (".mcp-ferry/logs/x", "", 0o755, "store.readable", 0),
        (".mcp-ferry/logs/x", "", 0o777, "store.unsafe", 1),
        (".mcp-ferry/logins/0123456789abcdef0123456789abcdef.json", "{", 0o600, "store.damaged", 0),
    ] {
        let home = PlantedHome::new();
        home.write(path, text);
        if path.starts_with(".mcp-ferry") {
            home.set_mode(".mcp-ferry", if code == "store.damaged" { 0o700 } else { bits });
        } else {
            home.set_mode(path, bits);
        }
        let (status, report) = home.doctor(|| home.launch(), &[]);
        if code.is_empty() {
            assert!(steps_with(&report, "client.readable").is_empty(), "{text}: {report:#}");
        } else {
            assert_found(&report, code);
        }
        assert_eq!(status, Some(exit), "{code} {bits:o}: {report:#}");
    }
}

#[test]
fn a_client_that_was_started_before_the_change_is_told() {
    let home = PlantedHome::new();
    home.write(CURSOR, r#"{"mcpServers": {"a": {"command": "sh"}}}"#);
    let file = std::fs::File::options().write(true).open(home.path().join(CURSOR)).unwrap();
    let name = "/Applications/Cursor.app/Contents/MacOS/Cursor";
    let mut client = Command::new("/bin/cat").arg0(name).stdin(std::process::Stdio::piped()).spawn().unwrap();
    for (seconds, is_told) in [(100, true), (-100, false)] {
        let now = SystemTime::now();
        let span = Duration::from_secs(100);
        file.set_modified(if seconds > 0 { now + span } else { now - span }).unwrap();
        let (status, report) = home.doctor(|| home.launch(), &[]);
        assert_eq!(!steps_with(&report, "client.not-restarted").is_empty(), is_told, "{report:#}");
        assert_eq!(status, Some(0));
    }
    client.kill().unwrap();
    client.wait().unwrap();
}

#[test]
fn what_is_well_is_told_too() {
    let home = machine();
    home.write(CURSOR, r#"{"mcpServers": {"a": {"command": "{ferry}", "args": ["https://h.example/mcp/{planted}"]}}}"#);
    let (status, report) = home.doctor(|| home.launch(), &[]);
    assert_eq!((status, &report["failures"], &report["warnings"]), (Some(0), &0.into(), &0.into()), "{report:#}");
    assert_eq!(step_named(&report, "entry")["fact"], "Cursor: a reaches https://h.example through mcp-ferry");
    assert!(step_named(&report, "program")["fact"].as_str().unwrap().contains(env!("CARGO_PKG_VERSION")));
    assert_eq!(step_named(&report, "logins")["fact"], "none");
    assert!(step_named(&report, "clients")["fact"].as_str().unwrap().contains("Cursor"));
    assert!(step_named(&report, "running")["mark"] == "ok");
}

#[test]
fn warnings_are_failures_when_the_user_says_so() {
    let home = machine();
    home.write(CURSOR, r#"{"mcpServers": {"a": {"command": "npx", "args": ["mcp-remote", "https://h.example/mcp"]}}}"#);
    assert_eq!(home.doctor(|| home.launch(), &[]).0, Some(0));
    assert_eq!(home.doctor(|| home.launch(), &["--strict"]).0, Some(1));
}

#[test]
fn hostile_names_and_values_are_harmless() {
    let home = machine();
    let hostile = "\\u001b[2J\\u202e'; rm -rf ~ #\\n$(reboot)`x`";
    let long = "n".repeat(1 << 20);
    home.write(
        CURSOR,
        &format!(
            r#"{{"mcpServers": {{"{hostile}": {{"command": "/gone/{hostile}"}}, "{long}": {{"command": "{long}"}},
                "u": {{"command": "{{ferry}}", "args": ["https://h.example/{hostile}", "--header", "X:${{{hostile}}}"]}},
                "v": {{"command": "{{ferry}}", "args": ["https://h.example/{hostile}"], "env": {{"A": "${{{long}}}"}}}}}}}}"#
        ),
    );
    let (status, report) = home.doctor(|| home.launch(), &[]);
    assert_eq!(status, Some(1));
    assert!(report.to_string().len() < 20_000, "it is short");
    let steps = steps_with(&report, "client.binary-gone");
    assert_eq!(steps.len(), 2, "{report:#}");
}

#[test]
fn a_cloud_cannot_reach_this_machine() {
    for (client, url, code) in [
        ("claude-ai", "http://127.0.0.1:9/mcp", "cloud.localhost"),
        ("chatgpt", "http://[::1]:9/mcp", "cloud.localhost"),
    ] {
        let home = PlantedHome::new();
        let (_, report) = home.doctor(|| home.launch(), &[url, "--as", client]);
        assert_found(&report, code);
    }
}

#[test]
fn clients_that_are_not_known_are_an_error() {
    let home = PlantedHome::new();
    for arguments in [
        ["doctor", "http://127.0.0.1:9/mcp", "--as", "nobody"].as_slice(),
        &["doctor", "--as", "codex"],
        &["doctor", "--entry", "a", "--client", "nobody"],
        &["doctor", "--client", "cursor"],
    ] {
        let launch = arguments.iter().fold(home.launch(), |launch, argument| launch.arg(argument));
        let output = launch.run("");
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{output:?}");
    }
}
