//! A session that the upstream has forgotten is opened again, once, and the client is told.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::support::*;

/// A session is found lost in this way in answer to the tool call that carries the first session's id.
fn lost_session(status: &'static str, body: &'static str) {
    let sessions = AtomicUsize::new(0);
    let upstream = Upstream::start(move |call| match (call.kind(), call.header("mcp-session-id")) {
        ("initialize", _) => {
            let number = sessions.fetch_add(1, Ordering::SeqCst) + 1;
            call.open_session(&format!("session-{number}"));
        }
        ("tools/call", Some("session-1")) => {
            let body = body.replace("$ID", &call.id());
            call.respond(status, &[("Content-Type", "application/json")], &body);
        }
        ("GET", Some("session-1")) => call.plain("404 Not Found", "Session not found"),
        ("DELETE", Some(session)) => {
            assert_eq!(session, "session-2", "the session that is closed is the one that lives");
            call.respond("200 OK", &[], "");
        }
        _ => call.usual(),
    });
    let mut bridge = Bridge::connected(&upstream);
    let answer = bridge.ask("1", "tools/call", r#"{"name":"t","n":1.0}"#);
    assert_eq!(answer, result("1", "{}"), "the request is tried again in the new session");
    bridge.message("notifications/tools/list_changed");
    bridge.still_works();
    bridge.finish();
    let requests = upstream.requests();
    let opened: Vec<_> = requests.iter().filter(|request| request.kind == "initialize").collect();
    assert_eq!(opened.len(), 2, "one session was lost, one was opened: {:?}", upstream.kinds());
    assert_eq!(opened[0].body, opened[1].body, "it is the client's own initialize that is said again");
    assert_eq!(opened[1].header("mcp-session-id"), None, "a new session is not asked for in the name of the lost one");
    let initialized: Vec<_> = requests
        .iter()
        .filter(|request| request.kind == "notifications/initialized")
        .map(|r| r.header("mcp-session-id"))
        .collect();
    assert_eq!(
        initialized,
        [Some("session-1"), Some("session-2")],
        "each session is told once that the client is ready"
    );
}

#[test]
fn a_session_lost_as_404_is_opened_again() {
    lost_session(
        "404 Not Found",
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"Session not found"}}"#,
    );
}

#[test]
fn a_session_lost_as_404_without_words_is_opened_again() {
    lost_session("404 Not Found", "");
}

#[test]
fn a_session_lost_as_400_is_opened_again() {
    lost_session(
        "400 Bad Request",
        r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: No valid session ID provided"},"id":null}"#,
    );
}

#[test]
fn a_session_lost_as_400_in_plain_words_is_opened_again() {
    lost_session("400 Bad Request", "Invalid or expired session");
}

#[test]
fn a_session_lost_as_401_is_opened_again() {
    lost_session("401 Unauthorized", r#"{"error":"Session expired or unknown"}"#);
}

#[test]
fn a_400_that_does_not_speak_of_a_session_is_just_an_error() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => call.plain("400 Bad Request", "the name is missing"),
        _ => call.usual(),
    });
    let mut bridge = Bridge::connected(&upstream);
    says(&bridge.ask("1", "tools/call", "{}"), &["400", "the name is missing"]);
    bridge.still_works();
    bridge.finish();
    assert_eq!((upstream.count("initialize"), upstream.count("tools/call")), (1, 1));
}

#[test]
fn a_second_loss_in_a_row_is_not_hidden() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => call.plain("404 Not Found", "Session not found"),
        _ => call.usual(),
    });
    let mut bridge = Bridge::connected(&upstream);
    says(&bridge.ask("1", "tools/call", "{}"), &[&upstream.host(), "404"]);
    bridge.still_works();
    bridge.finish();
    assert_eq!(upstream.count("tools/call"), 2, "tried again once, not for ever");
    assert_eq!(upstream.count("initialize"), 2);
}

#[test]
fn a_new_session_that_cannot_be_opened_is_an_error_that_says_why() {
    let upstream = Upstream::start(|call| match (call.kind(), call.nth) {
        ("initialize", 1) => call.plain("500 Internal Server Error", "license expired"),
        ("tools/call", 0) => call.plain("404 Not Found", "Session not found"),
        _ => call.usual(),
    });
    let mut bridge = Bridge::connected(&upstream);
    says(&bridge.ask("1", "tools/call", "{}"), &[&upstream.host()]);
    bridge.still_works();
    bridge.finish();
}

#[test]
fn requests_in_flight_together_lose_a_session_together_and_open_one() {
    let sessions = AtomicUsize::new(0);
    let upstream = Upstream::start(move |call| match (call.kind(), call.header("mcp-session-id")) {
        ("initialize", _) => {
            let number = sessions.fetch_add(1, Ordering::SeqCst) + 1;
            call.open_session(&format!("session-{number}"));
        }
        ("tools/call", Some("session-1")) => call.hold(),
        _ => call.usual(),
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
        assert_eq!(bridge.answer(&id), result(&id, "{}"));
    }
    bridge.finish();
    assert_eq!(upstream.count("initialize"), 2, "one lost session is one new session: {:?}", upstream.kinds());
}

#[test]
fn a_session_that_the_get_stream_finds_lost_is_opened_again() {
    let sessions = AtomicUsize::new(0);
    let upstream = Upstream::start(move |call| match (call.kind(), call.header("mcp-session-id")) {
        ("initialize", _) => {
            let number = sessions.fetch_add(1, Ordering::SeqCst) + 1;
            call.open_session(&format!("session-{number}"));
        }
        ("GET", _) => call.hold(),
        _ => call.usual(),
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

#[test]
fn the_answer_to_a_replayed_initialize_never_reaches_the_client() {
    let upstream = Upstream::start(|call| match (call.kind(), call.nth) {
        ("tools/call", 0) => call.plain("404 Not Found", "Session not found"),
        _ => call.usual(),
    });
    let mut bridge = Bridge::connected(&upstream);
    bridge.ask("1", "tools/call", "{}");
    let ended = bridge.finish();
    assert_eq!(ended.lines.iter().filter(|line| line.contains("serverInfo")).count(), 1, "{:?}", ended.lines);
}

#[test]
fn a_new_session_has_the_log_level_and_the_subscriptions_of_the_lost_one() {
    let sessions = AtomicUsize::new(0);
    let upstream = Upstream::start(move |call| match (call.kind(), call.header("mcp-session-id")) {
        ("initialize", _) => {
            let number = sessions.fetch_add(1, Ordering::SeqCst) + 1;
            call.open_session(&format!("session-{number}"));
        }
        ("tools/call", Some("session-1")) => call.plain("404 Not Found", "Session not found"),
        ("resources/subscribe", _) if call.params()["uri"] == "no:such" => call.error("200 OK", -32602, "no such"),
        _ => call.usual(),
    });
    let mut bridge = Bridge::connected(&upstream);
    let asked = [
        ("logging/setLevel", r#"{"level":"debug"}"#),
        ("logging/setLevel", r#"{"level":"error"}"#),
        ("resources/subscribe", r#"{"uri":"a:b","x":1.0}"#),
        ("resources/subscribe", r#"{"uri":"c:d"}"#),
        ("resources/subscribe", r#"{"uri":"no:such"}"#),
        ("resources/unsubscribe", r#"{"uri":"c:d"}"#),
    ];
    for (number, (method, params)) in asked.iter().enumerate() {
        bridge.ask(&(number + 10).to_string(), method, params);
    }
    assert_eq!(bridge.ask("1", "tools/call", "{}"), result("1", "{}"));
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
    let expected = [asked[1], asked[2]];
    assert_eq!(again.len(), expected.len(), "the last level, and what is still wanted: {again:?}");
    for (request, (method, params)) in again.iter().zip(expected) {
        assert_eq!(request.kind, method);
        assert!(request.text().contains(params), "in the client's words: {}", request.text());
        assert!(
            request.id.as_ref().is_some_and(|id| id.contains("mcp-ferry")),
            "under an id of ours: {:?}",
            request.id
        );
    }
}

#[test]
fn the_get_stream_moves_to_the_new_session() {
    let upstream = Upstream::start(|call| match (call.kind(), call.nth) {
        ("initialize", n) => call.open_session(&format!("session-{}", n + 1)),
        ("tools/call", 0) => call.plain("404 Not Found", "Session not found"),
        ("GET", _) => call.hold(),
        _ => call.usual(),
    });
    let mut bridge = Bridge::connected(&upstream);
    let old = upstream.take("GET").sse();
    assert_eq!(bridge.ask("1", "tools/call", "{}"), result("1", "{}"));
    let new = upstream.take("GET");
    assert_eq!(new.header("mcp-session-id"), Some("session-2"));
    assert!(old.closed_by_client(), "the stream of the lost session is closed");
    new.sse().event(&notification("notifications/x", "{}"));
    bridge.message("notifications/x");
    bridge.finish();
    assert_eq!(upstream.count("GET"), 2, "{:?}", upstream.kinds());
    let kinds = upstream.kinds();
    let place = |kind: &str| kinds.iter().rposition(|have| have == kind).unwrap();
    assert!(place("notifications/initialized") < place("tools/call"), "greeted, then asked: {kinds:?}");
}

#[test]
fn a_session_lost_while_a_stream_is_taken_up_again_is_an_error_for_its_request() {
    let upstream = Upstream::start(|call| match (call.kind(), call.header("last-event-id").is_some()) {
        ("initialize", _) => {
            let session = format!("session-{}", call.nth + 1);
            call.open_session(&session);
        }
        ("tools/call", _) => {
            let events = call.sse();
            events.chunk("id: 1\nretry: 10\ndata: \n\n");
            events.end();
        }
        ("GET", true) => call.plain("404 Not Found", "Session not found"),
        _ => call.usual(),
    });
    let mut bridge = Bridge::connected(&upstream);
    own_error(&bridge.ask("1", "tools/call", "{}"));
    assert_eq!(upstream.count("tools/call"), 1, "it has reached the server, and is not sent again");
    bridge.still_works();
    bridge.finish();
}

#[test]
fn a_401_that_speaks_of_a_session_is_not_the_credentials_fault() {
    let upstream = Upstream::start(|call| match (call.kind(), call.nth) {
        ("tools/call", 0) => call.plain("401 Unauthorized", "unknown session, initialize first"),
        _ => call.usual(),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp"))
        .args(["--bearer-token-env", "MY_TOKEN"])
        .env("MY_TOKEN", "tok-1")
        .secret("tok-1")
        .start();
    bridge.shake_hands();
    assert_eq!(bridge.ask("1", "tools/call", "{}"), result("1", "{}"));
    bridge.finish();
    assert_eq!(upstream.count("initialize"), 2);
    assert!(upstream.requests().iter().all(|r| r.header("authorization") == Some("Bearer tok-1")));
}

#[test]
fn a_notification_that_finds_the_session_lost_opens_a_new_one() {
    let upstream = Upstream::start(|call| match (call.kind(), call.nth) {
        ("initialize", n) => call.open_session(&format!("session-{}", n + 1)),
        (_, _) if call.header("mcp-session-id") == Some("session-1") && call.kind() == "notifications/x" => {
            call.plain("404 Not Found", "Session not found");
        }
        _ => call.usual(),
    });
    let mut bridge = Bridge::connected(&upstream);
    bridge.send(&notification("notifications/x", "{}"));
    bridge.message("notifications/tools/list_changed");
    bridge.still_works();
    assert_eq!(upstream.wait_for("tools/list", 1).header("mcp-session-id"), Some("session-2"));
    bridge.finish();
    assert_eq!(upstream.count("initialize"), 2);
}

#[test]
fn requests_that_wait_for_one_attempt_at_a_new_session_share_its_failure() {
    let upstream = Upstream::start(|call| match (call.kind(), call.nth) {
        ("initialize", 0) => call.open_session("session-1"),
        ("initialize", _) => call.hold(),
        ("tools/call", _) => call.plain("404 Not Found", "Session not found"),
        _ => call.usual(),
    });
    let mut bridge = Bridge::connected(&upstream);
    let ids = ["1", "2", "3", "4", "5", "6"];
    for id in ids {
        bridge.send(&request(id, "tools/call", "{}"));
    }
    let attempt = upstream.take("initialize");
    upstream.wait_for("tools/call", ids.len());
    // A round trip through the bridge alone, in which it hears of the six refusals.
    bridge.send_raw(b"{}\n");
    own_error(&bridge.answer("null"));
    attempt.plain("500 Internal Server Error", "boom");
    for id in ids {
        says(&bridge.answer(id), &[&upstream.host()]);
    }
    bridge.finish();
    // One that comes late may make an attempt of its own.
    assert!(upstream.count("initialize") <= 4, "not one attempt for each request: {:?}", upstream.kinds());
}

/// A server whose first session is lost by a call, and each that follows by whatever this says.
fn losing(loses: fn(&Exchange) -> bool) -> Upstream {
    let (sessions, is_lost) = (AtomicUsize::new(0), AtomicBool::new(false));
    Upstream::start(move |call| match (call.kind(), call.header("mcp-session-id")) {
        ("initialize", _) => {
            let number = sessions.fetch_add(1, Ordering::SeqCst) + 1;
            call.open_session(&format!("session-{number}"));
        }
        (kind, Some("session-1")) if kind == "tools/call" || is_lost.load(Ordering::SeqCst) => {
            is_lost.store(true, Ordering::SeqCst);
            call.plain("404 Not Found", "Session not found");
        }
        (_, Some(session)) if session != "session-1" && loses(&call) => {
            call.plain("404 Not Found", "Session not found");
        }
        _ => call.usual(),
    })
}

#[test]
fn a_session_that_is_lost_by_what_is_asked_for_again_is_not_followed_by_another() {
    let upstream = losing(|call| call.kind().starts_with("resources/") || call.kind().starts_with("logging/"));
    let mut bridge = Bridge::connected(&upstream);
    for (id, uri) in [("10", "a:b"), ("11", "c:d")] {
        bridge.ask(id, "resources/subscribe", &format!(r#"{{"uri":"{uri}"}}"#));
    }
    bridge.ask("12", "logging/setLevel", r#"{"level":"error"}"#);
    assert_eq!(bridge.ask("1", "tools/call", "{}"), result("1", "{}"));
    bridge.still_works();
    bridge.finish();
    assert_eq!(upstream.count("initialize"), 2, "one was lost, one opened: {:?}", upstream.kinds());
}

#[test]
fn what_the_client_asks_for_last_is_what_a_new_session_has() {
    let upstream = losing(|_| false);
    let mut bridge = Bridge::connected(&upstream);
    bridge.ask("10", "logging/setLevel", r#"{"level":"error"}"#);
    bridge.ask("11", "resources/subscribe", r#"{"uri":"a:b","_meta":{"progressToken":"p"}}"#);
    bridge.send(&request("1", "tools/call", "{}"));
    bridge.send(&request("12", "logging/setLevel", r#"{"level":"debug"}"#));
    bridge.send(&request("13", "resources/unsubscribe", r#"{"uri":"a:b"}"#));
    for id in ["1", "12", "13"] {
        bridge.answer(id);
    }
    bridge.finish();
    let requests = upstream.requests();
    let last = |kind: &str| requests.iter().rposition(|request| request.kind.starts_with(kind)).map(|at| &requests[at]);
    let level = last("logging/").unwrap();
    assert!(level.text().contains("debug"), "{}", level.text());
    assert_eq!(last("resources/").unwrap().kind, "resources/unsubscribe", "{:?}", upstream.kinds());
    let again = requests.iter().filter(|request| request.header("mcp-session-id") == Some("session-2"));
    let tokens = again.filter(|request| request.text().contains("progressToken")).count();
    assert_eq!(tokens, 0, "the progress of what is asked for again would be nobody's");
}
