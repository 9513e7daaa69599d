//! Cancelling a request: told to the upstream with the id it knows, final for the client.

use crate::support::*;

fn holding_calls() -> Upstream {
    Upstream::start(|call| if call.kind() == "tools/call" { call.hold() } else { call.usual() })
}

#[test]
fn a_cancellation_is_posted_and_the_exchange_is_closed() {
    let upstream = holding_calls();
    let mut bridge = Bridge::connected(&upstream);
    bridge.send(&request("12345678901234567890", "tools/call", "{}"));
    let call = upstream.take("tools/call");
    bridge.cancel("12345678901234567890");
    let told = upstream.wait_for("notifications/cancelled", 1);
    assert!(told.text().contains(r#""requestId":12345678901234567890"#), "the id the server knows: {}", told.text());
    assert!(told.text().contains("changed my mind"), "the client's words: {}", told.text());
    assert_eq!(told.header("mcp-session-id"), Some("session-1"));
    assert!(call.closed_by_client(), "our side of the exchange is closed");
    bridge.still_works();
    let ended = bridge.finish();
    assert!(
        !ended.lines.iter().any(|line| line.contains("12345678901234567890")),
        "a cancelled request is not answered"
    );
}

#[test]
fn a_cancelled_stream_is_closed_and_its_late_answer_suppressed() {
    let upstream = holding_calls();
    let mut bridge = Bridge::connected(&upstream);
    bridge.send(&request(r#""a""#, "tools/call", "{}"));
    let events = upstream.take("tools/call").sse();
    events.event(&notification("notifications/progress", r#"{"progressToken":1,"progress":1}"#));
    bridge.message("notifications/progress");
    bridge.cancel(r#""a""#);
    upstream.wait_for("notifications/cancelled", 1);
    events.event(&result(r#""a""#, r#"{"late":true}"#));
    bridge.still_works();
    let ended = bridge.finish();
    assert!(!ended.lines.iter().any(|line| line.contains("late")), "a late answer never reaches the client");
    assert_eq!(upstream.count("GET"), 1, "a cancelled stream is not resumed");
}

#[test]
fn a_late_answer_on_the_get_stream_is_suppressed_too() {
    let upstream = Upstream::start(|call| match call.kind() {
        "GET" | "tools/call" => call.hold(),
        _ => call.usual(),
    });
    let mut bridge = Bridge::connected(&upstream);
    let get = upstream.take("GET").sse();
    bridge.send(&request("1", "tools/call", "{}"));
    let call = upstream.take("tools/call");
    bridge.cancel("1");
    upstream.wait_for("notifications/cancelled", 1);
    get.event(&result("1", r#"{"late":true}"#)).event(&notification("notifications/x", "{}"));
    bridge.message("notifications/x");
    drop(call);
    let ended = bridge.finish();
    assert!(!ended.lines.iter().any(|line| line.contains("late")), "a late answer never reaches the client");
}

#[test]
fn a_cancellation_of_a_finished_request_is_not_forwarded() {
    let upstream = Upstream::usual();
    let mut bridge = Bridge::connected(&upstream);
    bridge.ask("1", "tools/call", "{}");
    bridge.send(&notification("notifications/cancelled", r#"{"requestId":1}"#));
    bridge.send(&notification("notifications/cancelled", r#"{"requestId":"never asked"}"#));
    bridge.still_works();
    bridge.finish();
    assert_eq!(upstream.count("notifications/cancelled"), 0, "there is nothing left to cancel");
}

#[test]
fn an_id_is_free_again_after_its_cancellation() {
    let upstream = holding_calls();
    let mut bridge = Bridge::connected(&upstream);
    bridge.send(&request("1", "tools/call", r#"{"n":1}"#));
    let first = upstream.take("tools/call");
    bridge.cancel("1");
    upstream.wait_for("notifications/cancelled", 1);
    bridge.send(&request("1", "tools/call", r#"{"n":2}"#));
    upstream.take("tools/call").result(r#"{"second":true}"#);
    assert_eq!(bridge.answer("1"), result("1", r#"{"second":true}"#));
    first.result(r#"{"first":true}"#);
    let ended = bridge.finish();
    assert!(!ended.lines.iter().any(|line| line.contains("first")), "{:?}", ended.lines);
}

#[test]
fn cancelling_one_of_many_leaves_the_others_alone() {
    let upstream = holding_calls();
    let mut bridge = Bridge::connected(&upstream);
    for id in ["1", "2", "3"] {
        bridge.send(&request(id, "tools/call", "{}"));
    }
    upstream.wait_for("tools/call", 3);
    bridge.cancel("2");
    upstream.wait_for("notifications/cancelled", 1);
    for _ in 0..3 {
        let call = upstream.take("tools/call");
        let text = format!(r#"{{"of":{}}}"#, call.id());
        call.result(&text);
    }
    for id in ["1", "3"] {
        assert_eq!(bridge.answer(id), result(id, &format!(r#"{{"of":{id}}}"#)));
    }
    let ended = bridge.finish();
    assert!(!ended.lines.iter().any(|line| line.contains(r#""of":2"#)), "{:?}", ended.lines);
}

#[test]
fn a_request_cancelled_while_it_waits_for_the_session_is_not_sent() {
    let upstream = Upstream::start(|call| if call.kind() == "initialize" { call.hold() } else { call.usual() });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&initialize("1", REVISION));
    let held = upstream.take("initialize");
    bridge.send(&initialized());
    bridge.send(&request("2", "tools/call", "{}"));
    bridge.cancel("2");
    held.usual();
    bridge.answer("1");
    bridge.still_works();
    bridge.finish();
    assert!(upstream.count("tools/call") <= upstream.count("notifications/cancelled"), "{:?}", upstream.kinds());
}

#[test]
fn a_cancellation_from_the_upstream_reaches_the_client() {
    let upstream = Upstream::start(|call| if call.kind() == "GET" { call.hold() } else { call.usual() });
    let mut bridge = Bridge::connected(&upstream);
    let get = upstream.take("GET").sse();
    get.event(&request("5", "sampling/createMessage", "{}"));
    bridge.message("sampling/createMessage");
    let cancelled = notification("notifications/cancelled", r#"{"requestId":5}"#);
    get.event(&cancelled);
    assert_eq!(bridge.message("notifications/cancelled"), cancelled);
    bridge.finish();
}
