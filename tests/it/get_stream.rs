//! The GET stream for messages of the upstream: opened once, and reopened as long as the process lives.

use std::time::{Duration, Instant};

use crate::support::*;

over_each_protocol! {
    server_requests_and_notifications_on_the_get_stream_reach_the_client,
    an_error_response_of_the_client_is_posted,
    one_get_stream_is_opened_after_initialized,
    a_get_stream_refused_with_405_is_never_requested_again,
    the_get_stream_is_reopened_after_its_end,
    the_get_stream_is_reopened_after_the_connection_closes,
    the_get_stream_is_reopened_after_a_reset,
    the_get_stream_is_reopened_after_failed_attempts,
    the_get_stream_is_reopened_as_soon_as_the_server_has_noticed_the_loss,
    the_get_stream_is_reopened_after_an_outage,
    a_retry_time_of_zero_does_not_cause_a_busy_loop,
    the_retry_time_of_the_server_is_respected,
    a_response_on_the_get_stream_answers_its_request,
    a_server_without_a_get_stream_may_answer_with_any_refusal,
}

fn server_requests_and_notifications_on_the_get_stream_reach_the_client() {
    let upstream = Upstream::holding(["GET", "tools/call"]);
    let mut bridge = Bridge::connected(&upstream);
    let get = upstream.take("GET");
    assert_eq!(get.header("accept"), Some("text/event-stream"));
    assert_eq!(get.header("mcp-session-id"), Some("session-1"));
    assert_eq!(get.header("mcp-protocol-version"), Some(REVISION));
    let events = get.sse();
    for method in ["notifications/tools/list_changed", "notifications/resources/updated", "notifications/message"] {
        let line = notification(method, r#"{"n":1.0}"#);
        events.event(&line);
        assert_eq!(bridge.message(method), line);
    }
    for (id, method) in [("0", "sampling/createMessage"), (r#""r""#, "roots/list"), ("2", "ping")] {
        let server_request = request(id, method, r#"{"temperature":1E0}"#);
        events.event(&server_request);
        assert_eq!(bridge.message(method), server_request);
        bridge.send(&result(id, r#"{"n":1.0}"#));
    }
    for n in 1..=3 {
        upstream.wait_for("response", n);
    }
    bridge.finish();
}

fn an_error_response_of_the_client_is_posted() {
    let upstream = Upstream::holding(["GET", "tools/call"]);
    let mut bridge = Bridge::connected(&upstream);
    let events = upstream.take("GET").sse();
    events.event(&request("9", "sampling/createMessage", "{}"));
    bridge.message("sampling/createMessage");
    let refusal = r#"{"jsonrpc":"2.0","id":9,"error":{"code":-1,"message":"User rejected sampling request"}}"#;
    bridge.send(refusal);
    assert_eq!(upstream.wait_for("response", 1).text().trim_end(), refusal);
    bridge.finish();
}

fn one_get_stream_is_opened_after_initialized() {
    let upstream = Upstream::holding(["GET", "tools/call"]);
    let mut bridge = Bridge::connected(&upstream);
    let events = upstream.take("GET").sse();
    bridge.still_works();
    let kinds = upstream.kinds();
    assert_eq!(upstream.count("GET"), 1, "one GET stream: {kinds:?}");
    let place = |kind: &str| kinds.iter().position(|have| have == kind).unwrap();
    assert!(place("GET") > place("initialize"), "{kinds:?}");
    assert_eq!(upstream.count("initialize"), 1, "one session: {kinds:?}");
    drop(events);
    bridge.finish();
}

fn a_get_stream_refused_with_405_is_never_requested_again() {
    let upstream = Upstream::well_behaved();
    let mut bridge = Bridge::connected(&upstream);
    upstream.wait_for("GET", 1);
    for _ in 0..20 {
        bridge.still_works();
    }
    assert_eq!(upstream.count("GET"), 1, "405 means that the server has no such stream");
    bridge.finish();
}

/// Ends the GET stream in this way and asserts that it is reopened.
fn get_stream_is_reopened(end: fn(Events)) {
    let upstream = Upstream::holding(["GET", "tools/call"]);
    let mut bridge = Bridge::connected(&upstream);
    let events = upstream.take("GET").sse();
    events.event_with_id("41", &notification("notifications/message", r#"{"level":"info","data":1}"#));
    bridge.message("notifications/message");
    events.chunk("retry: 10\n\n");
    end(events);
    let again = upstream.take("GET");
    assert_eq!(again.header("last-event-id"), Some("41"), "the stream resumes after the last event");
    again.sse().event(&notification("notifications/tools/list_changed", "{}"));
    bridge.message("notifications/tools/list_changed");
    bridge.still_works();
    bridge.finish();
}

fn the_get_stream_is_reopened_after_its_end() {
    get_stream_is_reopened(Events::end);
}

fn the_get_stream_is_reopened_after_the_connection_closes() {
    get_stream_is_reopened(Events::cut);
}

fn the_get_stream_is_reopened_after_a_reset() {
    get_stream_is_reopened(Events::reset);
}

fn the_get_stream_is_reopened_after_failed_attempts() {
    let failures: [fn(Exchange); 4] = [
        |call| call.plain("503 Service Unavailable", "rolling out"),
        |call| call.plain("409 Conflict", "only one stream is allowed for each session"),
        Exchange::cut,
        Exchange::reset,
    ];
    for fail in failures {
        let upstream = Upstream::holding(["GET", "tools/call"]);
        let mut bridge = Bridge::connected(&upstream);
        let events = upstream.take("GET").sse();
        events.chunk("retry: 10\n\n").event(&notification("notifications/x", "{}"));
        bridge.message("notifications/x");
        drop(events);
        fail(upstream.take("GET"));
        upstream.take("GET").sse().event(&notification("notifications/tools/list_changed", "{}"));
        bridge.message("notifications/tools/list_changed");
        assert_eq!(upstream.count("initialize"), 1, "the session stays open");
        bridge.finish();
    }
}

fn the_get_stream_is_reopened_as_soon_as_the_server_has_noticed_the_loss() {
    let upstream = Upstream::holding(["GET", "tools/call"]);
    let mut bridge = Bridge::connected(&upstream);
    let events = upstream.take("GET").sse();
    events.event(&notification("notifications/x", "{}"));
    bridge.message("notifications/x");
    events.reset();
    let lost = Instant::now();
    for _ in 0..5 {
        upstream.take("GET").plain("409 Conflict", "only one stream is allowed for each session");
    }
    let again = upstream.take("GET");
    let took = lost.elapsed();
    assert!(took < Duration::from_secs(20), "pauses that doubled would take half a minute, these took {took:?}");
    again.sse().event(&notification("notifications/tools/list_changed", "{}"));
    bridge.message("notifications/tools/list_changed");
    bridge.finish();
}

fn the_get_stream_is_reopened_after_an_outage() {
    let mut upstream = Upstream::holding(["GET", "tools/call"]);
    let mut bridge = Bridge::connected(&upstream);
    let events = upstream.take("GET").sse();
    events.chunk("retry: 10\n\n");
    upstream.stop();
    drop(events);
    // A request during the outage waits for the server, which shows that the bridge has noticed the outage.
    bridge.send(&request("1", "tools/list", "{}"));
    upstream.listen();
    upstream.take("GET").sse().event(&notification("notifications/tools/list_changed", "{}"));
    bridge.message("notifications/tools/list_changed");
    bridge.response("1");
    bridge.finish();
}

fn a_retry_time_of_zero_does_not_cause_a_busy_loop() {
    let upstream = Upstream::start(|call| match call.kind() {
        "GET" => {
            let events = call.sse();
            events.chunk("retry: 0\n\n");
            events.end();
        }
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    upstream.wait_for("GET", 1);
    let started = Instant::now();
    upstream.wait_for("GET", 3);
    assert!(started.elapsed() > Duration::from_millis(250), "two more streams in {:?}", started.elapsed());
    bridge.still_works();
    bridge.finish();
}

fn the_retry_time_of_the_server_is_respected() {
    let upstream = Upstream::holding(["GET", "tools/call"]);
    let mut bridge = Bridge::connected(&upstream);
    let events = upstream.take("GET").sse();
    events.chunk("retry: 1500\n\n").event(&notification("notifications/message", r#"{"level":"info","data":1}"#));
    bridge.message("notifications/message");
    let ended = Instant::now();
    events.end();
    drop(upstream.take("GET"));
    assert!(
        ended.elapsed() >= Duration::from_millis(1200),
        "the server requested 1.5 s, the bridge waited {:?}",
        ended.elapsed()
    );
    bridge.finish();
}

fn a_response_on_the_get_stream_answers_its_request() {
    let upstream = Upstream::holding(["GET", "tools/call"]);
    let mut bridge = Bridge::connected(&upstream);
    let get = upstream.take("GET").sse();
    bridge.send(&request("1", "tools/call", "{}"));
    let post = upstream.take("tools/call");
    get.event(&result("1", r#"{"by":"GET"}"#));
    let answer = bridge.response("1");
    assert_eq!(answer, result("1", r#"{"by":"GET"}"#));
    post.result(r#"{"by":"POST"}"#);
    bridge.still_works();
    bridge.finish();
}

fn a_server_without_a_get_stream_may_answer_with_any_refusal() {
    let refusals: [fn(Exchange); 4] = [
        |call| call.plain("404 Not Found", "Cannot GET /mcp"),
        |call| call.plain("400 Bad Request", "what is that?"),
        |call| call.json(r#"{"status":"alive"}"#),
        |call| call.respond("200 OK", &[("Content-Type", "text/html")], "<h1>An MCP server</h1>"),
    ];
    for refuse in refusals {
        let upstream =
            Upstream::start(move |call| if call.kind() == "GET" { refuse(call) } else { call.respond_normally() });
        let mut bridge = Bridge::connected(&upstream);
        upstream.wait_for("GET", 1);
        for _ in 0..5 {
            bridge.still_works();
        }
        bridge.finish();
        assert!(upstream.count("initialize") <= 2, "POSTs succeed, so the session is open: {:?}", upstream.kinds());
        assert!(upstream.count("GET") <= 3, "{:?}", upstream.kinds());
    }
}

/// Holds the GET and calls. Over HTTP/1.1 a call waits for about two round trips, which with this server is a second.
fn slow_to_take_initialized() -> Upstream {
    Upstream::start(|call| match call.kind() {
        "notifications/initialized" => {
            std::thread::sleep(Duration::from_millis(500));
            call.accepted();
        }
        "GET" | "tools/call" => call.hold(),
        _ => call.respond_normally(),
    })
}

#[test]
fn a_call_waits_briefly_for_the_get_stream_that_carries_server_requests() {
    let upstream = slow_to_take_initialized();
    let began = Instant::now();
    let mut bridge = Bridge::connected(&upstream);
    let get = upstream.take("GET");
    bridge.send(&request("1", "tools/call", "{}"));
    bridge.still_works();
    let is_sent = upstream.count("tools/call") > 0;
    assert!(!is_sent || began.elapsed() > Duration::from_secs(1), "a server request without a stream would be lost");
    let events = get.sse();
    let call = upstream.take("tools/call");
    events.event(&request("7", "elicitation/create", "{}"));
    bridge.message("elicitation/create");
    call.result("{}");
    bridge.response("1");
    bridge.finish();
}

#[test]
fn a_call_cancelled_while_it_waits_for_the_get_stream_is_not_sent() {
    let upstream = slow_to_take_initialized();
    let mut bridge = Bridge::connected(&upstream);
    let get = upstream.take("GET");
    bridge.send(&request("1", "tools/call", "{}"));
    bridge.cancel("1");
    bridge.still_works();
    let _events = get.sse();
    bridge.still_works();
    bridge.finish();
    let kinds = upstream.kinds();
    assert!(!kinds.iter().any(|kind| kind == "tools/call" || kind == "notifications/cancelled"), "{kinds:?}");
}
