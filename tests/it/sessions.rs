//! A session: opened once, named on every request, closed at the end.

use crate::support::*;

#[test]
fn every_request_names_the_session_and_the_revision() {
    let upstream = Upstream::usual();
    let mut bridge = Bridge::connected(&upstream);
    bridge.still_works();
    bridge.finish();
    for request in upstream.requests() {
        let (session, revision) = (request.header("mcp-session-id"), request.header("mcp-protocol-version"));
        if request.kind == "initialize" {
            assert_eq!(session, None, "there is no session before initialize");
        } else {
            assert_eq!(session, Some("session-1"), "{}", request.kind);
            assert_eq!(revision, Some(REVISION), "{}", request.kind);
        }
    }
}

#[test]
fn the_revision_is_the_one_the_upstream_settled_on() {
    let upstream = Upstream::start(|call| match call.kind() {
        "initialize" => call.result(&initialize_result("2025-03-26")),
        _ => call.usual(),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    let answer = bridge.shake_hands_in("2025-11-25");
    assert!(answer.contains("2025-03-26"), "{answer}");
    bridge.still_works();
    let seen = upstream.wait_for("tools/list", 1);
    assert_eq!(seen.header("mcp-protocol-version"), Some("2025-03-26"));
    assert_eq!(seen.header("mcp-session-id"), None, "a server without sessions gets no session id");
    bridge.finish();
    assert_eq!(upstream.count("DELETE"), 0, "where there is no session there is none to delete");
}

#[test]
fn the_session_is_deleted_at_the_end() {
    let upstream = Upstream::usual();
    let bridge = Bridge::connected(&upstream);
    upstream.wait_for("notifications/initialized", 1);
    bridge.finish();
    let deleted = upstream.wait_for("DELETE", 1);
    assert_eq!(deleted.header("mcp-session-id"), Some("session-1"));
    assert_eq!(upstream.count("DELETE"), 1);
}

#[test]
fn a_start_costs_three_requests_one_session_and_one_get() {
    let upstream = Upstream::usual();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&initialize("1", REVISION));
    bridge.answer("1");
    assert!(upstream.requests().len() <= 3, "before the first answer: {:?}", upstream.kinds());
    bridge.send(&initialized());
    bridge.still_works();
    bridge.finish();
    assert_eq!(upstream.count("initialize"), 1, "one session: {:?}", upstream.kinds());
    assert!(upstream.count("GET") <= 1, "one GET stream: {:?}", upstream.kinds());
    let known = ["initialize", "notifications/initialized", "GET", "tools/list", "DELETE", "server/discover"];
    let kinds = upstream.kinds();
    assert!(kinds.iter().all(|kind| known.contains(&kind.as_str())), "no blind discovery: {kinds:?}");
}

#[test]
fn the_clients_initialize_reaches_the_upstream_as_it_is() {
    let upstream = Upstream::usual();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    let line = r#"{"jsonrpc":"2.0","method":"initialize","id":0,"params":{"clientInfo":{"version":"1.0","name":"claude-ai","x":1.0},"capabilities":{},"protocolVersion":"2025-06-18"}}"#;
    bridge.send(line);
    let answer = bridge.answer("0");
    assert_eq!(answer, result("0", &initialize_result(REVISION)), "and its answer comes back as it is");
    assert_eq!(upstream.wait_for("initialize", 1).text().trim_end(), line, "the client's name is its own");
    bridge.finish();
}

#[test]
fn requests_sent_together_with_initialize_wait_for_the_session() {
    let upstream = Upstream::start(|call| if call.kind() == "initialize" { call.hold() } else { call.usual() });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&initialize("1", REVISION));
    bridge.send(&initialized());
    bridge.send(&request("2", "tools/list", "{}"));
    let held = upstream.take("initialize");
    assert_eq!(upstream.requests().len(), 1, "nothing goes before the session is open: {:?}", upstream.kinds());
    held.usual();
    bridge.answer("2");
    assert_eq!(upstream.wait_for("tools/list", 1).header("mcp-session-id"), Some("session-1"));
    let kinds = upstream.kinds();
    let place = |kind: &str| kinds.iter().position(|have| have == kind).unwrap();
    assert!(place("notifications/initialized") < place("tools/list"), "the order is the client's: {kinds:?}");
    bridge.answer("1");
    bridge.finish();
}

#[test]
fn an_initialize_answered_as_a_stream_opens_a_session_too() {
    let upstream = Upstream::start(|call| if call.kind() == "initialize" { call.hold() } else { call.usual() });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&initialize("0", REVISION));
    let events = upstream.take("initialize").sse_with(&[("Mcp-Session-Id", "session-1")]);
    let log = notification("notifications/message", r#"{"level":"info","data":"waking up"}"#);
    events.chunk("id: 1\ndata: \n\n").event(&log).event_with_id("2", &result("0", &initialize_result(REVISION)));
    events.end();
    assert_eq!(bridge.answer("0"), result("0", &initialize_result(REVISION)));
    bridge.send(&initialized());
    bridge.still_works();
    assert_eq!(upstream.wait_for("tools/list", 1).header("mcp-session-id"), Some("session-1"));
    bridge.finish();
    assert_eq!(upstream.count("DELETE"), 1);
}

#[test]
fn requests_ask_for_no_encoding_that_the_bridge_cannot_read() {
    let upstream = Upstream::usual();
    let mut bridge = Bridge::connected(&upstream);
    bridge.still_works();
    bridge.finish();
    for request in upstream.requests() {
        assert!(matches!(request.header("accept-encoding"), None | Some("identity")), "on {}", request.kind);
        assert_eq!(request.header("host"), Some(upstream.host().as_str()));
        assert!(request.header("user-agent").unwrap_or_default().starts_with("mcp-ferry/"), "on {}", request.kind);
    }
}
