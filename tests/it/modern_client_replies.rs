//! What becomes of a legacy server's question once a modern client has it: a reply, none, or one too late.

use serde_json::{Value, json};

use crate::support::*;

fn asking() -> Upstream {
    Upstream::start(|call| if call.kind() == "tools/call" { call.hold() } else { call.usual() })
}

/// Calls a tool that asks for roots: the stream of the call, and how to come back with them.
fn asked(bridge: &mut Bridge, upstream: &Upstream) -> (Events, String) {
    bridge.send(&modern("1", "tools/call", r#""name":"t""#));
    let events = upstream.take("tools/call").sse();
    events.event(&request("77", "roots/list", "{}"));
    let asked: Value = value(&bridge.answer("1"));
    let key = asked["result"]["inputRequests"].as_object().unwrap().keys().next().unwrap();
    let state = &asked["result"]["requestState"];
    (events, format!(r#""name":"t","requestState":{state},"inputResponses":{{{}:{{"roots":[]}}}}"#, json!(key)))
}

#[test]
fn a_reply_that_the_server_refuses_ends_the_call() {
    for body in [r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"what is this?"}}"#, "what is this?"] {
        let upstream = Upstream::start(move |call| match call.kind() {
            "tools/call" => call.hold(),
            "answer" => call.respond("400 Bad Request", &[("Content-Type", "application/json")], body),
            _ => call.usual(),
        });
        let mut bridge = Bridge::modern(&upstream);
        let (events, back) = asked(&mut bridge, &upstream);
        let told = bridge.ask_modern("2", "tools/call", &back);
        assert!(told["error"]["message"].as_str().unwrap().contains("what is this?"), "it says why: {told}");
        let cancelled = value(upstream.wait_for("notifications/cancelled", 1).text());
        assert_eq!(cancelled["params"]["requestId"], 1, "the server waits for nothing more");
        assert!(events.closed_by_client());
        bridge.finish();
    }
}

#[test]
fn a_cancellation_that_crosses_the_question_reaches_the_server() {
    let upstream = asking();
    let mut bridge = Bridge::modern(&upstream);
    let (events, back) = asked(&mut bridge, &upstream);
    bridge.cancel("1");
    let cancelled = value(upstream.wait_for("notifications/cancelled", 1).text());
    assert_eq!(cancelled["params"]["requestId"], 1);
    assert!(value(upstream.wait_for("answer", 1).text())["error"].is_object(), "the question is refused");
    assert!(events.closed_by_client());
    assert_eq!(bridge.ask_modern("2", "tools/call", &back)["error"]["code"], -32602, "the state means nothing now");
    bridge.finish();
}
