//! A server that is not there: how long requests wait, and what a person and a model learn of it.

use std::time::{Duration, Instant};

use crate::support::*;

over_each_protocol! {
    requests_of_one_outage_share_its_patience,
    each_outage_of_an_open_session_has_its_patience,
    a_request_finds_a_server_that_is_there_again,
}

/// Sends requests one after the other, and asserts that each error names the cause. Returns how long they took.
#[track_caller]
fn time_of_failing_requests(bridge: &mut Bridge, upstream: &Upstream, ids: std::ops::Range<u32>) -> Duration {
    let started = Instant::now();
    for id in ids {
        let method = if id % 2 == 0 { "tools/list" } else { "tools/call" };
        assert_error_mentions(&bridge.request(&id.to_string(), method, "{}"), &[&upstream.host(), "refused"]);
    }
    started.elapsed()
}

#[track_caller]
fn assert_one_patience_of_a_second(took: Duration) {
    assert!(took > Duration::from_millis(300), "the first request waits for the server: {took:?}");
    assert!(took < Duration::from_millis(2500), "the others do not wait as long once more: {took:?}");
}

fn requests_of_one_outage_share_its_patience() {
    let upstream = Upstream::offline(Exchange::respond_normally).may_receive_no_request();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).startup_wait("0.1").args(["--patience", "1"]).start();
    bridge.send(&initialize("1", REVISION));
    bridge.response("1");
    assert_one_patience_of_a_second(time_of_failing_requests(&mut bridge, &upstream, 2..6));
    let stderr = bridge.finish().stderr;
    assert_eq!(stderr.lines().count(), 1, "an outage is one line: {stderr}");
}

fn each_outage_of_an_open_session_has_its_patience() {
    let mut upstream = Upstream::well_behaved();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--patience", "1"]).start();
    bridge.initialize();
    bridge.still_works();
    upstream.wait_for("GET", 1);
    for outage in 0..2 {
        upstream.stop();
        let ids = 10 * outage + 1..10 * outage + 5;
        assert_one_patience_of_a_second(time_of_failing_requests(&mut bridge, &upstream, ids));
        upstream.listen();
        bridge.still_works();
    }
    let stderr = bridge.finish().stderr;
    let lines = stderr.lines().filter(|line| line.contains("cannot reach"));
    assert_eq!(lines.count(), 2, "one line for each outage: {stderr}");
}

fn a_request_finds_a_server_that_is_there_again() {
    let mut upstream = Upstream::offline(Exchange::respond_normally);
    let mut bridge = Bridge::to(&upstream.url("/mcp")).startup_wait("0.1").args(["--patience", "0.2"]).start();
    bridge.send(&initialize("1", REVISION));
    bridge.response("1");
    bridge.send(&initialized());
    time_of_failing_requests(&mut bridge, &upstream, 2..4);
    upstream.listen();
    assert_eq!(bridge.request("4", "tools/list", "{}"), result("4", "{}"), "no request fails for what was before");
    bridge.message("notifications/tools/list_changed");
    bridge.finish();
}

#[test]
fn requests_at_the_same_time_fail_together() {
    let upstream = Upstream::offline(Exchange::respond_normally).may_receive_no_request();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).startup_wait("0.1").args(["--patience", "1"]).start();
    bridge.send(&initialize("1", REVISION));
    bridge.response("1");
    let started = Instant::now();
    for id in 2..6 {
        bridge.send(&request(&id.to_string(), "tools/call", "{}"));
    }
    for id in 2..6 {
        assert_error_mentions(&bridge.response(&id.to_string()), &[&upstream.host(), "refused"]);
    }
    assert_one_patience_of_a_second(started.elapsed());
    bridge.finish();
}

#[test]
fn the_first_failed_attempt_is_a_line_at_once() {
    let mut upstream = Upstream::offline(Exchange::respond_normally);
    let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--log-level", "info"]).start();
    bridge.send(&initialize("1", REVISION));
    let cause = "cannot reach";
    bridge.wait_for_log(cause);
    upstream.listen();
    assert!(bridge.response("1").contains("mind the gap"), "the server is there in time");
    bridge.wait_for_log("is there again");
    let stderr = bridge.finish().stderr;
    let warnings = stderr.lines().filter(|line| line.contains("warn") && line.contains(cause));
    assert_eq!(warnings.count(), 1, "{stderr}");
}

#[test]
fn instructions_say_why_a_server_is_not_there() {
    let upstream = Upstream::offline(Exchange::respond_normally).may_receive_no_request();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).startup_wait("0.3").start();
    bridge.send(&initialize("1", REVISION));
    let answer = value(&bridge.response("1"));
    let instructions = answer["result"]["instructions"].as_str().unwrap_or_default();
    for part in [&upstream.host(), "refused", "goes on trying"] {
        assert!(instructions.contains(part), "{part}: {instructions}");
    }
    bridge.finish();
}

#[test]
fn a_client_waits_once_for_a_server_that_is_not_there() {
    let upstream = Upstream::offline(Exchange::respond_normally).may_receive_no_request();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).startup_wait("7").start();
    let started = Instant::now();
    assert_eq!(error_of(&bridge.request("1", "server/discover", "{}")).0, -32601);
    let first = started.elapsed();
    assert!(first >= Duration::from_millis(2500), "the server may come within the startup wait: {first:?}");
    bridge.send(&initialize("2", REVISION));
    bridge.response("2");
    let both = started.elapsed();
    assert!(both < first + Duration::from_secs(2), "the client has waited already: {first:?} and {both:?}");
    bridge.finish();
}

#[test]
fn a_server_that_answers_discover_has_the_whole_wait_for_initialize() {
    let upstream = Upstream::start(|call| match call.kind() {
        "initialize" => call.hold(),
        _ => call.respond_as_legacy_only(),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    assert_eq!(error_of(&bridge.request("1", "server/discover", "{}")).0, -32601);
    bridge.send(&initialize("2", REVISION));
    let initialize = upstream.take("initialize");
    std::thread::sleep(Duration::from_millis(2500));
    initialize.respond_normally();
    assert!(bridge.response("2").contains("mind the gap"));
    bridge.send(&initialized());
    bridge.still_works();
    bridge.finish();
}

#[test]
fn a_server_that_comes_late_is_found_within_a_second_or_two() {
    let mut upstream = Upstream::offline(Exchange::respond_normally);
    let mut bridge = Bridge::to(&upstream.url("/mcp")).startup_wait("0.1").start();
    bridge.send(&initialize("1", REVISION));
    bridge.response("1");
    bridge.send(&initialized());
    // Long enough for pauses to grow, if they did.
    std::thread::sleep(Duration::from_secs(4));
    upstream.listen();
    let started = Instant::now();
    bridge.message("notifications/tools/list_changed");
    assert!(started.elapsed() < Duration::from_millis(2200), "found after {:?}", started.elapsed());
    bridge.finish();
}

#[test]
fn a_client_can_begin_without_the_lists_of_a_server_that_is_not_there_and_calls_wait_for_it() {
    let mut upstream = Upstream::offline(Exchange::respond_normally);
    let mut bridge = Bridge::to(&upstream.url("/mcp")).startup_wait("1").start();
    let started = Instant::now();
    bridge.request("1", "initialize", &format!(r#"{{"protocolVersion":"{REVISION}","capabilities":{{}}}}"#));
    bridge.send(&initialized());
    bridge.send(&request("2", "tools/call", r#"{"name":"look"}"#));
    for (id, method) in [("3", "tools/list"), ("4", "prompts/list"), ("5", "resources/list")] {
        assert_error_mentions(&bridge.request(id, method, "{}"), &[&upstream.host(), "refused"]);
    }
    let took = started.elapsed();
    assert!(took < Duration::from_secs(6), "all lists are answered three seconds after the start, this took {took:?}");
    upstream.listen();
    assert!(bridge.response("2").contains(r#""result""#), "the call has waited");
    bridge.message("notifications/tools/list_changed");
    bridge.finish();
}

#[test]
fn a_request_finds_a_server_of_http_sse_that_is_there_again() {
    let sse = HttpSse::new("/messages");
    let mut upstream = Upstream::start(move |call| sse.serve(call));
    let arguments = ["--transport", "sse-only", "--patience", "1"];
    let mut bridge = Bridge::to(&upstream.url("/sse")).args(arguments).start();
    bridge.initialize_with_revision(HTTP_SSE_REVISION);
    bridge.still_works();
    upstream.stop();
    assert_one_patience_of_a_second(time_of_failing_requests(&mut bridge, &upstream, 2..6));
    // Long enough for pauses to grow.
    std::thread::sleep(Duration::from_secs(2));
    upstream.listen();
    assert_eq!(bridge.request("6", "tools/call", "{}"), result("6", "{}"), "no request fails for what was before");
    bridge.finish();
}

#[test]
fn a_program_that_shows_only_a_failed_start_gets_the_cause_as_the_error_of_initialize() {
    for (name, is_error) in [("opencode", true), ("continue-cli-client", true), ("a-client", false)] {
        let upstream = Upstream::offline(Exchange::respond_normally).may_receive_no_request();
        let mut bridge = Bridge::to(&upstream.url("/mcp")).startup_wait("1").start();
        let params = format!(
            r#"{{"protocolVersion":"{REVISION}","capabilities":{{}},"clientInfo":{{"name":"{name}","version":"1"}}}}"#
        );
        let answer = bridge.request("1", "initialize", &params);
        assert_eq!(value(&answer)["error"]["code"] == -31001, is_error, "{name}: {answer}");
        assert!(answer.contains("refused"), "the cause: {answer}");
        bridge.finish();
    }
}
