//! Messages of both sides arrive unchanged.

use crate::support::*;

over_each_protocol! {
    eight_mebibytes_pass_both_ways_as_json,
    sixty_four_mebibytes_pass_both_ways_as_an_event,
}

/// Numbers, spaces and an order of members that parsing and printing would change.
const ODD_PARAMS: &str = r#"{"zebra":1,"apple":12345678901234567890,"f":1.0,"e":1E2,"neg":-0.0,"deep":{"b":[1.50,{"a":0.1e-7}]},"esc":"\u00e9\/\ud83d\ude00\t","é":"ü","empty":{},"dup":1,"dup":2}"#;

#[test]
fn a_request_reaches_the_upstream_byte_for_byte() {
    let upstream = Upstream::well_behaved();
    let mut bridge = Bridge::connected(&upstream);
    let line =
        format!(r#"{{"params": {ODD_PARAMS} ,"x-unknown":[1.0], "method":"tools/call","id": 7,"jsonrpc":"2.0"}}"#);
    bridge.send(&line);
    bridge.response("7");
    let seen = upstream.wait_for("tools/call", 1);
    assert_eq!(seen.text().trim_end(), line, "a message passes byte for byte");
    assert_eq!(seen.http_method, "POST");
    let accept = seen.header("accept").unwrap_or_default();
    assert!(
        accept.contains("application/json") && accept.contains("text/event-stream"),
        "both content types are accepted: {accept}"
    );
    assert!(seen.header("content-type").unwrap_or_default().starts_with("application/json"));
    bridge.finish();
}

#[test]
fn a_response_reaches_the_client_byte_for_byte() {
    let upstream = Upstream::start(|call| match (call.kind(), call.param("as").as_str()) {
        ("tools/call", "sse") => {
            let answer = result(&call.id(), ODD_PARAMS);
            let events = call.sse();
            events.event(&answer);
            events.end();
        }
        ("tools/call", _) => call.result(ODD_PARAMS),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    for (id, form) in [("1", "json"), ("2", "sse")] {
        let answer = bridge.request(id, "tools/call", &format!(r#"{{"as":"{form}"}}"#));
        assert_eq!(answer, result(id, ODD_PARAMS), "a response as {form} passes byte for byte");
    }
    bridge.finish();
}

#[test]
fn a_notification_reaches_the_upstream_byte_for_byte() {
    let upstream = Upstream::well_behaved();
    let mut bridge = Bridge::connected(&upstream);
    let line =
        r#"{"jsonrpc":"2.0","extra":1.0,"method":"notifications/x/unheard-of","params":{"n":12345678901234567890}}"#;
    bridge.send(line);
    assert_eq!(upstream.wait_for("notifications/x/unheard-of", 1).text().trim_end(), line);
    bridge.finish();
}

#[test]
fn unknown_methods_and_members_pass() {
    let upstream = Upstream::start(|call| match call.kind() {
        "vendor/strange" => {
            let answer = format!(r#"{{"jsonrpc":"2.0","id":{},"result":"not an object","vendor":[1.0]}}"#, call.id());
            call.json(&answer);
        }
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    let answer = bridge.request("1", "vendor/strange", "[1,2.0]");
    assert_eq!(answer, r#"{"jsonrpc":"2.0","id":1,"result":"not an object","vendor":[1.0]}"#);
    assert_eq!(upstream.wait_for("vendor/strange", 1).text().trim_end(), request("1", "vendor/strange", "[1,2.0]"));
    bridge.finish();
}

#[test]
fn errors_of_the_upstream_pass_byte_for_byte() {
    let body = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32042,"message":"née","data":{"n":1.0,"big":12345678901234567890}}}"#;
    let upstream = Upstream::start(
        move |call| if call.kind() == "tools/call" { call.json(body) } else { call.respond_normally() },
    );
    let mut bridge = Bridge::connected(&upstream);
    assert_eq!(bridge.request("1", "tools/call", "{}"), body);
    bridge.finish();
}

#[test]
fn pretty_printed_responses_become_one_line() {
    // Only newlines between values are removed; those inside strings are escapes and stay.
    let pretty = "{\n  \"jsonrpc\": \"2.0\",\n  \"id\": 1,\r\n  \"result\": {\n    \"text\": \"a\\nb  c\",\n    \"n\": 1.0\n  }\n}";
    let upstream = Upstream::start(move |call| match (call.kind(), call.param("as").as_str()) {
        ("tools/call", "json") => call.json(&pretty.replacen("\"id\": 1", "\"id\": 2", 1)),
        ("tools/call", _) => {
            let events = call.sse();
            let data: Vec<_> = pretty.lines().map(|line| format!("data: {line}\n")).collect();
            events.chunk(&format!("event: message\n{}\n", data.concat()));
            events.end();
        }
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    for (id, form) in [("1", "sse"), ("2", "json")] {
        let answer = bridge.request(id, "tools/call", &format!(r#"{{"as":"{form}"}}"#));
        let unspaced: String =
            answer.replace(": ", ":").replace("  ", "").replace(", ", ",").replace("{ ", "{").replace(" }", "}");
        assert!(answer.contains(r#""text": "a\nb  c""#), "strings are unchanged: {answer}");
        assert!(answer.contains("1.0"), "numbers are unchanged: {answer}");
        assert_eq!(value(&unspaced)["id"].to_string(), id);
    }
    bridge.finish();
}

#[test]
fn pagination_cursors_pass_both_ways() {
    let upstream = Upstream::start(|call| match (call.kind(), call.param("cursor").as_str()) {
        ("resources/list", "") => {
            call.result(r#"{"resources":[{"uri":"a:1","name":"1"}],"nextCursor":"eyJ+/=\u003d"}"#);
        }
        ("resources/list", cursor) => {
            assert_eq!(cursor, "eyJ+/==", "the cursor comes back unchanged");
            call.result(r#"{"resources":[{"uri":"a:2","name":"2"}]}"#);
        }
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    let first = bridge.request("1", "resources/list", "{}");
    assert!(first.contains(r#""nextCursor":"eyJ+/=\u003d""#), "{first}");
    let second = bridge.request("2", "resources/list", r#"{"cursor":"eyJ+/=\u003d"}"#);
    assert!(second.contains("a:2"), "{second}");
    bridge.finish();
}

fn eight_mebibytes_pass_both_ways_as_json() {
    large_message(8 << 20, false);
}

fn sixty_four_mebibytes_pass_both_ways_as_an_event() {
    large_message(64 << 20, true);
}

fn large_message(size: usize, as_event: bool) {
    let upstream = Upstream::start(move |call| match call.kind() {
        "tools/call" => {
            assert!(call.request.body.len() > size, "a large argument arrives completely");
            let text = "y".repeat(size);
            let answer = result(&call.id(), &format!(r#"{{"content":[{{"type":"text","text":"{text}"}}]}}"#));
            if as_event {
                let events = call.sse();
                events.event(&answer);
                events.end();
            } else {
                call.json(&answer);
            }
        }
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    let text = "x".repeat(size);
    let answer = bridge.request("1", "tools/call", &format!(r#"{{"text":"{text}"}}"#));
    assert!(answer.len() > size && answer.ends_with(r#"y"}]}}"#), "a large result arrives completely");
    bridge.finish();
}

#[test]
fn blank_lines_and_carriage_returns_between_messages_are_ignored() {
    let upstream = Upstream::well_behaved();
    let mut bridge = Bridge::connected(&upstream);
    bridge.send_raw(b"\n\r\n  \n");
    bridge.expect_response("5");
    bridge.send_raw(format!("{}\r\n", request("5", "tools/call", "{}")).as_bytes());
    assert_eq!(bridge.response("5"), result("5", "{}"));
    assert_eq!(upstream.wait_for("tools/call", 1).text().trim_end(), request("5", "tools/call", "{}"));
    assert_eq!(bridge.finish().lines.len(), 2, "a blank line is not a message");
}

#[test]
fn a_last_line_without_a_newline_is_a_message() {
    let upstream = Upstream::well_behaved();
    let mut bridge = Bridge::connected(&upstream);
    bridge.expect_response("5");
    bridge.send_raw(request("5", "tools/call", "{}").as_bytes());
    bridge.close_stdin();
    bridge.response("5");
    bridge.finish();
}

#[test]
fn deeply_nested_messages_pass() {
    let upstream = Upstream::well_behaved();
    let mut bridge = Bridge::connected(&upstream);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    bridge.send_raw(format!("{}\n", request("1", "tools/call", &deep)).as_bytes());
    bridge.expect_response("1");
    bridge.response("1");
    bridge.still_works();
    bridge.finish();
}

#[test]
fn a_line_may_arrive_in_pieces() {
    let upstream = Upstream::well_behaved();
    let mut bridge = Bridge::connected(&upstream);
    bridge.expect_response("1");
    let line = format!("{}\n", request("1", "tools/call", r#"{"text":"é"}"#));
    for byte in line.bytes() {
        bridge.send_raw(&[byte]);
    }
    bridge.response("1");
    assert_eq!(upstream.wait_for("tools/call", 1).text().trim_end(), line.trim_end());
    bridge.finish();
}
