//! A modern server's input requests to a legacy client ("Multi Round-Trip Requests"): the client sends one request and
//! gets one response.

use serde_json::{Value, json};

use crate::support::*;

fn connected(handler: impl Fn(Exchange) + Send + Sync + 'static) -> (Upstream, Bridge) {
    let upstream = Upstream::start(handler);
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    let params = r#"{"protocolVersion":"2025-11-25","capabilities":{"roots":{},"sampling":{},"elicitation":{"form":{},"url":{}}},"clientInfo":{"name":"a-client","version":"1"}}"#;
    assert!(bridge.request("0", "initialize", params).contains("result"));
    bridge.send(&initialized());
    (upstream, bridge)
}

fn call(bridge: &mut Bridge) {
    bridge.send(&request("1", "tools/call", r#"{"name":"t","arguments":{"a":1.0},"_meta":{"progressToken":"p"}}"#));
}

/// Waits for a request to the client and returns its id and params.
fn input_request(bridge: &mut Bridge, method: &str) -> (String, Value) {
    let received = value(&bridge.message(method));
    (received["id"].to_string(), received["params"].clone())
}

#[test]
fn several_input_responses_are_sent_together_with_the_unchanged_request_state() {
    let state = r#""\u0041 \/ opaque \u00e9""#;
    let (upstream, mut bridge) = connected(move |call| match (call.kind(), call.nth) {
        ("tools/call", 0) => {
            let elicitations = elicitation("who?");
            call.input_required(&format!(
                r#""inputRequests":{{"name":{elicitations},"say":{{"method":"sampling/createMessage","params":{{"messages":[],"maxTokens":9}}}},"where":{{"method":"roots/list"}}}},"requestState":{state}"#
            ));
        }
        ("tools/call", _) => call.complete(r#""content":[],"done":1.0"#),
        _ => call.respond_as_modern(),
    });
    call(&mut bridge);
    let (name, params) = input_request(&mut bridge, "elicitation/create");
    assert_eq!(params["message"], "who?");
    let (say, params) = input_request(&mut bridge, "sampling/createMessage");
    assert_eq!(params["maxTokens"], 9);
    let (place, _) = input_request(&mut bridge, "roots/list");
    bridge.send(&result(&place, r#"{"roots":[]}"#));
    bridge.send(&result(&name, r#"{"action":"accept","content":{"n":1.0}}"#));
    bridge.send(&result(&say, r#"{"role":"assistant","content":{"type":"text","text":"x"},"model":"m"}"#));
    assert_eq!(bridge.response("1"), r#"{"jsonrpc":"2.0","id":1,"result":{"content":[],"done":1.0}}"#);
    bridge.finish();
    let (first, second) = (upstream.wait_for("tools/call", 1), upstream.wait_for("tools/call", 2));
    assert_ne!(first.id, second.id, "a retry has a new id");
    assert!(second.text().contains(&format!(r#""requestState":{state}"#)), "{}", second.text());
    let params = &value(second.text())["params"];
    assert_eq!(params["inputResponses"]["name"], json!({ "action": "accept", "content": { "n": 1.0 } }));
    assert_eq!(params["inputResponses"]["say"]["model"], "m");
    assert_eq!(params["inputResponses"]["where"], json!({ "roots": [] }));
    assert!(second.text().contains(r#""arguments":{"a":1.0}"#), "the params of the request are unchanged");
    assert_eq!(second.header("Mcp-Name"), Some("t"));
}

#[test]
fn input_requests_may_come_in_several_rounds_each_with_its_own_state() {
    let (upstream, mut bridge) = connected(|call| match (call.kind(), call.nth) {
        ("prompts/get", round @ 0..3) => {
            let state = if round == 1 { String::new() } else { format!(r#","requestState":"round {round}""#) };
            call.input_required(&format!(r#""inputRequests":{{"k":{}}}{state}"#, elicitation(&format!("{round}?"))));
        }
        ("prompts/get", _) => call.complete(r#""messages":[]"#),
        _ => call.respond_as_modern(),
    });
    bridge.send(&request("1", "prompts/get", r#"{"name":"p"}"#));
    for round in 0..3 {
        let (id, params) = input_request(&mut bridge, "elicitation/create");
        assert_eq!(params["message"], format!("{round}?"));
        bridge.send(&result(&id, &format!(r#"{{"action":"accept","content":{{"round":{round}}}}}"#)));
    }
    assert!(bridge.response("1").contains("messages"));
    bridge.finish();
    for (round, state) in [(1, json!("round 0")), (2, Value::Null), (3, json!("round 2"))] {
        let params = &value(upstream.wait_for("prompts/get", round + 1).text())["params"];
        assert_eq!(params["requestState"], state, "each round has its own state");
        assert_eq!(params["inputResponses"]["k"]["content"]["round"], round - 1);
    }
}

#[test]
fn the_number_of_input_rounds_is_bounded() {
    let (upstream, mut bridge) = connected(|call| match call.kind() {
        "tools/call" => call.input_required(&format!(r#""inputRequests":{{"k":{}}}"#, elicitation("again?"))),
        _ => call.respond_as_modern(),
    });
    call(&mut bridge);
    for _ in 0..32 {
        let (id, _) = input_request(&mut bridge, "elicitation/create");
        bridge.send(&result(&id, r#"{"action":"decline"}"#));
    }
    assert_error_mentions(&bridge.response("1"), &["again and again"]);
    bridge.still_works();
    bridge.finish();
    assert!(upstream.count("tools/call") < 100, "the number of rounds is bounded");
}

#[test]
fn a_request_state_without_input_requests_is_sent_back_at_once() {
    let (upstream, mut bridge) = connected(|call| match (call.kind(), call.nth) {
        ("tools/call", nth @ 0..3) => call.input_required(&format!(r#""requestState":"s{nth}""#)),
        ("tools/call", _) => call.complete(r#""content":[]"#),
        _ => call.respond_as_modern(),
    });
    call(&mut bridge);
    assert!(bridge.response("1").contains("content"));
    bridge.finish();
    let params = &value(upstream.wait_for("tools/call", 4).text())["params"];
    assert_eq!((&params["requestState"], &params["inputResponses"]), (&json!("s2"), &Value::Null));
}

#[test]
fn a_url_elicitation_gets_an_id_and_its_completion_is_announced() {
    let (_upstream, mut bridge) = connected(|call| {
        match (call.kind(), call.nth) {
        ("tools/call", nth @ 0..2) => call.input_required(&format!(
            r#""inputRequests":{{"key":{{"method":"elicitation/create","params":{{"mode":"url","message":"log in","url":"https://example.com/login"}}}}}},"requestState":"{nth}""#
        )),
        ("tools/call", _) => call.complete(r#""content":[]"#),
        _ => call.respond_as_modern(),
    }
    });
    call(&mut bridge);
    let (id, params) = input_request(&mut bridge, "elicitation/create");
    assert_eq!(params["url"], "https://example.com/login");
    let page = params["elicitationId"].as_str().expect("2025-11-25 wants an id").to_owned();
    bridge.send(&result(&id, r#"{"action":"accept"}"#));
    assert!(bridge.response("1").contains("content"));
    let complete = value(&bridge.message("notifications/elicitation/complete"));
    assert_eq!(complete["params"]["elicitationId"], page.as_str());
    let elicitations = bridge.lines().iter().filter(|line| line.contains("elicitation/create")).count();
    assert_eq!(elicitations, 1, "the same page is not opened twice");
    bridge.finish();
}

#[test]
fn cancelling_during_an_input_request_ends_the_call() {
    let (upstream, mut bridge) = connected(|call| match call.kind() {
        "tools/call" => call.input_required(&format!(r#""inputRequests":{{"k":{}}}"#, elicitation("who?"))),
        _ => call.respond_as_modern(),
    });
    call(&mut bridge);
    let (id, _) = input_request(&mut bridge, "elicitation/create");
    bridge.cancel("1");
    let cancelled = value(&bridge.message("notifications/cancelled"));
    assert_eq!(cancelled["params"]["requestId"].to_string(), id, "the input request is cancelled");
    bridge.send(&result(&id, r#"{"action":"accept","content":{}}"#));
    bridge.still_works();
    bridge.finish();
    assert_eq!(upstream.count("tools/call"), 1, "no retry is sent for a cancelled call");
}

#[test]
fn a_refused_or_unsupported_input_request_is_answered() {
    let (upstream, mut bridge) = connected(|call| match (call.kind(), call.param("name").as_str(), call.nth) {
        ("tools/call", "sample", _) => {
            call.input_required(r#""inputRequests":{"k":{"method":"sampling/createMessage","params":{}}}"#);
        }
        ("tools/call", "ask", 0) => call.input_required(&format!(r#""inputRequests":{{"k":{}}}"#, elicitation("who?"))),
        ("tools/call", "odd", _) => call.input_required(r#""inputRequests":{"k":{"method":"vendor/odd"}}"#),
        ("tools/call", "none", _) => call.input_required(r#""_meta":{}"#),
        ("tools/call", "type", _) => call.result(r#"{"resultType":"vendor/odd"}"#),
        ("tools/call", ..) => call.complete(r#""content":[]"#),
        _ => call.respond_as_modern(),
    });
    bridge.send(&request("1", "tools/call", r#"{"name":"ask"}"#));
    let (id, _) = input_request(&mut bridge, "elicitation/create");
    bridge.send(&error(&id, -32000, "no window"));
    assert!(bridge.response("1").contains("content"), "an unsupported input request counts as cancelled");
    let responses = &value(upstream.wait_for("tools/call", 2).text())["params"]["inputResponses"];
    assert_eq!(responses["k"], json!({ "action": "cancel" }));
    bridge.send(&request("2", "tools/call", r#"{"name":"sample"}"#));
    let (id, _) = input_request(&mut bridge, "sampling/createMessage");
    bridge.send(&error(&id, -1, "the user said no"));
    let refused = error_of(&bridge.response("2"));
    assert!(refused.0 == -1 && refused.1.contains("the user said no"), "{refused:?}");
    assert!(error_of(&bridge.request("3", "tools/call", r#"{"name":"odd"}"#)).1.contains("vendor/odd"));
    assert_error_mentions(&bridge.request("4", "tools/call", r#"{"name":"none"}"#), &["input"]);
    assert_error_mentions(&bridge.request("5", "tools/call", r#"{"name":"type"}"#), &["vendor/odd"]);
    bridge.finish();
}

#[test]
fn progress_increases_through_all_rounds() {
    let progress =
        |at: usize| notification("notifications/progress", &format!(r#"{{"progressToken":"p","progress":{at}}}"#));
    let (_upstream, mut bridge) = connected(move |call| match (call.kind(), call.nth) {
        ("tools/call", nth @ 0..2) => {
            let id = call.id();
            let events = call.sse();
            for at in 1..=2 {
                events.event(&progress(at + nth));
            }
            let members =
                if nth == 0 { r#""resultType":"input_required","requestState":"s""# } else { r#""content":[]"# };
            events.event(&result(&id, &format!("{{{members}}}")));
            events.end();
        }
        _ => call.respond_as_modern(),
    });
    call(&mut bridge);
    bridge.response("1");
    let reported: Vec<_> = bridge
        .lines()
        .iter()
        .map(|line| value(line)["params"]["progress"].clone())
        .filter(|reported| !reported.is_null())
        .collect();
    assert_eq!(reported, [1, 2, 3], "progress increases although the second round starts again");
    bridge.finish();
}

#[test]
fn an_input_response_reaches_its_call_after_the_session_was_replaced() {
    let (upstream, mut bridge) = connected(|call| match (call.kind(), call.nth) {
        ("tools/call", 0) => call.input_required(&format!(r#""inputRequests":{{"name":{}}}"#, elicitation("who?"))),
        ("tools/call", _) => call.complete(r#""content":[]"#),
        _ => call.respond_as_modern(),
    });
    call(&mut bridge);
    let (received, _) = input_request(&mut bridge, "elicitation/create");
    bridge.initialize_with_revision("2025-11-25");
    bridge.send(&result(&received, r#"{"action":"accept","content":{}}"#));
    assert!(bridge.response("1").contains(r#""content":[]"#), "the user's input is not lost");
    bridge.finish();
    assert_eq!(upstream.count("response"), 0, "the modern era has no such message");
}
