//! Every request gets exactly one response, whatever the upstream sends in its place.

use crate::support::*;

over_each_protocol! {
    a_response_with_202_is_one,
    a_request_answered_with_202_fails,
    a_request_answered_with_204_fails,
    a_request_answered_with_html_fails_and_the_error_names_html,
    a_response_of_another_content_type_is_an_error_that_names_the_type,
    json_without_a_content_type_is_accepted_or_refused_with_a_message,
    a_content_type_may_have_any_case_and_parameters,
    a_body_that_is_not_json_is_an_error,
    an_empty_body_is_an_error,
    an_event_that_is_not_json_does_not_end_the_stream,
    an_error_with_a_null_id_answers_the_request_that_was_posted,
    a_connection_closed_before_the_response_is_an_error_without_a_second_post,
    a_connection_reset_before_the_response_is_an_error_without_a_second_post,
    a_truncated_json_body_is_an_error_without_a_second_post,
    a_reply_that_is_not_http_is_an_error,
    a_json_rpc_error_body_passes_with_any_http_status,
    a_json_rpc_error_body_with_another_id_gets_the_clients_id,
    a_json_rpc_error_body_without_an_id_gets_the_clients_id,
    another_error_body_becomes_a_message_with_host_status_and_cause,
    control_characters_of_an_error_body_never_reach_the_error_message,
    an_array_of_messages_in_one_response_is_split_into_lines,
    a_response_that_a_strict_parser_would_reject_passes,
    a_response_body_may_arrive_in_pieces,
}

/// The response that the client gets when the upstream treats `tools/call` in this way. Also checks that the session
/// continues.
fn response_when(respond: impl Fn(Exchange) + Send + Sync + 'static) -> (String, Upstream) {
    let upstream =
        Upstream::start(move |call| if call.kind() == "tools/call" { respond(call) } else { call.respond_normally() });
    let mut bridge = Bridge::connected(&upstream);
    let answer = bridge.request("1", "tools/call", r#"{"name":"t"}"#);
    bridge.still_works();
    bridge.finish();
    (answer, upstream)
}

fn a_response_with_202_is_one() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => {
            let answer = result(&call.id(), r#"{"n":1.0}"#);
            call.json_with_status("202 Accepted", &answer);
        }
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    assert_eq!(bridge.request("1", "tools/call", "{}"), result("1", r#"{"n":1.0}"#));
    bridge.finish();
}

fn a_request_answered_with_202_fails() {
    let (answer, upstream) = response_when(Exchange::accepted);
    assert_error_mentions(&answer, &[&upstream.host(), "202"]);
}

fn a_request_answered_with_204_fails() {
    let (answer, upstream) = response_when(|call| call.respond("204 No Content", &[], ""));
    assert_error_mentions(&answer, &[&upstream.host(), "204"]);
}

fn a_request_answered_with_html_fails_and_the_error_names_html() {
    let (answer, upstream) = response_when(|call| {
        call.respond("200 OK", &[("Content-Type", "text/html; charset=utf-8")], "<html><title>Sign in</title></html>");
    });
    assert_error_mentions(&answer, &[&upstream.host(), "html"]);
}

fn a_response_of_another_content_type_is_an_error_that_names_the_type() {
    let (answer, upstream) =
        response_when(|call| call.respond("200 OK", &[("Content-Type", "application/pdf")], "%PDF"));
    assert_error_mentions(&answer, &[&upstream.host(), "application/pdf"]);
}

fn json_without_a_content_type_is_accepted_or_refused_with_a_message() {
    let (answer, _upstream) = response_when(|call| {
        let body = result(&call.id(), "{}");
        call.respond("200 OK", &[], &body);
    });
    assert!(answer == result("1", "{}") || !bridge_error(&answer).is_empty());
}

fn a_content_type_may_have_any_case_and_parameters() {
    let (answer, _upstream) = response_when(|call| {
        let body = result(&call.id(), "{}");
        call.respond("200 OK", &[("CONTENT-TYPE", "Application/JSON; charset=UTF-8")], &body);
    });
    assert_eq!(answer, result("1", "{}"));
}

fn a_body_that_is_not_json_is_an_error() {
    let (answer, upstream) = response_when(|call| call.json(r#"{"jsonrpc":"2.0","id":1,"result":{"#));
    assert_error_mentions(&answer, &[&upstream.host()]);
}

fn an_empty_body_is_an_error() {
    let (answer, upstream) = response_when(|call| call.json(""));
    assert_error_mentions(&answer, &[&upstream.host()]);
}

fn an_event_that_is_not_json_does_not_end_the_stream() {
    let (answer, _upstream) = response_when(|call| {
        let id = call.id();
        let events = call.sse();
        events.chunk("data: this is no JSON\n\n").event(&result(&id, "{}"));
        events.end();
    });
    assert_eq!(answer, result("1", "{}"));
}

fn an_error_with_a_null_id_answers_the_request_that_was_posted() {
    let (answer, _upstream) = response_when(|call| {
        call.json(r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"who knows","data":{"n":1.0}}}"#);
    });
    assert_eq!(value(&answer)["id"], 1, "the client's request is answered under its own id: {answer}");
    assert_eq!(error_of(&answer), (-32600, "who knows".to_owned()));
}

fn a_connection_closed_before_the_response_is_an_error_without_a_second_post() {
    let (answer, upstream) = response_when(Exchange::cut);
    assert_error_mentions(&answer, &[&upstream.host()]);
    assert_eq!(upstream.count("tools/call"), 1, "a request that may have reached the server is never sent twice");
}

fn a_connection_reset_before_the_response_is_an_error_without_a_second_post() {
    let (answer, upstream) = response_when(Exchange::reset);
    assert_error_mentions(&answer, &[&upstream.host()]);
    assert_eq!(upstream.count("tools/call"), 1, "a request that may have reached the server is never sent twice");
}

fn a_truncated_json_body_is_an_error_without_a_second_post() {
    let (answer, upstream) = response_when(|call| {
        call.truncated_json(r#"{"jsonrpc":"2.0","#);
    });
    assert_error_mentions(&answer, &[&upstream.host()]);
    assert_eq!(upstream.count("tools/call"), 1, "a request that may have reached the server is never sent twice");
}

fn a_reply_that_is_not_http_is_an_error() {
    let (answer, upstream) = response_when(Exchange::garble);
    assert_error_mentions(&answer, &[&upstream.host()]);
}

fn a_json_rpc_error_body_passes_with_any_http_status() {
    for status in [
        "400 Bad Request",
        "404 Not Found",
        "422 Unprocessable Entity",
        "500 Internal Server Error",
        "503 Service Unavailable",
    ] {
        let (answer, _upstream) = response_when(move |call| {
            let body = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no such tool","data":{"n":1.0}}}"#;
            call.json_with_status(status, body);
        });
        let expected = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no such tool","data":{"n":1.0}}}"#;
        assert_eq!(answer, expected, "a JSON-RPC error passes with code and data on {status}");
    }
}

fn a_json_rpc_error_body_with_another_id_gets_the_clients_id() {
    for id in ["null", r#""server-error""#, "99"] {
        let (answer, _upstream) = response_when(move |call| {
            let body =
                format!(r#"{{"jsonrpc":"2.0","error":{{"code":-32050,"message":"no","data":[1.0]}},"id":{id}}}"#);
            call.json_with_status("500 Internal Server Error", &body);
        });
        assert_eq!(value(&answer)["id"], 1, "the client's own id: {answer}");
        assert_eq!(error_of(&answer).0, -32050, "{answer}");
        assert!(answer.contains("[1.0]"), "data to the byte: {answer}");
    }
}

fn a_json_rpc_error_body_without_an_id_gets_the_clients_id() {
    let (answer, _upstream) = response_when(|call| {
        let body = r#"{"jsonrpc":"2.0","error":{"code":-32050,"message":"no"}}"#;
        call.json_with_status("400 Bad Request", body);
    });
    assert_eq!((value(&answer)["id"].to_string().as_str(), error_of(&answer).0), ("1", -32050), "{answer}");
}

fn another_error_body_becomes_a_message_with_host_status_and_cause() {
    let cases = [
        ("400 Bad Request", "text/plain", "the frobnicator is missing", "frobnicator is missing"),
        ("500 Internal Server Error", "application/json", r#"{"error":"database gone"}"#, "database gone"),
        ("502 Bad Gateway", "text/html", "<html><body><h1>502</h1></body></html>", "502"),
        ("503 Service Unavailable", "application/json", r#"{"message":"back at noon"}"#, "back at noon"),
        ("418 I'm a teapot", "application/json", r#"{"detail":"short and stout"}"#, "short and stout"),
    ];
    for (status, content_type, body, cause) in cases {
        let (answer, upstream) =
            response_when(move |call| call.respond(status, &[("Content-Type", content_type)], body));
        assert_error_mentions(&answer, &[&upstream.host(), &status[..3], cause]);
        assert_eq!(upstream.count("tools/call"), 1, "{status} is no reason to send the request again");
    }
}

fn control_characters_of_an_error_body_never_reach_the_error_message() {
    let (answer, _upstream) =
        response_when(|call| call.plain("500 Internal Server Error", "red \u{1b}[31malert\u{7}\nnext"));
    let message = bridge_error(&answer);
    assert!(!message.chars().any(char::is_control), "control characters are neutralised: {message:?}");
}

#[test]
fn a_line_that_cannot_be_parsed_is_answered_with_a_null_id() {
    let upstream = Upstream::well_behaved();
    let mut bridge = Bridge::connected(&upstream);
    for line in ["this is not JSON", r#"{"jsonrpc":"2.0","id":1,"#, "\u{1}"] {
        bridge.send_raw(format!("{line}\n").as_bytes());
        let answer = bridge.response("null");
        assert_eq!(error_of(&answer).0, -32700, "an unparsable line is a parse error: {answer}");
    }
    bridge.send_raw(b"\xff\xfe broken \xc3\n");
    assert_eq!(error_of(&bridge.response("null")).0, -32700, "a line that is not UTF-8 is a parse error too");
    bridge.still_works();
    bridge.finish();
}

#[test]
fn json_that_is_not_a_message_is_answered_or_forwarded() {
    let upstream = Upstream::well_behaved();
    let mut bridge = Bridge::connected(&upstream);
    let lines = ["17", r#""text""#, "[]", "{}", "true"];
    for line in lines {
        let before = upstream.requests().len();
        bridge.send_raw(format!("{line}\n").as_bytes());
        bridge.still_works();
        let forwarded = upstream.requests().len() > before + 1;
        let answered = bridge.lines().iter().any(|answer| peek(answer.as_bytes()).id.as_deref() == Some("null"));
        assert!(forwarded || answered, "{line} was neither answered nor forwarded");
    }
    bridge.finish();
}

#[test]
fn a_body_that_ends_when_the_connection_closes_is_accepted() {
    let (answer, _upstream) = response_when(|call| {
        let body = result(&call.id(), "{}");
        call.raw(format!("HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{body}").as_bytes());
    });
    assert_eq!(answer, result("1", "{}"));
}

fn an_array_of_messages_in_one_response_is_split_into_lines() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => {
            let log = notification("notifications/message", r#"{"level":"info","data":1.0}"#);
            let answers = format!("[ {log} ,{}]", result(&call.id(), "{}"));
            call.json(&answers);
        }
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    assert_eq!(bridge.request("1", "tools/call", "{}"), result("1", "{}"));
    let log = bridge.message("notifications/message");
    assert_eq!(log, notification("notifications/message", r#"{"level":"info","data":1.0}"#));
    bridge.finish();
}

fn a_response_that_a_strict_parser_would_reject_passes() {
    let odd = [
        r#"{"jsonrpc":"2.0","id":1,"result":[1.0]}"#,
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":1E2,"message":""},"trace":"t-1"}"#,
    ];
    for body in odd {
        let (answer, _upstream) = response_when(move |call| call.json(body));
        assert_eq!(answer, body);
        let (answer, _upstream) = response_when(move |call| {
            let events = call.sse();
            events.event(body);
            events.end();
        });
        assert_eq!(answer, body);
    }
}

fn a_response_body_may_arrive_in_pieces() {
    let upstream = Upstream::holding(["tools/call"]);
    let mut bridge = Bridge::connected(&upstream);
    bridge.send(&request("1", "tools/call", "{}"));
    let answer = result("1", r#"{"text":"é"}"#);
    let pieces = upstream.take("tools/call").chunked(&[("Content-Type", "application/json")]);
    for byte in answer.chars() {
        pieces.chunk(&byte.to_string());
    }
    pieces.end();
    assert_eq!(bridge.response("1"), answer);
    bridge.finish();
}
