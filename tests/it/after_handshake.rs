//! Right after the handshake: what a message waits for, and what it does not.

use std::time::{Duration, Instant};

use crate::support::*;

/// How long this server takes for `initialized`, so that a wait of about two round trips is a second.
const SLOW: Duration = Duration::from_millis(500);

/// Less than that second, and more than a busy machine needs for a message.
const SOON: Duration = Duration::from_millis(800);

/// A server that is slow to take `initialized` and never responds to the GET.
fn without_get_response() -> Upstream {
    Upstream::start(|call| match call.kind() {
        "notifications/initialized" => {
            std::thread::sleep(SLOW);
            call.accepted();
        }
        "GET" | "tools/call" => call.hold(),
        _ => call.respond_normally(),
    })
}

/// A server that gives its sessions no id.
fn without_sessions() -> Upstream {
    Upstream::start(|call| match call.kind() {
        "initialize" => call.result(&initialize_result(REVISION)),
        "notifications/initialized" => call.hold(),
        "server/discover" => call.error("400 Bad Request", -32601, "Method not found"),
        _ => call.respond_normally(),
    })
}

/// Opens a session of a client that declares this.
fn open(upstream: &Upstream, capabilities: &str) -> Bridge {
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    let client = r#""clientInfo":{"name":"a-client","version":"1"}"#;
    let params = format!(r#"{{"protocolVersion":"{REVISION}","capabilities":{capabilities},{client}}}"#);
    bridge.send(&request(r#""hello""#, "initialize", &params));
    bridge.response(r#""hello""#);
    bridge.send(&initialized());
    bridge
}

/// Waits until the bridge has read and acted on what was sent before.
fn let_it_read(bridge: &mut Bridge) {
    bridge.expect_response("null");
    bridge.send("[]");
    bridge.response("null");
}

/// The call is held back for about a second, because the server might ask something during it.
fn waits_for_the_get_stream(upstream: &Upstream, capabilities: &str) {
    let mut bridge = open(upstream, capabilities);
    let get = upstream.take("GET");
    let began = Instant::now();
    bridge.send(&request("1", "tools/call", "{}"));
    bridge.still_works();
    let is_sent = upstream.count("tools/call") > 0;
    assert!(!is_sent || began.elapsed() > SOON, "{capabilities}: sent after {:?}", began.elapsed());
    let _events = get.sse();
    upstream.take("tools/call").result("{}");
    bridge.response("1");
    bridge.finish();
}

fn does_not_wait_for_the_get_stream(upstream: &Upstream, capabilities: &str) {
    let mut bridge = open(upstream, capabilities);
    let _get = upstream.take("GET");
    let began = Instant::now();
    bridge.send(&request("1", "tools/call", "{}"));
    let call = upstream.take("tools/call");
    assert!(began.elapsed() < SOON, "{capabilities}: sent after {:?}", began.elapsed());
    call.result("{}");
    bridge.response("1");
    bridge.finish();
}

#[test]
fn a_call_waits_for_the_get_stream_where_the_server_may_ask_something() {
    for capabilities in [
        r#"{"sampling":{}}"#,
        r#"{"elicitation":{}}"#,
        r#"{"roots":{}}"#,
        r#"{"tasks":{"requests":{"elicitation":{"create":{}}}}}"#,
    ] {
        waits_for_the_get_stream(&without_get_response(), capabilities);
    }
}

fn a_call_of_a_client_that_cannot_be_asked_does_not_wait() {
    for capabilities in ["{}", r#"{"tasks":{"list":{},"cancel":{}},"sampling":null}"#] {
        does_not_wait_for_the_get_stream(&without_get_response(), capabilities);
    }
}

#[test]
fn a_call_behind_the_get_on_the_same_connection_does_not_wait_for_the_response() {
    over(Protocol::Http2, || does_not_wait_for_the_get_stream(&without_get_response(), r#"{"elicitation":{}}"#));
}

#[test]
fn a_call_waits_no_longer_than_two_round_trips() {
    does_not_wait_for_the_get_stream(&Upstream::holding(["GET", "tools/call"]), r#"{"elicitation":{}}"#);
}

fn requests_in_a_session_wait_until_the_server_has_taken_initialized() {
    let upstream = Upstream::holding(["notifications/initialized"]);
    let mut bridge = open(&upstream, "{}");
    bridge.send(&request("1", "tools/list", "{}"));
    let initialized = upstream.take("notifications/initialized");
    let_it_read(&mut bridge);
    assert_eq!(upstream.count("tools/list"), 0, "some servers refuse it: {:?}", upstream.kinds());
    initialized.accepted();
    bridge.response("1");
    bridge.finish();
}

over_each_protocol! {
    a_call_of_a_client_that_cannot_be_asked_does_not_wait,
    requests_in_a_session_wait_until_the_server_has_taken_initialized,
}

#[test]
fn requests_to_a_server_without_sessions_are_sent_behind_initialized_on_the_same_connection() {
    over(Protocol::Http2, || {
        let upstream = without_sessions();
        let mut bridge = open(&upstream, "{}");
        bridge.request("1", "tools/list", "{}");
        upstream.take("notifications/initialized").accepted();
        let kinds = upstream.kinds();
        let place = |kind: &str| kinds.iter().position(|have| have == kind).unwrap();
        assert!(place("notifications/initialized") < place("tools/list"), "{kinds:?}");
        bridge.finish();
    });
}

#[test]
fn requests_to_a_server_without_sessions_wait_for_initialized_on_connections_of_their_own() {
    let upstream = without_sessions();
    let mut bridge = open(&upstream, "{}");
    bridge.send(&request("1", "tools/list", "{}"));
    let initialized = upstream.take("notifications/initialized");
    let_it_read(&mut bridge);
    assert_eq!(upstream.count("tools/list"), 0, "{:?}", upstream.kinds());
    initialized.accepted();
    bridge.response("1");
    bridge.finish();
}
