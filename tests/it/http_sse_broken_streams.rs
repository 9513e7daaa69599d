//! HTTP+SSE streams that break during a handshake or after a session change: no request is lost, and the session is
//! opened again.

use crate::support::*;

over_each_protocol! {
    a_first_stream_that_breaks_before_the_initialize_response_does_no_later_harm,
    a_session_opened_after_lost_streams_ignores_those_streams,
    a_stream_that_breaks_while_initialized_is_being_sent_is_reopened,
    a_second_initialize_fails_the_requests_in_flight,
}

fn sse_bridge(upstream: &Upstream) -> Bridge {
    Bridge::to(&upstream.url("/sse")).args(["--transport", "sse-only"]).start()
}

fn initialize_again(bridge: &mut Bridge) {
    bridge.send(&initialize(r#""again""#, REVISION));
    let answer = bridge.response(r#""again""#);
    assert!(answer.contains(r#""result""#), "a second initialize should succeed: {answer}");
    bridge.send(&initialized());
}

/// Asserts that a request is not failed before its late response arrives.
fn assert_late_response_arrives(bridge: &mut Bridge, sse_server: &HttpSse, id: &str) {
    bridge.send(&request(id, "tools/call", r#"{"name":"hang"}"#));
    for _ in 0..3 {
        bridge.still_works();
    }
    sse_server.event(&result(id, r#"{"late":true}"#));
    assert_eq!(bridge.response(id), result(id, r#"{"late":true}"#), "the server's own response, however late");
}

fn a_first_stream_that_breaks_before_the_initialize_response_does_no_later_harm() {
    let sse_server = HttpSse::new("/messages");
    let server = sse_server.clone();
    let upstream = Upstream::start(move |call| match (call.kind(), call.nth) {
        ("initialize", 0) => {
            call.accepted();
            server.cut();
        }
        _ => server.serve(call),
    });
    let mut bridge = sse_bridge(&upstream);
    bridge.send(&initialize("1", REVISION));
    bridge.response("1");
    bridge.send(&initialized());
    assert_late_response_arrives(&mut bridge, &sse_server, "2");
    bridge.finish();
}

fn a_session_opened_after_lost_streams_ignores_those_streams() {
    let (upstream, sse_server) = HttpSse::start("/messages");
    let mut bridge = sse_bridge(&upstream);
    bridge.initialize();
    for streams in [2, 3] {
        bridge.still_works();
        sse_server.cut();
        upstream.wait_for("GET", streams);
    }
    bridge.still_works();
    initialize_again(&mut bridge);
    assert_late_response_arrives(&mut bridge, &sse_server, "1");
    bridge.finish();
}

fn a_stream_that_breaks_while_initialized_is_being_sent_is_reopened() {
    let sse_server = HttpSse::new("/messages");
    let server = sse_server.clone();
    let upstream = Upstream::start(move |call| match (call.kind(), call.nth) {
        ("notifications/initialized", 0) => call.hold(),
        _ => server.serve(call),
    });
    let mut bridge = sse_bridge(&upstream);
    bridge.initialize();
    let initialized = upstream.take("notifications/initialized");
    sse_server.cut();
    upstream.wait_for("GET", 2);
    initialized.accepted();
    assert_late_response_arrives(&mut bridge, &sse_server, "1");
    bridge.finish();
}

fn a_second_initialize_fails_the_requests_in_flight() {
    let (upstream, _sse_server) = HttpSse::start("/messages");
    let mut bridge = sse_bridge(&upstream);
    bridge.initialize();
    for id in ["1", "2"] {
        bridge.send(&request(id, "tools/call", r#"{"name":"hang"}"#));
    }
    upstream.wait_for("tools/call", 2);
    initialize_again(&mut bridge);
    for id in ["1", "2"] {
        bridge_error(&bridge.response(id));
    }
    bridge.still_works();
    bridge.finish();
}
