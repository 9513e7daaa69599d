//! A session is opened once, its id is sent with every request, and it is deleted at the end.

use crate::support::*;

over_each_protocol! {
    every_request_carries_the_session_id_and_the_revision,
    requests_carry_the_revision_that_the_upstream_chose,
    the_session_is_deleted_at_the_end,
    a_start_needs_at_most_three_requests_one_session_and_one_get,
    the_clients_initialize_reaches_the_upstream_unchanged,
    requests_sent_right_after_initialize_wait_for_the_session,
    an_initialize_answered_by_a_stream_opens_a_session,
    requests_accept_no_content_encoding,
}

fn every_request_carries_the_session_id_and_the_revision() {
    let upstream = Upstream::well_behaved();
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

fn requests_carry_the_revision_that_the_upstream_chose() {
    let upstream = Upstream::start(|call| match call.kind() {
        "initialize" => call.result(&initialize_result("2025-03-26")),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    let answer = bridge.initialize_with_revision("2025-11-25");
    assert!(answer.contains("2025-03-26"), "{answer}");
    bridge.still_works();
    let seen = upstream.wait_for("tools/list", 1);
    assert_eq!(seen.header("mcp-protocol-version"), Some("2025-03-26"));
    assert_eq!(seen.header("mcp-session-id"), None, "a server without sessions receives no session id");
    bridge.finish();
    assert_eq!(upstream.count("DELETE"), 0, "without a session there is nothing to delete");
}

fn the_session_is_deleted_at_the_end() {
    let upstream = Upstream::well_behaved();
    let bridge = Bridge::connected(&upstream);
    upstream.wait_for("notifications/initialized", 1);
    bridge.finish();
    let deleted = upstream.wait_for("DELETE", 1);
    assert_eq!(deleted.header("mcp-session-id"), Some("session-1"));
    assert_eq!(upstream.count("DELETE"), 1);
}

fn a_start_needs_at_most_three_requests_one_session_and_one_get() {
    let upstream = Upstream::well_behaved();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&initialize("1", REVISION));
    bridge.response("1");
    assert!(upstream.requests().len() <= 3, "before the first answer: {:?}", upstream.kinds());
    bridge.send(&initialized());
    bridge.still_works();
    bridge.finish();
    assert_eq!(upstream.count("initialize"), 1, "one session: {:?}", upstream.kinds());
    assert!(upstream.count("GET") <= 1, "one GET stream: {:?}", upstream.kinds());
    let known = ["initialize", "notifications/initialized", "GET", "tools/list", "DELETE", "server/discover"];
    let kinds = upstream.kinds();
    assert!(kinds.iter().all(|kind| known.contains(&kind.as_str())), "no unnecessary discovery: {kinds:?}");
}

fn the_clients_initialize_reaches_the_upstream_unchanged() {
    let upstream = Upstream::well_behaved();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    let line = r#"{"jsonrpc":"2.0","method":"initialize","id":0,"params":{"clientInfo":{"version":"1.0","name":"claude-ai","x":1.0},"capabilities":{},"protocolVersion":"2025-06-18"}}"#;
    bridge.send(line);
    let answer = bridge.response("0");
    assert_eq!(answer, result("0", &initialize_result(REVISION)), "the result comes back unchanged");
    assert_eq!(upstream.wait_for("initialize", 1).text().trim_end(), line, "initialize passes byte for byte");
    bridge.finish();
}

fn requests_sent_right_after_initialize_wait_for_the_session() {
    let upstream = Upstream::holding(["initialize"]);
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&initialize("1", REVISION));
    bridge.send(&initialized());
    bridge.send(&request("2", "tools/list", "{}"));
    let held = upstream.take("initialize");
    assert_eq!(upstream.requests().len(), 1, "no request is sent before the session is open: {:?}", upstream.kinds());
    held.respond_normally();
    bridge.response("2");
    assert_eq!(upstream.wait_for("tools/list", 1).header("mcp-session-id"), Some("session-1"));
    let kinds = upstream.kinds();
    let place = |kind: &str| kinds.iter().position(|have| have == kind).unwrap();
    assert!(place("notifications/initialized") < place("tools/list"), "the order is the client's: {kinds:?}");
    bridge.response("1");
    bridge.finish();
}

fn an_initialize_answered_by_a_stream_opens_a_session() {
    let upstream = Upstream::holding(["initialize"]);
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&initialize("0", REVISION));
    let events = upstream.take("initialize").sse_with(&[("Mcp-Session-Id", "session-1")]);
    let log = notification("notifications/message", r#"{"level":"info","data":"waking up"}"#);
    events.chunk("id: 1\ndata: \n\n").event(&log).event_with_id("2", &result("0", &initialize_result(REVISION)));
    events.end();
    assert_eq!(bridge.response("0"), result("0", &initialize_result(REVISION)));
    bridge.send(&initialized());
    bridge.still_works();
    assert_eq!(upstream.wait_for("tools/list", 1).header("mcp-session-id"), Some("session-1"));
    bridge.finish();
    assert_eq!(upstream.count("DELETE"), 1);
}

fn requests_accept_no_content_encoding() {
    let upstream = Upstream::well_behaved();
    let mut bridge = Bridge::connected(&upstream);
    bridge.still_works();
    bridge.finish();
    for request in upstream.requests() {
        assert!(matches!(request.header("accept-encoding"), None | Some("identity")), "on {}", request.kind);
        assert_eq!(request.authority(), Some(upstream.host().as_str()));
        assert!(request.header("user-agent").unwrap_or_default().starts_with("mcp-ferry/"), "on {}", request.kind);
    }
}
