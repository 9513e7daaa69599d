//! The user's own limits: none by default, kept when given.

use crate::support::*;

fn holding_calls() -> Upstream {
    Upstream::start(|call| if call.kind() == "tools/call" { call.hold() } else { call.usual() })
}

#[test]
fn a_request_that_has_had_its_time_is_answered_and_cancelled() {
    let upstream = holding_calls();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--request-timeout", "0.3"]).start();
    bridge.shake_hands();
    bridge.send(&request("7", "tools/call", "{}"));
    let events = upstream.take("tools/call").sse();
    events.event(&notification("notifications/progress", r#"{"progressToken":1,"progress":1}"#));
    let answer = bridge.answer("7");
    says(&answer, &["0.3 seconds", "--request-timeout"]);
    let told = upstream.wait_for("notifications/cancelled", 1);
    assert!(told.text().contains(r#""requestId":7"#), "the server is told to stop: {}", told.text());
    assert!(events.closed_by_client(), "our side of the exchange is closed");
    bridge.still_works();
    bridge.finish();
}

#[test]
fn a_silent_stream_is_broken_where_the_user_says_so() {
    let upstream = holding_calls();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--idle-timeout", "0.3"]).start();
    bridge.shake_hands();
    bridge.send(&request("7", "tools/call", "{}"));
    let events = upstream.take("tools/call").sse();
    says(&bridge.answer("7"), &["silent", "0.3 seconds", &upstream.host()]);
    drop(events);
    bridge.finish();
}

#[test]
fn a_server_that_does_not_even_begin_to_answer_is_silent_too() {
    let upstream = holding_calls();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).env("MCP_FERRY_IDLE_TIMEOUT", "0.3").start();
    bridge.shake_hands();
    bridge.send(&request("7", "tools/call", "{}"));
    let call = upstream.take("tools/call");
    says(&bridge.answer("7"), &["silent", "0.3 seconds"]);
    drop(call);
    bridge.finish();
}
