//! When is a modern client of a legacy upstream translated, and when does it fall back to `initialize` by itself?

use std::sync::Arc;

use crate::support::*;

/// A server that requires `initialize`, with the error of the most common implementation.
fn legacy(call: Exchange) {
    if call.header("mcp-session-id").is_none() && !["initialize", "GET"].contains(&call.kind()) {
        return call.error("400 Bad Request", -32000, "Bad Request: No valid session ID provided");
    }
    call.respond_normally();
}

/// The requests that the server accepted, without those that it rejected for lack of a session.
fn accepted_requests(upstream: &Upstream, kind: &str) -> Vec<Arc<Request>> {
    let requests = upstream.requests().into_iter().filter(|request| request.kind == kind);
    requests.filter(|request| request.header("mcp-session-id").is_some()).collect()
}

#[test]
fn a_modern_first_request_to_a_legacy_server_sends_one_initialize() {
    let upstream = Upstream::start(legacy);
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    let answer = bridge.request_modern("1", "tools/list", "");
    assert_eq!(answer["result"]["resultType"], "complete", "a modern result has a type: {answer}");
    bridge.request_modern("2", "tools/list", "");
    assert_eq!(upstream.count("initialize"), 1, "one session serves all requests of one kind");
    let initialize = value(upstream.wait_for("initialize", 1).text());
    let params = &initialize["params"];
    assert_eq!(params["clientInfo"]["name"], "a-modern-client", "the session is opened with the client's information");
    assert_eq!(params["capabilities"], value(CAPABILITIES), "the session is opened with the client's capabilities");
    assert_eq!(params["protocolVersion"], "2025-11-25", "the session is opened in the latest legacy revision");
    let kinds = upstream.kinds();
    let place = |kind: &str| kinds.iter().rposition(|have| have == kind);
    assert!(place("notifications/initialized") < place("tools/list"), "initialized precedes the requests: {kinds:?}");
    let requests = accepted_requests(&upstream, "tools/list");
    let request = &requests[0];
    assert_eq!(requests.len(), 2, "each request is carried out once");
    assert_eq!(request.header("mcp-protocol-version"), Some(REVISION), "the header carries the negotiated revision");
    assert_eq!(request.header("mcp-session-id"), Some("session-1"));
    bridge.finish();
    assert_eq!(upstream.count("DELETE"), 1, "the session is deleted at the end");
}

#[test]
fn after_a_refused_discover_initialize_passes_and_modern_requests_are_translated() {
    for modern_goes_on in [false, true] {
        let upstream = Upstream::start(legacy);
        let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
        let refused = bridge.request_modern("0", "server/discover", "");
        assert_eq!(refused["error"]["code"], -32601, "the client may fall back to initialize: {refused}");
        if modern_goes_on {
            bridge.request_modern("1", "tools/list", "");
            let discovered = bridge.request_modern("2", "server/discover", "");
            assert!(
                discovered["result"]["capabilities"]["tools"].is_object(),
                "now the client is known to be modern: {discovered}"
            );
        } else {
            bridge.initialize();
            bridge.still_works();
            let text = upstream.wait_for("initialize", 1).text().to_owned();
            assert_eq!(text, initialize(r#""hello""#, REVISION), "initialize passes byte for byte");
        }
        bridge.finish();
        assert_eq!(upstream.count("initialize"), 1);
    }
}

#[test]
fn a_client_declared_modern_can_discover_a_legacy_server() {
    let upstream = Upstream::start(legacy);
    let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--client-protocol", "modern"]).start();
    let answer = bridge.request_modern(r#""d""#, "server/discover", "");
    let result = &answer["result"];
    assert_eq!(result["resultType"], "complete");
    assert_eq!(result["supportedVersions"], value(r#"["2026-07-28"]"#));
    assert_eq!(result["capabilities"], value(&initialize_result(REVISION))["capabilities"]);
    assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "an-upstream");
    assert_eq!(result["instructions"], "mind the gap");
    assert_eq!((&result["ttlMs"], &result["cacheScope"]), (&value("0"), &value(r#""private""#)));
    bridge.request_modern("2", "tools/list", "");
    bridge.finish();
    assert_eq!(upstream.count("initialize"), 1, "the session that discover opened is used");
}

#[test]
fn a_client_declared_legacy_is_not_translated() {
    let upstream = Upstream::start(legacy);
    let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--client-protocol", "legacy"]).start();
    let request = modern_request("1", "tools/list", "");
    bridge.send(&request);
    bridge.response("1");
    assert_eq!(upstream.wait_for("tools/list", 1).text(), request);
    bridge.finish();
}

#[test]
fn a_modern_request_with_invalid_meta_is_refused() {
    let upstream = Upstream::start(legacy).may_receive_no_request();
    let mut bridge = Bridge::modern(&upstream);
    let of_1900 = modern_request("1", "tools/list", "").replace("2026-07-28", "1900-01-01");
    bridge.send(&of_1900);
    let refused = value(&bridge.response("1"));
    assert_eq!(refused["error"]["code"], -32022, "{refused}");
    assert_eq!(refused["error"]["data"]["supported"], value(r#"["2026-07-28"]"#));
    assert_eq!(refused["error"]["data"]["requested"], "1900-01-01");
    bridge.send(&modern_request("2", "tools/list", "").replace("clientCapabilities", "nothing"));
    assert_eq!(error_of(&bridge.response("2")).0, -32602, "required members of _meta are required");
    assert_eq!(error_of(&bridge.request("3", "tools/list", "{}")).0, -32602);
    bridge.send(&modern_request_with("4", "tools/list", "", "{}", r#""io.modelcontextprotocol/logLevel":"loud""#));
    assert_eq!(error_of(&bridge.response("4")).0, -32602, "the log level is unknown");
    bridge.finish();
}

#[test]
fn a_refused_initialize_is_reported_and_tried_again_by_the_next_request() {
    let upstream = Upstream::start(|call| match (call.kind(), call.nth) {
        ("initialize", 0) => call.error("400 Bad Request", -32000, "not today"),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::modern(&upstream);
    let refused = bridge.request_modern("1", "tools/list", "");
    assert_eq!(refused["error"]["message"], "not today", "the client gets the server's own error: {refused}");
    assert!(bridge.request_modern("2", "tools/list", "")["result"].is_object(), "the next request tries again");
    bridge.finish();
}

#[test]
fn a_server_that_requires_an_older_revision_gets_an_initialize_in_that_revision() {
    let upstream = Upstream::start(|call| {
        if call.kind() == "initialize" && !call.request.text().contains("2025-03-26") {
            let body = format!(
                r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":-32602,"message":"no","data":{{"supported":["2024-11-05","2025-03-26"]}}}}}}"#,
                call.id()
            );
            return call.json(&body);
        }
        call.respond_normally();
    });
    let mut bridge = Bridge::modern(&upstream);
    assert!(bridge.request_modern("1", "tools/list", "")["result"].is_object());
    bridge.finish();
    assert_eq!(upstream.count("initialize"), 2);
}

#[test]
fn an_unreachable_server_is_named_when_stdin_ends_after_the_request() {
    let upstream = Upstream::offline(legacy).may_receive_no_request();
    let mut bridge = Bridge::modern(&upstream);
    bridge.send(&modern_request("1", "tools/list", ""));
    bridge.close_stdin();
    assert_error_mentions(&bridge.response("1"), &[&upstream.host()]);
    bridge.finish();
}

#[test]
fn discover_of_a_slow_server_is_answered_from_the_stored_result() {
    let home = tempfile::tempdir().unwrap();
    let mut upstream = Upstream::offline(legacy);
    let start = |upstream: &Upstream| {
        let launch = Bridge::to(&upstream.url("/mcp")).args(["--client-protocol", "modern", "--protocol", "legacy"]);
        launch.home(home.path()).startup_wait("0.2").start()
    };
    let mut bridge = start(&upstream);
    let answer = bridge.request_modern("1", "server/discover", "");
    assert!(answer["result"]["capabilities"]["tools"].is_object(), "the first response comes in time: {answer}");
    bridge.send(&modern_request("2", "tools/list", ""));
    upstream.listen();
    bridge.response("2");
    bridge.finish();
}

#[test]
fn a_call_that_may_have_been_executed_is_not_sent_again() {
    type Answer = fn(Exchange);
    let answers: [Answer; 7] = [
        |call| call.json(r#"{"jsonrpc":"2.0","id":1,"result":{"n":NaN}}"#),
        |call| {
            call.sse().event("no JSON");
        },
        |call| call.respond("200 OK", &[("Content-Type", "text/html")], "<p>done</p>"),
        |call| call.accepted(),
        |call| call.error("200 OK", -32000, "the tool failed half way"),
        |call| call.error("500 Internal Server Error", -32603, "the tool failed half way"),
        |call| call.error("200 OK", -32603, "charged, but the browser session could not be closed"),
    ];
    for (which, answer) in answers.into_iter().enumerate() {
        for is_modern in [false, true] {
            let upstream = Upstream::start(move |call| match call.kind() {
                "tools/call" => answer(call),
                _ if is_modern => call.respond_as_modern(),
                _ => call.respond_as_legacy_only(),
            });
            let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
            bridge.send(&minimal_modern_request("1", "tools/call", r#""name":"pay","#));
            error_of(&bridge.response("1"));
            bridge.finish();
            assert_eq!(upstream.count("tools/call"), 1, "{which}, modern: {is_modern}: {:?}", upstream.kinds());
        }
    }
}

#[test]
fn a_call_refused_for_lack_of_a_session_is_sent_again_in_a_session() {
    for (status, code, why) in [
        ("400 Bad Request", -32603, "Session ID missing"),
        ("200 OK", -32002, "Server not initialized"),
        ("200 OK", -32602, "Invalid request parameters"),
    ] {
        let upstream = Upstream::start(move |call| match (call.kind(), call.header("mcp-session-id")) {
            ("tools/call" | "server/discover", None) => call.error(status, code, why),
            _ => call.respond_normally(),
        });
        let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
        let answer = bridge.request_modern("1", "tools/call", r#""name":"t""#);
        assert_eq!(answer["result"]["resultType"], "complete", "{status}, {code}: {answer}");
        bridge.finish();
    }
}

#[test]
fn a_server_request_during_a_call_without_a_session_is_refused() {
    let upstream = Upstream::start(|call| match (call.kind(), call.nth) {
        ("tools/call", 0) => call.hold(),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&minimal_modern_request("1", "tools/call", r#""name":"t","#));
    let events = upstream.take("tools/call").sse();
    events.event(&request("7", "elicitation/create", r#"{"message":"who?"}"#));
    let reply = upstream.wait_for("response", 1);
    assert_eq!(error_of(reply.text()).0, -32601, "{}", reply.text());
    events.event(&result("1", r#"{"content":[]}"#));
    bridge.response("1");
    bridge.request_modern("2", "tools/list", "");
    bridge.finish();
    assert_eq!(upstream.count("initialize"), 1, "only a legacy server sends requests, so later calls use a session");
}

#[test]
fn a_batch_of_a_modern_client_is_split_into_single_requests() {
    for is_modern in [false, true] {
        let upstream =
            Upstream::start(
                move |call| if is_modern { call.respond_as_modern() } else { call.respond_as_legacy_only() },
            );
        let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--client-protocol", "modern"]).start();
        let elements = [minimal_modern_request("1", "tools/list", ""), minimal_modern_request("2", "tools/list", "")];
        bridge.expect_response("1");
        bridge.expect_response("2");
        bridge.send(&format!("[{}]", elements.join(",")));
        for id in ["1", "2"] {
            let answer = value(&bridge.response(id));
            assert!(answer["result"].is_object(), "modern: {is_modern}: {answer}");
        }
        bridge.finish();
        assert_eq!(upstream.count("batch"), 0, "the modern era has no batches");
    }
}
