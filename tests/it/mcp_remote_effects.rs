//! What was written for `npx mcp-remote`: do the arguments that change something change it?

use std::fs;
use std::process::Command;

use crate::support::*;

#[test]
fn headers_reach_the_server_and_those_that_are_none_do_not() {
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("headers");
    fs::write(&file, "# who we are\nX-One: 1\n\n  X-Two: ${WHO}  \nno header\n").unwrap();
    let upstream = Upstream::usual();
    let mut bridge = Bridge::to(&upstream.url("/mcp"))
        .args(["--header", "X-Three: three and more", "--header", "a word", "--header=X-Four:4"])
        .args(["--header-file", file.to_str().unwrap()])
        .env("WHO", "planted-secret-two")
        .secret("planted-secret-two")
        .start();
    bridge.shake_hands();
    assert_eq!(bridge.finish().stderr.lines().count(), 2, "one warning for each that is no header");
    for request in upstream.requests() {
        let has = |name, value| assert_eq!(request.header(name), Some(value), "on every request: {request:?}");
        has("X-One", "1");
        has("X-Two", "planted-secret-two");
        has("X-Three", "three and more");
        has("X-Four", "4");
    }
}

/// Globs of the incumbent: `*`, and no difference between `A` and `a`.
#[test]
fn tools_that_are_ignored_are_neither_listed_nor_called() {
    let tools = r#"{"tools":[{"name":"read","inputSchema":{"type":"object"}},{"name":"Delete_all","inputSchema":{"type":"object"}}]}"#;
    let upstream = Upstream::start(move |call| match call.kind() {
        "tools/list" => call.result(tools),
        _ => call.usual(),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--ignore-tool", "delete*"]).start();
    bridge.shake_hands();
    let list = bridge.ask("1", "tools/list", "{}");
    assert!(list.contains(r#""read""#) && !list.contains("Delete_all"), "only what is left: {list}");
    let (_, message) = error_of(&bridge.ask("2", "tools/call", r#"{"name":"Delete_all"}"#));
    assert!(message.contains("Delete_all"), "a sentence about the tool: {message}");
    assert_eq!(upstream.count("tools/call"), 0, "the server never hears of it");
    assert_eq!(bridge.ask("3", "tools/call", r#"{"name":"read"}"#), result("3", "{}"));
}

#[test]
fn a_ping_goes_to_the_server_and_its_answer_to_nobody() {
    let upstream = Upstream::usual();
    let launch = Bridge::to(&upstream.url("/mcp")).args(["--keep-alive", "--ping-interval", "0.05"]);
    let mut bridge = launch.start();
    bridge.shake_hands();
    let ping = upstream.wait_for("ping", 3);
    assert_eq!(ping.header("Mcp-Session-Id"), Some("session-1"), "it is the session that is kept alive");
    bridge.still_works();
    bridge.finish();
}

#[test]
fn a_ping_that_fails_ends_nothing() {
    let upstream = Upstream::start(|call| match (call.kind(), call.nth % 3) {
        ("ping", 0) => call.plain("500 Internal Server Error", "not now"),
        ("ping", 1) => call.cut(),
        ("ping", _) => call.error("200 OK", -32601, "no such method"),
        _ => call.usual(),
    });
    let launch = Bridge::to(&upstream.url("/mcp")).args(["--keep-alive", "--ping-interval", "0.05"]);
    let mut bridge = launch.start();
    bridge.shake_hands();
    upstream.wait_for("ping", 4);
    bridge.still_works();
    bridge.finish();
    assert_eq!(upstream.count("initialize"), 1, "the session is the same");
}

#[test]
fn without_keep_alive_nothing_is_sent_that_nobody_asked_for() {
    let upstream = Upstream::usual();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--ping-interval", "0.05"]).start();
    bridge.shake_hands();
    bridge.ask("1", "tools/call", "{}");
    bridge.still_works();
    bridge.finish();
    assert_eq!(upstream.count("ping"), 0);
}

#[test]
fn a_server_that_does_not_begin_to_answer_has_its_time() {
    let upstream = Upstream::start(|call| if call.kind() == "tools/call" { call.hold() } else { call.usual() });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--headers-timeout", "0.2"]).start();
    bridge.shake_hands();
    own_error(&bridge.ask("1", "tools/call", "{}"));
    bridge.still_works();
}

#[test]
fn a_server_that_falls_silent_in_an_answer_has_its_time() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => {
            let events = call.sse();
            events.event(&notification("notifications/progress", r#"{"progressToken":1,"progress":1}"#));
            assert!(events.closed_by_client(), "nobody waits for it any more");
        }
        _ => call.usual(),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--body-timeout", "0.3"]).start();
    bridge.shake_hands();
    own_error(&bridge.ask("1", "tools/call", "{}"));
    bridge.still_works();
}

#[test]
fn cookies_come_back_unless_they_are_disabled() {
    for (disabled, expected) in [(false, Some("berth=seven")), (true, None)] {
        let upstream = Upstream::start(|call| match call.kind() {
            "initialize" => {
                let body = result(&call.id(), &initialize_result(REVISION));
                let headers = [("Content-Type", "application/json"), ("Set-Cookie", "berth=seven; Path=/; HttpOnly")];
                call.respond("200 OK", &headers, &body);
            }
            _ => call.usual(),
        });
        let launch = Bridge::to(&upstream.url("/mcp"));
        let mut bridge = if disabled { launch.arg("--disable-cookies") } else { launch }.start();
        bridge.shake_hands();
        bridge.still_works();
        bridge.finish();
        assert_eq!(upstream.wait_for("tools/list", 1).header("Cookie"), expected, "disabled: {disabled}");
        assert_eq!(upstream.wait_for("initialize", 1).header("Cookie"), None, "there was none yet");
    }
}

#[test]
fn debug_says_everything_but_secrets_on_stderr_and_in_a_file() {
    let home = tempfile::tempdir().unwrap();
    let upstream = Upstream::usual();
    let mut bridge = Bridge::to(&upstream.url("/mcp"))
        .args(["--debug", "--header", "X-Api-Key: planted-secret-three"])
        .home(home.path())
        .secret("planted-secret-three")
        .start();
    bridge.shake_hands();
    bridge.still_works();
    assert!(!bridge.finish().stderr.is_empty(), "it has something to say");
    let logs: Vec<_> = fs::read_dir(home.path().join("logs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [log] = logs.as_slice() else { panic!("one run, one log: {logs:?}") };
    let text = fs::read_to_string(log).unwrap();
    assert!(text.contains("tools/list"), "each message's way: {text}");
    assert!(!text.contains("planted-secret-three"), "without secrets: {text}");
}

#[test]
fn silent_is_silent() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => call.plain("500 Internal Server Error", "oh dear"),
        _ => call.usual(),
    });
    let launch = Bridge::to(&upstream.url("/mcp"));
    let mut bridge = launch.args(["--silent", "--header", "no header", "--no-such-option"]).start();
    bridge.shake_hands();
    own_error(&bridge.ask("1", "tools/call", "{}"));
    assert_eq!(bridge.finish().stderr, "", "the client has been told, nobody else needs to be");
}

#[test]
fn help_and_version_stand_before_everything_else() {
    for (typed, says) in [("--help", "Usage: "), ("-h", "Usage: "), ("--version", env!("CARGO_PKG_VERSION"))] {
        for rest in [&[][..], &["https://example.invalid/mcp"], &["--no-such-option"], &["--transport", "pigeon"]] {
            let output = Command::new(env!("CARGO_BIN_EXE_mcp-ferry")).args(rest).arg(typed).output().unwrap();
            let stdout = String::from_utf8(output.stdout).unwrap();
            assert_eq!(output.status.code(), Some(0), "{rest:?} {typed}");
            assert!(stdout.contains(says), "{rest:?} {typed} should say {says:?}: {stdout}");
        }
    }
}
