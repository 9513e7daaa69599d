//! Cancelling a request: the upstream receives the id that it knows, and the client receives no response.

use crate::support::*;

over_each_protocol! {
    a_cancellation_is_posted_and_its_http_request_is_closed,
    a_cancelled_stream_is_closed_and_its_late_response_is_dropped,
    a_late_response_on_the_get_stream_is_dropped,
    a_cancellation_of_a_finished_request_is_not_forwarded,
    a_cancelled_id_may_be_used_again,
    cancelling_one_request_does_not_affect_the_others,
    a_request_cancelled_before_the_session_is_open_is_not_sent,
    a_cancellation_from_the_upstream_reaches_the_client,
}

fn a_cancellation_is_posted_and_its_http_request_is_closed() {
    let upstream = Upstream::holding(["tools/call"]);
    let mut bridge = Bridge::connected(&upstream);
    bridge.send(&request("12345678901234567890", "tools/call", "{}"));
    let call = upstream.take("tools/call");
    bridge.cancel("12345678901234567890");
    let notice = upstream.wait_for("notifications/cancelled", 1);
    assert!(
        notice.text().contains(r#""requestId":12345678901234567890"#),
        "the id that the server knows: {}",
        notice.text()
    );
    assert!(notice.text().contains("changed my mind"), "the client's reason: {}", notice.text());
    assert_eq!(notice.header("mcp-session-id"), Some("session-1"));
    assert!(call.closed_by_client(), "the bridge closes the HTTP request");
    bridge.still_works();
    let ended = bridge.finish();
    assert!(
        !ended.lines.iter().any(|line| line.contains("12345678901234567890")),
        "a cancelled request is not answered"
    );
}

fn a_cancelled_stream_is_closed_and_its_late_response_is_dropped() {
    let upstream = Upstream::holding(["tools/call"]);
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
    assert!(!ended.lines.iter().any(|line| line.contains("late")), "a late response never reaches the client");
    assert_eq!(upstream.count("GET"), 1, "a cancelled stream is not resumed");
}

fn a_late_response_on_the_get_stream_is_dropped() {
    let upstream = Upstream::holding(["GET", "tools/call"]);
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
    assert!(!ended.lines.iter().any(|line| line.contains("late")), "a late response never reaches the client");
}

fn a_cancellation_of_a_finished_request_is_not_forwarded() {
    let upstream = Upstream::well_behaved();
    let mut bridge = Bridge::connected(&upstream);
    bridge.request("1", "tools/call", "{}");
    bridge.send(&notification("notifications/cancelled", r#"{"requestId":1}"#));
    bridge.send(&notification("notifications/cancelled", r#"{"requestId":"never asked"}"#));
    bridge.still_works();
    bridge.finish();
    assert_eq!(upstream.count("notifications/cancelled"), 0, "the request is finished");
}

fn a_cancelled_id_may_be_used_again() {
    let upstream = Upstream::holding(["tools/call"]);
    let mut bridge = Bridge::connected(&upstream);
    bridge.send(&request("1", "tools/call", r#"{"n":1}"#));
    let first = upstream.take("tools/call");
    bridge.cancel("1");
    upstream.wait_for("notifications/cancelled", 1);
    bridge.send(&request("1", "tools/call", r#"{"n":2}"#));
    upstream.take("tools/call").result(r#"{"second":true}"#);
    assert_eq!(bridge.response("1"), result("1", r#"{"second":true}"#));
    first.result(r#"{"first":true}"#);
    let ended = bridge.finish();
    assert!(!ended.lines.iter().any(|line| line.contains("first")), "{:?}", ended.lines);
}

fn cancelling_one_request_does_not_affect_the_others() {
    let upstream = Upstream::holding(["tools/call"]);
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
        assert_eq!(bridge.response(id), result(id, &format!(r#"{{"of":{id}}}"#)));
    }
    let ended = bridge.finish();
    assert!(!ended.lines.iter().any(|line| line.contains(r#""of":2"#)), "{:?}", ended.lines);
}

fn a_request_cancelled_before_the_session_is_open_is_not_sent() {
    let upstream = Upstream::holding(["initialize"]);
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&initialize("1", REVISION));
    let held = upstream.take("initialize");
    bridge.send(&initialized());
    bridge.send(&request("2", "tools/call", "{}"));
    bridge.cancel("2");
    held.respond_normally();
    bridge.response("1");
    bridge.still_works();
    bridge.finish();
    assert!(upstream.count("tools/call") <= upstream.count("notifications/cancelled"), "{:?}", upstream.kinds());
}

fn a_cancellation_from_the_upstream_reaches_the_client() {
    let upstream = Upstream::holding(["GET"]);
    let mut bridge = Bridge::connected(&upstream);
    let get = upstream.take("GET").sse();
    get.event(&request("5", "sampling/createMessage", "{}"));
    bridge.message("sampling/createMessage");
    let cancelled = notification("notifications/cancelled", r#"{"requestId":5}"#);
    get.event(&cancelled);
    assert_eq!(bridge.message("notifications/cancelled"), cancelled);
    bridge.finish();
}
