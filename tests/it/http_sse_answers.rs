//! What an HTTP+SSE server may say instead of the answer, on its stream or to the POST: the request is answered all the
//! same.

use crate::support::*;

/// A session whose upstream meets each `tools/call` in this way.
fn session(meet: impl Fn(&HttpSse, Exchange) + Send + Sync + 'static) -> (Bridge, Upstream) {
    let voice = HttpSse::new("/messages");
    let upstream =
        Upstream::start(move |call| if call.kind() == "tools/call" { meet(&voice, call) } else { voice.serve(call) });
    let mut bridge = Bridge::to(&upstream.url("/sse")).args(["--transport", "sse-only"]).start();
    bridge.shake_hands();
    (bridge, upstream)
}

#[test]
fn a_post_answered_with_a_page_is_an_error_for_its_request() {
    let (mut bridge, upstream) = session(|_, call| {
        call.respond("200 OK", &[("Content-Type", "text/html; charset=utf-8")], "<html>Please log in</html>");
    });
    says(&bridge.ask("1", "tools/call", "{}"), &[&upstream.host(), "html"]);
    bridge.still_works();
    bridge.finish();
}

#[test]
fn a_post_answered_in_plain_words_is_accepted() {
    for (status, body) in [("200 OK", "Accepted"), ("200 OK", ""), ("202 Accepted", "Accepted"), ("204 No Content", "")]
    {
        let (mut bridge, _upstream) = session(move |voice, call| {
            let answer = result(&call.id(), "{}");
            call.plain(status, body);
            voice.event(&answer);
        });
        assert_eq!(bridge.ask("1", "tools/call", "{}"), result("1", "{}"), "after {status} {body:?}");
        bridge.finish();
    }
}

#[test]
fn an_id_that_a_double_has_rounded_is_known_again() {
    let (mut bridge, _upstream) = session(|voice, call| {
        call.accepted();
        voice.event(&result("9007199254740992", r#"{"n":1.0}"#));
    });
    let id = "9007199254740993";
    assert_eq!(bridge.ask(id, "tools/call", "{}"), result(id, r#"{"n":1.0}"#), "in the client's own digits");
    bridge.still_works();
    bridge.finish();
}

#[test]
fn an_exact_id_goes_before_one_that_a_double_makes_of_it() {
    let (mut bridge, upstream) = session(|voice, call| {
        let id = call.id();
        call.accepted();
        if id.ends_with('2') {
            voice.event(&result(&id, r#"{"exact":true}"#));
        }
    });
    bridge.send(&request("9007199254740993", "tools/call", "{}"));
    upstream.wait_for("tools/call", 1);
    let answer = bridge.ask("9007199254740992", "tools/call", "{}");
    assert_eq!(answer, result("9007199254740992", r#"{"exact":true}"#));
    bridge.cancel("9007199254740993");
    bridge.finish();
}

#[test]
fn an_error_with_an_id_of_null_answers_the_only_request_there_is() {
    let (mut bridge, _upstream) = session(|voice, call| {
        call.accepted();
        voice.event(r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"parse","data":[1.0]}}"#);
    });
    let answer = bridge.ask("3", "tools/call", "{}");
    assert_eq!(error_of(&answer), (-32700, "parse".to_owned()), "{answer}");
    assert!(answer.contains("[1.0]"), "data to the byte: {answer}");
    bridge.still_works();
    bridge.finish();
}

#[test]
fn an_answer_may_overtake_the_acceptance_of_its_request() {
    type Answer = fn(&str) -> String;
    let answers: [(&str, Answer); 3] = [
        ("1", |id| result(id, "{}")),
        ("9007199254740993", |_| result("9007199254740992", "{}")),
        ("3", |_| error("null", -32600, "no")),
    ];
    for (id, answer) in answers {
        let (mut bridge, upstream) = session(move |voice, call| {
            voice.event(&answer(&call.id()));
            voice.event(&notification("notifications/x", "{}"));
            call.hold();
        });
        bridge.send(&request(id, "tools/call", "{}"));
        let call = upstream.take("tools/call");
        // What came after the answer has been read, so the answer has been read before the acceptance.
        bridge.message("notifications/x");
        call.accepted();
        bridge.answer(id);
        bridge.still_works();
        bridge.finish();
    }
}

#[test]
fn an_error_with_an_id_of_null_is_given_to_none_of_several_requests() {
    let (mut bridge, upstream) = session(|voice, call| {
        let (id, first) = (call.id(), call.nth == 0);
        call.accepted();
        if !first {
            voice.event(&error("null", -32700, "parse"));
            voice.event(&result("1", r#"{"n":1}"#));
            voice.event(&result(&id, r#"{"n":2}"#));
        }
    });
    bridge.send(&request("1", "tools/call", "{}"));
    upstream.wait_for("tools/call", 1);
    assert_eq!(bridge.ask("2", "tools/call", "{}"), result("2", r#"{"n":2}"#));
    assert_eq!(bridge.answer("1"), result("1", r#"{"n":1}"#));
    bridge.finish();
}
