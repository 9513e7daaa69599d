//! Entries of mcp-remote become ours, and theirs again.

use super::*;

const JSON: &str = r#"{
  // mine
  "mcpServers": {
    "one": { "command": "npx", "args": ["-y", "mcp-remote@latest", "https://one.example/mcp", "9696", "--header", "A: ${B}"], "env": { "B": "1" } },
    "two": { "args": ["/c", "npx", "mcp-remote", "https://two.example/mcp"], "disabled": true, "command": "cmd" }, // two
    "three": { "command": "sh", "args": ["-c", "npx mcp-remote https://three.example"] },
    "four": { "command": "npx", "args": ["-y", "other"] }
  }
}
"#;

#[test]
fn entries_of_mcp_remote_become_ours_with_the_same_meaning_and_back() {
    let machine = Machine::new();
    let file = machine.write("cursor", JSON);
    let preview = replace_mcp_remote(&machine.world, &[], true).unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), JSON);
    let report = replace_mcp_remote(&machine.world, &[], false).unwrap();
    let outcomes = |report: &Report| -> Vec<(String, &'static str)> {
        report.steps.iter().map(|step| (step.name.clone(), step.outcome.word())).collect()
    };
    let expected = [("one", "replaced"), ("two", "replaced"), ("three", "refused")];
    assert_eq!(outcomes(&report), expected.map(|(name, word)| (name.to_owned(), word)));
    assert_eq!(outcomes(&preview), outcomes(&report));
    let program = "/usr/local/bin/mcp-ferry";
    let after = JSON
        .replace("\"npx\", \"args\": [\"-y\", \"mcp-remote@latest\", ", &format!("\"{program}\", \"args\": ["))
        .replace("[\"/c\", \"npx\", \"mcp-remote\", ", "[")
        .replace("\"cmd\"", &format!("\"{program}\""));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), after);
    assert_eq!(outcomes(&replace_mcp_remote(&machine.world, &[], false).unwrap()), [("three".to_owned(), "refused")]);
    for (order, first) in [(["one", "two"], Outcome::Removed), (["two", "one"], Outcome::Restored)] {
        for (name, expected) in order.iter().zip([first, Outcome::Restored]) {
            assert_eq!(machine.uninstall(name), [expected], "{order:?}");
        }
        assert_eq!(std::fs::read_to_string(&file).unwrap(), JSON);
        replace_mcp_remote(&machine.world, &[], false).unwrap();
    }
}

#[test]
fn each_shape_of_an_entry_is_kept() {
    for (client, before, after) in [
        (
            "opencode",
            r#"{"mcp": {"a": {"type": "local", "command": ["npx", "-y", "mcp-remote", "https://h/mcp"], "enabled": false}}}"#,
            r#"{"mcp": {"a": {"type": "local", "command": ["/usr/local/bin/mcp-ferry", "https://h/mcp"], "enabled": false}}}"#,
        ),
        (
            "cline",
            r#"{"mcpServers": {"a": {"transport": {"type": "stdio", "command": "npx", "args": ["mcp-remote", "https://h/mcp"]}}}}"#,
            r#"{"mcpServers": {"a": {"transport": {"type": "stdio", "command": "/usr/local/bin/mcp-ferry", "args": ["https://h/mcp"]}}}}"#,
        ),
        (
            "codex",
            "[mcp_servers.a] # x\ncommand = \"npx\" # y\nargs = [\n  \"mcp-remote\",\n  'https://h/mcp',\n]\n[mcp_servers.a.env]\nK = 'v'\n",
            "[mcp_servers.a] # x\ncommand = \"/usr/local/bin/mcp-ferry\" # y\nargs = [\"https://h/mcp\"]\n[mcp_servers.a.env]\nK = 'v'\n",
        ),
        (
            "goose",
            "extensions:\n  a:\n    name: a\n    type: stdio\n    cmd: npx\n    args:\n    - -y\n    - mcp-remote\n    - https://h/mcp\n    enabled: true\n",
            "extensions:\n  a:\n    name: a\n    type: stdio\n    cmd: \"/usr/local/bin/mcp-ferry\"\n    args:\n    - \"https://h/mcp\"\n    enabled: true\n",
        ),
        (
            "goose",
            "extensions:\n  a:\n    args: [\"-y\", 'mcp-remote', https://h/mcp] # in a row\n    description: 'it''s mine' # note\n    name: foo # the name\n    cmd: npx # run\n    meta:\n      deep:\n        er: 1\n  # b:\n",
            "extensions:\n  a:\n    args: [\"https://h/mcp\"] # in a row\n    description: 'it''s mine' # note\n    name: foo # the name\n    cmd: \"/usr/local/bin/mcp-ferry\" # run\n    meta:\n      deep:\n        er: 1\n  # b:\n",
        ),
    ] {
        let machine = Machine::new();
        let file = machine.write(client, before);
        let report = replace_mcp_remote(&machine.world, &[client.to_owned()], false).unwrap();
        assert!(report.steps.len() == 1 && report.is_complete(), "{client}: {report:?}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), after, "{client}");
        assert_eq!(machine.uninstall("https://h/mcp"), [Outcome::Restored], "{client}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), before, "{client}");
        // The same where the file has changed since.
        replace_mcp_remote(&machine.world, &[client.to_owned()], false).unwrap();
        let more = if client == "codex" { "\n# more\n" } else { "\n" };
        std::fs::write(&file, format!("{}{more}", std::fs::read_to_string(&file).unwrap())).unwrap();
        assert_eq!(machine.uninstall("a"), [Outcome::Removed], "{client}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("{before}{more}"), "{client}");
    }
}
