//! JSON-RPC ids: sent unchanged, compared by value, and matched to their requests.

use crate::support::*;

#[test]
fn ids_of_every_kind_pass_unchanged() {
    let upstream = Upstream::well_behaved();
    let mut bridge = Bridge::connected(&upstream);
    let ids =
        ["0", "-1", "12345678901234567890123", "1.5", "1.0", "1E2", r#""7""#, "7", r#""""#, r#""\u00e9 \" \\ é""#];
    for id in ids {
        bridge.send(&request(id, "tools/call", "{}"));
    }
    for id in ids {
        assert_eq!(bridge.response(id), result(id, "{}"), "an id keeps its spelling");
    }
    let carried: Vec<_> =
        upstream.requests().iter().filter(|r| r.kind == "tools/call").map(|r| r.id.clone().unwrap()).collect();
    for id in ids {
        assert!(carried.iter().any(|have| have == id), "the upstream sees {id}, it saw {carried:?}");
    }
    bridge.finish();
}

#[test]
fn a_request_with_a_null_id_is_forwarded_or_answered() {
    let upstream = Upstream::well_behaved();
    let mut bridge = Bridge::connected(&upstream);
    bridge.send(r#"{"jsonrpc":"2.0","id":null,"method":"tools/call","params":{}}"#);
    bridge.response("null");
    bridge.still_works();
    bridge.finish();
}

#[test]
fn two_requests_with_the_same_id_get_two_responses() {
    let upstream = Upstream::holding(["tools/call"]);
    let mut bridge = Bridge::connected(&upstream);
    bridge.send(&request("1", "tools/call", r#"{"n":1}"#));
    bridge.send(&request("1", "tools/call", r#"{"n":2}"#));
    upstream.take("tools/call").result("{}");
    bridge.response("1");
    // The bridge may have rejected the second request; if it was sent, its response comes too.
    bridge.still_works();
    if upstream.count("tools/call") == 2 {
        upstream.take("tools/call").result("{}");
    }
    bridge.response("1");
    bridge.finish();
}

#[test]
fn an_id_with_other_escapes_is_the_same_id() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => {
            // The same string with other escapes, as a server writes it after parsing.
            let events = call.sse();
            events.event(&result(r#""é/A""#, "{}"));
            events.end();
        }
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    let id = r#""\u00e9\/\u0041""#;
    bridge.send_raw(format!("{}\n", request(id, "tools/call", "{}")).as_bytes());
    let answer = bridge.line_where("the answer", |line| line.contains("result") && !line.contains("serverInfo"));
    assert_eq!(value(&answer)["id"], "é/A", "{answer}");
    bridge.expect_response(&peek(answer.as_bytes()).id.unwrap());
    bridge.send(&notification("notifications/cancelled", r#"{"requestId":"é/A"}"#));
    bridge.still_works();
    bridge.finish();
    assert_eq!(upstream.count("notifications/cancelled"), 0, "it has been answered");
}

#[test]
fn a_number_and_the_same_text_are_different_ids() {
    let upstream = Upstream::holding(["tools/call"]);
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
    assert_eq!(bridge.response("1"), result("1", r#"{"of":1}"#));
    bridge.finish();
}

#[test]
fn a_duplicate_response_reaches_the_client_once() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => {
            let answer = result(&call.id(), "{}");
            let events = call.sse();
            events.event(&answer).event(&answer);
            events.end();
        }
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    bridge.request("1", "tools/call", "{}");
    bridge.still_works();
    bridge.finish();
}

#[test]
fn a_response_to_an_unknown_id_is_dropped() {
    let upstream = Upstream::holding(["GET"]);
    let mut bridge = Bridge::connected(&upstream);
    let get = upstream.take("GET").sse();
    get.event(&result("99", "{}")).event(&result(r#""hello""#, "{}"));
    get.event(&error("98", -1, "what?")).event(&notification("notifications/x", "{}"));
    bridge.message("notifications/x");
    bridge.finish();
}

#[test]
fn a_response_with_another_id_does_not_answer_the_request() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => call.json(&result("99", "{}")),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    assert_error_mentions(&bridge.request("1", "tools/call", "{}"), &[&upstream.host()]);
    bridge.still_works();
    bridge.finish();
}
