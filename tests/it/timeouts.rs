//! Time limits: unlimited by default, enforced when the user sets them.

use crate::support::*;

over_each_protocol! {
    request_timeout_answers_and_cancels_the_request,
    idle_timeout_ends_a_silent_stream,
    idle_timeout_covers_the_wait_for_the_response_headers,
    idle_timeout_pauses_while_the_server_awaits_the_client,
    idle_timeout_pauses_while_the_server_awaits_a_modern_client,
    a_cancelled_calls_server_request_does_not_pause_the_idle_timeout,
}

fn request_timeout_answers_and_cancels_the_request() {
    let upstream = Upstream::holding(["tools/call"]);
    let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--request-timeout", "0.3"]).start();
    bridge.initialize();
    bridge.send(&request("7", "tools/call", "{}"));
    let events = upstream.take("tools/call").sse();
    events.event(&notification("notifications/progress", r#"{"progressToken":1,"progress":1}"#));
    let answer = bridge.response("7");
    assert_error_mentions(&answer, &["0.3 seconds", "--request-timeout"]);
    let notice = upstream.wait_for("notifications/cancelled", 1);
    assert!(notice.text().contains(r#""requestId":7"#), "the server receives the cancellation: {}", notice.text());
    assert!(events.closed_by_client(), "the bridge closes the HTTP request");
    bridge.still_works();
    bridge.finish();
}

fn idle_timeout_ends_a_silent_stream() {
    let upstream = Upstream::holding(["tools/call"]);
    let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--idle-timeout", "0.3"]).start();
    bridge.initialize();
    bridge.send(&request("7", "tools/call", "{}"));
    let events = upstream.take("tools/call").sse();
    assert_error_mentions(&bridge.response("7"), &["silent", "0.3 seconds", &upstream.host()]);
    drop(events);
    bridge.finish();
}

fn idle_timeout_covers_the_wait_for_the_response_headers() {
    let upstream = Upstream::holding(["tools/call"]);
    let mut bridge = Bridge::to(&upstream.url("/mcp")).env("MCP_FERRY_IDLE_TIMEOUT", "0.3").start();
    bridge.initialize();
    bridge.send(&request("7", "tools/call", "{}"));
    let call = upstream.take("tools/call");
    assert_error_mentions(&bridge.response("7"), &["silent", "0.3 seconds"]);
    drop(call);
    bridge.finish();
}

/// A bridge with a short idle timeout.
fn with_idle_timeout<const N: usize>(upstream: &Upstream, more: [&str; N]) -> Bridge {
    Bridge::to(&upstream.url("/mcp")).args(["--idle-timeout", "0.3"]).args(more).start()
}

/// Waits for longer than the idle timeout, measured by another bridge.
fn exceed_idle_timeout(upstream: &Upstream) {
    let mut clock = with_idle_timeout(upstream, []);
    clock.initialize();
    clock.send(&request("9", "tools/call", "{}"));
    let silent = upstream.take("tools/call");
    assert_error_mentions(&clock.response("9"), &["silent"]);
    drop(silent);
    clock.finish();
}

fn idle_timeout_pauses_while_the_server_awaits_the_client() {
    let server_request = request("77", "elicitation/create", r#"{"message":"who?"}"#);
    for on_shared_stream in [false, true] {
        let upstream = Upstream::holding(["tools/call", "GET"]);
        let mut bridge = with_idle_timeout(&upstream, []);
        bridge.initialize();
        let shared = upstream.take("GET").sse();
        bridge.send(&request("7", "tools/call", "{}"));
        let call = upstream.take("tools/call");
        let (own, pending_call) = if on_shared_stream {
            shared.event(&server_request);
            (None, Some(call))
        } else {
            let own = call.sse();
            own.event(&server_request);
            (Some(own), None)
        };
        bridge.message("elicitation/create");
        exceed_idle_timeout(&upstream);
        assert!(!bridge.lines().iter().any(|line| line.contains("silent")), "the user is filling in a form");
        bridge.send(&result("77", r#"{"action":"cancel"}"#));
        upstream.wait_for("response", 1);
        assert_error_mentions(&bridge.response("7"), &["silent", "0.3 seconds"]);
        drop((own, pending_call));
        bridge.finish();
    }
}

fn idle_timeout_pauses_while_the_server_awaits_a_modern_client() {
    let upstream = Upstream::holding(["tools/call"]);
    let mut bridge = with_idle_timeout(&upstream, ["--client-protocol", "modern", "--protocol", "legacy"]);
    bridge.send(&modern_request("7", "tools/call", r#""name":"t""#));
    let call = upstream.take("tools/call").sse();
    call.event(&request("77", "roots/list", "{}"));
    let mut interim = value(&bridge.response("7"));
    exceed_idle_timeout(&upstream);
    call.event(&result("7", "{}"));
    // A retry that overtakes the result is asked again.
    let retries = (8..).map(|id: u32| {
        let back = format!(r#""name":"t","requestState":{}"#, interim["result"]["requestState"]);
        interim = bridge.request_modern(&id.to_string(), "tools/call", &back);
        interim.clone()
    });
    let last = retries.take(1000).find(|answer| answer["result"]["resultType"] != "input_required");
    assert_eq!(last.expect("the call ends")["result"]["resultType"], "complete");
    bridge.finish();
}

fn a_cancelled_calls_server_request_does_not_pause_the_idle_timeout() {
    let upstream = Upstream::holding(["tools/call"]);
    let mut bridge = with_idle_timeout(&upstream, []);
    bridge.initialize();
    bridge.send(&request("7", "tools/call", "{}"));
    let asking = upstream.take("tools/call").sse();
    asking.event(&request("77", "elicitation/create", r#"{"message":"who?"}"#));
    bridge.message("elicitation/create");
    bridge.cancel("7");
    upstream.wait_for("notifications/cancelled", 1);
    bridge.send(&request("8", "tools/call", "{}"));
    let silent = upstream.take("tools/call");
    assert_error_mentions(&bridge.response("8"), &["silent", "0.3 seconds"]);
    drop(silent);
    bridge.finish();
}
