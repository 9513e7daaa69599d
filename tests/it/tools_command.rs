//! The command `tools`.

use std::process::Output;

use serde_json::{Value, json};

use crate::support::*;

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A server with these tools.
fn server(tools: &Value) -> Upstream {
    let list = json!({ "tools": tools }).to_string();
    Upstream::start(move |call| match call.kind() {
        "tools/list" => call.result(&list),
        _ => call.respond_normally(),
    })
}

fn two_tools() -> Value {
    json!([
        {
            "name": "search",
            "description": "Finds documents.\nNewest first.",
            "inputSchema": {
                "type": "object",
                "properties": { "limit": { "type": "integer", "default": 10 }, "query": { "type": "string" } },
                "required": ["query"],
            },
            "annotations": { "readOnlyHint": true },
        },
        { "name": "delete", "inputSchema": { "type": "object" }, "annotations": { "destructiveHint": true } },
    ])
}

fn tools(upstream: &Upstream, arguments: &[&str]) -> Output {
    let launch = Bridge::bare().arg("tools").arg(&upstream.url("/mcp"));
    arguments.iter().fold(launch, |launch, argument| launch.arg(argument)).run("")
}

#[test]
fn tools_are_listed_as_signatures() {
    let upstream = server(&two_tools());
    let output = tools(&upstream, &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(
        stdout_text(&output),
        "search(query: string, limit?: integer = 10)  [read-only]\n    Finds documents.\ndelete()  [destructive]\n"
    );
    assert_eq!(err(&output), "", "nothing but the result is printed");
    assert_eq!(upstream.count("DELETE"), 1, "the session is ended");
}

#[test]
fn one_tool_is_shown_with_its_schema() {
    let upstream = server(&two_tools());
    let shown = stdout_text(&tools(&upstream, &["search"]));
    for text in ["search(query: string", "Finds documents.\nNewest first.", "\"required\": [\n"] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    let schema = json_output(&tools(&upstream, &["search", "--schema"]));
    assert_eq!(schema, two_tools()[0]["inputSchema"]);
}

#[test]
fn json_has_the_tools_as_the_server_describes_them() {
    let upstream = server(&two_tools());
    assert_eq!(json_output(&tools(&upstream, &["--json"])), two_tools());
    assert_eq!(json_output(&tools(&upstream, &["delete", "--json"])), two_tools()[1]);
}

#[test]
fn an_unknown_tool_is_named_with_the_nearest_one() {
    let output = tools(&server(&two_tools()), &["serach"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{output:?}");
    assert!(err(&output).contains("no tool serach; did you mean search?"), "{output:?}");
}

#[test]
fn all_parts_of_a_list_are_read_and_filtered() {
    let upstream = Upstream::start(|call| match (call.kind(), &*call.param("cursor")) {
        ("tools/list", "") => call.result(r#"{"tools":[{"name":"a","inputSchema":{}}],"nextCursor":"p 2"}"#),
        ("tools/list", "p 2") => {
            call.result(r#"{"tools":[{"name":"b","inputSchema":{}},{"name":"c","inputSchema":{}}]}"#);
        }
        _ => call.respond_normally(),
    });
    assert_eq!(stdout_text(&tools(&upstream, &[])), "a()\nb()\nc()\n");
    assert_eq!(stdout_text(&tools(&upstream, &["--ignore-tool", "b"])), "a()\nc()\n", "the options of the bridge");
}

#[test]
fn tools_of_a_modern_server_are_listed() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/list" => {
            call.has_modern_headers();
            call.complete(
                r#""tools":[{"name":"new","inputSchema":{"type":"object"}}],"ttlMs":0,"cacheScope":"private""#,
            );
        }
        _ => call.respond_as_modern(),
    });
    let output = tools(&upstream, &[]);
    assert_eq!((output.status.code(), stdout_text(&output).as_str()), (Some(0), "new()\n"), "{output:?}");
}

/// Escape sequences, characters that turn the direction of a text, and names of any length.
#[test]
fn a_hostile_list_does_not_act_on_a_terminal() {
    let long = "n".repeat(10 * 1024 * 1024);
    let evil = "a\u{1b}]0;owned\u{7}\u{202e}\u{9b}2J\r\nb";
    let hostile = json!([
        { "name": evil, "description": evil, "inputSchema": { "properties": { (evil): { "type": evil, "default": evil } } } },
        { "name": long, "title": evil, "inputSchema": { "properties": { "x": { "enum": [evil, long] } } } },
        { "name": 7, "inputSchema": [] },
        { "inputSchema": { "properties": { "self": { "$ref": "#/properties/self" } }, "required": [1, evil] } },
    ]);
    let upstream = server(&hostile);
    for arguments in [&[][..], &["--json"], &[evil], &[evil, "--schema"]] {
        let output = tools(&upstream, arguments);
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        let shown = stdout_text(&output);
        let acts = |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
        assert!(!shown.contains(acts), "{arguments:?}: {:?}", shown.chars().find(|c| acts(*c)));
        assert!(arguments == ["--json"] || shown.lines().all(|line| line.chars().count() < 1000), "{arguments:?}");
    }
}

/// What an earlier run saw is for programs that cannot wait. A person asks what the server has now.
#[test]
fn a_late_server_is_waited_for() {
    let upstream = Upstream::holding(["tools/list"]);
    let (home, url) = (tempfile::tempdir().unwrap(), upstream.url("/mcp"));
    for name in ["old", "new"] {
        let output = std::thread::scope(|threads| {
            let command = || Bridge::bare().home(home.path()).args(["tools", &url, "--startup-wait", "0.1"]).run("");
            let command = threads.spawn(command);
            let held = upstream.take("tools/list");
            // Longer than a client of the bridge would wait.
            std::thread::sleep(std::time::Duration::from_millis(300));
            held.result(&format!(r#"{{"tools":[{{"name":"{name}","inputSchema":{{}}}}]}}"#));
            command.join().unwrap()
        });
        assert_eq!(stdout_text(&output), format!("{name}()\n"), "{output:?}");
    }
}

#[test]
fn a_server_that_cannot_be_reached_is_exit_status_1() {
    let upstream = Upstream::offline(Exchange::respond_normally).may_receive_no_request();
    let launch = Bridge::bare().args(["tools", &upstream.url("/mcp"), "--patience", "0.2", "--startup-wait", "0.1"]);
    let output = launch.run("");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{output:?}");
    assert!(err(&output).contains("cannot reach") && !err(&output).contains("keeps trying"), "{output:?}");
}

#[test]
fn a_missing_login_opens_no_tab_and_is_exit_status_4() {
    for era in [Era::Legacy, Era::Modern] {
        let servers = OauthServers::start(Rules { era, ..Rules::default() });
        let machine = Machine::with_user();
        let output = machine.run(["tools", &servers.url()], "");
        assert_eq!((output.status.code(), output.stdout.len()), (Some(4), 0), "{output:?}");
        let stderr = err(&output);
        assert!(stderr.contains("you are not signed in to") && stderr.contains("login http"), "{stderr}");
        assert!(machine.browser.tabs().is_empty(), "no tab opens unasked");
        assert_eq!(machine.run(["login", &servers.url()], "").status.code(), Some(0));
        let listed = machine.run(["tools", &servers.url()], "");
        assert_eq!(listed.status.code(), Some(0), "{listed:?}");
        assert!(stdout_text(&listed).contains("look("), "{listed:?}");
        assert!(!stdout_text(&listed).contains("sign_in"), "the bridge's own tool is none of the server's: {listed:?}");
    }
}
