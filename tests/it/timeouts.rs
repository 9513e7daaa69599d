//! The user's own limits: none by default, kept when given.

use crate::support::*;

fn holding_calls() -> Upstream {
    Upstream::start(|call| if call.kind() == "tools/call" { call.hold() } else { call.usual() })
}

#[test]
fn a_request_that_has_had_its_time_is_answered_and_cancelled() {
    let upstream = holding_calls();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--request-timeout", "0.3"]).start();
    bridge.shake_hands();
    bridge.send(&request("7", "tools/call", "{}"));
    let events = upstream.take("tools/call").sse();
    events.event(&notification("notifications/progress", r#"{"progressToken":1,"progress":1}"#));
    let answer = bridge.answer("7");
    says(&answer, &["0.3 seconds", "--request-timeout"]);
    let told = upstream.wait_for("notifications/cancelled", 1);
    assert!(told.text().contains(r#""requestId":7"#), "the server is told to stop: {}", told.text());
    assert!(events.closed_by_client(), "our side of the exchange is closed");
    bridge.still_works();
    bridge.finish();
}

#[test]
fn a_silent_stream_is_broken_where_the_user_says_so() {
    let upstream = holding_calls();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--idle-timeout", "0.3"]).start();
    bridge.shake_hands();
    bridge.send(&request("7", "tools/call", "{}"));
    let events = upstream.take("tools/call").sse();
    says(&bridge.answer("7"), &["silent", "0.3 seconds", &upstream.host()]);
    drop(events);
    bridge.finish();
}

#[test]
fn a_server_that_does_not_even_begin_to_answer_is_silent_too() {
    let upstream = holding_calls();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).env("MCP_FERRY_IDLE_TIMEOUT", "0.3").start();
    bridge.shake_hands();
    bridge.send(&request("7", "tools/call", "{}"));
    let call = upstream.take("tools/call");
    says(&bridge.answer("7"), &["silent", "0.3 seconds"]);
    drop(call);
    bridge.finish();
}

/// A bridge whose upstream may be silent for as long as this.
fn impatient<const N: usize>(upstream: &Upstream, more: [&str; N]) -> Bridge {
    Bridge::to(&upstream.url("/mcp")).args(["--idle-timeout", "0.3"]).args(more).start()
}

/// Lets the time pass that a server may be silent: another bridge tells it.
fn let_patience_end(upstream: &Upstream) {
    let mut clock = impatient(upstream, []);
    clock.shake_hands();
    clock.send(&request("9", "tools/call", "{}"));
    let silent = upstream.take("tools/call");
    says(&clock.answer("9"), &["silent"]);
    drop(silent);
    clock.finish();
}

#[test]
fn a_server_that_waits_for_the_client_is_not_silent_until_it_has_its_reply() {
    let question = request("77", "elicitation/create", r#"{"message":"who?"}"#);
    for on_shared_stream in [false, true] {
        let upstream = Upstream::start(|call| match call.kind() {
            "tools/call" | "GET" => call.hold(),
            _ => call.usual(),
        });
        let mut bridge = impatient(&upstream, []);
        bridge.shake_hands();
        let shared = upstream.take("GET").sse();
        bridge.send(&request("7", "tools/call", "{}"));
        let call = upstream.take("tools/call");
        let (own, unanswered) = if on_shared_stream {
            shared.event(&question);
            (None, Some(call))
        } else {
            let own = call.sse();
            own.event(&question);
            (Some(own), None)
        };
        bridge.message("elicitation/create");
        let_patience_end(&upstream);
        assert!(!bridge.lines().iter().any(|line| line.contains("silent")), "a person is filling in a form");
        bridge.send(&result("77", r#"{"action":"cancel"}"#));
        upstream.wait_for("answer", 1);
        says(&bridge.answer("7"), &["silent", "0.3 seconds"]);
        drop((own, unanswered));
        bridge.finish();
    }
}

#[test]
fn a_server_that_waits_for_a_modern_client_is_not_silent_either() {
    let upstream = holding_calls();
    let mut bridge = impatient(&upstream, ["--client-protocol", "modern", "--protocol", "legacy"]);
    bridge.send(&modern("7", "tools/call", r#""name":"t""#));
    let call = upstream.take("tools/call").sse();
    call.event(&request("77", "roots/list", "{}"));
    let asked = value(&bridge.answer("7"));
    let_patience_end(&upstream);
    call.event(&result("7", "{}"));
    let back = format!(r#""name":"t","requestState":{}"#, asked["result"]["requestState"]);
    assert_eq!(bridge.ask_modern("8", "tools/call", &back)["result"]["resultType"], "complete");
    bridge.finish();
}

#[test]
fn a_question_of_a_call_that_is_cancelled_excuses_no_silence() {
    let upstream = holding_calls();
    let mut bridge = impatient(&upstream, []);
    bridge.shake_hands();
    bridge.send(&request("7", "tools/call", "{}"));
    let asking = upstream.take("tools/call").sse();
    asking.event(&request("77", "elicitation/create", r#"{"message":"who?"}"#));
    bridge.message("elicitation/create");
    bridge.cancel("7");
    upstream.wait_for("notifications/cancelled", 1);
    bridge.send(&request("8", "tools/call", "{}"));
    let silent = upstream.take("tools/call");
    says(&bridge.answer("8"), &["silent", "0.3 seconds"]);
    drop(silent);
    bridge.finish();
}
