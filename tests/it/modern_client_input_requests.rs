//! A request of a legacy server becomes an `input_required` result for a modern client, which retries with its responses.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::*;

const FORM: &str =
    r#"{"message":"who?","requestedSchema":{"type":"object","properties":{"n":{"type":"number","minimum":1.0}}}}"#;

/// An upstream that holds calls and GET streams for the test.
fn holding() -> Upstream {
    Upstream::holding(["tools/call", "prompts/get", "resources/read", "GET"])
}

fn input_requests_of(answer: &Value) -> (BTreeMap<String, Value>, String) {
    assert_eq!(answer["result"]["resultType"], "input_required", "{answer}");
    assert!(answer["result"].get("ttlMs").is_none(), "an interim result is not cacheable");
    let requests = answer["result"]["inputRequests"].as_object().unwrap();
    let state = answer["result"]["requestState"].as_str().unwrap();
    assert!(state.len() >= 32, "the state cannot be guessed: {state}");
    (requests.clone().into_iter().collect(), state.to_owned())
}

/// Retries the call with these responses by method.
fn retry_with(
    state: &str,
    requests: &BTreeMap<String, Value>,
    reply: impl Fn(&Value) -> Option<&'static str>,
) -> String {
    let replies = requests.iter().filter_map(|(key, request)| Some(format!("{}:{}", json!(key), reply(request)?)));
    let replies: Vec<_> = replies.collect();
    format!(r#""name":"t","inputResponses":{{{}}},"requestState":{}"#, replies.join(","), json!(state))
}

#[test]
fn a_server_request_becomes_an_input_required_result_and_the_retry_gets_the_real_result() {
    let upstream = holding();
    let mut bridge = Bridge::modern(&upstream);
    bridge.send(&modern_request("1", "tools/call", r#""name":"t""#));
    let call = upstream.take("tools/call");
    let events = call.sse();
    events.event(&request("77", "elicitation/create", FORM));
    let (requests, state) = input_requests_of(&value(&bridge.response("1")));
    assert_eq!(requests.len(), 1);
    let input_request = requests.values().next().unwrap();
    assert_eq!(*input_request, json!({"method": "elicitation/create", "params": value(FORM)}));
    bridge.send(&modern_request(
        "2",
        "tools/call",
        &retry_with(&state, &requests, |_| Some(r#"{"action":"accept","content":{"n":1.0}}"#)),
    ));
    let reply = upstream.wait_for("response", 1);
    assert_eq!(reply.text(), result("77", r#"{"action":"accept","content":{"n":1.0}}"#), "byte for byte");
    events.event(&result("1", r#"{"content":[]}"#));
    events.end();
    assert_eq!(value(&bridge.response("2"))["result"]["resultType"], "complete");
    assert_eq!(upstream.count("tools/call"), 1, "the server receives one call");
    let late = bridge.request_modern("3", "tools/call", &retry_with(&state, &requests, |_| Some("{}")));
    assert_eq!(late["error"]["code"], -32602, "a state can be used once: {late}");
    bridge.finish();
}

#[test]
fn several_server_requests_are_passed_on_together_and_unanswered_ones_again() {
    let upstream = holding();
    let mut bridge = Bridge::modern(&upstream);
    bridge.send(&modern_request("1", "tools/call", r#""name":"t""#));
    let events = upstream.take("tools/call").sse();
    let sampling = r#"{"messages":[],"maxTokens":5}"#;
    let both = format!(
        "data: {}\n\ndata: {}\n\ndata: {}\n\n",
        request("1", "elicitation/create", FORM),
        request(r#""1""#, "sampling/createMessage", sampling),
        request("2", "roots/list", "{}")
    );
    events.chunk(&both);
    let (requests, state) = input_requests_of(&value(&bridge.response("1")));
    assert_eq!(requests.len(), 3, "requests that arrive together are passed on together");
    let reply = |request: &Value| match request["method"].as_str().unwrap() {
        "sampling/createMessage" => None,
        "roots/list" => Some(r#"{"roots":[]}"#),
        _ => Some(r#"{"action":"decline"}"#),
    };
    let again = bridge.request_modern("2", "tools/call", &retry_with(&state, &requests, reply));
    let (requests, state) = input_requests_of(&again);
    assert_eq!(requests.values().map(|request| &request["method"]).collect::<Vec<_>>(), ["sampling/createMessage"]);
    bridge.send(&modern_request(
        "3",
        "tools/call",
        &retry_with(&state, &requests, |_| Some(r#"{"role":"assistant"}"#)),
    ));
    upstream.wait_for("response", 3);
    // The next round.
    events.event(&request("3", "roots/list", "{}"));
    let (requests, state) = input_requests_of(&value(&bridge.response("3")));
    bridge.send(&modern_request("4", "tools/call", &retry_with(&state, &requests, |_| Some(r#"{"roots":[]}"#))));
    upstream.wait_for("response", 4);
    events.event(&result("1", "{}"));
    events.end();
    bridge.response("4");
    let mut replies: Vec<_> = upstream
        .requests()
        .iter()
        .filter(|request| request.kind == "response")
        .map(|request| request.text().to_owned())
        .collect();
    replies.sort();
    let mut expected = vec![
        result("1", r#"{"action":"decline"}"#),
        result("2", r#"{"roots":[]}"#),
        result(r#""1""#, r#"{"role":"assistant"}"#),
        result("3", r#"{"roots":[]}"#),
    ];
    expected.sort();
    assert_eq!(replies, expected, "each server request gets one response");
    bridge.finish();
}

#[test]
fn a_response_that_arrives_before_the_retry_is_kept_for_the_retry() {
    for breaks in [false, true] {
        let upstream = holding();
        let mut bridge = Bridge::modern(&upstream);
        bridge.send(&modern_request("1", "resources/read", r#""uri":"a:b""#));
        let events = upstream.take("resources/read").sse();
        events.event(&request("1", "roots/list", "{}"));
        let (requests, state) = input_requests_of(&value(&bridge.response("1")));
        if breaks {
            events.cut();
        } else {
            events.event(&result("1", r#"{"contents":[]}"#));
            events.end();
        }
        let back =
            retry_with(&state, &requests, |_| Some(r#"{"roots":[]}"#)).replace(r#""name":"t""#, r#""uri":"a:b""#);
        let back = bridge.request_modern("2", "resources/read", &back);
        assert_eq!(back["error"].is_object(), breaks, "{back}");
        assert_eq!(back["result"]["ttlMs"].is_number(), !breaks, "{back}");
        bridge.finish();
    }
}

#[test]
fn an_unknown_request_state_and_one_of_another_request_are_errors() {
    let upstream = holding();
    let mut bridge = Bridge::modern(&upstream);
    for odd in [r#""made up""#, "7"] {
        let params = format!(r#""name":"t","requestState":{odd},"inputResponses":{{}}"#);
        let unknown = bridge.request_modern("1", "tools/call", &params);
        assert_eq!(unknown["error"]["code"], -32602, "{unknown}");
    }
    bridge.send(&modern_request("2", "tools/call", r#""name":"t""#));
    let events = upstream.take("tools/call").sse();
    events.event(&request("1", "roots/list", "{}"));
    let (_, state) = input_requests_of(&value(&bridge.response("2")));
    for (id, method, name) in [("3", "tools/call", "other"), ("4", "prompts/get", "t")] {
        let wrong = bridge.request_modern(id, method, &format!(r#""name":"{name}","requestState":{}"#, json!(state)));
        assert_eq!(wrong["error"]["code"], -32602, "{wrong}");
    }
    assert!(upstream.count("tools/call") == 1 && upstream.count("response") == 0, "neither retry reaches the server");
    bridge.finish();
}

#[test]
fn a_server_request_without_a_client_request_is_refused() {
    let upstream = holding();
    let mut bridge = Bridge::modern(&upstream);
    bridge.request_modern("1", "tools/list", "");
    let stream = upstream.take("GET").sse();
    stream.event(&request("5", "roots/list", "{}"));
    let reply = value(upstream.wait_for("response", 1).text());
    assert_eq!((&reply["id"], reply["error"].is_object()), (&json!(5), true), "{reply}");
    // A request that the client has no capability for is refused too.
    bridge.send(&modern_request_with("2", "tools/call", r#""name":"t""#, "{}", ""));
    let events = upstream.take("tools/call").sse();
    events.event(&request("6", "sampling/createMessage", "{}"));
    assert!(value(upstream.wait_for("response", 2).text())["error"].is_object());
    events.event(&result("2", "{}"));
    events.end();
    bridge.response("2");
    let ended = bridge.finish();
    assert!(
        ended.stderr.contains("roots/list") && ended.stderr.contains("sampling/createMessage"),
        "the log reports it: {}",
        ended.stderr
    );
    assert!(!ended.lines.iter().any(|line| line.contains(r#""method":"#)), "a modern client receives no requests");
}

#[test]
fn a_server_request_on_the_get_stream_belongs_to_the_pending_request() {
    let upstream = holding();
    let mut bridge = Bridge::modern(&upstream);
    bridge.send(&modern_request("1", "prompts/get", r#""name":"t""#));
    let call = upstream.take("prompts/get");
    let stream = upstream.take("GET").sse();
    stream.event(&request("5", "elicitation/create", FORM));
    let (requests, state) = input_requests_of(&value(&bridge.response("1")));
    bridge.send(&modern_request(
        "2",
        "prompts/get",
        &retry_with(&state, &requests, |_| Some(r#"{"action":"cancel"}"#)),
    ));
    assert_eq!(upstream.wait_for("response", 1).text(), result("5", r#"{"action":"cancel"}"#));
    call.result(r#"{"messages":[]}"#);
    assert_eq!(value(&bridge.response("2"))["result"]["resultType"], "complete");
    bridge.finish();
}

#[test]
fn cancelling_the_retry_cancels_the_call() {
    let upstream = holding();
    let mut bridge = Bridge::modern(&upstream);
    bridge.send(&modern_request("1", "tools/call", r#""name":"t""#));
    let events = upstream.take("tools/call").sse();
    events.event(&request("8", "roots/list", "{}"));
    let (requests, state) = input_requests_of(&value(&bridge.response("1")));
    bridge.send(&modern_request("2", "tools/call", &retry_with(&state, &requests, |_| Some(r#"{"roots":[]}"#))));
    upstream.wait_for("response", 1);
    bridge.cancel("2");
    let cancelled = value(upstream.wait_for("notifications/cancelled", 1).text());
    assert_eq!(cancelled["params"]["requestId"], 1, "the id that the server knows");
    assert!(events.closed_by_client());
    bridge.finish();
}

#[test]
fn progress_after_the_retry_carries_the_new_token() {
    let upstream = holding();
    let mut bridge = Bridge::modern(&upstream);
    bridge.send(&modern_request_with("1", "tools/call", r#""name":"t""#, CAPABILITIES, r#""progressToken":1"#));
    let events = upstream.take("tools/call").sse();
    let progress = |n: u8| notification("notifications/progress", &format!(r#"{{"progressToken":1,"progress":{n}}}"#));
    events.event(&progress(1)).event(&request("8", "roots/list", "{}"));
    let (requests, state) = input_requests_of(&value(&bridge.response("1")));
    events.event(&progress(2));
    let back = retry_with(&state, &requests, |_| Some(r#"{"roots":[]}"#));
    bridge.send(&modern_request_with("2", "tools/call", &back, CAPABILITIES, r#""progressToken":2"#));
    upstream.wait_for("response", 1);
    events.event(&progress(3)).event(&result("1", "{}"));
    events.end();
    bridge.response("2");
    let ended = bridge.finish();
    let progress = ended.lines.iter().filter(|line| line.contains("notifications/progress"));
    let progress: Vec<_> = progress
        .map(|line| {
            let params = &value(line)["params"];
            (params["progressToken"].clone(), params["progress"].clone())
        })
        .collect();
    assert_eq!(progress[0], (json!(1), json!(1)));
    assert_eq!(progress[progress.len() - 1], (json!(2), json!(3)));
}

#[test]
fn a_url_elicitation_becomes_an_input_request_in_each_form_a_server_may_use() {
    let upstream = holding();
    let mut bridge = Bridge::modern(&upstream);
    let url = r#"{"mode":"url","message":"log in","url":"https://example.com/a","elicitationId":"e1"}"#;
    let modern_url = json!({"mode": "url", "message": "log in", "url": "https://example.com/a"});
    bridge.send(&modern_request("1", "tools/call", r#""name":"t""#));
    let events = upstream.take("tools/call").sse();
    events.event(&request("1", "elicitation/create", url));
    let (requests, state) = input_requests_of(&value(&bridge.response("1")));
    assert_eq!(requests.values().next().unwrap()["params"], modern_url, "the modern era has no id for an elicitation");
    bridge.send(&modern_request("2", "tools/call", &retry_with(&state, &requests, |_| Some(r#"{"action":"accept"}"#))));
    upstream.wait_for("response", 1);
    events.event(&notification("notifications/elicitation/complete", r#"{"elicitationId":"e1"}"#));
    events.event(&result("1", "{}"));
    events.end();
    bridge.response("2");
    // An error that requires a retry after the visit.
    for (first, second, accepted) in [("3", "4", true), ("5", "6", false)] {
        bridge.send(&modern_request(first, "tools/call", r#""name":"t""#));
        let call = upstream.take("tools/call");
        let id = call.id();
        call.json(&format!(
            r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32042,"message":"go there","data":{{"elicitations":[{url}]}}}}}}"#
        ));
        let (requests, state) = input_requests_of(&value(&bridge.response(first)));
        assert_eq!(requests.values().next().unwrap()["params"], modern_url);
        let reply = if accepted { r#"{"action":"accept"}"# } else { r#"{"action":"decline"}"# };
        bridge.send(&modern_request(second, "tools/call", &retry_with(&state, &requests, |_| Some(reply))));
        if accepted {
            upstream.take("tools/call").result("{}");
            assert!(value(&bridge.response(second))["result"].is_object());
        } else {
            let error = value(&bridge.response(second))["error"].clone();
            assert_eq!(error["message"], "go there", "a client that declines gets the server's own message");
            assert_eq!(error["code"], -32603, "the code is replaced because the modern era forbids it");
        }
    }
    // To a client without the capability.
    bridge.send(&modern_request_with("7", "tools/call", r#""name":"t""#, r#"{"elicitation":{}}"#, ""));
    let call = upstream.take("tools/call");
    let error = format!(r#""error":{{"code":-32042,"message":"go there","data":{{"elicitations":[{url}]}}}}"#);
    let id = call.id();
    call.json(&format!(r#"{{"jsonrpc":"2.0","id":{id},{error}}}"#));
    let error = value(&bridge.response("7"))["error"].clone();
    assert_eq!(error["code"], -32021, "the modern error for a missing capability: {error}");
    assert_eq!(error["data"], json!({ "requiredCapabilities": { "elicitation": { "url": {} } } }));
    let ended = bridge.finish();
    assert!(
        !ended.lines.iter().any(|line| line.contains("elicitation/complete")),
        "the modern era has no such notification"
    );
}
