//! The command `call`.

use std::process::Output;

use serde_json::{Value, json};

use crate::support::*;

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A server whose tool `echo` returns its arguments, with tools that fail or return other content.
fn server() -> Upstream {
    let properties = json!({
        "text": { "type": "string" },
        "count": { "type": "integer" },
        "loud": { "type": "boolean" },
        "tags": { "type": "array", "items": { "type": "integer" } },
        "colour": { "enum": ["red", "green"] },
        "big": { "type": "number" },
    });
    let tools = json!({ "tools": [
        { "name": "echo", "inputSchema": { "type": "object", "properties": properties, "required": ["text"] } },
        { "name": "fail", "inputSchema": { "type": "object" } },
        { "name": "picture", "inputSchema": { "type": "object" } },
        { "name": "broken", "inputSchema": { "type": "object" } },
        { "name": "unreadable", "inputSchema": { "type": "object" } },
        { "name": "structured", "inputSchema": { "type": "object" } },
        { "name": "any", "inputSchema": { "type": "object", "additionalProperties": true } },
    ] });
    let tools = tools.to_string();
    Upstream::start(move |call| {
        match (call.kind(), &*call.param("name")) {
        ("tools/list", _) => call.result(&tools),
        ("tools/call", "fail") => call.result(r#"{"content":[{"type":"text","text":"no\u001b[31m luck"}],"isError":true}"#),
        ("tools/call", "picture") => call.result(
            r#"{"content":[{"type":"text","text":"a picture"},{"type":"image","mimeType":"image/png","data":"aGVsbG8="}]}"#,
        ),
        ("tools/call", "broken") => call.result(
            r#"{"content":[{"type":"text","text":""},{"type":"text","text":" "}],"structuredContent":{"why":"tired"},"isError":true}"#,
        ),
        ("tools/call", "unreadable") => call.result(
            r#"{"content":[{"type":"text","text":"yes"},{"type":"image","mimeType":"image/png","data":"???"}]}"#,
        ),
        ("tools/call", "structured") => call.result(r#"{"content":[],"structuredContent":{"n":1.0}}"#),
        ("tools/call", _) => {
            let arguments = call.params()["arguments"].to_string();
            let text = json!({ "content": [{ "type": "text", "text": arguments }] }).to_string();
            call.result(&text);
        }
        ("resources/read", _) => {
            let text = json!({ "contents": [{ "uri": call.param("uri"), "text": "line 1\nline 2" }] }).to_string();
            call.result(&text);
        }
        ("prompts/list", _) => call.result(r#"{"prompts":[{"name":"review","arguments":[{"name":"language","required":true}]}]}"#),
        ("prompts/get", _) => {
            let text = call.params()["arguments"].to_string();
            let message = json!({ "role": "user", "content": { "type": "text", "text": text } });
            call.result(&json!({ "messages": [message] }).to_string());
        }
        ("x/unknown", _) => call.error("200 OK", -32601, "no such method"),
        _ => call.respond_normally(),
    }
    })
}

fn call(upstream: &Upstream, arguments: &[&str], stdin: &str) -> Output {
    let launch = Bridge::bare().arg("call").arg(&upstream.url("/mcp"));
    arguments.iter().fold(launch, |launch, argument| launch.arg(argument)).run(stdin)
}

#[test]
fn arguments_have_the_types_of_the_tools_schema() {
    let upstream = server();
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("text");
    std::fs::write(&file, "from a file").unwrap();
    let at_file = format!("text=@{}", file.display());
    for (typed, stdin, expected) in [
        (&["text=a=b c"][..], "", json!({ "text": "a=b c" })),
        (&["text=3", "count=3"], "", json!({ "text": "3", "count": 3 })),
        (&["text=", "loud=true", "tags=7"], "", json!({ "text": "", "loud": true, "tags": [7] })),
        (&["text:=\"x\"", "tags:=[1,\n2]"], "", json!({ "text": "x", "tags": [1, 2] })),
        (&[&at_file], "", json!({ "text": "from a file" })),
        (&["text=@@home"], "", json!({ "text": "@home" })),
        (&[r#"{"text":"x","count":1}"#, "colour=red"], "", json!({ "text": "x", "count": 1, "colour": "red" })),
        (&["-"], "{\n  \"text\": \"é\"\n}\n", json!({ "text": "é" })),
    ] {
        let arguments = [&["echo"], typed].concat();
        let output = call(&upstream, &arguments, stdin);
        assert_eq!(output.status.code(), Some(0), "{typed:?}: {output:?}");
        assert_eq!(json_output(&output), expected, "{typed:?}");
        assert_eq!(err(&output), "", "{typed:?}");
    }
    let output = call(&upstream, &["any", "n:=12345678901234567890123", "what=ever"], "");
    let sent = upstream.requests().into_iter().rfind(|request| request.kind == "tools/call").unwrap();
    assert!(sent.text().contains(r#""n":12345678901234567890123"#), "a number is sent as it is typed: {}", sent.text());
    assert_eq!(output.status.code(), Some(0), "other arguments are taken where the schema allows them: {output:?}");
}

#[test]
fn wrong_arguments_are_told_before_the_call() {
    let upstream = server();
    for (typed, words) in [
        (&["echo"][..], &["missing text", "echo(text: string"][..]),
        (&["echo", "text=x", "cuont=3"], &["unknown argument cuont, did you mean count?", "echo(text: string"]),
        (&["echo", "text=x", "count=three"], &["count must be integer"]),
        (&["echo", "text=x", "loud=yes"], &["loud must be boolean"]),
        (&["echo", "text=x", "colour=blue"], &["colour must be \"red\" | \"green\""]),
        (&["echo", "text=x", "text=y"], &["text is given twice"]),
        (&["echo", "text:=x"], &["text is not JSON"]),
        (&["echo", "sk-0123456789"], &["NAME=VALUE"]),
        (&["echo", "text=@/no/such/file"], &["/no/such/file"]),
        (&["ehco", "text=x"], &["no tool ehco; did you mean echo?"]),
        (&["rewiev", "--prompt"], &["no prompt rewiev; did you mean review?"]),
        (&["review", "--prompt"], &["missing language", "review(language: string)"]),
        (&["docs://readme", "a=b"], &["a resource"]),
        (&["--raw", "tools/list", "{"], &["--raw", "not JSON"]),
    ] {
        let output = call(&upstream, typed, "");
        let stderr = err(&output);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{typed:?}: {stderr}");
        for word in words {
            assert!(stderr.contains(word), "{typed:?} should name {word:?}: {stderr}");
        }
        assert!(!stderr.contains("sk-0123456789"), "a stray word may be a secret: {stderr}");
    }
    assert_eq!(upstream.count("tools/call") + upstream.count("prompts/get"), 0);
}

#[test]
fn resources_prompts_and_other_requests() {
    let upstream = server();
    for (typed, expected) in [
        (&["docs://readme"][..], "line 1\nline 2\n"),
        (&["review", "--prompt", "language=3"], "[user]\n{\"language\":\"3\"}\n"),
        (&["structured"], "{\n  \"n\": 1.0\n}\n"),
    ] {
        let output = call(&upstream, typed, "");
        assert_eq!((output.status.code(), stdout_text(&output).as_str()), (Some(0), expected), "{typed:?}: {output:?}");
    }
    let raw = call(&upstream, &["--raw", "resources/read", r#"{"uri":"x://y"}"#], "");
    assert_eq!(json_output(&raw)["contents"][0]["uri"], "x://y");
    let unknown = call(&upstream, &["--raw", "x/unknown"], "");
    assert_eq!((unknown.status.code(), unknown.stdout.len()), (Some(1), 0), "{unknown:?}");
    assert!(err(&unknown).contains("no such method (-32601)"), "{unknown:?}");
}

#[test]
fn json_is_the_whole_result_as_it_came() {
    let output = call(&server(), &["structured", "--json"], "");
    assert_eq!(stdout_text(&output), "{\"content\":[],\"structuredContent\":{\"n\":1.0}}\n");
}

#[test]
fn a_tool_that_says_it_failed_is_exit_status_3() {
    let upstream = server();
    let output = call(&upstream, &["fail"], "");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(3), 0), "{output:?}");
    assert!(err(&output).contains("no [31m luck"), "{output:?}");
    let output = call(&upstream, &["fail", "--json"], "");
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert_eq!(json_output(&output)["isError"], true);
}

#[test]
fn binary_content_goes_only_into_a_file() {
    let (upstream, folder) = (server(), tempfile::tempdir().unwrap());
    let shown = call(&upstream, &["picture"], "");
    assert_eq!((shown.status.code(), stdout_text(&shown).as_str()), (Some(0), "a picture\n"), "{shown:?}");
    assert!(err(&shown).contains("image/png") && err(&shown).contains("-o FILE"), "{shown:?}");
    let file = folder.path().join("a.png");
    let written = call(&upstream, &["picture", "-o", file.to_str().unwrap()], "");
    assert_eq!(written.status.code(), Some(0), "{written:?}");
    assert_eq!(std::fs::read(&file).unwrap(), b"hello");
    let text = folder.path().join("a.txt");
    call(&upstream, &["docs://readme", "-o", text.to_str().unwrap()], "");
    assert_eq!(std::fs::read(&text).unwrap(), b"line 1\nline 2\n", "a text, if there is nothing binary");
}

/// Nobody is there to be asked; the rest is not this client's to do.
#[test]
fn requests_of_the_server_are_declined_without_a_terminal() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/list" => call.result(r#"{"tools":[{"name":"ask","inputSchema":{"type":"object"}}]}"#),
        "tools/call" => call.hold(),
        _ => call.respond_normally(),
    });
    let url = upstream.url("/mcp");
    let answers = std::thread::scope(|threads| {
        let command = threads.spawn(|| Bridge::bare().args(["call", &url, "ask"]).run(""));
        let held = upstream.take("tools/call");
        let id = held.id();
        let events = held.sse();
        events.event(&request(
            "\"e\"",
            "elicitation/create",
            r#"{"message":"who?","requestedSchema":{"type":"object"}}"#,
        ));
        let declined = upstream.wait_for("response", 1).text().to_owned();
        events.event(&request("\"s\"", "sampling/createMessage", "{}"));
        let refused = upstream.wait_for("response", 2).text().to_owned();
        events.event(&result(&id, r#"{"content":[{"type":"text","text":"done"}]}"#));
        events.end();
        let output = command.join().unwrap();
        assert_eq!((output.status.code(), stdout_text(&output).as_str()), (Some(0), "done\n"), "{output:?}");
        [declined, refused]
    });
    let [declined, refused]: [Value; 2] = answers.map(|answer| serde_json::from_str(&answer).unwrap());
    assert_eq!((&declined["id"], &declined["result"]["action"]), (&json!("e"), &json!("decline")));
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!("s"), &json!(-32601)));
}

#[test]
fn a_call_takes_the_time_limit_and_the_login_of_the_bridge() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/list" => call.result(r#"{"tools":[{"name":"slow","inputSchema":{"type":"object"}}]}"#),
        "tools/call" => call.hold(),
        _ => call.respond_normally(),
    });
    let output = call(&upstream, &["slow", "--timeout", "0.3"], "");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(err(&output).contains("--request-timeout"), "{output:?}");
    drop(upstream.take("tools/call"));

    let servers = OauthServers::well_behaved();
    let machine = Machine::with_user();
    let missing = machine.run(["call", &servers.url(), "look"], "");
    assert_eq!((missing.status.code(), machine.browser.tabs().len()), (Some(4), 0), "{missing:?}");
    assert_eq!(machine.run(["login", &servers.url()], "").status.code(), Some(0));
    let called = machine.run(["call", &servers.url(), "look"], "");
    assert_eq!((called.status.code(), stdout_text(&called).as_str()), (Some(0), "looked\n"), "{called:?}");
}

#[test]
fn nothing_of_a_result_is_lost_without_a_word() {
    let server = server();
    let output = call(&server, &["picture"], "");
    assert!(err(&output).contains("image/png, 5 bytes, is not shown"), "the size is that of the content: {output:?}");
    let output = call(&server, &["picture", "-o", "-"], "");
    assert!(output.stdout.starts_with(b"hello"), "- is stdout, not a file: {output:?}");
    let output = call(&server, &["broken"], "");
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(err(&output).contains("tired"), "a failure whose text is empty has its structured content: {output:?}");
    let output = call(&server, &["unreadable"], "");
    assert_eq!((output.status.code(), stdout_text(&output).as_str()), (Some(0), "yes\n"), "{output:?}");
}
