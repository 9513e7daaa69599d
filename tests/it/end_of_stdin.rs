//! The end of stdin in every state: the bridge exits quickly with status 0 and leaves no session behind.

use crate::support::*;

over_each_protocol! {
    stdin_ends_before_the_first_message,
    stdin_ends_before_the_first_message_while_the_server_is_offline,
    stdin_ends_while_the_session_is_idle,
    stdin_ends_while_an_answered_stream_is_still_open,
    stdin_ends_during_initialize,
    stdin_ends_while_requests_wait_for_an_offline_server,
    stdin_ends_just_before_a_request_is_answered,
    stdin_ends_while_a_request_is_never_answered,
    stdin_ends_while_a_server_request_awaits_the_client,
    stdin_ends_right_after_the_last_message,
    stdin_ends_while_the_http_sse_endpoint_is_awaited,
    stdin_ends_and_the_server_does_not_answer_delete,
    stdin_ends_and_the_server_refuses_delete,
    stdin_ends_after_the_server_has_stopped,
}

fn stdin_ends_before_the_first_message() {
    exits_within(AT_ONCE, || {
        let upstream = Upstream::well_behaved().may_receive_no_request();
        let ended = Bridge::to(&upstream.url("/mcp")).start().finish();
        assert!(upstream.requests().is_empty(), "no request was needed: {:?}", upstream.kinds());
        assert_eq!((ended.lines.len(), ended.stderr.as_str()), (0, ""));
        ended
    });
}

fn stdin_ends_before_the_first_message_while_the_server_is_offline() {
    let upstream = Upstream::offline(Exchange::respond_normally).may_receive_no_request();
    exits_within(AT_ONCE, || Bridge::to(&upstream.url("/mcp")).start().finish());
}

fn stdin_ends_while_the_session_is_idle() {
    exits_within(AT_ONCE, || {
        let upstream = Upstream::holding(["GET"]);
        let mut bridge = Bridge::connected(&upstream);
        let _get = upstream.take("GET").sse();
        bridge.still_works();
        let ended = bridge.finish();
        assert_eq!(upstream.count("DELETE"), 1);
        ended
    });
}

fn stdin_ends_while_an_answered_stream_is_still_open() {
    exits_within(AT_ONCE, || {
        let upstream = Upstream::holding(["tools/call"]);
        let mut bridge = Bridge::connected(&upstream);
        bridge.send(&request("1", "tools/call", "{}"));
        let events = upstream.take("tools/call").sse();
        events.event(&result("1", "{}"));
        bridge.response("1");
        bridge.finish()
    });
}

fn stdin_ends_during_initialize() {
    exits_within(1500 + 1000, || {
        let upstream = Upstream::holding(["initialize"]);
        let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
        bridge.send(&initialize("1", REVISION));
        let _held = upstream.take("initialize");
        let ended = bridge.finish();
        bridge_error(&ended.lines[0]);
        ended
    });
}

#[cfg(target_os = "linux")]
#[test]
fn stdin_ends_while_the_connection_attempt_hangs() {
    let (address, _waiting) = hanging_address();
    exits_within(1500, || {
        let mut bridge = Bridge::to(&format!("http://{address}/mcp")).startup_wait("0.2").start();
        bridge.send(&initialize("1", REVISION));
        bridge.response("1");
        bridge.send(&request("2", "tools/list", "{}"));
        let ended = bridge.finish();
        bridge_error(ended.lines.last().unwrap());
        ended
    });
}

fn stdin_ends_while_requests_wait_for_an_offline_server() {
    let upstream = Upstream::offline(Exchange::respond_normally).may_receive_no_request();
    exits_within(1500, || {
        let mut bridge = Bridge::to(&upstream.url("/mcp")).startup_wait("0.2").start();
        bridge.send(&initialize("1", REVISION));
        bridge.response("1");
        for id in ["2", "3"] {
            bridge.send(&request(id, "tools/list", "{}"));
        }
        bridge.finish()
    });
}

fn stdin_ends_just_before_a_request_is_answered() {
    let upstream = Upstream::holding(["tools/call"]);
    let mut bridge = Bridge::connected(&upstream);
    bridge.send(&request("1", "tools/call", "{}"));
    let call = upstream.take("tools/call");
    bridge.close_stdin();
    call.result(r#"{"in":"time"}"#);
    assert_eq!(bridge.response("1"), result("1", r#"{"in":"time"}"#), "a response that arrives soon is delivered");
    bridge.finish();
    let kinds = upstream.kinds();
    assert_eq!(kinds.last().unwrap(), "DELETE", "the session is closed last: {kinds:?}");
}

fn stdin_ends_while_a_request_is_never_answered() {
    exits_within(1500, || {
        let upstream = Upstream::holding(["tools/call"]);
        let mut bridge = Bridge::connected(&upstream);
        bridge.send(&request("1", "tools/call", "{}"));
        let _call = upstream.take("tools/call");
        let ended = bridge.finish();
        bridge_error(ended.lines.last().unwrap());
        assert_eq!(upstream.count("DELETE"), 1);
        ended
    });
}

fn stdin_ends_while_a_server_request_awaits_the_client() {
    exits_within(AT_ONCE, || {
        let upstream = Upstream::holding(["GET"]);
        let mut bridge = Bridge::connected(&upstream);
        let get = upstream.take("GET").sse();
        get.event(&request("1", "sampling/createMessage", "{}"));
        bridge.message("sampling/createMessage");
        bridge.finish()
    });
}

fn stdin_ends_right_after_the_last_message() {
    let upstream = Upstream::well_behaved();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&initialize("1", REVISION));
    bridge.send(&initialized());
    bridge.send(&request("2", "tools/list", "{}"));
    bridge.send(&notification("notifications/x", "{}"));
    let ended = bridge.finish();
    assert!(ended.lines.iter().any(|line| *line == format!("{}\n", result("2", "{}"))), "{:?}", ended.lines);
    assert_eq!(upstream.count("notifications/x"), 1, "the notification is sent too: {:?}", upstream.kinds());
}

fn stdin_ends_while_the_http_sse_endpoint_is_awaited() {
    exits_within(1500, || {
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

fn stdin_ends_and_the_server_does_not_answer_delete() {
    exits_within(1000, || {
        let upstream = Upstream::holding(["DELETE"]);
        let mut bridge = Bridge::connected(&upstream);
        bridge.still_works();
        let ended = bridge.finish();
        assert_eq!(upstream.count("DELETE"), 1);
        ended
    });
}

fn stdin_ends_and_the_server_refuses_delete() {
    let upstream = Upstream::start(|call| match call.kind() {
        "DELETE" => call.plain("405 Method Not Allowed", "sessions end by themselves"),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    bridge.still_works();
    let ended = bridge.finish();
    assert_eq!(ended.stderr, "", "a user need not know about the 405");
}

fn stdin_ends_after_the_server_has_stopped() {
    exits_within(1000, || {
        let mut upstream = Upstream::well_behaved();
        let mut bridge = Bridge::connected(&upstream);
        bridge.still_works();
        upstream.stop();
        bridge.finish()
    });
}
