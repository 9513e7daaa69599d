//! A response as a stream of events: messages before the response, and broken streams.

use crate::support::*;

over_each_protocol! {
    messages_before_the_response_on_a_post_stream_arrive_in_order,
    a_response_is_delivered_before_its_stream_ends,
    a_server_request_on_a_post_stream_gets_the_clients_response,
    events_may_arrive_in_any_pieces_with_any_line_ending,
    a_post_stream_that_ends_without_a_response_is_an_error,
    a_post_stream_closed_without_a_response_is_an_error,
    a_post_stream_reset_without_a_response_is_an_error,
    the_last_event_counts_without_its_blank_line_if_it_is_the_whole_response,
    the_last_event_without_its_blank_line_is_no_response_if_it_is_cut_or_another,
    a_stalled_stream_does_not_delay_other_requests,
    an_array_in_an_event_is_split_into_lines,
    an_unreadable_response_is_an_error_while_its_stream_stays_open,
    keep_alive_text_in_a_stream_does_not_fail_the_call,
}

fn messages_before_the_response_on_a_post_stream_arrive_in_order() {
    let upstream = Upstream::holding(["GET", "tools/call"]);
    let mut bridge = Bridge::connected(&upstream);
    bridge.send(&request("1", "tools/call", r#"{"_meta":{"progressToken":"p-1"}}"#));
    let events = upstream.take("tools/call").sse();
    let progress = notification("notifications/progress", r#"{"progressToken":"p-1","progress":0.50,"total":1.0}"#);
    let log = notification("notifications/message", r#"{"level":"info","data":12345678901234567890}"#);
    events.event(&progress);
    assert_eq!(bridge.message("notifications/progress"), progress, "progress passes at once and byte for byte");
    events.event(&log);
    assert_eq!(bridge.message("notifications/message"), log);
    events.event(&result("1", "{}"));
    events.end();
    assert_eq!(bridge.response("1"), result("1", "{}"));
    bridge.finish();
}

fn a_response_is_delivered_before_its_stream_ends() {
    let upstream = Upstream::holding(["GET", "tools/call"]);
    let mut bridge = Bridge::connected(&upstream);
    bridge.send(&request("1", "tools/call", "{}"));
    let events = upstream.take("tools/call").sse();
    events.event(&result("1", "{}"));
    bridge.response("1");
    drop(events);
    bridge.still_works();
    bridge.finish();
}

fn a_server_request_on_a_post_stream_gets_the_clients_response() {
    let upstream = Upstream::holding(["GET", "tools/call"]);
    let mut bridge = Bridge::connected(&upstream);
    bridge.send(&request("1", "tools/call", "{}"));
    let events = upstream.take("tools/call").sse();
    // The upstream's ids are independent of the client's and may be equal.
    let server_request = request("1", "elicitation/create", r#"{"message":"which?","n":1.0}"#);
    events.event(&server_request);
    assert_eq!(bridge.message("elicitation/create"), server_request);
    let reply = r#"{"jsonrpc":"2.0","id":1,"result":{"action":"accept","content":{"n":12345678901234567890}}}"#;
    bridge.send(reply);
    let posted = upstream.wait_for("response", 1);
    assert_eq!(posted.text().trim_end(), reply, "the client's response is posted byte for byte");
    assert_eq!(posted.header("mcp-session-id"), Some("session-1"));
    events.event(&result("1", r#"{"done":true}"#));
    events.end();
    assert_eq!(bridge.response("1"), result("1", r#"{"done":true}"#));
    bridge.finish();
}

#[test]
fn comments_blank_events_and_byte_order_marks_are_ignored() {
    let upstream = Upstream::holding(["GET", "tools/call"]);
    let mut bridge = Bridge::connected(&upstream);
    bridge.send(&request("1", "tools/call", "{}"));
    let events = upstream.take("tools/call").sse();
    events
        .chunk("\u{feff}: welcome\n\n")
        .chunk("id: 1\n\n")
        .chunk("retry: 50\n\n")
        .chunk("data:\n\n")
        .chunk(": ping\r\n\r\n");
    events.chunk("event: ping\ndata: {}\n\n").chunk("data\n\n").event(&result("1", "{}"));
    events.end();
    bridge.response("1");
    let ended = bridge.finish();
    assert_eq!(ended.lines.len(), 2, "only messages reach the client: {:?}", ended.lines);
}

fn events_may_arrive_in_any_pieces_with_any_line_ending() {
    for line_end in ["\n", "\r\n", "\r"] {
        let upstream = Upstream::holding(["GET", "tools/call"]);
        let mut bridge = Bridge::connected(&upstream);
        bridge.send(&request("1", "tools/call", "{}"));
        let events = upstream.take("tools/call").sse();
        let answer = result("1", r#"{"text":"é"}"#);
        let text = format!("event: message{line_end}data: {answer}{line_end}{line_end}");
        // Every character is a chunk of its own.
        for letter in text.chars() {
            events.chunk(&letter.to_string());
        }
        events.end();
        assert_eq!(bridge.response("1"), answer, "line end {line_end:?}");
        bridge.finish();
    }
}

/// Ends a POST stream in this way before its response.
fn broken_post_stream(end: fn(Events)) {
    let upstream = Upstream::holding(["GET", "tools/call"]);
    let mut bridge = Bridge::connected(&upstream);
    bridge.send(&request("1", "tools/call", "{}"));
    let events = upstream.take("tools/call").sse();
    events.event(&notification("notifications/progress", r#"{"progressToken":1,"progress":1}"#));
    bridge.message("notifications/progress");
    end(events);
    let answer = bridge.response("1");
    assert_error_mentions(&answer, &[&upstream.host()]);
    bridge.still_works();
    assert_eq!(upstream.count("tools/call"), 1, "a request that has reached the server is never sent twice");
    bridge.finish();
}

fn a_post_stream_that_ends_without_a_response_is_an_error() {
    broken_post_stream(Events::end);
}

fn a_post_stream_closed_without_a_response_is_an_error() {
    broken_post_stream(Events::cut);
}

fn a_post_stream_reset_without_a_response_is_an_error() {
    broken_post_stream(Events::reset);
}

fn the_last_event_counts_without_its_blank_line_if_it_is_the_whole_response() {
    for end in ["", "\n", "\r", "\r\n"] {
        let upstream = Upstream::start(move |call| match call.kind() {
            "tools/call" => {
                let last = format!("event: message\nid: 1\ndata: {}{end}", result(&call.id(), r#"{"n":1.0}"#));
                let events = call.sse();
                events.event(&notification("notifications/x", "{}")).chunk(&last);
                events.end();
            }
            _ => call.respond_normally(),
        });
        let mut bridge = Bridge::connected(&upstream);
        assert_eq!(bridge.request("1", "tools/call", "{}"), result("1", r#"{"n":1.0}"#), "{end:?}");
        bridge.finish();
    }
}

fn the_last_event_without_its_blank_line_is_no_response_if_it_is_cut_or_another() {
    for last in [r#"{"jsonrpc":"2.0","id":1,"result":{"n":"#, r#"{"jsonrpc":"2.0","id":9,"result":{}}"#] {
        let upstream = Upstream::start(move |call| match call.kind() {
            "tools/call" => {
                let events = call.sse();
                events.chunk(&format!("data: {last}"));
                events.end();
            }
            _ => call.respond_normally(),
        });
        let mut bridge = Bridge::connected(&upstream);
        assert_error_mentions(&bridge.request("1", "tools/call", "{}"), &[&upstream.host()]);
        bridge.finish();
    }
}

fn a_stalled_stream_does_not_delay_other_requests() {
    let upstream = Upstream::holding(["GET", "tools/call"]);
    let mut bridge = Bridge::connected(&upstream);
    let get = upstream.take("GET").sse();
    get.chunk("data: {\"jsonrpc\":");
    bridge.send(&request("1", "tools/call", "{}"));
    let post = upstream.take("tools/call").sse();
    post.chunk("data: {\"json");
    for _ in 0..5 {
        bridge.still_works();
    }
    get.chunk("\"2.0\",\"method\":\"notifications/x\"}\n\n");
    bridge.message("notifications/x");
    post.chunk("rpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n");
    bridge.response("1");
    bridge.finish();
}

fn an_array_in_an_event_is_split_into_lines() {
    let upstream = Upstream::holding(["GET", "tools/call"]);
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.initialize_with_revision("2025-03-26");
    bridge.send(&request("1", "tools/call", "{}"));
    let events = upstream.take("tools/call").sse();
    let log = notification("notifications/message", r#"{"level":"info","data":1.0}"#);
    events.event(&format!("[{log}, {}]", result("1", "{}")));
    assert_eq!(bridge.message("notifications/message"), log);
    assert_eq!(bridge.response("1"), result("1", "{}"));
    bridge.finish();
}

/// The unreadable event may have been the response, and no other event need come.
fn an_unreadable_response_is_an_error_while_its_stream_stays_open() {
    let too_long = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"text":"{}"}}}}"#, "y".repeat(2 << 20));
    for answer in [too_long, r#"{"jsonrpc":"2.0","id":1,"result":{"#.to_owned()] {
        let upstream = Upstream::holding(["tools/call"]);
        let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--max-message-size", "1"]).start();
        bridge.initialize();
        bridge.send(&request("1", "tools/call", "{}"));
        let events = upstream.take("tools/call").sse();
        events.event(&answer);
        assert_error_mentions(&bridge.response("1"), &[&upstream.host()]);
        bridge.still_works();
        bridge.finish();
    }
}

fn keep_alive_text_in_a_stream_does_not_fail_the_call() {
    let upstream = Upstream::holding(["tools/call"]);
    let mut bridge = Bridge::connected(&upstream);
    bridge.send(&request("1", "tools/call", "{}"));
    let events = upstream.take("tools/call").sse();
    events.chunk("event: ping\ndata: 2026-11-21\n\ndata: ping\n\n");
    // Longer than the bridge waits after an unreadable message.
    let quiet = std::time::Instant::now();
    while quiet.elapsed() < std::time::Duration::from_millis(5500) {
        bridge.still_works();
        std::thread::sleep(std::time::Duration::from_millis(500));
    }
    events.event(&result("1", "{}"));
    assert_eq!(bridge.response("1"), result("1", "{}"), "text that is not a message does not count as a lost response");
    bridge.finish();
}
