//! What does `doctor` say of the files that clients have in the folder of a project?

use serde_json::{Value, json};

use crate::support::*;

/// A shell script that answers as an MCP server, and says first where it was started.
const SERVER: &str = r#"
echo "in $PWD" >&2
while read -r line; do
  case "$line" in
    *'"initialize"'*) echo '{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"'"$1"'","version":"7"}}}' ;;
  esac
done"#;

/// A report of `doctor` that was started in the folder `project` of this home.
#[track_caller]
fn doctor(home: &PlantedHome, arguments: &[&str]) -> (Option<i32>, Value) {
    home.doctor(|| home.launch().folder(&home.path().join("project")), arguments)
}

fn real(home: &PlantedHome) -> String {
    home.path().canonicalize().unwrap().join("project").to_str().unwrap().to_owned()
}

#[test]
fn the_files_of_a_project_are_looked_at() {
    let gone = r#"{"mcpServers": {"a": {"command": "/gone/server", "env": {"API_TOKEN": "{planted}"}}}}"#;
    let wrong = r#"{"mcpServers": {"a": {"command": "sh"}}}"#;
    let toml = "[mcp_servers.a]\ncommand = \"/gone/server\"\n";
    let list = r#"{"mcp": {"a": {"type": "local", "command": ["/gone/server"]}}}"#;
    for (file, text, code) in [
        (".mcp.json", gone, "client.binary-gone"),
        (".cursor/mcp.json", gone, "client.binary-gone"),
        (".vscode/mcp.json", wrong, "client.wrong-key"),
        (".gemini/settings.json", gone, "client.binary-gone"),
        (".qwen/settings.json", gone, "client.binary-gone"),
        (".codex/config.toml", toml, "client.binary-gone"),
        ("opencode.json", list, "client.binary-gone"),
        (".github/mcp.json", gone, "client.binary-gone"),
        (".junie/mcp/mcp.json", gone, "client.binary-gone"),
        (".cursor/mcp.json", "{", "client.syntax"),
    ] {
        let home = PlantedHome::new();
        home.write(&format!("project/{file}"), text);
        let (status, report) = doctor(&home, &[]);
        assert_eq!((status, &report["cause"]["code"]), (Some(1), &code.into()), "{file}: {report:#}");
        let sentence = report["cause"]["sentence"].as_str().unwrap();
        assert!(sentence.contains("project"), "the place is named: {sentence}");
        assert_eq!(report["failures"], 1, "{report:#}");
        // Of a folder without them nothing is told.
        let (status, report) = home.doctor(|| home.launch(), &[]);
        assert_eq!((status, &report["failures"]), (Some(0), &0.into()), "{report:#}");
    }
}

#[test]
fn the_home_directory_is_no_project() {
    let home = PlantedHome::new();
    home.write(".cursor/mcp.json", r#"{"mcpServers": {"a": {"command": "/gone/server"}}}"#);
    let (_, report) = home.doctor(|| home.launch().folder(home.path()), &[]);
    assert_eq!(steps_with(&report, "client.binary-gone").len(), 1, "{report:#}");
}

#[test]
fn servers_that_claude_code_keeps_for_a_project_are_looked_at() {
    let home = PlantedHome::new();
    let project = |command: &str| json!({ "mcpServers": { "a": { "command": command } }, "history": [] });
    let file = json!({
        "mcpServers": { "all": { "command": "sh", "env": { "API_TOKEN": "{planted}" } } },
        "projects": { "/one": project("/gone/first"), "/two": project("sh"), "/three": { "mcpServers": {} } },
    });
    home.write(".claude.json", &file.to_string());
    home.set_mode(".claude.json", 0o644);
    let (status, report) = doctor_at_home(&home);
    assert_eq!((status, &report["cause"]["code"]), (Some(1), &"client.binary-gone".into()), "{report:#}");
    let sentence = report["cause"]["sentence"].as_str().unwrap();
    assert!(sentence.starts_with("the entry a of Claude Code (project /one) starts"), "{sentence}");
    assert_eq!(steps_with(&report, "client.readable").len(), 1, "a file is told of once: {report:#}");
}

#[track_caller]
fn doctor_at_home(home: &PlantedHome) -> (Option<i32>, Value) {
    home.doctor(|| home.launch().folder(home.path()), &[])
}

#[test]
fn an_entry_of_a_project_is_started_in_its_folder() {
    let home = PlantedHome::new();
    let mine = |name: &str| json!({ "command": "sh", "args": ["-c", SERVER, "sh", name] });
    home.write("project/.mcp.json", &json!({ "mcpServers": { "mine": mine("of-the-project") } }).to_string());
    home.write(".claude.json", &json!({ "mcpServers": { "mine": mine("of-the-user") } }).to_string());
    let (status, report) = doctor(&home, &["--entry", "mine"]);
    assert_eq!(status, Some(0), "{report:#}");
    let started = |report: &Value| step_named(report, "start")["fact"].as_str().unwrap().to_owned();
    assert!(started(&report).starts_with("of-the-project 7"), "that of the project is the nearer one: {report:#}");
    assert_eq!(step_named(&report, "stderr")["fact"], format!("in {}", real(&home)));

    let projects = json!({ real(&home): { "mcpServers": { "mine": mine("of-the-users-file") } } });
    home.write(".claude.json", &json!({ "projects": projects }).to_string());
    let (_, report) = doctor(&home, &["--entry", "mine"]);
    assert!(started(&report).starts_with("of-the-users-file 7"), "Claude Code takes that one: {report:#}");
    let (_, report) = home.doctor(|| home.launch().folder(home.path()), &["--entry", "mine"]);
    assert_eq!(step_named(&report, "stderr")["fact"], format!("in {}", real(&home)), "wherever doctor is started");
}

#[test]
fn an_editors_name_for_the_folder_of_a_project_is_filled_in() {
    let home = PlantedHome::new();
    home.write_program("project/run.sh", &format!("#!/bin/sh\n{SERVER}"));
    home.write("project/below/file", "");
    let mine = r#"{"command": "${workspaceFolder}/run.sh", "args": ["filled"], "cwd": "${workspaceFolder}/below"}"#;
    home.write("project/.vscode/mcp.json", &format!(r#"{{"servers": {{"mine": {mine}}}}}"#));
    let (status, report) = doctor(&home, &["--entry", "mine"]);
    assert_eq!(status, Some(0), "{report:#}");
    assert_eq!(step_named(&report, "stderr")["fact"], format!("in {}/below", real(&home)), "{report:#}");
}

#[test]
fn a_fix_does_not_change_the_users_file_for_an_entry_of_a_project() {
    for (args, code) in [
        (json!(["-y", "mcp-remote", "https://h.example/mcp"]), "client.mcp-remote"),
        (json!(["mcp-remote", "https://h.example/mcp", "--header", "X-Key:", "{planted}"]), "header.split"),
    ] {
        let home = PlantedHome::new();
        home.write_program("bin/npx", "#!/bin/sh\n");
        let entries = json!({ "mcpServers": { "a": { "command": "npx", "args": args } } });
        home.write("project/.cursor/mcp.json", &entries.to_string());
        let (_, report) = doctor(&home, &[]);
        let steps = steps_with(&report, code);
        let fix = steps[0]["cause"]["fix"].as_str().unwrap();
        assert!(fix.starts_with("in ") && fix.contains("project/.cursor/mcp.json"), "{code}: {fix}");
    }
}
