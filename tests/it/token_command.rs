//! A bearer token printed by a command, which runs once and once more when its token is refused.

#![cfg(unix)]

use crate::support::*;

/// A command that prints `token-1`, `token-2`, …, and its directory.
fn counting_tokens() -> (tempfile::TempDir, String) {
    script(
        "count=$(cat \"$0.count\" 2>/dev/null || echo 0)\ncount=$((count + 1))\necho $count > \"$0.count\"\necho \"token-$count\"\n",
    )
}

/// A script for `sh`. It is not run directly: a process that another test is starting may hold it open for writing.
fn script(text: &str) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    std::fs::write(&path, text).unwrap();
    let command = format!("sh {}", path.display());
    (directory, command)
}

#[test]
fn a_bearer_token_can_come_from_a_command() {
    let (_directory, command) = counting_tokens();
    let upstream = Upstream::start(|call| {
        assert_eq!(call.header("authorization"), Some("Bearer token-1"), "the command runs once");
        call.respond_normally();
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--token-command", &command]).secret("token-1").start();
    bridge.initialize();
    bridge.still_works();
    bridge.finish();
}

#[test]
fn a_command_is_split_into_words_and_run_without_a_shell() {
    let (_directory, command) = script("echo \"$#:$1:$2\"\n");
    let upstream = Upstream::start(|call| {
        assert_eq!(call.header("authorization"), Some("Bearer 2:two words:$HOME;ls"));
        call.respond_normally();
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp"))
        .args(["--token-command", &format!("{command} 'two words' \"$HOME;ls\"")])
        .start();
    bridge.initialize();
    bridge.finish();
}

#[test]
fn the_command_runs_once_more_when_its_token_is_refused() {
    let (_directory, command) = counting_tokens();
    let upstream = Upstream::start(|call| match (call.kind(), call.header("authorization").unwrap()) {
        ("tools/call", "Bearer token-1") => call.plain("401 Unauthorized", "expired"),
        (_, "Bearer token-1" | "Bearer token-2") => call.respond_normally(),
        (kind, other) => panic!("{other} on {kind}"),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--token-command", &command]).start();
    bridge.initialize();
    assert_eq!(
        bridge.request("1", "tools/call", "{}"),
        result("1", "{}"),
        "the request is sent again with the new token"
    );
    bridge.still_works();
    assert_eq!(upstream.wait_for("tools/list", 1).header("authorization"), Some("Bearer token-2"));
    bridge.finish();
    assert_eq!(upstream.count("tools/call"), 2);
}

#[test]
fn simultaneous_401s_run_the_command_once() {
    let (_directory, command) = counting_tokens();
    let upstream = Upstream::start(|call| match (call.kind(), call.header("authorization").unwrap()) {
        ("tools/call", "Bearer token-1") => call.hold(),
        (_, "Bearer token-1" | "Bearer token-2") => call.respond_normally(),
        (kind, other) => panic!("{other} on {kind}"),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--token-command", &command]).start();
    bridge.initialize();
    for id in 1..=5 {
        bridge.send(&request(&id.to_string(), "tools/call", "{}"));
    }
    upstream.wait_for("tools/call", 5);
    for _ in 1..=5 {
        upstream.take("tools/call").plain("401 Unauthorized", "expired");
    }
    for id in 1..=5 {
        let id = id.to_string();
        assert_eq!(bridge.response(&id), result(&id, "{}"));
    }
    bridge.finish();
}

#[test]
fn a_second_refused_token_of_the_command_is_an_error() {
    let (_directory, command) = counting_tokens();
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => call.plain("401 Unauthorized", "no"),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--token-command", &command]).start();
    bridge.initialize();
    assert_error_mentions(&bridge.request("1", "tools/call", "{}"), &[&upstream.host(), "401", "the command"]);
    bridge.finish();
    assert_eq!(upstream.count("tools/call"), 2, "sent again once");
}

#[test]
fn a_failed_command_is_an_error_that_names_it() {
    for text in ["echo 'vault is sealed' >&2\nexit 3\n", "true\n"] {
        let (_directory, command) = script(text);
        let upstream = Upstream::well_behaved().may_receive_no_request();
        let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--token-command", &command]).start();
        bridge.send(&initialize("1", REVISION));
        assert_error_mentions(&bridge.response("1"), &["--token-command"]);
        bridge.finish();
    }
}

#[test]
fn a_command_that_hangs_does_not_delay_the_exit() {
    let (_directory, command) = script("exec sleep 60\n");
    let upstream = Upstream::well_behaved().may_receive_no_request();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--token-command", &command]).start();
    bridge.send(&initialize("1", REVISION));
    let ended = bridge.finish();
    assert!(ended.took.as_secs() < 4, "the bridge exited {:?} after the end of stdin", ended.took);
}
