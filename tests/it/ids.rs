//! Ids: carried as they are, told apart, known again.

use crate::support::*;

#[test]
fn ids_of_every_kind_are_carried_as_they_are() {
    let upstream = Upstream::usual();
    let mut bridge = Bridge::connected(&upstream);
    let ids =
        ["0", "-1", "12345678901234567890123", "1.5", "1.0", "1E2", r#""7""#, "7", r#""""#, r#""\u00e9 \" \\ é""#];
    for id in ids {
        bridge.send(&request(id, "tools/call", "{}"));
    }
    for id in ids {
        assert_eq!(bridge.answer(id), result(id, "{}"), "an id keeps its letters");
    }
    let carried: Vec<_> =
        upstream.requests().iter().filter(|r| r.kind == "tools/call").map(|r| r.id.clone().unwrap()).collect();
    for id in ids {
        assert!(carried.iter().any(|have| have == id), "the upstream sees {id}, it saw {carried:?}");
    }
    bridge.finish();
}

#[test]
fn an_id_of_null_is_forwarded_or_answered_never_dropped() {
    let upstream = Upstream::usual();
    let mut bridge = Bridge::connected(&upstream);
    bridge.send(r#"{"jsonrpc":"2.0","id":null,"method":"tools/call","params":{}}"#);
    bridge.answer("null");
    bridge.still_works();
    bridge.finish();
}

#[test]
fn one_id_used_for_two_requests_at_once_is_answered_twice() {
    let upstream = Upstream::start(|call| if call.kind() == "tools/call" { call.hold() } else { call.usual() });
    let mut bridge = Bridge::connected(&upstream);
    bridge.send(&request("1", "tools/call", r#"{"n":1}"#));
    bridge.send(&request("1", "tools/call", r#"{"n":2}"#));
    upstream.take("tools/call").result("{}");
    bridge.answer("1");
    // The second may have been refused by the bridge; if it was carried, its answer comes too.
    bridge.still_works();
    if upstream.count("tools/call") == 2 {
        upstream.take("tools/call").result("{}");
    }
    bridge.answer("1");
    bridge.finish();
}

#[test]
fn an_id_is_known_again_in_other_letters() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => {
            // As a server writes it that has read it: the same string, spelt anew.
            let events = call.sse();
            events.event(&result(r#""é/A""#, "{}"));
            events.end();
        }
        _ => call.usual(),
    });
    let mut bridge = Bridge::connected(&upstream);
    let id = r#""\u00e9\/\u0041""#;
    bridge.send_raw(format!("{}\n", request(id, "tools/call", "{}")).as_bytes());
    let answer = bridge.line_where("the answer", |line| line.contains("result") && !line.contains("serverInfo"));
    assert_eq!(value(&answer)["id"], "é/A", "{answer}");
    bridge.owe(&peek(answer.as_bytes()).id.unwrap());
    bridge.send(&notification("notifications/cancelled", r#"{"requestId":"é/A"}"#));
    bridge.still_works();
    bridge.finish();
    assert_eq!(upstream.count("notifications/cancelled"), 0, "it has been answered");
}

#[test]
fn a_number_and_its_text_are_two_ids() {
    let upstream = Upstream::start(|call| if call.kind() == "tools/call" { call.hold() } else { call.usual() });
    let mut bridge = Bridge::connected(&upstream);
    for id in ["1", r#""1""#] {
        bridge.send(&request(id, "tools/call", "{}"));
    }
    upstream.wait_for("tools/call", 2);
    bridge.cancel(r#""1""#);
    assert!(upstream.wait_for("notifications/cancelled", 1).text().contains(r#""requestId":"1""#));
    for _ in 0..2 {
        let call = upstream.take("tools/call");
        let text = format!(r#"{{"of":{}}}"#, call.id());
        call.result(&text);
    }
    assert_eq!(bridge.answer("1"), result("1", r#"{"of":1}"#));
    bridge.finish();
}

#[test]
fn an_answer_that_comes_twice_reaches_the_client_once() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => {
            let answer = result(&call.id(), "{}");
            let events = call.sse();
            events.event(&answer).event(&answer);
            events.end();
        }
        _ => call.usual(),
    });
    let mut bridge = Bridge::connected(&upstream);
    bridge.ask("1", "tools/call", "{}");
    bridge.still_works();
    bridge.finish();
}

#[test]
fn an_answer_to_nothing_reaches_nobody() {
    let upstream = Upstream::start(|call| if call.kind() == "GET" { call.hold() } else { call.usual() });
    let mut bridge = Bridge::connected(&upstream);
    let get = upstream.take("GET").sse();
    get.event(&result("99", "{}")).event(&result(r#""hello""#, "{}"));
    get.event(&error("98", -1, "what?")).event(&notification("notifications/x", "{}"));
    bridge.message("notifications/x");
    bridge.finish();
}

#[test]
fn an_answer_to_another_request_is_not_an_answer_to_this_one() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => call.json(&result("99", "{}")),
        _ => call.usual(),
    });
    let mut bridge = Bridge::connected(&upstream);
    says(&bridge.ask("1", "tools/call", "{}"), &[&upstream.host()]);
    bridge.still_works();
    bridge.finish();
}
