//! A session that the upstream no longer knows is opened again once, and the client learns that lists may have changed.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::*;

over_each_protocol! {
    a_session_lost_twice_in_a_row_is_an_error,
    a_new_session_that_cannot_be_opened_is_an_error_with_the_cause,
    requests_that_lose_the_session_together_open_one_new_session,
    a_session_loss_found_by_the_get_stream_opens_a_new_session,
    the_response_to_a_replayed_initialize_never_reaches_the_client,
    a_new_session_restores_the_log_level_and_the_subscriptions,
    the_get_stream_moves_to_the_new_session,
    a_session_lost_during_a_resumption_is_an_error_for_the_request,
    a_session_loss_found_by_a_notification_opens_a_new_session,
    requests_that_wait_for_one_new_session_share_its_failure,
    a_session_lost_while_it_is_restored_is_not_replaced_again,
    the_latest_client_settings_apply_to_a_new_session,
}

fn a_session_lost_twice_in_a_row_is_an_error() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => call.plain("404 Not Found", "Session not found"),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    assert_error_mentions(&bridge.request("1", "tools/call", "{}"), &[&upstream.host(), "404"]);
    bridge.still_works();
    bridge.finish();
    assert_eq!(upstream.count("tools/call"), 2, "sent again only once");
    assert_eq!(upstream.count("initialize"), 2);
}

fn a_new_session_that_cannot_be_opened_is_an_error_with_the_cause() {
    let upstream = Upstream::start(|call| match (call.kind(), call.nth) {
        ("initialize", 1) => call.plain("500 Internal Server Error", "license expired"),
        ("tools/call", 0) => call.plain("404 Not Found", "Session not found"),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    assert_error_mentions(&bridge.request("1", "tools/call", "{}"), &[&upstream.host()]);
    bridge.still_works();
    bridge.finish();
}

fn requests_that_lose_the_session_together_open_one_new_session() {
    let upstream = Upstream::start(move |call| match (call.kind(), call.header("mcp-session-id")) {
        ("initialize", _) => call.open_numbered_session(),
        ("tools/call", Some("session-1")) => call.hold(),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    for id in 1..=10 {
        bridge.send(&request(&id.to_string(), "tools/call", "{}"));
    }
    upstream.wait_for("tools/call", 10);
    for _ in 1..=10 {
        upstream.take("tools/call").plain("404 Not Found", "Session not found");
    }
    for id in 1..=10 {
        let id = id.to_string();
        assert_eq!(bridge.response(&id), result(&id, "{}"));
    }
    bridge.finish();
    assert_eq!(upstream.count("initialize"), 2, "one lost session leads to one new session: {:?}", upstream.kinds());
}

fn a_session_loss_found_by_the_get_stream_opens_a_new_session() {
    let upstream = Upstream::start(move |call| match (call.kind(), call.header("mcp-session-id")) {
        ("initialize", _) => call.open_numbered_session(),
        ("GET", _) => call.hold(),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    let events = upstream.take("GET").sse();
    events.chunk("retry: 10\n\n");
    events.end();
    upstream.take("GET").plain("404 Not Found", "Session not found");
    let again = upstream.take("GET");
    assert_eq!(again.header("mcp-session-id"), Some("session-2"), "the stream belongs to the new session");
    assert_eq!(again.header("last-event-id"), None, "event ids belong to the lost session");
    again.sse().event(&notification("notifications/x", "{}"));
    bridge.message("notifications/x");
    bridge.message("notifications/tools/list_changed");
    bridge.still_works();
    bridge.finish();
}

fn the_response_to_a_replayed_initialize_never_reaches_the_client() {
    let upstream = Upstream::start(|call| match (call.kind(), call.nth) {
        ("tools/call", 0) => call.plain("404 Not Found", "Session not found"),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    bridge.request("1", "tools/call", "{}");
    let ended = bridge.finish();
    assert_eq!(ended.lines.iter().filter(|line| line.contains("serverInfo")).count(), 1, "{:?}", ended.lines);
}

fn a_new_session_restores_the_log_level_and_the_subscriptions() {
    let upstream = Upstream::start(move |call| match (call.kind(), call.header("mcp-session-id")) {
        ("initialize", _) => call.open_numbered_session(),
        ("tools/call", Some("session-1")) => call.plain("404 Not Found", "Session not found"),
        ("resources/subscribe", _) if call.params()["uri"] == "no:such" => call.error("200 OK", -32602, "no such"),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    let settings = [
        ("logging/setLevel", r#"{"level":"debug"}"#),
        ("logging/setLevel", r#"{"level":"error"}"#),
        ("resources/subscribe", r#"{"uri":"a:b","x":1.0}"#),
        ("resources/subscribe", r#"{"uri":"c:d"}"#),
        ("resources/subscribe", r#"{"uri":"no:such"}"#),
        ("resources/unsubscribe", r#"{"uri":"c:d"}"#),
    ];
    for (number, (method, params)) in settings.iter().enumerate() {
        bridge.request(&(number + 10).to_string(), method, params);
    }
    assert_eq!(bridge.request("1", "tools/call", "{}"), result("1", "{}"));
    upstream.wait_for("logging/setLevel", 3);
    upstream.wait_for("resources/subscribe", 4);
    bridge.still_works();
    bridge.finish();
    let again: Vec<_> = upstream
        .requests()
        .into_iter()
        .filter(|request| request.header("mcp-session-id") == Some("session-2"))
        .filter(|request| request.kind.starts_with("logging/") || request.kind.starts_with("resources/"))
        .collect();
    let expected = [settings[1], settings[2]];
    assert_eq!(again.len(), expected.len(), "the last level and the current subscriptions: {again:?}");
    for (request, (method, params)) in again.iter().zip(expected) {
        assert_eq!(request.kind, method);
        assert!(request.text().contains(params), "with the client's own params: {}", request.text());
        assert!(
            request.id.as_ref().is_some_and(|id| id.contains("mcp-ferry")),
            "with an id of the bridge: {:?}",
            request.id
        );
    }
}

fn the_get_stream_moves_to_the_new_session() {
    let upstream = Upstream::start(|call| match (call.kind(), call.nth) {
        ("initialize", _) => call.open_numbered_session(),
        ("tools/call", 0) => call.plain("404 Not Found", "Session not found"),
        ("GET", _) => call.hold(),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    let old = upstream.take("GET").sse();
    assert_eq!(bridge.request("1", "tools/call", "{}"), result("1", "{}"));
    let new = upstream.take("GET");
    assert_eq!(new.header("mcp-session-id"), Some("session-2"));
    assert!(old.closed_by_client(), "the stream of the lost session is closed");
    new.sse().event(&notification("notifications/x", "{}"));
    bridge.message("notifications/x");
    bridge.finish();
    assert_eq!(upstream.count("GET"), 2, "{:?}", upstream.kinds());
    let kinds = upstream.kinds();
    let place = |kind: &str| kinds.iter().rposition(|have| have == kind).unwrap();
    assert!(place("notifications/initialized") < place("tools/call"), "the session is open before the call: {kinds:?}");
}

fn a_session_lost_during_a_resumption_is_an_error_for_the_request() {
    let upstream = Upstream::start(|call| match (call.kind(), call.header("last-event-id").is_some()) {
        ("initialize", _) => call.open_numbered_session(),
        ("tools/call", _) => {
            let events = call.sse();
            events.chunk("id: 1\nretry: 10\ndata: \n\n");
            events.end();
        }
        ("GET", true) => call.plain("404 Not Found", "Session not found"),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    bridge_error(&bridge.request("1", "tools/call", "{}"));
    assert_eq!(upstream.count("tools/call"), 1, "a request that has reached the server is not sent again");
    bridge.still_works();
    bridge.finish();
}

fn a_session_loss_found_by_a_notification_opens_a_new_session() {
    let upstream = Upstream::start(|call| match (call.kind(), call.nth) {
        ("initialize", _) => call.open_numbered_session(),
        (_, _) if call.header("mcp-session-id") == Some("session-1") && call.kind() == "notifications/x" => {
            call.plain("404 Not Found", "Session not found");
        }
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    bridge.send(&notification("notifications/x", "{}"));
    bridge.message("notifications/tools/list_changed");
    bridge.still_works();
    assert_eq!(upstream.wait_for("tools/list", 1).header("mcp-session-id"), Some("session-2"));
    bridge.finish();
    assert_eq!(upstream.count("initialize"), 2);
}

fn requests_that_wait_for_one_new_session_share_its_failure() {
    let upstream = Upstream::start(|call| match (call.kind(), call.nth) {
        ("initialize", 0) => call.open_session("session-1"),
        ("initialize", _) => call.hold(),
        ("tools/call", _) => call.plain("404 Not Found", "Session not found"),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    let ids = ["1", "2", "3", "4", "5", "6"];
    for id in ids {
        bridge.send(&request(id, "tools/call", "{}"));
    }
    let attempt = upstream.take("initialize");
    upstream.wait_for("tools/call", ids.len());
    // The bridge answers this itself; by then it has read the six rejections.
    bridge.send_raw(b"{}\n");
    bridge_error(&bridge.response("null"));
    attempt.plain("500 Internal Server Error", "boom");
    for id in ids {
        assert_error_mentions(&bridge.response(id), &[&upstream.host()]);
    }
    bridge.finish();
    // A request that arrives late may start an attempt of its own.
    assert!(upstream.count("initialize") <= 4, "fewer attempts than requests: {:?}", upstream.kinds());
}

/// A server that loses the first session with a call, and each later session when `loses` returns true.
fn losing(loses: fn(&Exchange) -> bool) -> Upstream {
    let is_lost = AtomicBool::new(false);
    Upstream::start(move |call| match (call.kind(), call.header("mcp-session-id")) {
        ("initialize", _) => call.open_numbered_session(),
        (kind, Some("session-1")) if kind == "tools/call" || is_lost.load(Ordering::SeqCst) => {
            is_lost.store(true, Ordering::SeqCst);
            call.plain("404 Not Found", "Session not found");
        }
        (_, Some(session)) if session != "session-1" && loses(&call) => {
            call.plain("404 Not Found", "Session not found");
        }
        _ => call.respond_normally(),
    })
}

fn a_session_lost_while_it_is_restored_is_not_replaced_again() {
    let upstream = losing(|call| call.kind().starts_with("resources/") || call.kind().starts_with("logging/"));
    let mut bridge = Bridge::connected(&upstream);
    for (id, uri) in [("10", "a:b"), ("11", "c:d")] {
        bridge.request(id, "resources/subscribe", &format!(r#"{{"uri":"{uri}"}}"#));
    }
    bridge.request("12", "logging/setLevel", r#"{"level":"error"}"#);
    assert_eq!(bridge.request("1", "tools/call", "{}"), result("1", "{}"));
    bridge.still_works();
    bridge.finish();
    assert_eq!(upstream.count("initialize"), 2, "one session was lost and one was opened: {:?}", upstream.kinds());
}

fn the_latest_client_settings_apply_to_a_new_session() {
    let upstream = losing(|_| false);
    let mut bridge = Bridge::connected(&upstream);
    bridge.request("10", "logging/setLevel", r#"{"level":"error"}"#);
    bridge.request("11", "resources/subscribe", r#"{"uri":"a:b","_meta":{"progressToken":"p"}}"#);
    bridge.send(&request("1", "tools/call", "{}"));
    bridge.send(&request("12", "logging/setLevel", r#"{"level":"debug"}"#));
    bridge.send(&request("13", "resources/unsubscribe", r#"{"uri":"a:b"}"#));
    for id in ["1", "12", "13"] {
        bridge.response(id);
    }
    bridge.finish();
    let requests = upstream.requests();
    let last = |kind: &str| requests.iter().rposition(|request| request.kind.starts_with(kind)).map(|at| &requests[at]);
    let level = last("logging/").unwrap();
    assert!(level.text().contains("debug"), "{}", level.text());
    assert_eq!(last("resources/").unwrap().kind, "resources/unsubscribe", "{:?}", upstream.kinds());
    let again = requests.iter().filter(|request| request.header("mcp-session-id") == Some("session-2"));
    let tokens = again.filter(|request| request.text().contains("progressToken")).count();
    assert_eq!(tokens, 0, "a repeated request carries no progress token");
}
