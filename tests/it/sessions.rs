//! A session: opened once, named on every request, found lost, opened again, closed at the end.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::*;

#[test]
fn every_request_names_the_session_and_the_revision() {
    let upstream = Upstream::usual();
    let mut bridge = Bridge::connected(&upstream);
    bridge.still_works();
    bridge.finish();
    for request in upstream.requests() {
        let (session, revision) = (
            request.header("mcp-session-id"),
            request.header("mcp-protocol-version"),
        );
        if request.kind == "initialize" {
            assert_eq!(session, None, "there is no session before initialize");
        } else {
            assert_eq!(session, Some("session-1"), "{}", request.kind);
            assert_eq!(revision, Some(REVISION), "{}", request.kind);
        }
    }
}

#[test]
fn the_revision_is_the_one_the_upstream_settled_on() {
    let upstream = Upstream::start(|call| match call.kind() {
        "initialize" => call.result(&initialize_result("2025-03-26")),
        _ => call.usual(),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    let answer = bridge.shake_hands_in("2025-11-25");
    assert!(answer.contains("2025-03-26"), "{answer}");
    bridge.still_works();
    let seen = upstream.wait_for("tools/list", 1);
    assert_eq!(seen.header("mcp-protocol-version"), Some("2025-03-26"));
    assert_eq!(
        seen.header("mcp-session-id"),
        None,
        "a server without sessions gets no session id"
    );
    bridge.finish();
    assert_eq!(
        upstream.count("DELETE"),
        0,
        "where there is no session there is none to delete"
    );
}

#[test]
fn the_session_is_deleted_at_the_end() {
    let upstream = Upstream::usual();
    let bridge = Bridge::connected(&upstream);
    upstream.wait_for("notifications/initialized", 1);
    bridge.finish();
    let deleted = upstream.wait_for("DELETE", 1);
    assert_eq!(deleted.header("mcp-session-id"), Some("session-1"));
    assert_eq!(upstream.count("DELETE"), 1);
}

#[test]
fn a_start_costs_three_requests_one_session_and_one_get() {
    let upstream = Upstream::usual();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&initialize("1", REVISION));
    bridge.answer("1");
    assert!(
        upstream.requests().len() <= 3,
        "before the first answer: {:?}",
        upstream.kinds()
    );
    bridge.send(&initialized());
    bridge.still_works();
    bridge.finish();
    assert_eq!(
        upstream.count("initialize"),
        1,
        "one session: {:?}",
        upstream.kinds()
    );
    assert!(
        upstream.count("GET") <= 1,
        "one GET stream: {:?}",
        upstream.kinds()
    );
    let known = [
        "initialize",
        "notifications/initialized",
        "GET",
        "tools/list",
        "DELETE",
        "server/discover",
    ];
    let kinds = upstream.kinds();
    assert!(
        kinds.iter().all(|kind| known.contains(&kind.as_str())),
        "no blind discovery: {kinds:?}"
    );
}

#[test]
fn the_clients_initialize_reaches_the_upstream_as_it_is() {
    let upstream = Upstream::usual();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    let line = r#"{"jsonrpc":"2.0","method":"initialize","id":0,"params":{"clientInfo":{"version":"1.0","name":"claude-ai","x":1.0},"capabilities":{},"protocolVersion":"2025-06-18"}}"#;
    bridge.send(line);
    let answer = bridge.answer("0");
    assert_eq!(
        answer,
        result("0", &initialize_result(REVISION)),
        "and its answer comes back as it is"
    );
    assert_eq!(
        upstream.wait_for("initialize", 1).text().trim_end(),
        line,
        "the client's name is its own"
    );
    bridge.finish();
}

/// A session is found lost in this way in answer to the tool call that carries the first session's id.
fn lost_session(status: &'static str, body: &'static str) {
    let sessions = AtomicUsize::new(0);
    let upstream =
        Upstream::start(
            move |call| match (call.kind(), call.header("mcp-session-id")) {
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
                    assert_eq!(
                        session, "session-2",
                        "the session that is closed is the one that lives"
                    );
                    call.respond("200 OK", &[], "");
                }
                _ => call.usual(),
            },
        );
    let mut bridge = Bridge::connected(&upstream);
    let answer = bridge.ask("1", "tools/call", r#"{"name":"t","n":1.0}"#);
    assert_eq!(
        answer,
        result("1", "{}"),
        "the request is tried again in the new session"
    );
    bridge.message("notifications/tools/list_changed");
    bridge.still_works();
    bridge.finish();
    let requests = upstream.requests();
    let opened: Vec<_> = requests
        .iter()
        .filter(|request| request.kind == "initialize")
        .collect();
    assert_eq!(
        opened.len(),
        2,
        "one session was lost, one was opened: {:?}",
        upstream.kinds()
    );
    assert_eq!(
        opened[0].body, opened[1].body,
        "it is the client's own initialize that is said again"
    );
    assert_eq!(
        opened[1].header("mcp-session-id"),
        None,
        "a new session is not asked for in the name of the lost one"
    );
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
    lost_session(
        "401 Unauthorized",
        r#"{"error":"Session expired or unknown"}"#,
    );
}

#[test]
fn a_400_that_does_not_speak_of_a_session_is_just_an_error() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => call.plain("400 Bad Request", "the name is missing"),
        _ => call.usual(),
    });
    let mut bridge = Bridge::connected(&upstream);
    says(
        &bridge.ask("1", "tools/call", "{}"),
        &["400", "the name is missing"],
    );
    bridge.still_works();
    bridge.finish();
    assert_eq!(
        (upstream.count("initialize"), upstream.count("tools/call")),
        (1, 1)
    );
}

#[test]
fn a_second_loss_in_a_row_is_not_hidden() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => call.plain("404 Not Found", "Session not found"),
        _ => call.usual(),
    });
    let mut bridge = Bridge::connected(&upstream);
    says(
        &bridge.ask("1", "tools/call", "{}"),
        &[&upstream.host(), "404"],
    );
    bridge.still_works();
    bridge.finish();
    assert_eq!(
        upstream.count("tools/call"),
        2,
        "tried again once, not for ever"
    );
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
    let upstream =
        Upstream::start(
            move |call| match (call.kind(), call.header("mcp-session-id")) {
                ("initialize", _) => {
                    let number = sessions.fetch_add(1, Ordering::SeqCst) + 1;
                    call.open_session(&format!("session-{number}"));
                }
                ("tools/call", Some("session-1")) => call.hold(),
                _ => call.usual(),
            },
        );
    let mut bridge = Bridge::connected(&upstream);
    for id in 1..=10 {
        bridge.send(&request(&id.to_string(), "tools/call", "{}"));
    }
    upstream.wait_for("tools/call", 10);
    for _ in 1..=10 {
        upstream
            .take("tools/call")
            .plain("404 Not Found", "Session not found");
    }
    for id in 1..=10 {
        let id = id.to_string();
        assert_eq!(bridge.answer(&id), result(&id, "{}"));
    }
    bridge.finish();
    assert_eq!(
        upstream.count("initialize"),
        2,
        "one lost session is one new session: {:?}",
        upstream.kinds()
    );
}

#[test]
fn a_session_that_the_get_stream_finds_lost_is_opened_again() {
    let sessions = AtomicUsize::new(0);
    let upstream =
        Upstream::start(
            move |call| match (call.kind(), call.header("mcp-session-id")) {
                ("initialize", _) => {
                    let number = sessions.fetch_add(1, Ordering::SeqCst) + 1;
                    call.open_session(&format!("session-{number}"));
                }
                ("GET", _) => call.hold(),
                _ => call.usual(),
            },
        );
    let mut bridge = Bridge::connected(&upstream);
    let events = upstream.take("GET").sse();
    events.chunk("retry: 10\n\n");
    events.end();
    upstream
        .take("GET")
        .plain("404 Not Found", "Session not found");
    let again = upstream.take("GET");
    assert_eq!(
        again.header("mcp-session-id"),
        Some("session-2"),
        "the stream belongs to the new session"
    );
    assert_eq!(
        again.header("last-event-id"),
        None,
        "event ids belong to the lost session"
    );
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
    assert_eq!(
        ended
            .lines
            .iter()
            .filter(|line| line.contains("serverInfo"))
            .count(),
        1,
        "{:?}",
        ended.lines
    );
}

#[test]
fn requests_sent_together_with_initialize_wait_for_the_session() {
    let upstream = Upstream::start(|call| {
        if call.kind() == "initialize" {
            call.hold()
        } else {
            call.usual()
        }
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&initialize("1", REVISION));
    bridge.send(&initialized());
    bridge.send(&request("2", "tools/list", "{}"));
    let held = upstream.take("initialize");
    assert_eq!(
        upstream.requests().len(),
        1,
        "nothing goes before the session is open: {:?}",
        upstream.kinds()
    );
    held.usual();
    bridge.answer("2");
    assert_eq!(
        upstream.wait_for("tools/list", 1).header("mcp-session-id"),
        Some("session-1")
    );
    let kinds = upstream.kinds();
    let place = |kind: &str| kinds.iter().position(|have| have == kind).unwrap();
    assert!(
        place("notifications/initialized") < place("tools/list"),
        "the order is the client's: {kinds:?}"
    );
    bridge.answer("1");
    bridge.finish();
}
