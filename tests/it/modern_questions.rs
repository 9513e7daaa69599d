//! A modern server's questions to a legacy client ("Multi Round-Trip Requests"): one request, one answer, whatever lies
//! between.

use serde_json::{Value, json};

use crate::support::*;

fn connected(handler: impl Fn(Exchange) + Send + Sync + 'static) -> (Upstream, Bridge) {
    let upstream = Upstream::start(handler);
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    let greeting = r#"{"protocolVersion":"2025-11-25","capabilities":{"roots":{},"sampling":{},"elicitation":{"form":{},"url":{}}},"clientInfo":{"name":"a-client","version":"1"}}"#;
    assert!(bridge.ask("0", "initialize", greeting).contains("result"));
    bridge.send(&initialized());
    (upstream, bridge)
}

fn call(bridge: &mut Bridge) {
    bridge.send(&request("1", "tools/call", r#"{"name":"t","arguments":{"a":1.0},"_meta":{"progressToken":"p"}}"#));
}

/// Waits for a question and gives its id.
fn asked(bridge: &mut Bridge, method: &str) -> (String, Value) {
    let question = value(&bridge.message(method));
    (question["id"].to_string(), question["params"].clone())
}

#[test]
fn several_questions_at_once_go_back_together_with_the_state_to_the_byte() {
    let state = r#""\u0041 \/ opaque \u00e9""#;
    let (upstream, mut bridge) = connected(move |call| match (call.kind(), call.nth) {
        ("tools/call", 0) => {
            let asked = elicitation("who?");
            call.input_required(&format!(
                r#""inputRequests":{{"name":{asked},"say":{{"method":"sampling/createMessage","params":{{"messages":[],"maxTokens":9}}}},"where":{{"method":"roots/list"}}}},"requestState":{state}"#
            ));
        }
        ("tools/call", _) => call.complete(r#""content":[],"done":1.0"#),
        _ => call.modern(),
    });
    call(&mut bridge);
    let (name, params) = asked(&mut bridge, "elicitation/create");
    assert_eq!(params["message"], "who?");
    let (say, params) = asked(&mut bridge, "sampling/createMessage");
    assert_eq!(params["maxTokens"], 9);
    let (place, _) = asked(&mut bridge, "roots/list");
    bridge.send(&result(&place, r#"{"roots":[]}"#));
    bridge.send(&result(&name, r#"{"action":"accept","content":{"n":1.0}}"#));
    bridge.send(&result(&say, r#"{"role":"assistant","content":{"type":"text","text":"x"},"model":"m"}"#));
    assert_eq!(bridge.answer("1"), r#"{"jsonrpc":"2.0","id":1,"result":{"content":[],"done":1.0}}"#);
    bridge.finish();
    let (first, second) = (upstream.wait_for("tools/call", 1), upstream.wait_for("tools/call", 2));
    assert_ne!(first.id, second.id, "a retry is a new request");
    assert!(second.text().contains(&format!(r#""requestState":{state}"#)), "{}", second.text());
    let params = &value(second.text())["params"];
    assert_eq!(params["inputResponses"]["name"], json!({ "action": "accept", "content": { "n": 1.0 } }));
    assert_eq!(params["inputResponses"]["say"]["model"], "m");
    assert_eq!(params["inputResponses"]["where"], json!({ "roots": [] }));
    assert!(second.text().contains(r#""arguments":{"a":1.0}"#), "the request itself is the same");
    assert_eq!(second.header("Mcp-Name"), Some("t"));
}

#[test]
fn questions_may_come_in_several_rounds_and_each_has_its_own_state() {
    let (upstream, mut bridge) = connected(|call| match (call.kind(), call.nth) {
        ("prompts/get", round @ 0..3) => {
            let state = if round == 1 { String::new() } else { format!(r#","requestState":"round {round}""#) };
            call.input_required(&format!(r#""inputRequests":{{"k":{}}}{state}"#, elicitation(&format!("{round}?"))));
        }
        ("prompts/get", _) => call.complete(r#""messages":[]"#),
        _ => call.modern(),
    });
    bridge.send(&request("1", "prompts/get", r#"{"name":"p"}"#));
    for round in 0..3 {
        let (id, params) = asked(&mut bridge, "elicitation/create");
        assert_eq!(params["message"], format!("{round}?"));
        bridge.send(&result(&id, &format!(r#"{{"action":"accept","content":{{"round":{round}}}}}"#)));
    }
    assert!(bridge.answer("1").contains("messages"));
    bridge.finish();
    for (round, state) in [(1, json!("round 0")), (2, Value::Null), (3, json!("round 2"))] {
        let params = &value(upstream.wait_for("prompts/get", round + 1).text())["params"];
        assert_eq!(params["requestState"], state, "each round's own state and no other's");
        assert_eq!(params["inputResponses"]["k"]["content"]["round"], round - 1);
    }
}

#[test]
fn a_server_that_asks_for_ever_is_left() {
    let (upstream, mut bridge) = connected(|call| match call.kind() {
        "tools/call" => call.input_required(&format!(r#""inputRequests":{{"k":{}}}"#, elicitation("again?"))),
        _ => call.modern(),
    });
    call(&mut bridge);
    for _ in 0..32 {
        let (id, _) = asked(&mut bridge, "elicitation/create");
        bridge.send(&result(&id, r#"{"action":"decline"}"#));
    }
    says(&bridge.answer("1"), &["again and again"]);
    bridge.still_works();
    bridge.finish();
    assert!(upstream.count("tools/call") < 100, "rounds are bounded");
}

#[test]
fn a_state_alone_is_sent_back_without_a_question() {
    let (upstream, mut bridge) = connected(|call| match (call.kind(), call.nth) {
        ("tools/call", nth @ 0..3) => call.input_required(&format!(r#""requestState":"s{nth}""#)),
        ("tools/call", _) => call.complete(r#""content":[]"#),
        _ => call.modern(),
    });
    call(&mut bridge);
    assert!(bridge.answer("1").contains("content"));
    bridge.finish();
    let params = &value(upstream.wait_for("tools/call", 4).text())["params"];
    assert_eq!((&params["requestState"], &params["inputResponses"]), (&json!("s2"), &Value::Null));
}

#[test]
fn a_page_for_the_user_gets_an_id_and_its_end_is_told() {
    let (_upstream, mut bridge) = connected(|call| {
        match (call.kind(), call.nth) {
        ("tools/call", nth @ 0..2) => call.input_required(&format!(
            r#""inputRequests":{{"key":{{"method":"elicitation/create","params":{{"mode":"url","message":"log in","url":"https://example.com/login"}}}}}},"requestState":"{nth}""#
        )),
        ("tools/call", _) => call.complete(r#""content":[]"#),
        _ => call.modern(),
    }
    });
    call(&mut bridge);
    let (id, params) = asked(&mut bridge, "elicitation/create");
    assert_eq!(params["url"], "https://example.com/login");
    let page = params["elicitationId"].as_str().expect("2025-11-25 wants an id").to_owned();
    bridge.send(&result(&id, r#"{"action":"accept"}"#));
    assert!(bridge.answer("1").contains("content"));
    let complete = value(&bridge.message("notifications/elicitation/complete"));
    assert_eq!(complete["params"]["elicitationId"], page.as_str());
    let asked = bridge.lines().iter().filter(|line| line.contains("elicitation/create")).count();
    assert_eq!(asked, 1, "a user who is on the page already is not sent there again");
    bridge.finish();
}

#[test]
fn cancelling_in_the_middle_ends_all_of_it() {
    let (upstream, mut bridge) = connected(|call| match call.kind() {
        "tools/call" => call.input_required(&format!(r#""inputRequests":{{"k":{}}}"#, elicitation("who?"))),
        _ => call.modern(),
    });
    call(&mut bridge);
    let (id, _) = asked(&mut bridge, "elicitation/create");
    bridge.cancel("1");
    let cancelled = value(&bridge.message("notifications/cancelled"));
    assert_eq!(cancelled["params"]["requestId"].to_string(), id, "the client need not answer any more");
    bridge.send(&result(&id, r#"{"action":"accept","content":{}}"#));
    bridge.still_works();
    bridge.finish();
    assert_eq!(upstream.count("tools/call"), 1, "nothing is sent for a call that was cancelled");
}

#[test]
fn what_the_client_refuses_or_cannot_is_an_answer_too() {
    let (upstream, mut bridge) = connected(|call| match (call.kind(), call.param("name").as_str(), call.nth) {
        ("tools/call", "sample", _) => {
            call.input_required(r#""inputRequests":{"k":{"method":"sampling/createMessage","params":{}}}"#);
        }
        ("tools/call", "ask", 0) => call.input_required(&format!(r#""inputRequests":{{"k":{}}}"#, elicitation("who?"))),
        ("tools/call", "odd", _) => call.input_required(r#""inputRequests":{"k":{"method":"vendor/odd"}}"#),
        ("tools/call", "none", _) => call.input_required(r#""_meta":{}"#),
        ("tools/call", "type", _) => call.result(r#"{"resultType":"vendor/odd"}"#),
        ("tools/call", ..) => call.complete(r#""content":[]"#),
        _ => call.modern(),
    });
    bridge.send(&request("1", "tools/call", r#"{"name":"ask"}"#));
    let (id, _) = asked(&mut bridge, "elicitation/create");
    bridge.send(&error(&id, -32000, "no window"));
    assert!(bridge.answer("1").contains("content"), "a user who cannot be asked has dismissed the question");
    let responses = &value(upstream.wait_for("tools/call", 2).text())["params"]["inputResponses"];
    assert_eq!(responses["k"], json!({ "action": "cancel" }));
    bridge.send(&request("2", "tools/call", r#"{"name":"sample"}"#));
    let (id, _) = asked(&mut bridge, "sampling/createMessage");
    bridge.send(&error(&id, -1, "the user said no"));
    let refused = error_of(&bridge.answer("2"));
    assert!(refused.0 == -1 && refused.1.contains("the user said no"), "{refused:?}");
    assert!(error_of(&bridge.ask("3", "tools/call", r#"{"name":"odd"}"#)).1.contains("vendor/odd"));
    says(&bridge.ask("4", "tools/call", r#"{"name":"none"}"#), &["input"]);
    says(&bridge.ask("5", "tools/call", r#"{"name":"type"}"#), &["vendor/odd"]);
    bridge.finish();
}

#[test]
fn progress_grows_through_all_rounds() {
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
        _ => call.modern(),
    });
    call(&mut bridge);
    bridge.answer("1");
    let told: Vec<_> = bridge
        .lines()
        .iter()
        .map(|line| value(line)["params"]["progress"].clone())
        .filter(|told| !told.is_null())
        .collect();
    assert_eq!(told, [1, 2, 3], "progress must increase, though the second round began anew");
    bridge.finish();
}

#[test]
fn an_answer_finds_the_call_that_waits_for_it_though_the_session_is_another_by_now() {
    let (upstream, mut bridge) = connected(|call| match (call.kind(), call.nth) {
        ("tools/call", 0) => call.input_required(&format!(r#""inputRequests":{{"name":{}}}"#, elicitation("who?"))),
        ("tools/call", _) => call.complete(r#""content":[]"#),
        _ => call.modern(),
    });
    call(&mut bridge);
    let (question, _) = asked(&mut bridge, "elicitation/create");
    bridge.shake_hands_in("2025-11-25");
    bridge.send(&result(&question, r#"{"action":"accept","content":{}}"#));
    assert!(bridge.answer("1").contains(r#""content":[]"#), "what a person has answered is not lost");
    bridge.finish();
    assert_eq!(upstream.count("answer"), 0, "the era knows no such message");
}
