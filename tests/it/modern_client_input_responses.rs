//! A modern client's response to a legacy server's request: refused by the server, absent, or too late.

use serde_json::{Value, json};

use crate::support::*;

/// Calls a tool that requests roots: returns the stream of the call and the params of the retry.
fn call_that_requests_roots(bridge: &mut Bridge, upstream: &Upstream) -> (Events, String) {
    bridge.send(&modern_request("1", "tools/call", r#""name":"t""#));
    let events = upstream.take("tools/call").sse();
    events.event(&request("77", "roots/list", "{}"));
    let interim: Value = value(&bridge.response("1"));
    let key = interim["result"]["inputRequests"].as_object().unwrap().keys().next().unwrap();
    let state = &interim["result"]["requestState"];
    (events, format!(r#""name":"t","requestState":{state},"inputResponses":{{{}:{{"roots":[]}}}}"#, json!(key)))
}

#[test]
fn an_input_response_that_the_server_refuses_ends_the_call() {
    for body in [r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"what is this?"}}"#, "what is this?"] {
        let upstream = Upstream::start(move |call| match call.kind() {
            "tools/call" => call.hold(),
            "response" => call.json_with_status("400 Bad Request", body),
            _ => call.respond_normally(),
        });
        let mut bridge = Bridge::modern(&upstream);
        let (events, back) = call_that_requests_roots(&mut bridge, &upstream);
        let failed = bridge.request_modern("2", "tools/call", &back);
        assert!(
            failed["error"]["message"].as_str().unwrap().contains("what is this?"),
            "the error names the cause: {failed}"
        );
        let cancelled = value(upstream.wait_for("notifications/cancelled", 1).text());
        assert_eq!(cancelled["params"]["requestId"], 1, "the call is cancelled on the server");
        assert!(events.closed_by_client());
        bridge.finish();
    }
}

#[test]
fn a_cancellation_that_crosses_a_server_request_reaches_the_server() {
    let upstream = Upstream::holding(["tools/call"]);
    let mut bridge = Bridge::modern(&upstream);
    let (events, back) = call_that_requests_roots(&mut bridge, &upstream);
    bridge.cancel("1");
    let cancelled = value(upstream.wait_for("notifications/cancelled", 1).text());
    assert_eq!(cancelled["params"]["requestId"], 1);
    assert!(value(upstream.wait_for("response", 1).text())["error"].is_object(), "the server's request is refused");
    assert!(events.closed_by_client());
    assert_eq!(
        bridge.request_modern("2", "tools/call", &back)["error"]["code"],
        -32602,
        "the state is invalid after the cancellation"
    );
    bridge.finish();
}
