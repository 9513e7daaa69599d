//! What a stranger sends to be shown on a terminal by a command: nothing of it acts on the terminal, turns the text or
//! fills the screen.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::web_page::{LONG, assert_harmless, check, poison};
use crate::support::*;

/// What a person is shown of one command at most, in characters. Each text of a stranger is one line of it.
const MOST_SHOWN: usize = 12_000;

/// The same as [`poison`], of ten megabytes.
fn huge() -> String {
    format!("{}{}", poison(), LONG.to_string().repeat(10 * 1024 * 1024 / LONG.len_utf8()))
}

fn without_marks(text: &str) -> String {
    ["32m✓", "33m!", "31m✗"]
        .iter()
        .fold(text.to_owned(), |text, mark| text.replace(&format!("\u{1b}[{mark}\u{1b}[0m "), ""))
}

/// Runs a command on a terminal, and asserts that nothing of a stranger's acts on it.
#[track_caller]
fn assert_harmless_on_terminal(case: &str, launch: Launch, typed: &str, exit: i32) -> String {
    let shown = launch.run_on_terminal(typed);
    assert_eq!(shown.status.code(), Some(exit), "{case}: {:.2000}", shown.text);
    // What the program writes itself: a mark, and what removes a line of progress.
    let text = without_marks(&shown.text);
    let text = text.split('\r').map(|part| part.trim_start_matches(' ')).collect::<Vec<_>>().join("\n");
    assert_harmless(case, &text);
    assert!(!text.lines().any(|line| line.starts_with(LONG)), "{case}: the stranger began a line");
    assert!(text.chars().count() < MOST_SHOWN, "{case}: {} characters", text.chars().count());
    text
}

/// Tools that are called so and described so, and the name of one more.
fn hostile_tools(text: &str, name: &str) -> Value {
    let property = json!({ "type": text, "title": text, "description": text, "default": text, "enum": [text, text] });
    let schema = json!({ "type": "object", "properties": { text: property }, "required": [text] });
    json!({ "tools": [
        { "name": "plain", "inputSchema": { "type": "object" } },
        { "name": "named", "title": text, "description": text, "inputSchema": { "type": "object" } },
        { "name": text, "inputSchema": schema },
        { "name": "taking", "inputSchema": schema },
        { "name": name, "inputSchema": {} },
    ] })
}

#[test]
fn names_of_tools() {
    let tools = hostile_tools(&poison(), &huge()).to_string();
    let upstream = Upstream::start(move |call| match call.kind() {
        "tools/list" => call.result(&tools),
        _ => call.respond_normally(),
    });
    let url = upstream.url("/mcp");
    check(
        vec![
            ("the list", ("tools", &[][..], 0)),
            ("a tool that is not there", ("tools", &["planes"], 2)),
            ("a call of a tool that is not there", ("call", &["planes"], 2)),
            ("missing arguments", ("call", &["taking"], 2)),
            ("an unknown argument", ("call", &["taking", "x=1"], 2)),
        ],
        |case, (command, arguments, exit)| {
            let launch = Bridge::bare().args([command, &url]);
            let launch = arguments.iter().fold(launch, |launch, word| launch.arg(word));
            assert_harmless_on_terminal(case, launch, "", exit);
        },
    );
}

/// The description and schema of one tool are what was asked for: they may be long.
#[test]
fn a_tool_that_was_asked_for_is_shown_whole_but_not_raw() {
    let tools = hostile_tools(&poison(), "last").to_string();
    let upstream = Upstream::start(move |call| match call.kind() {
        "tools/list" => call.result(&tools),
        _ => call.respond_normally(),
    });
    let url = upstream.url("/mcp");
    for arguments in [&["named"][..], &["taking"], &["taking", "--schema"], &["taking", "--json"], &["--json"]] {
        let launch = arguments.iter().fold(Bridge::bare().args(["tools", &url]), |launch, word| launch.arg(word));
        let shown = launch.run_on_terminal("");
        let raw = |c: char| c.is_control() && c != '\n' || ('\u{202a}'..='\u{202e}').contains(&c) || c == '\u{200b}';
        assert!(shown.status.success() && !shown.text.contains(raw), "{arguments:?}: {}", shown.text.escape_debug());
    }
}

/// Answers the call of a tool.
type Respond = Box<dyn Fn(Exchange) + Send + Sync>;

fn respond_with_error(call: Exchange, error: &Value) {
    let text = format!(r#"{{"jsonrpc":"2.0","id":{},"error":{error}}}"#, call.id());
    call.json(&text);
}

fn asks(call: Exchange, question: &Value) {
    let id = call.id();
    let events = call.sse();
    events.event(&request("\"q\"", "elicitation/create", &question.to_string()));
    // The answer comes as a request of its own: whoever is asked has until then.
    events.event(&result(&id, r#"{"content":[{"type":"text","text":"done"}]}"#));
    events.end();
}

fn rows_of_calls() -> Vec<(&'static str, (Respond, i32))> {
    let result = |value: fn(String) -> Value, exit: i32| -> (Respond, i32) {
        (Box::new(move |call| call.result(&value(poison()).to_string())), exit)
    };
    let error = |code: i64, start: &'static str, exit: i32| -> (Respond, i32) {
        let error = json!({ "code": code, "message": format!("{start}{0}; hint: {0}", poison()) });
        (Box::new(move |call| respond_with_error(call, &error)), exit)
    };
    vec![
        ("an error", error(-32000, "", 1)),
        ("an error like one of the bridge", error(-31001, "", 1)),
        ("an error like that of a missing login", error(-32001, "you are not signed in to ", 4)),
        ("a body that is no message", (Box::new(|call| call.plain("502 Bad Gateway", &poison())), 1)),
        ("an error of ten megabytes", {
            let respond = |call: Exchange| {
                respond_with_error(call, &json!({ "code": -32000, "message": huge() }));
            };
            (Box::new(respond), 1)
        }),
        ("a kind of content", {
            result(|text| json!({ "content": [{ "type": "image", "mimeType": text, "data": "aGVsbG8=" }] }), 0)
        }),
        ("a kind of content that is unknown", result(|text| json!({ "content": [{ "type": text, "text": text }] }), 0)),
        ("the role of a message", {
            result(|text| json!({ "messages": [{ "role": text, "content": { "type": "text", "text": "x" } }] }), 0)
        }),
        ("progress", {
            let respond = |call: Exchange| {
                let (id, token) = (call.id(), call.params()["_meta"]["progressToken"].clone());
                let events = call.sse();
                for text in [poison(), poison(), huge()] {
                    let params = json!({ "progressToken": token, "progress": 1, "total": 1e300, "message": text });
                    events.event(&notification_with("notifications/progress", &params.to_string()));
                }
                let params = json!({ "level": poison(), "logger": poison(), "data": poison() });
                events.event(&notification_with("notifications/message", &params.to_string()));
                let params = json!({ "progressToken": token, "progress": [poison()], "total": { "x": poison() } });
                events.event(&notification_with("notifications/progress", &params.to_string()));
                events.event(&crate::support::result(&id, r#"{"content":[{"type":"text","text":"done"}]}"#));
                events.end();
            };
            (Box::new(respond), 0)
        }),
    ]
}

fn notification_with(method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{params}}}"#)
}

#[test]
fn answers_to_calls() {
    check(rows_of_calls(), |case, (respond, exit)| {
        let upstream = Upstream::start(move |call| match call.kind() {
            "tools/list" => call.result(r#"{"tools":[{"name":"t","inputSchema":{"type":"object"}}]}"#),
            "tools/call" => respond(call),
            _ => call.respond_normally(),
        });
        let launch = Bridge::bare().args(["call", &upstream.url("/mcp"), "t"]);
        assert_harmless_on_terminal(case, launch, "", exit);
    });
}

/// What a person must read to the end, because it wants an answer or says what failed.
fn rows_to_read() -> Vec<(&'static str, (Respond, i32))> {
    vec![
        ("a failure of the tool", {
            let respond = |call: Exchange| {
                call.result(&json!({ "isError": true, "content": [{ "type": "text", "text": huge() }] }).to_string());
            };
            (Box::new(respond), 3)
        }),
        ("a question", {
            let respond = |call: Exchange| {
                let property = json!({
                    "type": "string", "title": poison(), "description": poison(), "default": poison(), "enum": [poison()],
                });
                let schema =
                    json!({ "type": "object", "properties": { "a": property, poison(): { "type": "integer" } } });
                asks(call, &json!({ "message": huge(), "requestedSchema": schema }));
            };
            (Box::new(respond), 0)
        }),
        ("an address to open", {
            let respond = |call: Exchange| {
                let url = format!("https://example.com/{}", huge());
                asks(call, &json!({ "mode": "url", "message": poison(), "url": url, "elicitationId": poison() }));
            };
            (Box::new(respond), 0)
        }),
    ]
}

#[test]
fn texts_that_must_be_read_are_cut_only_where_nobody_reads_on() {
    check(rows_to_read(), |case, (respond, exit)| {
        let shown = call_on_terminal(respond);
        assert_eq!(shown.status.code(), Some(exit), "{case}: {:.2000}", shown.text);
        let raw = |c: char| c.is_control() && c != '\n' || ('\u{202a}'..='\u{202e}').contains(&c) || c == '\u{200b}';
        assert!(!shown.text.contains(raw), "{case}: {:.2000}", shown.text.escape_debug().to_string());
        assert!(shown.text.chars().count() < 25_000, "{case}: {} characters", shown.text.chars().count());
    });
}

fn call_on_terminal(respond: Respond) -> Shown {
    let upstream = Upstream::start(move |call| match call.kind() {
        "tools/list" => call.result(r#"{"tools":[{"name":"t","inputSchema":{"type":"object"}}]}"#),
        "tools/call" => respond(call),
        _ => call.respond_normally(),
    });
    let launch = Bridge::bare().args(["call", &upstream.url("/mcp"), "t"]).env("NO_COLOR", "1");
    launch.run_on_terminal("\n\ny\n")
}

/// A result is what was asked for: whole, but nothing of it acts on the terminal. To a file or pipe it goes as it came.
#[test]
fn a_result_is_neutral_on_a_terminal_and_whole_elsewhere() {
    let text = "a\u{1b}[2J\u{202e}\u{9b}31m\rb";
    let content = json!({ "content": [{ "type": "text", "text": text }, { "type": "resource_link", "uri": text }] });
    let content = content.to_string();
    let upstream = Upstream::start(move |call| match call.kind() {
        "tools/list" => call.result(r#"{"tools":[{"name":"t","inputSchema":{"type":"object"}}]}"#),
        "tools/call" => call.result(&content),
        _ => call.respond_normally(),
    });
    let launch = || Bridge::bare().args(["call", &upstream.url("/mcp"), "t"]);
    assert_eq!(launch().env("NO_COLOR", "1").run_on_terminal("").text, "a [2J 31m b\na [2J 31m b\n");
    assert_eq!(stdout_text(&launch().run("")), format!("{text}\n{text}\n"));
}

fn token_with(claims: &Value) -> Value {
    json!(format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string())))
}

fn rows_of_logins() -> Vec<(&'static str, Rules)> {
    let token_response = |name: &'static str, value: fn() -> Value| Rules {
        token_response: Box::new(move |answer| answer[name] = value()),
        ..Rules::default()
    };
    vec![
        ("an account", token_response("id_token", || token_with(&json!({ "email": poison() })))),
        ("a scope", token_response("scope", || json!(poison()))),
        ("a kind of token", token_response("token_type", || json!(format!("Bearer{}", poison())))),
        ("a refused code", {
            let body = json!({ "error": poison(), "error_description": poison() }).to_string();
            let body: &'static str = Box::leak(body.into_boxed_str());
            Rules { token_faults: (0..8).map(|_| Fault::Answer("400 Bad Request", body)).collect(), ..Rules::default() }
        }),
        ("an issuer", {
            Rules { metadata: Box::new(|metadata| metadata["issuer"] = json!(poison())), ..Rules::default() }
        }),
        ("a page to sign in at", {
            let metadata = Box::new(|metadata: &mut Value| {
                let page = metadata["authorization_endpoint"].as_str().unwrap().to_owned();
                metadata["authorization_endpoint"] = json!(format!("{page}?x={}", poison()));
            });
            Rules { metadata, ..Rules::default() }
        }),
        ("a challenge", {
            let challenge = format!(r#", scope="read", error="{0}", realm="{0}""#, "\u{9b}31m\u{85}¤".repeat(500));
            Rules { challenge, ..Rules::default() }
        }),
    ]
}

/// The whole life of a login on a terminal, with whatever the servers say about it.
#[test]
fn logins() {
    check(rows_of_logins(), |case, rules| {
        let (servers, machine) = (OauthServers::start(rules), Machine::with_user());
        let url = servers.url();
        for arguments in [
            &["login", &url, "--auth-timeout", "180"][..],
            &["login", &url, "--no-wait"],
            &["status", &url],
            &["status"],
            &["status", "--json"],
            &["logout", &url],
            &["status", &url, "--json"],
        ] {
            if case == "a page to sign in at" && arguments.contains(&"180") {
                // The browser of these tests does not find its way from there.
                continue;
            }
            let launch = arguments.iter().fold(machine.launch(), |launch, word| launch.arg(word));
            let shown = launch.run_on_terminal("");
            let text = without_marks(&shown.text);
            let raw = |c: char| c.is_control() && !matches!(c, '\n' | '\r') || c == '\u{202e}' || c == '\u{200b}';
            assert!(!text.contains(raw), "{case}, {arguments:?}: {}", text.escape_debug());
            if !arguments.contains(&"--json") {
                let text = text.replace('\r', "\n");
                assert_harmless(&format!("{case}, {arguments:?}"), &text);
                assert!(!text.lines().any(|line| line.starts_with(LONG)), "{case}: the stranger began a line");
            }
        }
    });
}

/// A file of a login that something else has written.
#[test]
fn records() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    machine.logged_in(&servers).finish();
    for entry in std::fs::read_dir(machine.home().join("ferry/logins")).unwrap().flatten() {
        let Ok(text) = std::fs::read_to_string(entry.path()) else { continue };
        let Ok(mut file) = serde_json::from_str::<Value>(&text) else { continue };
        let record = &mut file["record"];
        if !record.is_object() {
            continue;
        }
        let long = LONG.to_string().repeat(600_000);
        record["server"] = json!(format!("https://h/{}{long}", poison()));
        record["bound_issuer"] = json!(poison());
        record["issuer"]["issuer"] = json!(format!("{}{long}", poison()));
        record["tokens"]["scope"] = json!(poison());
        record["tokens"]["id_token"] = token_with(&json!({ "name": poison() }));
        record["tokens"]["refresh_token"] = Value::Null;
        record["tokens"]["obtained_at"] = json!(1);
        std::fs::write(entry.path(), file.to_string()).unwrap();
    }
    assert_harmless_on_terminal("status", machine.launch().args(["status"]), "", 0);
    let status = machine.launch().args(["status", &servers.url()]);
    assert!(assert_harmless_on_terminal("status of one", status, "", 4).contains("ended"));
    assert_harmless_on_terminal("logout", machine.launch().args(["logout", "--all"]), "", 0);
}
