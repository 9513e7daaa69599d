//! A legacy server asks its client something; a modern client is asked by an answer, and comes back.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::*;

const FORM: &str =
    r#"{"message":"who?","requestedSchema":{"type":"object","properties":{"n":{"type":"number","minimum":1.0}}}}"#;

/// An upstream that holds its tool calls, and has a GET stream where a test wants one.
fn asking() -> Upstream {
    Upstream::start(|call| match call.kind() {
        "tools/call" | "prompts/get" | "resources/read" | "GET" => call.hold(),
        _ => call.usual(),
    })
}

fn input(answer: &Value) -> (BTreeMap<String, Value>, String) {
    assert_eq!(answer["result"]["resultType"], "input_required", "{answer}");
    assert!(answer["result"].get("ttlMs").is_none(), "an interim result is nothing to keep");
    let requests = answer["result"]["inputRequests"].as_object().unwrap();
    let state = answer["result"]["requestState"].as_str().unwrap();
    assert!(state.len() >= 32, "the state is not to be guessed: {state}");
    (requests.clone().into_iter().collect(), state.to_owned())
}

/// Comes back with these replies by method.
fn comes_back(
    state: &str,
    requests: &BTreeMap<String, Value>,
    reply: impl Fn(&Value) -> Option<&'static str>,
) -> String {
    let replies = requests.iter().filter_map(|(key, request)| Some(format!("{}:{}", json!(key), reply(request)?)));
    let replies: Vec<_> = replies.collect();
    format!(r#""name":"t","inputResponses":{{{}}},"requestState":{}"#, replies.join(","), json!(state))
}

fn asks(id: &str, method: &str, params: &str) -> String {
    request(id, method, params)
}

#[test]
fn a_question_becomes_an_answer_and_the_way_back_brings_the_real_one() {
    let upstream = asking();
    let mut bridge = Bridge::modern(&upstream);
    bridge.send(&modern("1", "tools/call", r#""name":"t""#));
    let call = upstream.take("tools/call");
    let events = call.sse();
    events.event(&asks("77", "elicitation/create", FORM));
    let (requests, state) = input(&value(&bridge.answer("1")));
    assert_eq!(requests.len(), 1);
    let question = requests.values().next().unwrap();
    assert_eq!(*question, json!({"method": "elicitation/create", "params": value(FORM)}));
    bridge.send(&modern(
        "2",
        "tools/call",
        &comes_back(&state, &requests, |_| Some(r#"{"action":"accept","content":{"n":1.0}}"#)),
    ));
    let reply = upstream.wait_for("answer", 1);
    assert_eq!(reply.text(), result("77", r#"{"action":"accept","content":{"n":1.0}}"#), "byte for byte");
    events.event(&result("1", r#"{"content":[]}"#));
    events.end();
    assert_eq!(value(&bridge.answer("2"))["result"]["resultType"], "complete");
    assert_eq!(upstream.count("tools/call"), 1, "the server sees one call");
    let late = bridge.ask_modern("3", "tools/call", &comes_back(&state, &requests, |_| Some("{}")));
    assert_eq!(late["error"]["code"], -32602, "a state is good for once: {late}");
    bridge.finish();
}

#[test]
fn several_questions_are_asked_at_once_and_what_is_missing_again() {
    let upstream = asking();
    let mut bridge = Bridge::modern(&upstream);
    bridge.send(&modern("1", "tools/call", r#""name":"t""#));
    let events = upstream.take("tools/call").sse();
    let sampling = r#"{"messages":[],"maxTokens":5}"#;
    let both = format!(
        "data: {}\n\ndata: {}\n\ndata: {}\n\n",
        asks("1", "elicitation/create", FORM),
        asks(r#""1""#, "sampling/createMessage", sampling),
        asks("2", "roots/list", "{}")
    );
    events.chunk(&both);
    let (requests, state) = input(&value(&bridge.answer("1")));
    assert_eq!(requests.len(), 3, "what comes together is asked together");
    let reply = |request: &Value| match request["method"].as_str().unwrap() {
        "sampling/createMessage" => None,
        "roots/list" => Some(r#"{"roots":[]}"#),
        _ => Some(r#"{"action":"decline"}"#),
    };
    let again = bridge.ask_modern("2", "tools/call", &comes_back(&state, &requests, reply));
    let (requests, state) = input(&again);
    assert_eq!(requests.values().map(|request| &request["method"]).collect::<Vec<_>>(), ["sampling/createMessage"]);
    bridge.send(&modern("3", "tools/call", &comes_back(&state, &requests, |_| Some(r#"{"role":"assistant"}"#))));
    upstream.wait_for("answer", 3);
    // Another round.
    events.event(&asks("3", "roots/list", "{}"));
    let (requests, state) = input(&value(&bridge.answer("3")));
    bridge.send(&modern("4", "tools/call", &comes_back(&state, &requests, |_| Some(r#"{"roots":[]}"#))));
    upstream.wait_for("answer", 4);
    events.event(&result("1", "{}"));
    events.end();
    bridge.answer("4");
    let mut replies: Vec<_> = upstream
        .requests()
        .iter()
        .filter(|request| request.kind == "answer")
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
    assert_eq!(replies, expected, "each question has its one reply");
    bridge.finish();
}

#[test]
fn an_answer_that_came_meanwhile_is_kept_for_whoever_comes_back() {
    for breaks in [false, true] {
        let upstream = asking();
        let mut bridge = Bridge::modern(&upstream);
        bridge.send(&modern("1", "resources/read", r#""uri":"a:b""#));
        let events = upstream.take("resources/read").sse();
        events.event(&asks("1", "roots/list", "{}"));
        let (requests, state) = input(&value(&bridge.answer("1")));
        if breaks {
            events.cut();
        } else {
            events.event(&result("1", r#"{"contents":[]}"#));
            events.end();
        }
        let back =
            comes_back(&state, &requests, |_| Some(r#"{"roots":[]}"#)).replace(r#""name":"t""#, r#""uri":"a:b""#);
        let back = bridge.ask_modern("2", "resources/read", &back);
        assert_eq!(back["error"].is_object(), breaks, "{back}");
        assert_eq!(back["result"]["ttlMs"].is_number(), !breaks, "{back}");
        bridge.finish();
    }
}

#[test]
fn an_unknown_state_and_one_of_another_request_are_errors() {
    let upstream = asking();
    let mut bridge = Bridge::modern(&upstream);
    for odd in [r#""made up""#, "7"] {
        let params = format!(r#""name":"t","requestState":{odd},"inputResponses":{{}}"#);
        let unknown = bridge.ask_modern("1", "tools/call", &params);
        assert_eq!(unknown["error"]["code"], -32602, "{unknown}");
    }
    bridge.send(&modern("2", "tools/call", r#""name":"t""#));
    let events = upstream.take("tools/call").sse();
    events.event(&asks("1", "roots/list", "{}"));
    let (_, state) = input(&value(&bridge.answer("2")));
    for (id, method, name) in [("3", "tools/call", "other"), ("4", "prompts/get", "t")] {
        let wrong = bridge.ask_modern(id, method, &format!(r#""name":"{name}","requestState":{}"#, json!(state)));
        assert_eq!(wrong["error"]["code"], -32602, "{wrong}");
    }
    assert!(upstream.count("tools/call") == 1 && upstream.count("answer") == 0, "neither reaches the server");
    bridge.finish();
}

#[test]
fn a_question_outside_any_request_is_refused() {
    let upstream = asking();
    let mut bridge = Bridge::modern(&upstream);
    bridge.ask_modern("1", "tools/list", "");
    let stream = upstream.take("GET").sse();
    stream.event(&asks("5", "roots/list", "{}"));
    let reply = value(upstream.wait_for("answer", 1).text());
    assert_eq!((&reply["id"], reply["error"].is_object()), (&json!(5), true), "{reply}");
    // And so is one that the client cannot be asked.
    bridge.send(&modern_with("2", "tools/call", r#""name":"t""#, "{}", ""));
    let events = upstream.take("tools/call").sse();
    events.event(&asks("6", "sampling/createMessage", "{}"));
    assert!(value(upstream.wait_for("answer", 2).text())["error"].is_object());
    events.event(&result("2", "{}"));
    events.end();
    bridge.answer("2");
    let ended = bridge.finish();
    assert!(
        ended.stderr.contains("roots/list") && ended.stderr.contains("sampling/createMessage"),
        "the log says so: {}",
        ended.stderr
    );
    assert!(!ended.lines.iter().any(|line| line.contains(r#""method":"#)), "a modern client hears no requests");
}

#[test]
fn a_question_on_the_shared_stream_belongs_to_the_request_that_waits() {
    let upstream = asking();
    let mut bridge = Bridge::modern(&upstream);
    bridge.send(&modern("1", "prompts/get", r#""name":"t""#));
    let call = upstream.take("prompts/get");
    let stream = upstream.take("GET").sse();
    stream.event(&asks("5", "elicitation/create", FORM));
    let (requests, state) = input(&value(&bridge.answer("1")));
    bridge.send(&modern("2", "prompts/get", &comes_back(&state, &requests, |_| Some(r#"{"action":"cancel"}"#))));
    assert_eq!(upstream.wait_for("answer", 1).text(), result("5", r#"{"action":"cancel"}"#));
    call.result(r#"{"messages":[]}"#);
    assert_eq!(value(&bridge.answer("2"))["result"]["resultType"], "complete");
    bridge.finish();
}

#[test]
fn cancelling_the_way_back_ends_it_all() {
    let upstream = asking();
    let mut bridge = Bridge::modern(&upstream);
    bridge.send(&modern("1", "tools/call", r#""name":"t""#));
    let events = upstream.take("tools/call").sse();
    events.event(&asks("8", "roots/list", "{}"));
    let (requests, state) = input(&value(&bridge.answer("1")));
    bridge.send(&modern("2", "tools/call", &comes_back(&state, &requests, |_| Some(r#"{"roots":[]}"#))));
    upstream.wait_for("answer", 1);
    bridge.cancel("2");
    let cancelled = value(upstream.wait_for("notifications/cancelled", 1).text());
    assert_eq!(cancelled["params"]["requestId"], 1, "the id that the server knows");
    assert!(events.closed_by_client());
    bridge.finish();
}

#[test]
fn progress_after_the_way_back_comes_under_the_new_token() {
    let upstream = asking();
    let mut bridge = Bridge::modern(&upstream);
    bridge.send(&modern_with("1", "tools/call", r#""name":"t""#, CAPABILITIES, r#""progressToken":1"#));
    let events = upstream.take("tools/call").sse();
    let progress = |n: u8| notification("notifications/progress", &format!(r#"{{"progressToken":1,"progress":{n}}}"#));
    events.event(&progress(1)).event(&asks("8", "roots/list", "{}"));
    let (requests, state) = input(&value(&bridge.answer("1")));
    events.event(&progress(2));
    let back = comes_back(&state, &requests, |_| Some(r#"{"roots":[]}"#));
    bridge.send(&modern_with("2", "tools/call", &back, CAPABILITIES, r#""progressToken":2"#));
    upstream.wait_for("answer", 1);
    events.event(&progress(3)).event(&result("1", "{}"));
    events.end();
    bridge.answer("2");
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
fn an_address_to_visit_is_a_question_however_the_server_puts_it() {
    let upstream = asking();
    let mut bridge = Bridge::modern(&upstream);
    let url = r#"{"mode":"url","message":"log in","url":"https://example.com/a","elicitationId":"e1"}"#;
    let modern_url = json!({"mode": "url", "message": "log in", "url": "https://example.com/a"});
    bridge.send(&modern("1", "tools/call", r#""name":"t""#));
    let events = upstream.take("tools/call").sse();
    events.event(&asks("1", "elicitation/create", url));
    let (requests, state) = input(&value(&bridge.answer("1")));
    assert_eq!(requests.values().next().unwrap()["params"], modern_url, "the modern era has no id for it");
    bridge.send(&modern("2", "tools/call", &comes_back(&state, &requests, |_| Some(r#"{"action":"accept"}"#))));
    upstream.wait_for("answer", 1);
    events.event(&notification("notifications/elicitation/complete", r#"{"elicitationId":"e1"}"#));
    events.event(&result("1", "{}"));
    events.end();
    bridge.answer("2");
    // By an error that wants the request again afterwards.
    for (first, second, accepted) in [("3", "4", true), ("5", "6", false)] {
        bridge.send(&modern(first, "tools/call", r#""name":"t""#));
        let call = upstream.take("tools/call");
        let id = call.id();
        call.json(&format!(
            r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32042,"message":"go there","data":{{"elicitations":[{url}]}}}}}}"#
        ));
        let (requests, state) = input(&value(&bridge.answer(first)));
        assert_eq!(requests.values().next().unwrap()["params"], modern_url);
        let reply = if accepted { r#"{"action":"accept"}"# } else { r#"{"action":"decline"}"# };
        bridge.send(&modern(second, "tools/call", &comes_back(&state, &requests, |_| Some(reply))));
        if accepted {
            upstream.take("tools/call").result("{}");
            assert!(value(&bridge.answer(second))["result"].is_object());
        } else {
            let error = value(&bridge.answer(second))["error"].clone();
            assert_eq!(error["message"], "go there", "who will not go there has the server's own word");
            assert_eq!(error["code"], -32603, "but not its code, which the modern era forbids");
        }
    }
    // To a client that cannot.
    bridge.send(&modern_with("7", "tools/call", r#""name":"t""#, r#"{"elicitation":{}}"#, ""));
    let call = upstream.take("tools/call");
    let error = format!(r#""error":{{"code":-32042,"message":"go there","data":{{"elicitations":[{url}]}}}}"#);
    let id = call.id();
    call.json(&format!(r#"{{"jsonrpc":"2.0","id":{id},{error}}}"#));
    let error = value(&bridge.answer("7"))["error"].clone();
    assert_eq!(error["code"], -32021, "the modern era has no other word for it: {error}");
    assert_eq!(error["data"], json!({ "requiredCapabilities": { "elicitation": { "url": {} } } }));
    let ended = bridge.finish();
    assert!(!ended.lines.iter().any(|line| line.contains("elicitation/complete")), "it is not of the modern era");
}
