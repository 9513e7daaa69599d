//! Where does `install` put what must not be read by others, and does the entry reach the server with it?

use std::process::Output;

use serde_json::Value;

use crate::install_command::{CODEX, CURSOR, Home, TOKEN, code, err};
use crate::support::*;

/// Asserts that the token stands in the variables of the entry alone, and that the server is shown it.
fn reaches(home: &Home, output: &Output, upstream: &Upstream, header: &str, value: &str) {
    assert_eq!(code(output), 0, "{output:?}");
    assert!(!format!("{output:?}").contains(TOKEN), "the token is printed: {output:?}");
    let entry = home.entry("test");
    assert!(!entry["args"].to_string().contains(TOKEN), "the token is in argv: {entry}");
    let args = entry["args"].as_array().unwrap();
    let launch = args.iter().fold(Bridge::bare(), |launch, arg| launch.arg(arg.as_str().unwrap()));
    let variables = entry["env"].as_object().unwrap();
    let launch = variables.iter().fold(launch, |launch, (name, value)| launch.env(name, value.as_str().unwrap()));
    let mut bridge = launch.secret(TOKEN).start();
    bridge.initialize();
    bridge.finish();
    assert_eq!(upstream.wait_for("initialize", 1).header(header), Some(value));
}

#[test]
fn a_secret_comes_from_the_environment_or_from_stdin() {
    for (option, value, header) in [
        ("--bearer-token-env", "A_TOKEN", "authorization"),
        ("--header", "Authorization: Bearer ${A_TOKEN}", "authorization"),
    ] {
        for from_stdin in [false, true] {
            let upstream = Upstream::well_behaved();
            let home = Home::with(&[(CURSOR, "{}")]);
            let url = upstream.url("/mcp");
            let launch = home.launch(&["install", &url, "--client", "cursor", "--name", "test", option, value]);
            let output = if from_stdin {
                launch.arg("--secrets-stdin").run(&format!("{TOKEN}\n"))
            } else {
                launch.env("A_TOKEN", TOKEN).run("")
            };
            reaches(&home, &output, &upstream, header, &format!("Bearer {TOKEN}"));
            assert_eq!(home.entry("test")["env"]["A_TOKEN"], TOKEN);
        }
    }
}

#[test]
fn several_secrets_come_in_the_order_of_the_options() {
    let home = Home::with(&[(CURSOR, "{}")]);
    let options = ["--header", "X-A: ${A}", "--header", "X-B: ${B}"];
    let launch = home.launch(&["install", "https://h.example/${SLOT}/mcp", "--client", "cursor", "--name", "test"]);
    let output = launch.args(options).env("A", "from-environment").arg("--secrets-stdin").run("slot-1\nvalue-b\n");
    assert_eq!(code(&output), 0, "{output:?}");
    assert_eq!(
        home.entry("test")["env"],
        serde_json::json!({ "SLOT": "slot-1", "A": "from-environment", "B": "value-b" })
    );
}

#[test]
fn a_secret_that_was_typed_moves_into_a_variable() {
    let upstream = Upstream::well_behaved();
    let home = Home::with(&[(CURSOR, "{}")]);
    let typed = format!("X-Api-Key: {TOKEN}");
    let output =
        home.run(&["install", &upstream.url("/mcp"), "--client", "cursor", "--name", "test", "--header", &typed]);
    assert!(stdout_text(&output).contains("the header X-Api-Key stands in the variable X_API_KEY"), "{output:?}");
    reaches(&home, &output, &upstream, "x-api-key", TOKEN);
}

/// Claude Code, Gemini CLI and Qwen Code fill in `${NAME}` among the arguments with the environment of their own.
#[test]
fn clients_find_no_variable_to_fill_in_among_the_arguments() {
    let clients =
        [("claude-code", ".claude.json"), ("qwen", ".qwen/settings.json"), ("gemini", ".gemini/settings.json")];
    let upstream = Upstream::well_behaved();
    let home = Home::with(&[]);
    let header = format!("X-Api-Key: {TOKEN}");
    let names = clients.map(|(name, _)| name).join(",");
    let install = ["install", &upstream.url("/mcp"), "--client", &names, "--name", "test", "--header", &header];
    let output = home.run(&install);
    assert!(code(&output) == 0 && !format!("{output:?}").contains(TOKEN), "{output:?}");
    for (client, path) in clients {
        let file: Value = serde_json::from_str(&home.text(path)).unwrap();
        let entry = &file["mcpServers"]["test"];
        let args: Vec<_> = entry["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap()).collect();
        assert!(args.iter().all(|arg| !arg.contains('$') && !arg.contains(TOKEN)), "{client}: {args:?}");
        assert_eq!(entry["env"], serde_json::json!({ "X_API_KEY": TOKEN }), "{client}");
        let launch = args.iter().fold(Bridge::bare(), |launch, arg| launch.arg(arg)).env("X_API_KEY", TOKEN);
        let mut bridge = launch.secret(TOKEN).start();
        bridge.initialize();
        bridge.finish();
    }
    assert_eq!(upstream.wait_for("initialize", 3).header("x-api-key"), Some(TOKEN));
}

#[test]
fn paths_become_absolute_and_options_of_the_configuration_file_stay_there() {
    let home = Home::with(&[(CURSOR, "{}"), (".mcp-ferry/config.toml", "read-only = true\n"), (CODEX, "")]);
    let url = "https://h.example/mcp";
    let options = ["--trace-file", "t.jsonl", "--log-file", "~/l", "--callback-path=-x", "--quiet"];
    let command = ["--token-command", "./tok.sh -x"];
    let output =
        home.launch(&["install", url, "--client", "cursor", "--name", "test"]).args(options).args(command).run("");
    assert_eq!((code(&output), err(&output)), (0, String::new()), "{output:?}");
    let path = std::path::absolute("t.jsonl").unwrap();
    let program = format!("{} -x", std::path::absolute("tok.sh").unwrap().display());
    let expected = [url, "--token-command", &program, "--callback-path=-x", "--log-file", "~/l", "--trace-file"];
    let expected = expected.into_iter().chain([path.to_str().unwrap()]).collect::<Vec<_>>();
    assert_eq!(home.entry("test")["args"], serde_json::json!(expected));
    assert!(!path.exists(), "the trace is that of the bridge");
}

#[test]
fn a_document_that_names_the_server_stands_for_its_url() {
    let document = |url: &str| serde_json::json!({ "url": url, "server_name": "Coworker", "protocol_version": "2025-06-18", "scopes": ["a"] });
    let answer = move |call: Exchange| {
        let origin = call.origin();
        match call.path() {
            "/api/v1/mcp/info" => call.json(&document(&format!("{origin}/mcp/")).to_string()),
            "/other/info" => call.json(&document("https://evil.example/mcp").to_string()),
            "/variable/info" => call.json(&document(&format!("{origin}/${{HOME}}")).to_string()),
            _ => call.plain("404 Not Found", "nothing"),
        }
    };
    let upstream = Upstream::start(answer);
    let home = Home::with(&[(CURSOR, "{}")]);
    let output = home.run(&["install", &upstream.url("/api/v1/mcp/info"), "--client", "cursor"]);
    assert_eq!(code(&output), 0, "{output:?}");
    assert!(err(&output).contains("the document names the server"), "{output:?}");
    assert_eq!(home.entry("coworker")["args"][0], Value::from(upstream.url("/mcp/")));
    let before = home.text(CURSOR);
    for (path, text) in [("/other/info", "another host, evil.example"), ("/variable/info", "characters")] {
        let output = home.run(&["install", &upstream.url(path), "--client", "cursor"]);
        assert!(code(&output) == 1 && err(&output).contains(text), "{path}: {output:?}");
    }
    assert_eq!(home.text(CURSOR), before);
    let output = home.run(&["install", &upstream.url("/no/info"), "--client", "cursor", "--name", "as-typed"]);
    assert_eq!(code(&output), 0, "{output:?}");
    assert_eq!(
        home.entry("as-typed")["args"][0],
        Value::from(upstream.url("/no/info")),
        "no document: it is the server"
    );
}
