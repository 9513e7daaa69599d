//! Streams of events: what comes on them, how they break, how they come back.

use std::time::{Duration, Instant};

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
    bridge.send(&request(
        "1",
        "tools/call",
        r#"{"_meta":{"progressToken":"p-1"}}"#,
    ));
    let events = upstream.take("tools/call").sse();
    let progress = notification(
        "notifications/progress",
        r#"{"progressToken":"p-1","progress":0.50,"total":1.0}"#,
    );
    let log = notification(
        "notifications/message",
        r#"{"level":"info","data":12345678901234567890}"#,
    );
    events.event(&progress);
    assert_eq!(
        bridge.message("notifications/progress"),
        progress,
        "progress passes at once and to the byte"
    );
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
    assert_eq!(
        posted.text().trim_end(),
        reply,
        "the client's reply is POSTed to the byte"
    );
    assert_eq!(posted.header("mcp-session-id"), Some("session-1"));
    events.event(&result("1", r#"{"done":true}"#));
    events.end();
    assert_eq!(bridge.answer("1"), result("1", r#"{"done":true}"#));
    bridge.finish();
}

#[test]
fn questions_and_notifications_on_the_get_stream_reach_the_client() {
    let upstream = holding();
    let mut bridge = Bridge::connected(&upstream);
    let get = upstream.take("GET");
    assert_eq!(get.header("accept"), Some("text/event-stream"));
    assert_eq!(get.header("mcp-session-id"), Some("session-1"));
    assert_eq!(get.header("mcp-protocol-version"), Some(REVISION));
    let events = get.sse();
    for method in [
        "notifications/tools/list_changed",
        "notifications/resources/updated",
        "notifications/message",
    ] {
        let line = notification(method, r#"{"n":1.0}"#);
        events.event(&line);
        assert_eq!(bridge.message(method), line);
    }
    for (id, method) in [
        ("0", "sampling/createMessage"),
        (r#""r""#, "roots/list"),
        ("2", "ping"),
    ] {
        let question = request(id, method, r#"{"temperature":1E0}"#);
        events.event(&question);
        assert_eq!(bridge.message(method), question);
        bridge.send(&result(id, r#"{"n":1.0}"#));
    }
    for n in 1..=3 {
        upstream.wait_for("answer", n);
    }
    bridge.finish();
}

#[test]
fn an_error_that_the_client_replies_is_posted_too() {
    let upstream = holding();
    let mut bridge = Bridge::connected(&upstream);
    let events = upstream.take("GET").sse();
    events.event(&request("9", "sampling/createMessage", "{}"));
    bridge.message("sampling/createMessage");
    let refusal = r#"{"jsonrpc":"2.0","id":9,"error":{"code":-1,"message":"User rejected sampling request"}}"#;
    bridge.send(refusal);
    assert_eq!(upstream.wait_for("answer", 1).text().trim_end(), refusal);
    bridge.finish();
}

#[test]
fn one_get_stream_is_opened_and_only_after_initialized() {
    let upstream = holding();
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

#[test]
fn a_get_stream_that_is_refused_with_405_is_never_asked_for_again() {
    let upstream = Upstream::usual();
    let mut bridge = Bridge::connected(&upstream);
    upstream.wait_for("GET", 1);
    for _ in 0..20 {
        bridge.still_works();
    }
    assert_eq!(
        upstream.count("GET"),
        1,
        "405 means that there is no such stream, for good"
    );
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
    events
        .chunk("event: ping\ndata: {}\n\n")
        .chunk("data\n\n")
        .event(&result("1", "{}"));
    events.end();
    bridge.answer("1");
    let ended = bridge.finish();
    assert_eq!(
        ended.lines.len(),
        2,
        "only messages reach the client: {:?}",
        ended.lines
    );
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
    events.event(&notification(
        "notifications/progress",
        r#"{"progressToken":1,"progress":1}"#,
    ));
    bridge.message("notifications/progress");
    end(events);
    let answer = bridge.answer("1");
    says(&answer, &[&upstream.host(), "tools/call"]);
    bridge.still_works();
    assert_eq!(
        upstream.count("tools/call"),
        1,
        "a request that has reached the server is never sent twice"
    );
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

/// A POST stream whose events have ids, ended in this way before its answer, is taken up again with a GET.
fn resumed_post_stream(end: fn(Events)) {
    let upstream = Upstream::start(|call| match call.kind() {
        "GET" if call.header("last-event-id").is_none() => {
            call.plain("405 Method Not Allowed", "resumption only")
        }
        "GET" | "tools/call" => call.hold(),
        _ => call.usual(),
    });
    let mut bridge = Bridge::connected(&upstream);
    bridge.send(&request("1", "tools/call", "{}"));
    let events = upstream.take("tools/call").sse();
    events.chunk("id: prime\nretry: 10\ndata: \n\n");
    events.event_with_id(
        "é-7",
        &notification(
            "notifications/progress",
            r#"{"progressToken":1,"progress":1}"#,
        ),
    );
    bridge.message("notifications/progress");
    end(events);

    let again = upstream.take("GET");
    assert_eq!(
        again.header("last-event-id"),
        Some("é-7"),
        "the stream is taken up after the last event that came"
    );
    assert_eq!(again.header("mcp-session-id"), Some("session-1"));
    let events = again.sse();
    // Broken once more; a further event is news, so the resumption goes on from there.
    events.event_with_id(
        "8",
        &notification(
            "notifications/progress",
            r#"{"progressToken":1,"progress":2}"#,
        ),
    );
    bridge.message("notifications/progress");
    events.cut();

    let again = upstream.take("GET");
    assert_eq!(again.header("last-event-id"), Some("8"));
    let events = again.sse();
    events.event_with_id("9", &result("1", r#"{"n":1.0}"#));
    assert_eq!(bridge.answer("1"), result("1", r#"{"n":1.0}"#));
    assert_eq!(upstream.count("tools/call"), 1, "resumed, not sent again");
    drop(events);
    bridge.still_works();
    bridge.finish();
}

#[test]
fn a_post_stream_with_event_ids_is_resumed_after_an_early_end() {
    resumed_post_stream(Events::end);
}

#[test]
fn a_post_stream_with_event_ids_is_resumed_after_a_cut() {
    resumed_post_stream(Events::cut);
}

#[test]
fn a_post_stream_with_event_ids_is_resumed_after_a_reset() {
    resumed_post_stream(Events::reset);
}

#[test]
fn a_resumption_that_the_server_refuses_is_an_error_for_the_request() {
    let upstream = Upstream::start(|call| {
        if call.kind() == "tools/call" {
            call.hold()
        } else {
            call.usual()
        }
    });
    let mut bridge = Bridge::connected(&upstream);
    bridge.send(&request("1", "tools/call", "{}"));
    let events = upstream.take("tools/call").sse();
    events.chunk("id: 1\nretry: 10\ndata: \n\n");
    events.end();
    says(&bridge.answer("1"), &[&upstream.host()]);
    assert_eq!(upstream.count("tools/call"), 1);
    bridge.still_works();
    bridge.finish();
}

#[test]
fn a_resumption_survives_a_server_that_is_away_for_a_moment() {
    let upstream =
        Upstream::start(
            |call| match (call.kind(), call.header("last-event-id").is_some()) {
                ("GET", true) if call.request.header("last-event-id") == Some("1") => call.hold(),
                ("tools/call", _) => call.hold(),
                _ => call.usual(),
            },
        );
    let mut bridge = Bridge::connected(&upstream);
    bridge.send(&request("1", "tools/call", "{}"));
    let events = upstream.take("tools/call").sse();
    events.chunk("id: 1\nretry: 10\ndata: \n\n");
    events.cut();
    upstream
        .take("GET")
        .plain("503 Service Unavailable", "rolling out");
    upstream.take("GET").sse().event(&result("1", "{}"));
    assert_eq!(bridge.answer("1"), result("1", "{}"));
    bridge.finish();
}

/// The GET stream breaks in this way, and comes back.
fn get_stream_comes_back(end: fn(Events)) {
    let upstream = holding();
    let mut bridge = Bridge::connected(&upstream);
    let events = upstream.take("GET").sse();
    events.event_with_id(
        "41",
        &notification("notifications/message", r#"{"level":"info","data":1}"#),
    );
    bridge.message("notifications/message");
    events.chunk("retry: 10\n\n");
    end(events);
    let again = upstream.take("GET");
    assert_eq!(
        again.header("last-event-id"),
        Some("41"),
        "nothing in between is lost"
    );
    again
        .sse()
        .event(&notification("notifications/tools/list_changed", "{}"));
    bridge.message("notifications/tools/list_changed");
    bridge.still_works();
    bridge.finish();
}

#[test]
fn the_get_stream_comes_back_after_its_end() {
    get_stream_comes_back(Events::end);
}

#[test]
fn the_get_stream_comes_back_after_a_cut() {
    get_stream_comes_back(Events::cut);
}

#[test]
fn the_get_stream_comes_back_after_a_reset() {
    get_stream_comes_back(Events::reset);
}

#[test]
fn the_get_stream_comes_back_through_any_number_of_failures() {
    let upstream = holding();
    let mut bridge = Bridge::connected(&upstream);
    upstream.take("GET").sse().chunk("retry: 10\n\n");
    upstream
        .take("GET")
        .plain("503 Service Unavailable", "rolling out");
    upstream.take("GET").plain("502 Bad Gateway", "rolling out");
    upstream.take("GET").reset();
    upstream
        .take("GET")
        .sse()
        .event(&notification("notifications/tools/list_changed", "{}"));
    bridge.message("notifications/tools/list_changed");
    assert_eq!(
        upstream.count("initialize"),
        1,
        "the session was never in doubt"
    );
    bridge.finish();
}

#[test]
fn the_get_stream_comes_back_after_an_outage() {
    let mut upstream = holding();
    let mut bridge = Bridge::connected(&upstream);
    let events = upstream.take("GET").sse();
    events.chunk("retry: 10\n\n");
    upstream.stop();
    drop(events);
    // A request in the outage waits for the server, and so shows that the outage has been noticed.
    bridge.send(&request("1", "tools/list", "{}"));
    upstream.listen();
    upstream
        .take("GET")
        .sse()
        .event(&notification("notifications/tools/list_changed", "{}"));
    bridge.message("notifications/tools/list_changed");
    bridge.answer("1");
    bridge.finish();
}

#[test]
fn a_retry_of_zero_does_not_spin() {
    let upstream = Upstream::start(|call| match call.kind() {
        "GET" => {
            let events = call.sse();
            events.chunk("retry: 0\n\n");
            events.end();
        }
        _ => call.usual(),
    });
    let mut bridge = Bridge::connected(&upstream);
    upstream.wait_for("GET", 1);
    let started = Instant::now();
    upstream.wait_for("GET", 4);
    assert!(
        started.elapsed() > Duration::from_millis(250),
        "three more streams in {:?}",
        started.elapsed()
    );
    bridge.still_works();
    bridge.finish();
}

#[test]
fn the_retry_time_that_the_server_asks_for_is_honoured() {
    let upstream = holding();
    let mut bridge = Bridge::connected(&upstream);
    let events = upstream.take("GET").sse();
    events.chunk("retry: 1500\n\n").event(&notification(
        "notifications/message",
        r#"{"level":"info","data":1}"#,
    ));
    bridge.message("notifications/message");
    let ended = Instant::now();
    events.end();
    drop(upstream.take("GET"));
    assert!(
        ended.elapsed() >= Duration::from_millis(1200),
        "the server asked for 1.5 s, it got {:?}",
        ended.elapsed()
    );
    bridge.finish();
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

#[test]
fn an_answer_that_comes_on_the_get_stream_is_an_answer() {
    let upstream = holding();
    let mut bridge = Bridge::connected(&upstream);
    let get = upstream.take("GET").sse();
    bridge.send(&request("1", "tools/call", "{}"));
    let post = upstream.take("tools/call");
    get.event(&result("1", r#"{"by":"GET"}"#));
    let answer = bridge.answer("1");
    assert_eq!(answer, result("1", r#"{"by":"GET"}"#));
    post.result(r#"{"by":"POST"}"#);
    bridge.still_works();
    bridge.finish();
}
