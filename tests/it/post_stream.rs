//! An answer that comes as a stream of events: what comes before it, how it may break.

use crate::support::*;

/// Holds GET streams and tool calls for the test, and is usual otherwise.
fn holding() -> Upstream {
    Upstream::start(|call| match call.kind() {
        "GET" | "tools/call" => call.hold(),
        _ => call.usual(),
    })
}

#[test]
fn what_comes_on_a_post_stream_before_the_answer_reaches_the_client_in_order() {
    let upstream = holding();
    let mut bridge = Bridge::connected(&upstream);
    bridge.send(&request("1", "tools/call", r#"{"_meta":{"progressToken":"p-1"}}"#));
    let events = upstream.take("tools/call").sse();
    let progress = notification("notifications/progress", r#"{"progressToken":"p-1","progress":0.50,"total":1.0}"#);
    let log = notification("notifications/message", r#"{"level":"info","data":12345678901234567890}"#);
    events.event(&progress);
    assert_eq!(bridge.message("notifications/progress"), progress, "progress passes at once and to the byte");
    events.event(&log);
    assert_eq!(bridge.message("notifications/message"), log);
    events.event(&result("1", "{}"));
    events.end();
    assert_eq!(bridge.answer("1"), result("1", "{}"));
    bridge.finish();
}

#[test]
fn an_answer_is_given_before_its_stream_ends() {
    let upstream = holding();
    let mut bridge = Bridge::connected(&upstream);
    bridge.send(&request("1", "tools/call", "{}"));
    let events = upstream.take("tools/call").sse();
    events.event(&result("1", "{}"));
    bridge.answer("1");
    drop(events);
    bridge.still_works();
    bridge.finish();
}

#[test]
fn a_question_on_a_post_stream_reaches_the_client_and_its_reply_the_upstream() {
    let upstream = holding();
    let mut bridge = Bridge::connected(&upstream);
    bridge.send(&request("1", "tools/call", "{}"));
    let events = upstream.take("tools/call").sse();
    // The upstream's ids are its own and may look like the client's.
    let question = request("1", "elicitation/create", r#"{"message":"which?","n":1.0}"#);
    events.event(&question);
    assert_eq!(bridge.message("elicitation/create"), question);
    let reply = r#"{"jsonrpc":"2.0","id":1,"result":{"action":"accept","content":{"n":12345678901234567890}}}"#;
    bridge.send(reply);
    let posted = upstream.wait_for("answer", 1);
    assert_eq!(posted.text().trim_end(), reply, "the client's reply is POSTed to the byte");
    assert_eq!(posted.header("mcp-session-id"), Some("session-1"));
    events.event(&result("1", r#"{"done":true}"#));
    events.end();
    assert_eq!(bridge.answer("1"), result("1", r#"{"done":true}"#));
    bridge.finish();
}

#[test]
fn comments_blank_events_and_byte_order_marks_are_no_messages() {
    let upstream = holding();
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
    bridge.answer("1");
    let ended = bridge.finish();
    assert_eq!(ended.lines.len(), 2, "only messages reach the client: {:?}", ended.lines);
}

#[test]
fn events_may_come_in_any_pieces_with_any_line_ends() {
    for line_end in ["\n", "\r\n", "\r"] {
        let upstream = holding();
        let mut bridge = Bridge::connected(&upstream);
        bridge.send(&request("1", "tools/call", "{}"));
        let events = upstream.take("tools/call").sse();
        let answer = result("1", r#"{"text":"é"}"#);
        let text = format!("event: message{line_end}data: {answer}{line_end}{line_end}");
        // Every character in a chunk of its own.
        for letter in text.chars() {
            events.chunk(&letter.to_string());
        }
        events.end();
        assert_eq!(bridge.answer("1"), answer, "line end {line_end:?}");
        bridge.finish();
    }
}

/// A POST stream which ends in this way before its answer.
fn broken_post_stream(end: fn(Events)) {
    let upstream = holding();
    let mut bridge = Bridge::connected(&upstream);
    bridge.send(&request("1", "tools/call", "{}"));
    let events = upstream.take("tools/call").sse();
    events.event(&notification("notifications/progress", r#"{"progressToken":1,"progress":1}"#));
    bridge.message("notifications/progress");
    end(events);
    let answer = bridge.answer("1");
    says(&answer, &[&upstream.host()]);
    bridge.still_works();
    assert_eq!(upstream.count("tools/call"), 1, "a request that has reached the server is never sent twice");
    bridge.finish();
}

#[test]
fn a_post_stream_that_ends_without_the_answer_is_an_error_for_the_request() {
    broken_post_stream(Events::end);
}

#[test]
fn a_post_stream_that_is_cut_without_the_answer_is_an_error_for_the_request() {
    broken_post_stream(Events::cut);
}

#[test]
fn a_post_stream_that_is_reset_without_the_answer_is_an_error_for_the_request() {
    broken_post_stream(Events::reset);
}

#[test]
fn a_stalled_stream_holds_up_nothing_else() {
    let upstream = holding();
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
    bridge.answer("1");
    bridge.finish();
}

#[test]
fn an_array_in_an_event_is_split_into_lines() {
    let upstream = holding();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.shake_hands_in("2025-03-26");
    bridge.send(&request("1", "tools/call", "{}"));
    let events = upstream.take("tools/call").sse();
    let log = notification("notifications/message", r#"{"level":"info","data":1.0}"#);
    events.event(&format!("[{log}, {}]", result("1", "{}")));
    assert_eq!(bridge.message("notifications/message"), log);
    assert_eq!(bridge.answer("1"), result("1", "{}"));
    bridge.finish();
}

/// What cannot be read may have been the answer, and nothing else need ever come.
#[test]
fn an_answer_that_cannot_be_read_is_an_error_though_its_stream_stays_open() {
    let too_long = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"text":"{}"}}}}"#, "y".repeat(2 << 20));
    for answer in [too_long, r#"{"jsonrpc":"2.0","id":1,"result":{"#.to_owned()] {
        let upstream = Upstream::start(|call| if call.kind() == "tools/call" { call.hold() } else { call.usual() });
        let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--max-message-size", "1"]).start();
        bridge.shake_hands();
        bridge.send(&request("1", "tools/call", "{}"));
        let events = upstream.take("tools/call").sse();
        events.event(&answer);
        says(&bridge.answer("1"), &[&upstream.host()]);
        bridge.still_works();
        bridge.finish();
    }
}

#[test]
fn words_that_keep_a_stream_alive_break_no_call() {
    let upstream = Upstream::start(|call| if call.kind() == "tools/call" { call.hold() } else { call.usual() });
    let mut bridge = Bridge::connected(&upstream);
    bridge.send(&request("1", "tools/call", "{}"));
    let events = upstream.take("tools/call").sse();
    events.chunk("event: ping\ndata: 2026-11-21\n\ndata: ping\n\n");
    // Longer than the bridge waits after a message that it could not read.
    let quiet = std::time::Instant::now();
    while quiet.elapsed() < std::time::Duration::from_millis(5500) {
        bridge.still_works();
        std::thread::sleep(std::time::Duration::from_millis(500));
    }
    events.event(&result("1", "{}"));
    assert_eq!(bridge.answer("1"), result("1", "{}"), "what is no message is no answer lost");
    bridge.finish();
}
