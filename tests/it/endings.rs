//! The end of stdin, in every state: prompt, orderly, nothing left behind.

use crate::support::*;

/// An upstream that leaves requests of this kind to the test.
fn holding(kind: &'static str) -> Upstream {
    Upstream::start(move |call| if call.kind() == kind { call.hold() } else { call.usual() })
}

#[test]
fn before_the_first_message() {
    gone_within(AT_ONCE, || {
        let upstream = Upstream::usual().may_stay_unasked();
        let ended = Bridge::to(&upstream.url("/mcp")).start().finish();
        assert!(upstream.requests().is_empty(), "nobody asked for anything: {:?}", upstream.kinds());
        assert_eq!((ended.lines.len(), ended.stderr.as_str()), (0, ""));
        ended
    });
}

#[test]
fn before_the_first_message_with_the_server_offline() {
    let upstream = Upstream::offline(Exchange::usual).may_stay_unasked();
    gone_within(AT_ONCE, || Bridge::to(&upstream.url("/mcp")).start().finish());
}

#[test]
fn when_idle() {
    gone_within(AT_ONCE, || {
        let upstream = holding("GET");
        let mut bridge = Bridge::connected(&upstream);
        let _get = upstream.take("GET").sse();
        bridge.still_works();
        let ended = bridge.finish();
        assert_eq!(upstream.count("DELETE"), 1);
        ended
    });
}

#[test]
fn with_a_stream_still_open_whose_answer_has_come() {
    gone_within(AT_ONCE, || {
        let upstream = holding("tools/call");
        let mut bridge = Bridge::connected(&upstream);
        bridge.send(&request("1", "tools/call", "{}"));
        let events = upstream.take("tools/call").sse();
        events.event(&result("1", "{}"));
        bridge.answer("1");
        bridge.finish()
    });
}

#[test]
fn during_initialize() {
    gone_within(1500 + 1000, || {
        let upstream = holding("initialize");
        let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
        bridge.send(&initialize("1", REVISION));
        let _held = upstream.take("initialize");
        let ended = bridge.finish();
        own_error(&ended.lines[0]);
        ended
    });
}

#[cfg(target_os = "linux")]
#[test]
fn while_connecting_to_a_black_hole() {
    let (address, _waiting) = black_hole();
    gone_within(1500, || {
        let mut bridge = Bridge::to(&format!("http://{address}/mcp")).startup_wait("0.2").start();
        bridge.send(&initialize("1", REVISION));
        bridge.answer("1");
        bridge.send(&request("2", "tools/list", "{}"));
        let ended = bridge.finish();
        own_error(ended.lines.last().unwrap());
        ended
    });
}

#[test]
fn while_offline_with_requests_waiting() {
    let upstream = Upstream::offline(Exchange::usual).may_stay_unasked();
    gone_within(1500, || {
        let mut bridge = Bridge::to(&upstream.url("/mcp")).startup_wait("0.2").start();
        bridge.send(&initialize("1", REVISION));
        bridge.answer("1");
        for id in ["2", "3"] {
            bridge.send(&request(id, "tools/list", "{}"));
        }
        bridge.finish()
    });
}

#[test]
fn with_a_request_in_flight_that_is_answered_soon() {
    let upstream = holding("tools/call");
    let mut bridge = Bridge::connected(&upstream);
    bridge.send(&request("1", "tools/call", "{}"));
    let call = upstream.take("tools/call");
    bridge.close_stdin();
    call.result(r#"{"in":"time"}"#);
    assert_eq!(bridge.answer("1"), result("1", r#"{"in":"time"}"#), "what is nearly done is waited for");
    bridge.finish();
    let kinds = upstream.kinds();
    assert_eq!(kinds.last().unwrap(), "DELETE", "the session is closed when all is done: {kinds:?}");
}

#[test]
fn with_a_request_in_flight_that_is_never_answered() {
    gone_within(1500, || {
        let upstream = holding("tools/call");
        let mut bridge = Bridge::connected(&upstream);
        bridge.send(&request("1", "tools/call", "{}"));
        let _call = upstream.take("tools/call");
        let ended = bridge.finish();
        own_error(ended.lines.last().unwrap());
        assert_eq!(upstream.count("DELETE"), 1);
        ended
    });
}

#[test]
fn with_a_question_to_the_client_open() {
    gone_within(AT_ONCE, || {
        let upstream = holding("GET");
        let mut bridge = Bridge::connected(&upstream);
        let get = upstream.take("GET").sse();
        get.event(&request("1", "sampling/createMessage", "{}"));
        bridge.message("sampling/createMessage");
        bridge.finish()
    });
}

#[test]
fn right_after_the_last_message() {
    let upstream = Upstream::usual();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&initialize("1", REVISION));
    bridge.send(&initialized());
    bridge.send(&request("2", "tools/list", "{}"));
    bridge.send(&notification("notifications/x", "{}"));
    let ended = bridge.finish();
    assert!(ended.lines.iter().any(|line| *line == format!("{}\n", result("2", "{}"))), "{:?}", ended.lines);
    assert_eq!(upstream.count("notifications/x"), 1, "a notification is carried too: {:?}", upstream.kinds());
}

#[test]
fn while_the_endpoint_of_http_sse_is_awaited() {
    gone_within(1500, || {
        let upstream = Upstream::start(|call| match call.kind() {
            "GET" => call.hold(),
            _ => call.plain("405 Method Not Allowed", ""),
        });
        let mut bridge = Bridge::to(&upstream.url("/sse")).start();
        bridge.send(&initialize("1", REVISION));
        let _events = upstream.take("GET").sse();
        bridge.finish()
    });
}

#[test]
fn with_a_server_that_does_not_answer_delete() {
    gone_within(1000, || {
        let upstream = holding("DELETE");
        let mut bridge = Bridge::connected(&upstream);
        bridge.still_works();
        let ended = bridge.finish();
        assert_eq!(upstream.count("DELETE"), 1);
        ended
    });
}

#[test]
fn with_a_server_that_refuses_delete() {
    let upstream = Upstream::start(|call| match call.kind() {
        "DELETE" => call.plain("405 Method Not Allowed", "sessions end by themselves"),
        _ => call.usual(),
    });
    let mut bridge = Bridge::connected(&upstream);
    bridge.still_works();
    let ended = bridge.finish();
    assert_eq!(ended.stderr, "", "nothing a person need know");
}

#[test]
fn with_a_server_that_has_gone() {
    gone_within(1000, || {
        let mut upstream = Upstream::usual();
        let mut bridge = Bridge::connected(&upstream);
        bridge.still_works();
        upstream.stop();
        bridge.finish()
    });
}
