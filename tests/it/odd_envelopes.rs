//! Responses and other messages whose JSON-RPC envelope is nearly right: a client would reject the line and wait for a
//! response until its time limit. Each becomes a valid line with the same meaning.

use crate::support::*;

/// Asserts that a strict client accepts this line.
#[track_caller]
fn is_valid(line: &str) {
    let message = value(line);
    assert_eq!(message["jsonrpc"], "2.0", "{line}");
    if message.get("method").is_none() {
        assert!(message.get("result").is_some() != message.get("error").is_some(), "either one: {line}");
        assert!(message["id"].is_string() || message["id"].is_number(), "{line}");
    }
    if let Some(error) = message.get("error") {
        assert!(error["code"].is_number() && error["message"].is_string(), "{line}");
    }
}

/// How a server sends its response to a POST.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Body,
    Event,
    /// In an array in the body.
    Array,
    HttpSse,
    /// By a modern server, to a legacy client.
    Modern,
}

/// The response to the request with this id whose response the server sends as `answer`.
fn response_to(id: &str, way: Way, answer: &str) -> String {
    let answer = answer.to_owned();
    let sse_server = HttpSse::new("/messages");
    let upstream = Upstream::start(move |call| match (call.kind(), way) {
        ("tools/call", Way::Body | Way::Modern) => call.json(&answer),
        ("tools/call", Way::Array) => call.json(&format!("[{answer}]")),
        ("tools/call", Way::Event) => {
            let events = call.sse();
            events.event(&answer);
            events.end();
        }
        ("tools/call", Way::HttpSse) => {
            call.accepted();
            sse_server.event(&answer);
        }
        (_, Way::HttpSse) => sse_server.serve(call),
        (_, Way::Modern) => call.respond_as_modern(),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.initialize();
    let response = bridge.request(id, "tools/call", r#"{"name":"t"}"#);
    bridge.still_works();
    bridge.finish();
    is_valid(&response);
    response
}

const WAYS: [Way; 5] = [Way::Body, Way::Event, Way::Array, Way::HttpSse, Way::Modern];

#[test]
fn a_result_in_an_invalid_envelope_reaches_the_client() {
    for way in WAYS {
        for answer in [
            r#"{"id":7,"result":{"content":[],"n":1.0}}"#,
            r#"{"jsonrpc":"1.0","id":7,"result":{"content":[],"n":1.0}}"#,
            r#"{"jsonrpc":2.0,"id":7,"result":{"content":[],"n":1.0}}"#,
            r#"{"jsonrpc":"2.0","id":7,"result":{"content":[],"n":1.0},"error":null}"#,
            r#"{"jsonrpc":"2.0","id":7,"error":null,"result":{"content":[],"n":1.0}}"#,
            r#"{"jsonrpc":"2.0","id":7,"result":{"content":[],"n":1.0},"error":{}}"#,
            r#"{"jsonrpc":"2.0","id":"7","result":{"content":[],"n":1.0}}"#,
            r#"{"id":"7","result":{"content":[],"n":1.0},"error":""}"#,
        ] {
            let response = response_to("7", way, answer);
            assert_eq!(value(&response)["id"], 7, "{way:?} {answer}");
            assert!(response.contains(r#""n":1.0"#), "{way:?} {answer}: the result keeps its bytes: {response}");
        }
        let response = response_to(r#""7""#, way, r#"{"jsonrpc":"2.0","id":7,"result":{"content":[]}}"#);
        assert_eq!(value(&response)["id"], "7", "{way:?}");
    }
}

#[test]
fn a_result_of_nothing_is_an_empty_one() {
    for way in WAYS {
        for answer in
            [r#"{"jsonrpc":"2.0","id":7,"result":null}"#, r#"{"jsonrpc":"2.0","id":"7","error":null,"result":null}"#]
        {
            let response = response_to("7", way, answer);
            assert!(value(&response)["result"].is_object(), "{way:?}: nothing is a success: {response}");
        }
    }
}

/// Clients in typed languages cannot read `7.0` as an integer.
#[test]
fn an_id_comes_back_as_the_client_spells_it() {
    for way in [Way::Body, Way::Event, Way::HttpSse, Way::Array] {
        for id in ["7.0", "7e0", "70e-1"] {
            let response =
                response_to("7", way, &format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[]}}}}"#));
            assert!(response.contains(r#""id":7,"#), "{way:?} {id}: {response}");
        }
    }
}

#[test]
fn an_error_in_an_invalid_envelope_reaches_the_client_in_the_words_of_the_server() {
    for way in WAYS {
        for (answer, code, words) in [
            (r#"{"jsonrpc":"2.0","id":7,"error":"out of cheese"}"#, -32603, "out of cheese"),
            (r#"{"id":7,"error":"out of cheese"}"#, -32603, "out of cheese"),
            (r#"{"jsonrpc":"2.0","id":7,"error":{"message":"out of cheese"}}"#, -32603, "out of cheese"),
            (r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32050}}"#, -32050, "no reason"),
            (r#"{"jsonrpc":"2.0","id":7,"error":{"code":"-32050","message":"cheese"}}"#, -32050, "cheese"),
            (r#"{"jsonrpc":"2.0","id":7,"error":{"code":"CHEESE","message":"out"}}"#, -32603, "CHEESE: out"),
            (r#"{"jsonrpc":"2.0","id":7,"error":{"code":40.4,"message":"cheese"}}"#, -32603, "40.4: cheese"),
            (r#"{"jsonrpc":"2.0","id":7,"error":{"code":1e999,"message":"cheese"}}"#, -32603, "1e999: cheese"),
            (r#"{"jsonrpc":"2.0","id":7,"result":null,"error":{"code":-32050,"message":"cheese"}}"#, -32050, "cheese"),
            (r#"{"jsonrpc":"2.0","id":"7","error":{"code":-32050,"message":"cheese"}}"#, -32050, "cheese"),
            (r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32050,"message":"cheese"}}"#, -32050, "cheese"),
            (r#"{"error":{"code":-32050,"message":"cheese"}}"#, -32050, "cheese"),
        ] {
            let response = response_to("7", way, answer);
            let (got, message) = error_of(&response);
            assert_eq!(value(&response)["id"], 7, "{way:?} {answer}");
            assert!(got == code && message.contains(words), "{way:?} {answer}: {response}");
        }
    }
}

#[test]
fn an_error_under_another_id_answers_the_only_request_of_its_post() {
    for way in [Way::Body, Way::Event, Way::Modern] {
        for id in ["99", r#""server-error""#, "0", "-1"] {
            let answer = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32050,"message":"cheese"}}}}"#);
            let response = response_to("7", way, &answer);
            assert_eq!((value(&response)["id"].as_i64(), error_of(&response).0), (Some(7), -32050), "{way:?} {id}");
        }
    }
}

#[test]
fn a_response_with_neither_result_nor_error_is_an_error() {
    for way in [Way::Body, Way::Event, Way::HttpSse] {
        for answer in [r#"{"jsonrpc":"2.0","id":7}"#, r#"{"jsonrpc":"2.0","id":7,"error":null}"#] {
            bridge_error(&response_to("7", way, answer));
        }
    }
}

#[test]
fn an_initialize_in_an_invalid_envelope_opens_the_session() {
    let envelopes: [fn(&str) -> String; 3] = [
        |result| format!(r#"{{"id":"1","result":{result}}}"#),
        |result| format!(r#"{{"id":1,"error":null,"result":{result}}}"#),
        |result| format!(r#"{{"jsonrpc":"2.0","result":{result}}}"#),
    ];
    for (nth, envelope) in envelopes.into_iter().enumerate() {
        let answer = move || envelope(&initialize_result(REVISION));
        let sse_server = HttpSse::new("/messages");
        let streamable = Upstream::start(move |call| match call.kind() {
            "initialize" => call.json(&answer()),
            _ => call.respond_normally(),
        });
        let http_sse = Upstream::start(move |call| match call.kind() {
            "initialize" if call.path() == "/messages" => {
                call.accepted();
                sse_server.event(&answer());
            }
            _ => sse_server.serve(call),
        });
        // Without any id a result on a shared stream belongs to nothing.
        for upstream in if nth < 2 { vec![&streamable, &http_sse] } else { vec![&streamable] } {
            let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
            bridge.send(&initialize("1", REVISION));
            is_valid(&bridge.response("1"));
            bridge.send(&initialized());
            bridge.still_works();
            bridge.finish();
        }
        drop((streamable.may_receive_no_request(), http_sse.may_receive_no_request()));
    }
}

#[test]
fn messages_of_the_server_without_a_version_get_one() {
    let upstream = Upstream::holding(["GET"]);
    let mut bridge = Bridge::connected(&upstream);
    let get = upstream.take("GET").sse();
    get.event(r#"{"method":"notifications/x","params":{"n":1.0}}"#).event(r#"{"id":"r","method":"ping"}"#);
    assert_eq!(bridge.message("notifications/x"), r#"{"method":"notifications/x","params":{"n":1.0},"jsonrpc":"2.0"}"#);
    assert_eq!(bridge.message("ping"), r#"{"id":"r","method":"ping","jsonrpc":"2.0"}"#);
    bridge.finish();
}

#[test]
fn the_responses_to_a_batch_are_made_valid_one_by_one() {
    let upstream = Upstream::start(|call| match call.kind() {
        "batch" => call.json(r#"[{"id":"1","result":{"n":1.0}},{"jsonrpc":"2.0","id":2,"error":"cheese"}]"#),
        "initialize" => call.result(&initialize_result("2025-03-26")),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.initialize_with_revision("2025-03-26");
    bridge.send_raw(format!("[{},{}]\n", request("1", "a", "{}"), request("2", "b", "{}")).as_bytes());
    bridge.expect_response("1");
    bridge.expect_response("2");
    let (one, two) = (bridge.response("1"), bridge.response("2"));
    is_valid(&one);
    is_valid(&two);
    assert!(one.contains("1.0") && error_of(&two) == (-32603, "cheese".to_owned()), "{one} {two}");
    bridge.finish();
}
