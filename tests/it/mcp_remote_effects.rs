//! Do the arguments of mcp-remote have their effect?

use std::fs;
use std::process::Command;

use crate::support::*;

#[test]
fn valid_headers_reach_the_server_and_invalid_ones_are_warnings() {
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("headers");
    write_private(&file, "# who we are\nX-One: 1\n\n  X-Two: ${WHO}  \nno header\n");
    let upstream = Upstream::well_behaved();
    let mut bridge = Bridge::to(&upstream.url("/mcp"))
        .args(["--header", "X-Three: three and more", "--header", "a word", "--header=X-Four:4"])
        .args(["--header-file", file.to_str().unwrap()])
        .env("WHO", "planted-secret-two")
        .secret("planted-secret-two")
        .start();
    bridge.initialize();
    assert_eq!(bridge.finish().stderr.lines().count(), 2, "one warning for each invalid header");
    for request in upstream.requests() {
        let has = |name, value| assert_eq!(request.header(name), Some(value), "on every request: {request:?}");
        has("X-One", "1");
        has("X-Two", "planted-secret-two");
        has("X-Three", "three and more");
        has("X-Four", "4");
    }
}

/// mcp-remote's patterns: `*` is a wildcard, and case is ignored.
#[test]
fn an_ignored_tool_is_neither_listed_nor_called() {
    let tools = r#"{"tools":[{"name":"read","inputSchema":{"type":"object"}},{"name":"Delete_all","inputSchema":{"type":"object"}}]}"#;
    let upstream = Upstream::start(move |call| match call.kind() {
        "tools/list" => call.result(tools),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--ignore-tool", "delete*"]).start();
    bridge.initialize();
    let list = bridge.request("1", "tools/list", "{}");
    assert!(list.contains(r#""read""#) && !list.contains("Delete_all"), "only the remaining tool: {list}");
    let (_, message) = error_of(&bridge.request("2", "tools/call", r#"{"name":"Delete_all"}"#));
    assert!(message.contains("Delete_all"), "the message names the tool: {message}");
    assert_eq!(upstream.count("tools/call"), 0, "the server never receives the call");
    assert_eq!(bridge.request("3", "tools/call", r#"{"name":"read"}"#), result("3", "{}"));
}

#[test]
fn a_keep_alive_ping_reaches_the_server_and_its_response_is_dropped() {
    let upstream = Upstream::well_behaved();
    let launch = Bridge::to(&upstream.url("/mcp")).args(["--keep-alive", "--ping-interval", "0.05"]);
    let mut bridge = launch.start();
    bridge.initialize();
    let ping = upstream.wait_for("ping", 3);
    assert_eq!(ping.header("Mcp-Session-Id"), Some("session-1"), "the ping belongs to the session");
    bridge.still_works();
    bridge.finish();
}

#[test]
fn a_failed_keep_alive_ping_does_not_end_the_session() {
    let upstream = Upstream::start(|call| match (call.kind(), call.nth % 3) {
        ("ping", 0) => call.plain("500 Internal Server Error", "not now"),
        ("ping", 1) => call.cut(),
        ("ping", _) => call.error("200 OK", -32601, "no such method"),
        _ => call.respond_normally(),
    });
    let launch = Bridge::to(&upstream.url("/mcp")).args(["--keep-alive", "--ping-interval", "0.05"]);
    let mut bridge = launch.start();
    bridge.initialize();
    upstream.wait_for("ping", 4);
    bridge.still_works();
    bridge.finish();
    assert_eq!(upstream.count("initialize"), 1, "the session stays open");
}

#[test]
fn no_ping_is_sent_without_keep_alive() {
    let upstream = Upstream::well_behaved();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--ping-interval", "0.05"]).start();
    bridge.initialize();
    bridge.request("1", "tools/call", "{}");
    bridge.still_works();
    bridge.finish();
    assert_eq!(upstream.count("ping"), 0);
}

#[test]
fn headers_timeout_limits_the_wait_for_a_response() {
    let upstream = Upstream::holding(["tools/call"]);
    let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--headers-timeout", "0.2"]).start();
    bridge.initialize();
    bridge_error(&bridge.request("1", "tools/call", "{}"));
    bridge.still_works();
}

#[test]
fn body_timeout_limits_the_silence_within_a_response() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => {
            let events = call.sse();
            events.event(&notification("notifications/progress", r#"{"progressToken":1,"progress":1}"#));
            assert!(events.closed_by_client(), "the bridge no longer waits for it");
        }
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--body-timeout", "0.3"]).start();
    bridge.initialize();
    bridge_error(&bridge.request("1", "tools/call", "{}"));
    bridge.still_works();
}

#[test]
fn cookies_are_sent_back_unless_they_are_disabled() {
    for (disabled, expected) in [(false, Some("berth=seven")), (true, None)] {
        let upstream = Upstream::start(|call| match call.kind() {
            "initialize" => {
                let body = result(&call.id(), &initialize_result(REVISION));
                let headers = [("Content-Type", "application/json"), ("Set-Cookie", "berth=seven; Path=/; HttpOnly")];
                call.respond("200 OK", &headers, &body);
            }
            _ => call.respond_normally(),
        });
        let launch = Bridge::to(&upstream.url("/mcp"));
        let mut bridge = if disabled { launch.arg("--disable-cookies") } else { launch }.start();
        bridge.initialize();
        bridge.still_works();
        bridge.finish();
        assert_eq!(upstream.wait_for("tools/list", 1).header("Cookie"), expected, "disabled: {disabled}");
        assert_eq!(upstream.wait_for("initialize", 1).header("Cookie"), None, "the server had set no cookie yet");
    }
}

#[test]
fn debug_logs_everything_except_secrets_to_stderr_and_a_file() {
    let home = tempfile::tempdir().unwrap();
    let upstream = Upstream::well_behaved();
    let mut bridge = Bridge::to(&upstream.url("/mcp"))
        .args(["--debug", "--header", "X-Api-Key: planted-secret-three"])
        .home(home.path())
        .secret("planted-secret-three")
        .start();
    bridge.initialize();
    bridge.still_works();
    assert!(!bridge.finish().stderr.is_empty(), "--debug prints something");
    let logs: Vec<_> = fs::read_dir(home.path().join("logs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [log] = logs.as_slice() else { panic!("one run, one log: {logs:?}") };
    let text = fs::read_to_string(log).unwrap();
    assert!(text.contains("tools/list"), "each message is logged: {text}");
    assert!(!text.contains("planted-secret-three"), "no secret is logged: {text}");
}

#[test]
fn silent_prints_nothing() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => call.plain("500 Internal Server Error", "oh dear"),
        _ => call.respond_normally(),
    });
    let launch = Bridge::to(&upstream.url("/mcp"));
    let mut bridge = launch.args(["--silent", "--header", "no header", "--no-such-option"]).start();
    bridge.initialize();
    bridge_error(&bridge.request("1", "tools/call", "{}"));
    assert_eq!(bridge.finish().stderr, "", "only the client receives the error");
}

#[test]
fn help_and_version_take_precedence_over_all_other_arguments() {
    for (typed, expected) in [("--help", "Usage: "), ("-h", "Usage: "), ("--version", env!("CARGO_PKG_VERSION"))] {
        for rest in [&[][..], &["https://example.invalid/mcp"], &["--no-such-option"], &["--transport", "pigeon"]] {
            let output = Command::new(env!("CARGO_BIN_EXE_mcp-ferry")).args(rest).arg(typed).output().unwrap();
            let stdout = String::from_utf8(output.stdout).unwrap();
            assert_eq!(output.status.code(), Some(0), "{rest:?} {typed}");
            assert!(stdout.contains(expected), "{rest:?} {typed} should print {expected:?}: {stdout}");
        }
    }
}
