//! How a server says that it no longer knows a session: by which status, code and words. Each is understood.

use crate::support::*;

over_each_protocol! {
    a_session_lost_with_404_is_opened_again,
    a_session_lost_with_404_and_no_body_is_opened_again,
    a_session_lost_with_400_is_opened_again,
    a_session_lost_with_400_and_plain_text_is_opened_again,
    a_session_lost_with_401_is_opened_again,
    a_session_lost_with_410_is_opened_again,
    a_session_lost_with_an_error_in_a_good_response_is_opened_again,
    a_session_lost_with_an_error_on_a_stream_is_opened_again,
    an_error_about_another_session_or_without_a_session_passes,
    a_session_that_a_good_response_says_is_lost_twice_is_an_error,
    an_empty_session_id_is_none,
    a_400_that_does_not_mention_a_session_is_an_ordinary_error,
    a_401_that_mentions_a_session_does_not_blame_the_credential,
}

/// Runs a tool call that the upstream rejects in this way as long as it carries the first session's id.
fn lost_session_is_reopened(status: &'static str, body: &'static str) {
    let upstream = Upstream::start(move |call| match (call.kind(), call.header("mcp-session-id")) {
        ("initialize", _) => call.open_numbered_session(),
        ("tools/call", Some("session-1")) => {
            let body = body.replace("$ID", &call.id());
            call.json_with_status(status, &body);
        }
        ("GET", Some("session-1")) => call.plain("404 Not Found", "Session not found"),
        ("DELETE", Some(session)) => {
            assert_eq!(session, "session-2", "the open session is the one that is closed");
            call.respond("200 OK", &[], "");
        }
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    let answer = bridge.request("1", "tools/call", r#"{"name":"t","n":1.0}"#);
    assert_eq!(answer, result("1", "{}"), "the request is sent again in the new session");
    bridge.message("notifications/tools/list_changed");
    bridge.still_works();
    bridge.finish();
    let requests = upstream.requests();
    let opened: Vec<_> = requests.iter().filter(|request| request.kind == "initialize").collect();
    assert_eq!(opened.len(), 2, "one session was lost and one was opened: {:?}", upstream.kinds());
    assert_eq!(opened[0].body, opened[1].body, "the client's own initialize is sent again");
    assert_eq!(opened[1].header("mcp-session-id"), None, "initialize does not carry the lost session's id");
    let initialized: Vec<_> = requests
        .iter()
        .filter(|request| request.kind == "notifications/initialized")
        .map(|r| r.header("mcp-session-id"))
        .collect();
    assert_eq!(initialized, [Some("session-1"), Some("session-2")], "each session receives initialized once");
}

fn a_session_lost_with_404_is_opened_again() {
    lost_session_is_reopened(
        "404 Not Found",
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"Session not found"}}"#,
    );
}

fn a_session_lost_with_404_and_no_body_is_opened_again() {
    lost_session_is_reopened("404 Not Found", "");
}

fn a_session_lost_with_400_is_opened_again() {
    lost_session_is_reopened(
        "400 Bad Request",
        r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: No valid session ID provided"},"id":null}"#,
    );
}

fn a_session_lost_with_400_and_plain_text_is_opened_again() {
    lost_session_is_reopened("400 Bad Request", "Invalid or expired session");
}

fn a_session_lost_with_401_is_opened_again() {
    lost_session_is_reopened("401 Unauthorized", r#"{"error":"Session expired or unknown"}"#);
}

fn a_session_lost_with_410_is_opened_again() {
    for body in ["", "gone", r#"{"error":"no such session"}"#] {
        lost_session_is_reopened("410 Gone", body);
    }
}

fn a_session_lost_with_an_error_in_a_good_response_is_opened_again() {
    for (code, words) in [
        (-32001, "Session not found"),
        (-32005, "Session expired"),
        (-32600, "Invalid Request: unknown session"),
        (-32600, "Server not initialized"),
        (-32000, "Bad Request: No valid session ID provided"),
    ] {
        for status in ["200 OK", "400 Bad Request", "404 Not Found", "410 Gone"] {
            let body =
                |id: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":"{words}"}}}}"#);
            lost_session_is_reopened(status, body("$ID").leak());
            if status == "200 OK" {
                lost_session_is_reopened(status, body("null").leak());
            }
        }
    }
}

fn a_session_lost_with_an_error_on_a_stream_is_opened_again() {
    let upstream = Upstream::start(|call| match (call.kind(), call.header("mcp-session-id")) {
        ("initialize", _) => call.open_numbered_session(),
        ("tools/call", Some("session-1")) => {
            let answer = error(&call.id(), -32001, "Session not found");
            let events = call.sse();
            events.event(&answer);
            events.end();
        }
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    assert_eq!(bridge.request("1", "tools/call", "{}"), result("1", "{}"));
    bridge.finish();
    assert_eq!((upstream.count("initialize"), upstream.count("tools/call")), (2, 2));
}

fn an_error_about_another_session_or_without_a_session_passes() {
    for (session, code, words) in [
        (true, -32602, "the browser session is not found"),
        (true, -32001, "the door is closed"),
        (true, -32000, "the session is busy"),
        (false, -32001, "Session not found"),
    ] {
        let upstream = Upstream::start(move |call| match call.kind() {
            "initialize" if !session => call.result(&initialize_result(REVISION)),
            "tools/call" => call.error("200 OK", code, words),
            _ => call.respond_normally(),
        });
        let mut bridge = Bridge::connected(&upstream);
        assert_eq!(bridge.request("1", "tools/call", "{}"), error("1", code, words));
        bridge.finish();
        assert_eq!((upstream.count("initialize"), upstream.count("tools/call")), (1, 1), "{words}");
    }
}

fn a_session_that_a_good_response_says_is_lost_twice_is_an_error() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => call.error("200 OK", -32001, "Session not found"),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    assert_eq!(bridge.request("1", "tools/call", "{}"), error("1", -32001, "Session not found"));
    bridge.still_works();
    bridge.finish();
    assert_eq!((upstream.count("initialize"), upstream.count("tools/call")), (2, 2));
}

fn an_empty_session_id_is_none() {
    let upstream = Upstream::start(|call| match call.kind() {
        "initialize" => call.open_session(""),
        _ => {
            assert_eq!(call.header("mcp-session-id"), None, "an empty id is not sent back");
            call.respond_normally();
        }
    });
    let mut bridge = Bridge::connected(&upstream);
    bridge.still_works();
    bridge.finish();
    assert_eq!(upstream.count("DELETE"), 0);
}

fn a_400_that_does_not_mention_a_session_is_an_ordinary_error() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => call.plain("400 Bad Request", "the name is missing"),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    assert_error_mentions(&bridge.request("1", "tools/call", "{}"), &["400", "the name is missing"]);
    bridge.still_works();
    bridge.finish();
    assert_eq!((upstream.count("initialize"), upstream.count("tools/call")), (1, 1));
}

fn a_401_that_mentions_a_session_does_not_blame_the_credential() {
    let upstream = Upstream::start(|call| match (call.kind(), call.nth) {
        ("tools/call", 0) => call.plain("401 Unauthorized", "unknown session, initialize first"),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp"))
        .args(["--bearer-token-env", "MY_TOKEN"])
        .env("MY_TOKEN", "tok-1")
        .secret("tok-1")
        .start();
    bridge.initialize();
    assert_eq!(bridge.request("1", "tools/call", "{}"), result("1", "{}"));
    bridge.finish();
    assert_eq!(upstream.count("initialize"), 2);
    assert!(upstream.requests().iter().all(|r| r.header("authorization") == Some("Bearer tok-1")));
}
