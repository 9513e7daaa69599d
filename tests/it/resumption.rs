//! A broken POST stream is resumed if its events have ids.

use crate::support::*;

over_each_protocol! {
    a_post_stream_with_event_ids_is_resumed_after_an_early_end,
    a_post_stream_with_event_ids_is_resumed_after_the_connection_closes,
    a_post_stream_with_event_ids_is_resumed_after_a_reset,
    a_refused_resumption_is_an_error_for_the_request,
    a_resumption_survives_a_short_outage,
    a_long_call_may_be_polled_without_limit,
}

/// Ends a POST stream with event ids in this way and asserts that a GET resumes it.
fn post_stream_is_resumed(end: fn(Events)) {
    let upstream = Upstream::start(|call| match call.kind() {
        "GET" if call.header("last-event-id").is_none() => call.plain("405 Method Not Allowed", "resumption only"),
        "GET" | "tools/call" => call.hold(),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    bridge.send(&request("1", "tools/call", "{}"));
    let events = upstream.take("tools/call").sse();
    events.chunk("id: prime\nretry: 10\ndata: \n\n");
    events.event_with_id("é-7", &notification("notifications/progress", r#"{"progressToken":1,"progress":1}"#));
    bridge.message("notifications/progress");
    end(events);

    let again = upstream.take("GET");
    assert_eq!(again.header("last-event-id"), Some("é-7"), "the stream resumes after the last received event");
    assert_eq!(again.header("mcp-session-id"), Some("session-1"));
    let events = again.sse();
    // The stream breaks once more after a further event, so the next resumption starts there.
    events.event_with_id("8", &notification("notifications/progress", r#"{"progressToken":1,"progress":2}"#));
    bridge.message("notifications/progress");
    events.cut();

    let again = upstream.take("GET");
    assert_eq!(again.header("last-event-id"), Some("8"));
    let events = again.sse();
    events.event_with_id("9", &result("1", r#"{"n":1.0}"#));
    assert_eq!(bridge.response("1"), result("1", r#"{"n":1.0}"#));
    assert_eq!(upstream.count("tools/call"), 1, "the call is resumed and not sent again");
    drop(events);
    bridge.still_works();
    bridge.finish();
}

fn a_post_stream_with_event_ids_is_resumed_after_an_early_end() {
    post_stream_is_resumed(Events::end);
}

fn a_post_stream_with_event_ids_is_resumed_after_the_connection_closes() {
    post_stream_is_resumed(Events::cut);
}

fn a_post_stream_with_event_ids_is_resumed_after_a_reset() {
    post_stream_is_resumed(Events::reset);
}

fn a_refused_resumption_is_an_error_for_the_request() {
    let upstream = Upstream::holding(["tools/call"]);
    let mut bridge = Bridge::connected(&upstream);
    bridge.send(&request("1", "tools/call", "{}"));
    let events = upstream.take("tools/call").sse();
    events.chunk("id: 1\nretry: 10\ndata: \n\n");
    events.end();
    assert_error_mentions(&bridge.response("1"), &[&upstream.host()]);
    assert_eq!(upstream.count("tools/call"), 1);
    bridge.still_works();
    bridge.finish();
}

fn a_resumption_survives_a_short_outage() {
    let upstream = Upstream::start(|call| match (call.kind(), call.header("last-event-id").is_some()) {
        ("GET", true) if call.request.header("last-event-id") == Some("1") => call.hold(),
        ("tools/call", _) => call.hold(),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    bridge.send(&request("1", "tools/call", "{}"));
    let events = upstream.take("tools/call").sse();
    events.chunk("id: 1\nretry: 10\ndata: \n\n");
    events.cut();
    upstream.take("GET").plain("503 Service Unavailable", "rolling out");
    upstream.take("GET").sse().event(&result("1", "{}"));
    assert_eq!(bridge.response("1"), result("1", "{}"));
    bridge.finish();
}

fn a_long_call_may_be_polled_without_limit() {
    let polls = 10;
    let polled = std::sync::atomic::AtomicUsize::new(0);
    let upstream = Upstream::start(move |call| match call.kind() {
        "tools/call" => {
            let events = call.sse();
            events.chunk("id: 1\nretry: 500\ndata:\n\n");
            events.end();
        }
        "GET" if call.header("last-event-id").is_some() => {
            let nth = polled.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let events = call.sse();
            if nth == polls {
                events.event(&result("1", r#"{"at":"last"}"#));
            } else {
                events.chunk("retry: 500\n\n");
            }
            events.end();
        }
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    bridge.send(&request("1", "tools/call", "{}"));
    assert_eq!(bridge.response("1"), result("1", r#"{"at":"last"}"#), "each poll ended cleanly with a retry time");
    bridge.finish();
}
