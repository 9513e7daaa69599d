//! Batches of 2025-03-26: each is sent as one POST, and each of its requests is answered.

use crate::support::*;

/// A batch of two calls, and a notification between them.
fn batch() -> String {
    let (first, second) = (request("1", "tools/call", "{}"), request("2", "tools/call", "{}"));
    format!("[{first},{},{second}]", notification("notifications/x", "{}"))
}

/// A bridge with an open session of the revision that has batches.
fn connected(upstream: &Upstream) -> Bridge {
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.initialize_with_revision("2025-03-26");
    bridge
}

/// A bridge that has sent the batch.
fn with_batch_sent(upstream: &Upstream) -> Bridge {
    let mut bridge = connected(upstream);
    bridge.expect_response("1");
    bridge.expect_response("2");
    bridge.send(&batch());
    bridge
}

#[test]
fn a_batch_is_posted_unchanged_and_each_response_is_one_line() {
    let upstream = Upstream::start(|call| match call.kind() {
        "batch" => {
            let answers = format!("[{},\n {}]", result("2", r#"{"n":1.0}"#), result(r#""a""#, "{}"));
            call.json(&answers);
        }
        _ => call.respond_normally(),
    });
    let mut bridge = connected(&upstream);
    let batch = format!(
        "[{},{} , {}]",
        request(r#""a""#, "tools/call", r#"{"n":1E2}"#),
        notification("notifications/x", "{}"),
        request("2", "ping", "{}")
    );
    bridge.send(&batch);
    bridge.expect_response("2");
    bridge.expect_response(r#""a""#);
    assert_eq!(
        bridge.response("2"),
        result("2", r#"{"n":1.0}"#),
        "each response of a batch is a line of its own, unchanged"
    );
    bridge.response(r#""a""#);
    assert_eq!(upstream.wait_for("batch", 1).text().trim_end(), batch, "a batch is POSTed as it is");
    bridge.finish();
}

#[test]
fn every_request_of_a_batch_is_answered_when_the_upstream_answers_only_some() {
    let upstream = Upstream::start(|call| match call.kind() {
        "batch" => call.json(&format!("[{}]", result("1", "{}"))),
        _ => call.respond_normally(),
    });
    let mut bridge = connected(&upstream);
    bridge.send(&format!("[{},{}]", request("1", "tools/call", "{}"), request("2", "tools/call", "{}")));
    bridge.expect_response("1");
    bridge.expect_response("2");
    bridge.response("1");
    bridge_error(&bridge.response("2"));
    bridge.finish();
}

#[test]
fn the_responses_to_a_batch_may_come_as_a_stream() {
    let upstream = Upstream::holding(["batch"]);
    let mut bridge = with_batch_sent(&upstream);
    let events = upstream.take("batch").sse();
    events.event(&result("2", r#"{"n":1.0}"#));
    assert_eq!(bridge.response("2"), result("2", r#"{"n":1.0}"#), "each response is delivered as it arrives");
    events.event(&notification("notifications/y", "{}"));
    bridge.message("notifications/y");
    events.event(&format!("[{}]", result("1", "{}")));
    events.end();
    assert_eq!(bridge.response("1"), result("1", "{}"));
    bridge.finish();
}

#[test]
fn a_stream_that_ends_early_is_an_error_for_each_unanswered_request() {
    let upstream = Upstream::holding(["batch"]);
    let mut bridge = with_batch_sent(&upstream);
    let events = upstream.take("batch").sse();
    events.event(&result("1", "{}"));
    bridge.response("1");
    events.end();
    bridge_error(&bridge.response("2"));
    bridge.finish();
    assert_eq!(upstream.count("batch"), 1);
}

#[test]
fn a_rejected_batch_is_an_error_for_each_of_its_requests() {
    let refusals: [fn(Exchange); 4] = [
        |call| call.plain("400 Bad Request", "no batches here"),
        |call| {
            let body = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"no batches here"}}"#;
            call.json_with_status("400 Bad Request", body);
        },
        Exchange::accepted,
        Exchange::cut,
    ];
    for refuse in refusals {
        let upstream =
            Upstream::start(move |call| if call.kind() == "batch" { refuse(call) } else { call.respond_normally() });
        let mut bridge = with_batch_sent(&upstream);
        for id in ["1", "2"] {
            error_of(&bridge.response(id));
        }
        bridge.still_works();
        bridge.finish();
        assert_eq!(upstream.count("batch"), 1);
    }
}

#[test]
fn a_batch_without_requests_gets_no_response() {
    let upstream =
        Upstream::start(|call| if call.kind() == "batch" { call.accepted() } else { call.respond_normally() });
    let mut bridge = connected(&upstream);
    let batch = format!("[{},{}]", notification("notifications/x", "{}"), result("7", "{}"));
    bridge.send(&batch);
    assert_eq!(upstream.wait_for("batch", 1).text().trim_end(), batch);
    bridge.still_works();
    let ended = bridge.finish();
    assert_eq!(ended.lines.len(), 2, "{:?}", ended.lines);
}

#[test]
fn a_request_in_a_batch_can_be_cancelled() {
    let upstream = Upstream::holding(["batch"]);
    let mut bridge = with_batch_sent(&upstream);
    let call = upstream.take("batch");
    bridge.cancel("1");
    upstream.wait_for("notifications/cancelled", 1);
    call.json(&format!("[{}]", result("2", r#"{"left":"alone"}"#)));
    assert_eq!(bridge.response("2"), result("2", r#"{"left":"alone"}"#));
    bridge.finish();
}

#[test]
fn a_batch_from_the_upstream_reaches_the_client_as_separate_lines() {
    let upstream = Upstream::holding(["GET"]);
    let mut bridge = connected(&upstream);
    let (server_request, log) =
        (request("5", "roots/list", r#"{"n":1.0}"#), notification("notifications/message", "{}"));
    upstream.take("GET").sse().event(&format!("[{server_request},\t{log}]"));
    assert_eq!(bridge.message("roots/list"), server_request);
    assert_eq!(bridge.message("notifications/message"), log);
    bridge.send(&result("5", "{}"));
    upstream.wait_for("response", 1);
    bridge.finish();
}

#[test]
fn a_batch_with_a_duplicate_id_is_rejected() {
    let upstream = Upstream::well_behaved();
    let mut bridge = connected(&upstream);
    bridge.expect_response("1");
    bridge.expect_response("1");
    bridge.send_raw(format!("[{0},{0}]\n", request("1", "tools/call", "{}")).as_bytes());
    let answer = bridge.line_where("an error", |line| line.contains("error"));
    assert_eq!(error_of(&answer).0, -32600, "two requests with the same id cannot be distinguished: {answer}");
    bridge.line_where("the error for the other", |line| line.contains("error"));
    bridge.finish();
    assert_eq!(upstream.count("batch"), 0, "a rejected batch is not sent");
}

#[test]
fn a_cancellation_inside_a_batch_cancels_the_request() {
    let upstream = Upstream::holding(["tools/call"]);
    let mut bridge = connected(&upstream);
    // No response is expected: the request is cancelled.
    bridge.send_raw(format!("{}\n", request("1", "tools/call", "{}")).as_bytes());
    let events = upstream.take("tools/call").sse();
    let ping = request("2", "ping", "{}");
    bridge.expect_response("2");
    bridge.send(&format!("[{},{ping}]", notification("notifications/cancelled", r#"{"requestId":1}"#)));
    assert!(events.closed_by_client(), "the bridge no longer waits for the response");
    bridge.response("2");
    bridge.finish();
    assert_eq!(upstream.count("notifications/cancelled"), 1, "the server receives the cancellation");
}
