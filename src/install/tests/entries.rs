//! What is in an entry, and what is shown of the rest of its file?

use super::*;

fn request(client: &str, options: &[&str], env: &[(&str, &str)]) -> Request {
    Request {
        url: URL.into(),
        name: Some("linear".into()),
        clients: vec![client.into()],
        options: options.iter().map(|&option| option.to_owned()).collect(),
        env: env.iter().map(|&(name, value)| (name.to_owned(), Secret::new(value))).collect(),
        is_preview: false,
    }
}

/// The entry that a client's file has.
fn entry(machine: &Machine, client: &str, name: &str) -> edit::Value {
    let client = Client::named(client).unwrap();
    let file = client.files(&machine.world, name).remove(0);
    plan::look(client, &file).unwrap().into_iter().find(|(found, _)| found == name).unwrap().1
}

fn texts(value: &edit::Value, key: &str) -> Vec<String> {
    match value.get(key) {
        Some(edit::Value::List(items)) => items.iter().filter_map(edit::Value::as_text).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn no_client_finds_its_own_spelling_of_the_entrys_variables() {
    for client in CLIENTS.iter().filter(|client| client.is_written) {
        let machine = Machine::new();
        let options = [
            "--header",
            "X-Api-Key: 8f14e45fceea167a5a36dedd4bea2543",
            "--header",
            "X-B: ${env:BB} $BB {env:BB} ${BB}",
        ];
        let request = request(client.name, &options, &[("BB", "marked-b-0123456789")]);
        install(&machine.world, &request).unwrap();
        let server = Server::read(&entry(&machine, client.name, "linear"));
        for word in &server.command {
            assert_eq!(client.fills_in.first_in(word), None, "{}: {word}", client.name);
            assert!(!word.contains("8f14e45f") && !word.contains("marked-b"), "{}: {word}", client.name);
            let needed = crate::typed::needed(word);
            assert!(needed.iter().all(|name| server.env.iter().any(|(set, _)| set == name)), "{}: {word}", client.name);
        }
        assert_eq!(
            crate::typed::needed(&server.command.concat()).len(),
            2,
            "{}: the bridge fills them in",
            client.name
        );
        // The same again is the same, and the address is known in each spelling.
        assert_eq!(install(&machine.world, &request).unwrap().steps[0].outcome, Outcome::Unchanged, "{}", client.name);
    }
}

#[test]
fn a_variable_in_the_address_is_spelled_so_too() {
    let machine = Machine::new();
    let url = "https://h.example/${SLOT}/mcp";
    let request = Request { url: url.into(), ..request("claude-code", &[], &[("SLOT", "marked-slot-012345")]) };
    install(&machine.world, &request).unwrap();
    let entry = entry(&machine, "claude-code", "linear");
    assert_eq!(texts(&entry, "args"), ["https://h.example/{env:SLOT}/mcp"]);
    assert_eq!(install(&machine.world, &request).unwrap().steps[0].outcome, Outcome::Unchanged);
    std::fs::remove_dir_all(&machine.world.records).unwrap();
    assert_eq!(machine.uninstall(url), [Outcome::Removed], "without a record, by the address");
}

#[test]
fn variables_that_only_the_client_has_stay_for_it() {
    let machine = Machine::new();
    let text = r#"{"mcpServers": {"a": {"command": "npx", "args": ["mcp-remote", "https://h/mcp", "--header", "A: ${A}", "--header", "B: ${B:-x}"], "env": {"A": "1"}}}}"#;
    machine.write("gemini", text);
    replace_mcp_remote(&machine.world, &["gemini".to_owned()], false).unwrap();
    let args = texts(&entry(&machine, "gemini", "a"), "args");
    assert_eq!(args, ["https://h/mcp", "--header", "A: {env:A}", "--header", "B: ${B:-x}"]);
}

#[test]
fn a_value_that_the_client_would_change_is_not_written() {
    let mut machine = Machine::new();
    machine.world.variables.insert("HOME".to_owned(), "/home/me".to_owned());
    let install = |client: &str, value: &str| {
        install(&machine.world, &request(client, &["--bearer-token-env", "T"], &[("T", value)]))
            .unwrap()
            .steps
            .remove(0)
    };
    let step = install("qwen", "pa$HOME-x1234");
    assert!(
        reason(&step.outcome).contains("the value of T has a part that Qwen Code takes for a variable"),
        "{step:?}"
    );
    assert!(!machine.file("qwen").exists());
    let step = install("qwen", "pa$2b-x1234");
    assert!(
        step.outcome == Outcome::Inserted && step.notices.iter().any(|notice| notice.contains("value of T")),
        "{step:?}"
    );
    assert_eq!(install("claude-desktop", "pa$HOME-x1234").outcome, Outcome::Inserted);
}

#[test]
fn the_variables_of_zeds_old_notation_stay() {
    let machine = Machine::new();
    let text = r#"{"context_servers":{"old":{"source":"custom","command":{"path":"npx","args":["-y","mcp-remote","https://a.example/mcp","--header","A: ${TOK}"],"env":{"TOK":"abcdefgh1234"}}}}}"#;
    let file = machine.write("zed", text);
    replace_mcp_remote(&machine.world, &["zed".to_owned()], false).unwrap();
    let server = Server::read(&entry(&machine, "zed", "old"));
    assert_eq!(server.env, [("TOK".to_owned(), "abcdefgh1234".to_owned())]);
    assert_eq!(server.command[1..], ["https://a.example/mcp", "--header", "A: ${TOK}"]);
    assert_eq!(machine.uninstall("old"), [Outcome::Restored]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
}

#[test]
fn a_nested_entry_stays_nested() {
    let machine = Machine::new();
    let text = r#"{"mcpServers": {"linear": {"transport": {"type": "stdio", "command": "/old/mcp-ferry", "args": ["https://mcp.linear.app/mcp"]}, "disabled": false}}}"#;
    let file = machine.write("cline", text);
    assert_eq!(machine.install("cline").outcome, Outcome::Replaced);
    let entry = entry(&machine, "cline", "linear");
    assert!(entry.get("command").is_none() && entry.get("env").is_none(), "{entry:?}");
    let server = Server::read(&entry);
    assert_eq!(server.command[0], "/usr/local/bin/mcp-ferry");
    assert_eq!(server.env[0].0, "LINEAR_TOKEN");
    assert_eq!(machine.install("cline").outcome, Outcome::Unchanged);
    assert!(std::fs::read_to_string(&file).unwrap().contains("\"disabled\": false"));
}

#[test]
fn what_an_earlier_run_set_goes_and_what_a_person_added_stays() {
    for (client, key) in [("cursor", "env"), ("codex", "env"), ("opencode", "environment")] {
        let machine = Machine::new();
        install(&machine.world, &request(client, &["--bearer-token-env", "OLD"], &[("OLD", "marked-old-0123")]))
            .unwrap();
        let file = machine.file(client);
        let text = std::fs::read_to_string(&file).unwrap();
        let mine = if client == "codex" {
            "OLD = \"marked-old-0123\", MINE = \"1\""
        } else {
            "\"OLD\": \"marked-old-0123\", \"MINE\": \"1\""
        };
        let is = if client == "codex" { "OLD = \"marked-old-0123\"" } else { "\"OLD\": \"marked-old-0123\"" };
        assert!(text.contains(is), "{text}");
        std::fs::write(&file, text.replace(is, mine)).unwrap();
        install(&machine.world, &request(client, &["--bearer-token-env", "NEW"], &[("NEW", "marked-new-0123")]))
            .unwrap();
        let names = |machine: &Machine| -> Vec<String> {
            let entry = entry(machine, client, "linear");
            entry.get(key).unwrap().members().iter().map(|(name, _)| name.clone()).collect()
        };
        let mut found = names(&machine);
        found.sort();
        assert_eq!(found, ["MINE", "NEW"], "{client}");
        install(&machine.world, &request(client, &[], &[])).unwrap();
        assert_eq!(names(&machine), ["MINE"], "{client}");
    }
    // A table of its own.
    let machine = Machine::new();
    install(&machine.world, &request("codex", &[], &[("OLD", "marked-old-0123")])).unwrap();
    let file = machine.file("codex");
    let text = std::fs::read_to_string(&file).unwrap();
    let (entry, _) = text.split_once("env = ").unwrap();
    std::fs::write(&file, format!("{entry}[mcp_servers.linear.env]\nMINE = \"1\" # mine\nOLD = \"x\"\n# end\n"))
        .unwrap();
    install(&machine.world, &request("codex", &[], &[])).unwrap();
    let expected = format!("{entry}[mcp_servers.linear.env]\nMINE = \"1\" # mine\n# end\n");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), expected);
}

#[test]
fn an_entry_is_ours_whatever_the_program_is_called() {
    for program in
        ["/opt/mcp-ferry-15", "/opt/mcp-ferry-linux-x64", "C:\\bin\\mcp-ferry-windows-x64.exe", "/opt/bridge"]
    {
        for has_record in [true, false] {
            let mut machine = Machine::new();
            machine.world.program = program.into();
            assert_eq!(machine.install("cursor").outcome, Outcome::Inserted);
            let other = request("cursor", &["--http1"], &[]);
            assert_eq!(install(&machine.world, &other).unwrap().steps[0].outcome, Outcome::Replaced, "{program}");
            if has_record {
                // Another release may be at work by then.
                machine.world.program = "/usr/local/bin/mcp-ferry".into();
                assert_eq!(machine.uninstall("linear"), [Outcome::Restored], "{program}");
            } else {
                std::fs::remove_dir_all(&machine.world.records).unwrap();
                assert_eq!(machine.uninstall("linear"), [Outcome::Removed], "{program}");
            }
        }
    }
}

#[test]
fn secrets_of_others_are_not_shown() {
    for (client, text) in [
        (
            "cline",
            r#"{"mcpServers": {"a": {"transport": {"type": "stdio", "command": "x", "env": {"A_TOKEN": "marked-1"}}}}}"#,
        ),
        (
            "cursor",
            r#"{"mcpServers": {"a": {"command": "x", "args": ["srv", "--token", "marked-1", "--header=Authorization: Bearer marked-2"]}}}"#,
        ),
        (
            "zed",
            r#"{"telemetry":{"primaryKey":"marked-1","keys":["marked-2"],"credentials":{"a":{"b":"marked-3"}}},"context_servers":{}}"#,
        ),
        (
            "codex",
            "[model_providers.x]\nexperimental_bearer_token = \"marked-1\"\nhttp_headers = { \"X-Api-Key\" = \"mark\" }\n",
        ),
        ("cursor", r#"{"mcpServers": {"a": {"env": {"PIN_CODE": "mark"}}}}"#),
        ("goose", "A_TOKEN: marked-1\nextensions:\n  a:\n    enabled: true\n"),
    ] {
        let machine = Machine::new();
        machine.write(client, text);
        let preview = Request { is_preview: true, ..request(client, &[], &[]) };
        let report = install(&machine.world, &preview).unwrap();
        assert_eq!(report.steps[0].outcome, Outcome::Inserted);
        assert!(report.text().contains("***") && !report.text().contains("mark"), "{client}: {}", report.text());
        install(&machine.world, &request(client, &[], &[])).unwrap();
        let removal = Removal { what: "linear".into(), is_preview: true, ..Removal::default() };
        let report = uninstall(&machine.world, &removal).unwrap();
        assert!(!report.text().contains("mark"), "{client}: {}", report.text());
    }
}

#[test]
fn a_file_that_cannot_be_read_is_not_shown() {
    for (client, text) in [
        (
            "cursor",
            r#"{"mcpServers": {"a": {"env": {"TOKEN": "marked-1"}}}, "primaryKey": "marked-2" "x": "marked-3"}"#,
        ),
        ("cursor", "{\"mcpServers\": {\"a\": {\"env\": {\"TOKEN\": \"marked-1}}}}"),
        ("cursor", r#"{"mcpServers": {"a": {"env": {"TOKEN": marked}}}}"#),
        ("codex", "token = marked\n"),
        ("codex", "mcp_servers = { a = { env = { TOKEN = \"marked-1\" } } }\n"),
        ("goose", "extensions:\n\tTOKEN: marked\n"),
    ] {
        let machine = Machine::new();
        machine.write(client, text);
        let report = install(&machine.world, &request(client, &[], &[])).unwrap();
        assert!(!report.is_complete() && !report.text().contains("marked"), "{client}: {}", report.text());
        assert!(!report.json().to_string().contains("marked"), "{client}: {}", report.json());
    }
}

#[test]
fn a_snippet_can_be_used_as_it_is_printed() {
    let machine = Machine::new();
    let text = "mcp_servers = { a = { command = \"x\" } }\n";
    machine.write("codex", text);
    let step = install(&machine.world, &request("codex", &[], &[])).unwrap().steps.remove(0);
    let Outcome::Refused(Refusal { snippet: Some(snippet), .. }) = &step.outcome else { panic!("{step:?}") };
    let (place, entry) = snippet.split_once('\n').unwrap();
    assert!(place.contains("between the braces of mcp_servers") && !entry.starts_with('['), "{snippet}");
    let added = text.replace("} }", &format!("}}, {} }}", entry.trim()));
    let document: toml_edit::DocumentMut = added.parse().unwrap();
    assert_eq!(document["mcp_servers"]["linear"]["args"][0].as_str(), Some(URL), "{added}");
    // A value that is not shown must be filled in.
    for client in ["junie", "codex"] {
        let options = request(client, &["--bearer-token-env", "T"], &[("T", "marked-t-0123456789")]);
        let step = install(&machine.world, &options).unwrap().steps.remove(0);
        assert!(step.notices.iter().any(|notice| notice.contains("***") && notice.contains(" T,")), "{step:?}");
        let step = install(&machine.world, &request(client, &[], &[])).unwrap().steps.remove(0);
        assert!(step.notices.is_empty(), "{step:?}");
    }
}

#[test]
fn entries_of_mcp_remote_in_a_file_that_is_not_written_are_shown() {
    let machine = Machine::new();
    let junie = ["junie".to_owned()];
    let report = replace_mcp_remote(&machine.world, &junie, false).unwrap();
    assert!(report.steps.is_empty() && report.notices == ["mcp-ferry does not write the file of Junie"], "{report:?}");
    machine.write("junie", r#"{"mcpServers": {"a": {"command": "npx", "args": ["mcp-remote", "https://h/mcp"]}}}"#);
    let report = replace_mcp_remote(&machine.world, &junie, false).unwrap();
    assert!(matches!(&report.steps[0].outcome, Outcome::Snippet(text) if text.contains("https://h/mcp")), "{report:?}");
}

#[test]
fn a_file_for_each_entry_is_listed_by_its_folder_or_as_it_is() {
    let machine = Machine::new();
    let files = || list(&machine.world).into_iter().find(|listed| listed.client.name == "continue").unwrap().files;
    let folder = machine.world.home.join(".continue/mcpServers");
    assert_eq!(files(), [(folder.clone(), false)]);
    machine.install("continue");
    assert_eq!(files(), [(folder.join("ferry-linear.json"), true)]);
}
