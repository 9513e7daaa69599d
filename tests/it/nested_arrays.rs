//! Nested arrays are not JSON-RPC: they are an error, and deep nesting does not crash the bridge.

use crate::support::*;

/// Arrays nested deeper than a recursive parser could follow.
fn deeply_nested_arrays() -> String {
    format!("{}{}", "[".repeat(60_000), "]".repeat(60_000))
}

#[test]
fn a_line_of_nested_arrays_is_an_error_and_is_not_sent() {
    let upstream = Upstream::well_behaved();
    let mut bridge = Bridge::connected(&upstream);
    for line in [deeply_nested_arrays(), "[".repeat(60_000), format!("[{}]", deeply_nested_arrays())] {
        bridge.send_raw(format!("{line}\n").as_bytes());
        bridge_error(&bridge.response("null"));
        bridge.still_works();
    }
    bridge.finish();
    assert_eq!(upstream.count("batch") + upstream.count("other"), 0, "an invalid message is not sent");
}

#[test]
fn a_request_in_a_nested_batch_is_refused_with_an_error() {
    let upstream = Upstream::well_behaved();
    let mut bridge = Bridge::connected(&upstream);
    bridge.send_raw(format!("[[{}]]\n", request("5", "tools/call", "{}")).as_bytes());
    bridge_error(&bridge.response("null"));
    bridge.still_works();
    bridge.finish();
    assert_eq!(upstream.count("tools/call"), 0, "a nested batch is not sent");
}

#[test]
fn a_body_of_nested_arrays_is_an_error_for_its_request() {
    for status in ["200 OK", "400 Bad Request", "500 Internal Server Error"] {
        let upstream = Upstream::start(move |call| match call.kind() {
            "tools/call" => call.json_with_status(status, &deeply_nested_arrays()),
            _ => call.respond_normally(),
        });
        let mut bridge = Bridge::connected(&upstream);
        assert_error_mentions(&bridge.request("1", "tools/call", "{}"), &[&upstream.host()]);
        bridge.still_works();
        bridge.finish();
        assert_eq!(upstream.count("DELETE"), 1, "{status}: the session is deleted");
    }
}

#[test]
fn an_event_of_nested_arrays_is_ignored() {
    let upstream = Upstream::start(|call| match call.kind() {
        "GET" => call.hold(),
        "tools/call" => {
            let id = call.id();
            let events = call.sse();
            events.event(&deeply_nested_arrays()).event(&result(&id, r#"{"n":1.0}"#));
            events.end();
        }
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    let get = upstream.take("GET").sse();
    get.event(&deeply_nested_arrays()).event(&notification("notifications/x", "{}"));
    bridge.message("notifications/x");
    assert_eq!(bridge.request("1", "tools/call", "{}"), result("1", r#"{"n":1.0}"#));
    bridge.finish();
}
