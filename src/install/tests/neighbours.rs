//! What else is in a file, or has become of it since?

use super::*;

#[test]
fn another_way_to_the_same_server_is_told() {
    let machine = Machine::new();
    let file = machine.write(
        "claude-desktop",
        r#"{"mcpServers": {
            "a": {"command": "npx", "args": ["-y", "mcp-remote", "https://mcp.linear.app/mcp/"]},
            "b": {"command": "/x/mcp-ferry", "args": ["https://MCP.linear.app/mcp"]},
            "c": {"type": "http", "url": "https://mcp.linear.app/mcp"},
            "d": {"command": "npx", "args": ["-y", "mcp-remote", "https://other.example/mcp"]}
        }}"#,
    );
    let extension = file.parent().unwrap().join("Claude Extensions").join("local.mcpb.linear");
    std::fs::create_dir_all(&extension).unwrap();
    let manifest = r#"{"name": "linear", "display_name": "Linear\u001b[31m", "server": {"mcp_config": {"args": ["https://mcp.linear.app/mcp"]}}}"#;
    std::fs::write(extension.join("manifest.json"), manifest).unwrap();
    let notices = machine.install("claude-desktop").notices;
    let has = |words: &[&str]| notices.iter().any(|notice| words.iter().all(|word| notice.contains(word)));
    assert!(has(&["entry a", "mcp-remote", "--replace-mcp-remote"]), "{notices:?}");
    assert!(has(&["there already", "name b"]) && has(&["entry c", "directly"]), "{notices:?}");
    assert!(has(&["extension Linear"]) && notices.len() == 4, "{notices:?}");
    assert!(!notices.concat().contains('\u{1b}'));
}

#[test]
fn a_file_that_changed_since_keeps_its_changes_when_the_entry_goes() {
    for client in ["cursor", "codex", "goose", "opencode"] {
        let machine = Machine::new();
        let before = match client {
            "codex" => "model = 'x'\n",
            "goose" => "extensions:\n  dev:\n    enabled: true\n",
            _ => "{\n  \"x\": 1 // why\n}\n",
        };
        let file = machine.write(client, before);
        machine.install(client);
        let edit = |text: String| text.replace("'x'", "'y'").replace("true", "false").replace("\"x\": 1", "\"x\": 2");
        let after = std::fs::read_to_string(&file).unwrap();
        std::fs::write(
            &file,
            if client == "goose" {
                after.replacen("dev:\n    enabled: true", "dev:\n    enabled: false", 1)
            } else {
                edit(after)
            },
        )
        .unwrap();
        assert_eq!(machine.uninstall("linear"), [Outcome::Removed], "{client}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), edit(before.to_owned()), "{client}");
        assert!(machine.kept().is_empty());
    }
}

#[test]
fn several_entries_of_one_file_go_in_any_order() {
    for client in ["cursor", "codex", "goose", "zed"] {
        let before = match client {
            "codex" => "model = 'x'",
            "goose" => "A: 1\nextensions:\n  dev:\n    enabled: true\n",
            "zed" => "// mine\n{\n\t\"context_servers\": {\n\t\t// none,\n\t},\n}",
            _ => "{\r\n  \"x\": [1,2]\r\n}",
        };
        for order in
            [["one", "two", "three"], ["three", "two", "one"], ["two", "one", "three"], ["one", "three", "two"]]
        {
            let machine = Machine::new();
            let file = machine.write(client, before);
            for name in ["one", "two", "three"] {
                assert_eq!(machine.install_as(client, name).outcome, Outcome::Inserted);
            }
            for (at, name) in order.into_iter().enumerate() {
                let outcomes = machine.uninstall(name);
                assert!(
                    matches!(outcomes[..], [Outcome::Removed | Outcome::Restored]),
                    "{client} {order:?} {outcomes:?}"
                );
                assert!(at < 2 || outcomes == [Outcome::Restored], "the last knows how it was: {client} {order:?}");
            }
            assert_eq!(std::fs::read_to_string(&file).unwrap(), before, "{client} {order:?}");
        }
    }
}

#[cfg(unix)]
#[test]
fn an_entry_that_became_anothers_or_went_is_left_alone() {
    let machine = Machine::new();
    let file = machine.write("cursor", "{}");
    machine.install("cursor");
    let theirs = std::fs::read_to_string(&file).unwrap().replace("/usr/local/bin/mcp-ferry", "/bin/theirs");
    std::fs::write(&file, &theirs).unwrap();
    let outcomes = machine.uninstall("linear");
    assert!(outcomes.iter().all(|outcome| reason(outcome).contains("another program")), "{outcomes:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), theirs);
    let backup = outcomes.iter().find_map(|outcome| reason(outcome).split(" is /").nth(1)).unwrap();
    assert_eq!(std::fs::read_to_string(format!("/{backup}")).unwrap(), "{}", "the copy is named");
    std::fs::write(&file, "{ }").unwrap();
    assert_eq!(machine.uninstall("linear"), [Outcome::NotThere]);
    assert_eq!((std::fs::read_to_string(&file).unwrap(), machine.kept()), ("{ }".to_owned(), vec![]));
}

#[test]
fn an_entry_without_a_record_goes_by_its_name_or_address() {
    let text = r#"{"mcpServers": {"a": {}, "mine": {"command": "C:\\bin\\mcp-ferry.exe", "args": ["https://mcp.linear.app/mcp"]}}}"#;
    for what in ["mine", URL] {
        let machine = Machine::new();
        let file = machine.write("cursor", text);
        assert_eq!(machine.uninstall(what), [Outcome::Removed]);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), r#"{"mcpServers": {"a": {}}}"#);
    }
    let machine = Machine::new();
    machine.write("cursor", text);
    assert_eq!(machine.uninstall("a"), [], "it is not ours");
}

#[test]
fn installing_again_with_other_options_keeps_the_way_back() {
    let machine = Machine::new();
    let before = "{\n  \"mcpServers\": {}\n}";
    let file = machine.write("cursor", before);
    machine.install("cursor");
    let request = Request {
        url: URL.into(),
        clients: vec!["cursor".into()],
        options: vec!["--http1".into()],
        ..Request::default()
    };
    assert_eq!(install(&machine.world, &request).unwrap().steps[0].outcome, Outcome::Replaced);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("--http1") && !text.contains("LINEAR_TOKEN"), "the variable goes: {text}");
    let other = Request { url: "https://other.example/".into(), name: Some("linear".into()), ..request };
    assert!(reason(&install(&machine.world, &other).unwrap().steps[0].outcome).contains("another URL"));
    assert_eq!(machine.uninstall(URL), [Outcome::Restored]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), before);
    // The same after a change in between: then the entry alone goes.
    machine.install("cursor");
    std::fs::write(&file, std::fs::read_to_string(&file).unwrap().replace("{\n  \"mcp", "{\n  \"x\": 1,\n  \"mcp"))
        .unwrap();
    assert_eq!(
        install(&machine.world, &Request { url: URL.into(), name: None, ..other }).unwrap().steps[0].outcome,
        Outcome::Replaced
    );
    assert_eq!(machine.uninstall(URL), [Outcome::Removed]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), before.replace("{\n  \"mcp", "{\n  \"x\": 1,\n  \"mcp"));
}

#[test]
fn the_newer_section_of_opencode_is_used_where_it_is_there() {
    let machine = Machine::new();
    let file = machine.write("opencode", r#"{"mcp": {"servers": {"a": {"type": "local"}}}}"#);
    machine.install("opencode");
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(json["mcp"]["servers"]["linear"]["command"][1], URL);
    assert_eq!(machine.uninstall("linear"), [Outcome::Restored]);
    machine.write("opencode", r#"{"mcp": {"servers": {"type": "remote", "url": "https://x"}}}"#);
    machine.install("opencode");
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(json["mcp"]["linear"]["type"], "local", "a server may be called so");
}

#[test]
fn the_list_tells_what_is_there_without_reading_it() {
    let machine = Machine::new();
    machine.install("cursor");
    let listed = list(&machine.world);
    let cursor = listed.iter().find(|listed| listed.client.name == "cursor").unwrap();
    assert!(cursor.is_found && cursor.files == [(machine.file("cursor"), true)]);
    assert_eq!(cursor.entries, [("linear".to_owned(), URL.to_owned())]);
    assert_eq!(found(&machine.world).iter().map(|client| client.name).collect::<Vec<_>>(), ["cursor"]);
}

#[test]
fn a_scan_reads_what_each_client_would_start() {
    let machine = Machine::new();
    machine.install("codex");
    machine.write("cursor", r#"{"mcpServers": {"a": {"command": "npx", "args": ["mcp-remote", "https://h/"]}, "b": {"url": "https://h/"}}}"#);
    machine.write("zed", "{");
    let scanned = scan(&machine.world);
    let of = |client: &str| &scanned.iter().find(|scanned| scanned.client.name == client).unwrap().entries;
    let ours = &of("codex").as_ref().unwrap()[0];
    assert!(ours.is_ours && ours.command[1] == URL && ours.env[0].0 == "LINEAR_TOKEN");
    assert!(!format!("{ours:?}").contains("marked"), "a value may be a secret");
    let theirs = of("cursor").as_ref().unwrap();
    assert_eq!(theirs[0].mcp_remote.as_deref(), Some(&["https://h/".to_owned()][..]));
    assert_eq!(theirs[1].url.as_deref(), Some("https://h/"));
    assert!(of("zed").is_err() && scanned.len() == 3);
}
