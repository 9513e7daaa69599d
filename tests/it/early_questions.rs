//! What passes before the session is open: a server may ask, on the stream of `initialize`, and wait for the reply.

use crate::support::*;

#[test]
fn a_ping_on_the_stream_of_initialize_is_replied_to_before_the_session_is_open() {
    let upstream = Upstream::start(|call| if call.kind() == "initialize" { call.hold() } else { call.usual() });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&initialize("1", REVISION));
    let call = upstream.take("initialize");
    let answer = result(&call.id(), &initialize_result(REVISION));
    let events = call.sse_with(&[("Mcp-Session-Id", "session-1")]);
    events.event(&request("77", "ping", "{}"));
    bridge.message("ping");
    bridge.send(&result("77", "{}"));
    let reply = upstream.wait_for("answer", 1);
    assert_eq!(reply.text().trim_end(), result("77", "{}"));
    assert_eq!(reply.header("mcp-session-id"), Some("session-1"), "in the session whose head came with the ping");
    events.event(&answer);
    events.end();
    bridge.answer("1");
    bridge.send(&initialized());
    bridge.still_works();
    bridge.finish();
}

#[test]
fn a_client_that_initializes_again_before_the_first_answer_gets_both_and_a_session() {
    let upstream = Upstream::start(|call| match (call.kind(), call.nth) {
        ("initialize", 0) => call.hold(),
        ("initialize", _) => call.open_session("session-2"),
        _ => call.usual(),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&initialize("1", REVISION));
    let first = upstream.take("initialize");
    bridge.send(&initialize("2", REVISION));
    assert!(bridge.answer("2").contains("mind the gap"), "the upstream's own answer");
    bridge.send(&initialized());
    first.open_session("session-1");
    let answer = bridge.answer("1");
    assert!(!answer.contains("shutting down"), "nobody shuts down: {answer}");
    bridge.still_works();
    assert_eq!(upstream.wait_for("tools/list", 1).header("mcp-session-id"), Some("session-2"));
    bridge.finish();
}

#[test]
fn an_initialize_result_that_is_no_object_is_kept_from_doing_harm() {
    let home = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(|call| match (call.kind(), call.nth) {
        ("initialize", 0) => call.result(r#"["2025-06-18",{}]"#),
        ("initialize", _) => call.hold(),
        _ => call.usual(),
    });
    for _ in 0..2 {
        let mut bridge = Bridge::to(&upstream.url("/mcp")).home(home.path()).startup_wait("0.3").start();
        bridge.send(&initialize("1", REVISION));
        let answer = bridge.answer("1");
        assert!(!answer.contains("a bug"), "{answer}");
        assert!(!bridge.finish().stderr.contains("bug"));
    }
}
