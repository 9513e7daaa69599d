//! Messages before the session is open: a server may send a request on the stream of `initialize`.

use crate::support::*;

over_each_protocol! {
    a_ping_on_the_initialize_stream_is_answered_before_the_session_is_open,
    a_second_initialize_before_the_first_response_gets_a_response_and_a_session,
    an_initialize_result_that_is_not_an_object_does_not_crash_the_bridge,
}

fn a_ping_on_the_initialize_stream_is_answered_before_the_session_is_open() {
    let upstream = Upstream::holding(["initialize"]);
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&initialize("1", REVISION));
    let call = upstream.take("initialize");
    let answer = result(&call.id(), &initialize_result(REVISION));
    let events = call.sse_with(&[("Mcp-Session-Id", "session-1")]);
    events.event(&request("77", "ping", "{}"));
    bridge.message("ping");
    bridge.send(&result("77", "{}"));
    let reply = upstream.wait_for("response", 1);
    assert_eq!(reply.text().trim_end(), result("77", "{}"));
    assert_eq!(
        reply.header("mcp-session-id"),
        Some("session-1"),
        "the response carries the session id of the stream's head"
    );
    events.event(&answer);
    events.end();
    bridge.response("1");
    bridge.send(&initialized());
    bridge.still_works();
    bridge.finish();
}

fn a_second_initialize_before_the_first_response_gets_a_response_and_a_session() {
    let upstream = Upstream::start(|call| match (call.kind(), call.nth) {
        ("initialize", 0) => call.hold(),
        ("initialize", _) => call.open_session("session-2"),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&initialize("1", REVISION));
    let first = upstream.take("initialize");
    bridge.send(&initialize("2", REVISION));
    assert!(bridge.response("2").contains("mind the gap"), "the upstream's own result");
    bridge.send(&initialized());
    first.open_session("session-1");
    let answer = bridge.response("1");
    assert!(!answer.contains("shutting down"), "the bridge is not shutting down: {answer}");
    bridge.still_works();
    assert_eq!(upstream.wait_for("tools/list", 1).header("mcp-session-id"), Some("session-2"));
    bridge.finish();
}

fn an_initialize_result_that_is_not_an_object_does_not_crash_the_bridge() {
    let home = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(|call| match (call.kind(), call.nth) {
        ("initialize", 0) => call.result(r#"["2025-06-18",{}]"#),
        ("initialize", _) => call.hold(),
        _ => call.respond_normally(),
    });
    for _ in 0..2 {
        let mut bridge = Bridge::to(&upstream.url("/mcp")).home(home.path()).startup_wait("0.3").start();
        bridge.send(&initialize("1", REVISION));
        let answer = bridge.response("1");
        assert!(!answer.contains("a bug"), "{answer}");
        assert!(!bridge.finish().stderr.contains("bug"));
    }
}
