//! What an HTTP+SSE server may send in place of the response, on its stream or to the POST: the request is answered
//! anyway.

use crate::support::*;

over_each_protocol! {
    a_post_answered_with_anything_but_the_response_counts_as_accepted,
    a_post_answered_with_the_response_needs_no_stream,
    the_last_event_of_a_stream_counts_without_its_blank_line,
    a_session_that_a_good_response_says_is_lost_is_opened_again,
    a_post_answered_with_plain_text_counts_as_accepted,
    a_response_id_rounded_to_a_double_still_matches_its_request,
    an_exact_id_match_is_preferred_to_a_rounded_one,
    an_error_with_a_null_id_answers_the_only_pending_request,
    a_response_may_arrive_before_the_post_is_accepted,
    an_error_with_a_null_id_answers_no_request_when_several_are_pending,
}

/// A session whose upstream treats each `tools/call` in this way.
fn session(respond: impl Fn(&HttpSse, Exchange) + Send + Sync + 'static) -> (Bridge, Upstream) {
    let sse_server = HttpSse::new("/messages");
    let upstream =
        Upstream::start(
            move |call| if call.kind() == "tools/call" { respond(&sse_server, call) } else { sse_server.serve(call) },
        );
    let mut bridge = Bridge::to(&upstream.url("/sse")).args(["--transport", "sse-only"]).start();
    bridge.initialize();
    (bridge, upstream)
}

fn a_post_answered_with_anything_but_the_response_counts_as_accepted() {
    for (status, kind, body) in [
        ("200 OK", "text/html; charset=utf-8", "<html>ok</html>"),
        ("200 OK", "application/json", r#"{"status":"accepted"}"#),
        ("200 OK", "application/json", "true"),
        ("200 OK", "application/json", r#"{"jsonrpc":"2.0"#),
        ("200 OK", "application/json", r#"{"jsonrpc":"2.0","id":1}"#),
        ("200 OK", "application/json", r#"{"jsonrpc":"2.0","id":99,"result":{}}"#),
        ("200 OK", "application/json", r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}"#),
        ("200 OK", "application/octet-stream", "\u{1}"),
        ("200 OK", "text/event-stream", ": hello\n\n"),
        ("201 Created", "application/json", r#"{"ok":true}"#),
        ("206 Partial Content", "text/plain", "part"),
    ] {
        let sse_server = HttpSse::new("/messages");
        let stream = sse_server.clone();
        let upstream = Upstream::start(move |call| match call.kind() {
            "tools/call" => call.respond(status, &[("Content-Type", kind)], body),
            _ => stream.serve(call),
        });
        let mut bridge = Bridge::to(&upstream.url("/sse")).args(["--transport", "sse-only"]).start();
        bridge.initialize();
        bridge.send(&request("1", "tools/call", "{}"));
        upstream.wait_for("tools/call", 1);
        // By then the bridge has read the response to the POST before it.
        bridge.still_works();
        sse_server.event(&result("1", "{}"));
        assert_eq!(bridge.response("1"), result("1", "{}"), "after {status} {body:?}");
        bridge.finish();
    }
}

fn a_post_answered_with_the_response_needs_no_stream() {
    let (mut bridge, _upstream) = session(|_, call| call.result(r#"{"n":1.0}"#));
    assert_eq!(bridge.request("1", "tools/call", "{}"), result("1", r#"{"n":1.0}"#));
    bridge.finish();
}

fn the_last_event_of_a_stream_counts_without_its_blank_line() {
    let (mut bridge, upstream) = session(|sse_server, call| {
        let answer = result(&call.id(), "{}");
        call.accepted();
        sse_server.end_with(&format!("data: {answer}"));
    });
    assert_eq!(bridge.request("1", "tools/call", "{}"), result("1", "{}"));
    upstream.wait_for("GET", 2);
    bridge.finish();
}

fn a_session_that_a_good_response_says_is_lost_is_opened_again() {
    let (mut bridge, upstream) = session(|sse_server, call| match call.nth {
        0 => call.error("200 OK", -32001, "Session not found"),
        _ => {
            let answer = result(&call.id(), "{}");
            call.accepted();
            sse_server.event(&answer);
        }
    });
    assert_eq!(bridge.request("1", "tools/call", "{}"), result("1", "{}"));
    bridge.finish();
    assert_eq!((upstream.count("GET"), upstream.count("initialize")), (2, 2));
}

fn a_post_answered_with_plain_text_counts_as_accepted() {
    for (status, body) in [("200 OK", "Accepted"), ("200 OK", ""), ("202 Accepted", "Accepted"), ("204 No Content", "")]
    {
        let (mut bridge, _upstream) = session(move |sse_server, call| {
            let answer = result(&call.id(), "{}");
            call.plain(status, body);
            sse_server.event(&answer);
        });
        assert_eq!(bridge.request("1", "tools/call", "{}"), result("1", "{}"), "after {status} {body:?}");
        bridge.finish();
    }
}

fn a_response_id_rounded_to_a_double_still_matches_its_request() {
    let (mut bridge, _upstream) = session(|sse_server, call| {
        call.accepted();
        sse_server.event(&result("9007199254740992", r#"{"n":1.0}"#));
    });
    let id = "9007199254740993";
    assert_eq!(
        bridge.request(id, "tools/call", "{}"),
        result(id, r#"{"n":1.0}"#),
        "the response has the client's own id"
    );
    bridge.still_works();
    bridge.finish();
}

fn an_exact_id_match_is_preferred_to_a_rounded_one() {
    let (mut bridge, upstream) = session(|sse_server, call| {
        let id = call.id();
        call.accepted();
        if id.ends_with('2') {
            sse_server.event(&result(&id, r#"{"exact":true}"#));
        }
    });
    bridge.send(&request("9007199254740993", "tools/call", "{}"));
    upstream.wait_for("tools/call", 1);
    let answer = bridge.request("9007199254740992", "tools/call", "{}");
    assert_eq!(answer, result("9007199254740992", r#"{"exact":true}"#));
    bridge.cancel("9007199254740993");
    bridge.finish();
}

fn an_error_with_a_null_id_answers_the_only_pending_request() {
    let (mut bridge, _upstream) = session(|sse_server, call| {
        call.accepted();
        sse_server.event(r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"parse","data":[1.0]}}"#);
    });
    let answer = bridge.request("3", "tools/call", "{}");
    assert_eq!(error_of(&answer), (-32700, "parse".to_owned()), "{answer}");
    assert!(answer.contains("[1.0]"), "data to the byte: {answer}");
    bridge.still_works();
    bridge.finish();
}

fn a_response_may_arrive_before_the_post_is_accepted() {
    type Answer = fn(&str) -> String;
    let answers: [(&str, Answer); 3] = [
        ("1", |id| result(id, "{}")),
        ("9007199254740993", |_| result("9007199254740992", "{}")),
        ("3", |_| error("null", -32600, "no")),
    ];
    for (id, answer) in answers {
        let (mut bridge, upstream) = session(move |sse_server, call| {
            sse_server.event(&answer(&call.id()));
            sse_server.event(&notification("notifications/x", "{}"));
            call.hold();
        });
        bridge.send(&request(id, "tools/call", "{}"));
        let call = upstream.take("tools/call");
        // The notification after the response has been read, so the response was read before the 202.
        bridge.message("notifications/x");
        call.accepted();
        bridge.response(id);
        bridge.still_works();
        bridge.finish();
    }
}

fn an_error_with_a_null_id_answers_no_request_when_several_are_pending() {
    let (mut bridge, upstream) = session(|sse_server, call| {
        let (id, first) = (call.id(), call.nth == 0);
        call.accepted();
        if !first {
            sse_server.event(&error("null", -32700, "parse"));
            sse_server.event(&result("1", r#"{"n":1}"#));
            sse_server.event(&result(&id, r#"{"n":2}"#));
        }
    });
    bridge.send(&request("1", "tools/call", "{}"));
    upstream.wait_for("tools/call", 1);
    assert_eq!(bridge.request("2", "tools/call", "{}"), result("2", r#"{"n":2}"#));
    assert_eq!(bridge.response("1"), result("1", r#"{"n":1}"#));
    bridge.finish();
}
