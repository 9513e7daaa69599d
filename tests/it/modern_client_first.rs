//! When is a modern client before a legacy upstream translated, and when is it left to fall back by itself?

use std::sync::Arc;

use crate::support::*;

/// A server that wants a handshake, in the words of the most common one.
fn legacy(call: Exchange) {
    if call.header("mcp-session-id").is_none() && !["initialize", "GET"].contains(&call.kind()) {
        return call.error("400 Bad Request", -32000, "Bad Request: No valid session ID provided");
    }
    call.usual();
}

/// What the server took, without what it refused for lack of a session.
fn taken(upstream: &Upstream, kind: &str) -> Vec<Arc<Request>> {
    let requests = upstream.requests().into_iter().filter(|request| request.kind == kind);
    requests.filter(|request| request.header("mcp-session-id").is_some()).collect()
}

#[test]
fn a_modern_request_as_the_first_message_is_translated_by_one_initialize() {
    let upstream = Upstream::start(legacy);
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    let answer = bridge.ask_modern("1", "tools/list", "");
    assert_eq!(answer["result"]["resultType"], "complete", "a modern result says its type: {answer}");
    bridge.ask_modern("2", "tools/list", "");
    assert_eq!(upstream.count("initialize"), 1, "one session serves all requests of one kind");
    let initialize = value(upstream.wait_for("initialize", 1).text());
    let params = &initialize["params"];
    assert_eq!(params["clientInfo"]["name"], "a-modern-client", "the session is opened in the client's name");
    assert_eq!(params["capabilities"], value(CAPABILITIES), "and with its capabilities");
    assert_eq!(params["protocolVersion"], "2025-11-25", "in the latest legacy revision");
    let kinds = upstream.kinds();
    let place = |kind: &str| kinds.iter().rposition(|have| have == kind);
    assert!(place("notifications/initialized") < place("tools/list"), "the handshake goes first: {kinds:?}");
    let requests = taken(&upstream, "tools/list");
    let request = &requests[0];
    assert_eq!(requests.len(), 2, "each request is carried out once");
    assert_eq!(request.header("mcp-protocol-version"), Some(REVISION), "the negotiated revision goes along");
    assert_eq!(request.header("mcp-session-id"), Some("session-1"));
    bridge.finish();
    assert_eq!(upstream.count("DELETE"), 1, "the session ends with the client");
}

#[test]
fn after_a_refused_discover_initialize_passes_and_a_modern_request_is_translated() {
    for modern_goes_on in [false, true] {
        let upstream = Upstream::start(legacy);
        let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
        let refused = bridge.ask_modern("0", "server/discover", "");
        assert_eq!(refused["error"]["code"], -32601, "who can fall back is let: {refused}");
        if modern_goes_on {
            bridge.ask_modern("1", "tools/list", "");
            let discovered = bridge.ask_modern("2", "server/discover", "");
            assert!(discovered["result"]["capabilities"]["tools"].is_object(), "now it is known: {discovered}");
        } else {
            bridge.shake_hands();
            bridge.still_works();
            let text = upstream.wait_for("initialize", 1).text().to_owned();
            assert_eq!(text, initialize(r#""hello""#, REVISION), "what passes through passes untouched");
        }
        bridge.finish();
        assert_eq!(upstream.count("initialize"), 1);
    }
}

#[test]
fn a_client_that_is_modern_by_the_users_word_discovers_the_server() {
    let upstream = Upstream::start(legacy);
    let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--client-protocol", "modern"]).start();
    let answer = bridge.ask_modern(r#""d""#, "server/discover", "");
    let result = &answer["result"];
    assert_eq!(result["resultType"], "complete");
    assert_eq!(result["supportedVersions"], value(r#"["2026-07-28"]"#));
    assert_eq!(result["capabilities"], value(&initialize_result(REVISION))["capabilities"]);
    assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "an-upstream");
    assert_eq!(result["instructions"], "mind the gap");
    assert_eq!((&result["ttlMs"], &result["cacheScope"]), (&value("0"), &value(r#""private""#)));
    bridge.ask_modern("2", "tools/list", "");
    bridge.finish();
    assert_eq!(upstream.count("initialize"), 1, "the session that discover opened is used");
}

#[test]
fn a_client_that_is_legacy_by_the_users_word_is_not_translated() {
    let upstream = Upstream::start(legacy);
    let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--client-protocol", "legacy"]).start();
    let request = modern("1", "tools/list", "");
    bridge.send(&request);
    bridge.answer("1");
    assert_eq!(upstream.wait_for("tools/list", 1).text(), request);
    bridge.finish();
}

#[test]
fn a_modern_request_says_a_revision_and_capabilities_that_can_be() {
    let upstream = Upstream::start(legacy).may_stay_unasked();
    let mut bridge = Bridge::modern(&upstream);
    let of_1900 = modern("1", "tools/list", "").replace("2026-07-28", "1900-01-01");
    bridge.send(&of_1900);
    let refused = value(&bridge.answer("1"));
    assert_eq!(refused["error"]["code"], -32022, "{refused}");
    assert_eq!(refused["error"]["data"]["supported"], value(r#"["2026-07-28"]"#));
    assert_eq!(refused["error"]["data"]["requested"], "1900-01-01");
    bridge.send(&modern("2", "tools/list", "").replace("clientCapabilities", "nothing"));
    assert_eq!(error_of(&bridge.answer("2")).0, -32602, "required members of _meta are required");
    assert_eq!(error_of(&bridge.ask("3", "tools/list", "{}")).0, -32602);
    bridge.send(&modern_with("4", "tools/list", "", "{}", r#""io.modelcontextprotocol/logLevel":"loud""#));
    assert_eq!(error_of(&bridge.answer("4")).0, -32602, "there is no such level");
    bridge.finish();
}

#[test]
fn a_server_that_refuses_the_session_is_heard_and_asked_again() {
    let upstream = Upstream::start(|call| match (call.kind(), call.nth) {
        ("initialize", 0) => call.error("400 Bad Request", -32000, "not today"),
        _ => call.usual(),
    });
    let mut bridge = Bridge::modern(&upstream);
    let refused = bridge.ask_modern("1", "tools/list", "");
    assert_eq!(refused["error"]["message"], "not today", "the server's own error is the answer: {refused}");
    assert!(bridge.ask_modern("2", "tools/list", "")["result"].is_object(), "the next request tries again");
    bridge.finish();
}

#[test]
fn a_server_that_would_rather_speak_an_older_revision_is_greeted_in_that() {
    let upstream = Upstream::start(|call| {
        if call.kind() == "initialize" && !call.request.text().contains("2025-03-26") {
            let body = format!(
                r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":-32602,"message":"no","data":{{"supported":["2024-11-05","2025-03-26"]}}}}}}"#,
                call.id()
            );
            return call.json(&body);
        }
        call.usual();
    });
    let mut bridge = Bridge::modern(&upstream);
    assert!(bridge.ask_modern("1", "tools/list", "")["result"].is_object());
    bridge.finish();
    assert_eq!(upstream.count("initialize"), 2);
}

#[test]
fn a_server_out_of_reach_is_named_to_who_ends_the_input_right_behind() {
    let upstream = Upstream::offline(legacy).may_stay_unasked();
    let mut bridge = Bridge::modern(&upstream);
    bridge.send(&modern("1", "tools/list", ""));
    bridge.close_stdin();
    says(&bridge.answer("1"), &[&upstream.host()]);
    bridge.finish();
}

#[test]
fn a_server_that_is_slow_is_discovered_by_what_was_known_of_it() {
    let home = tempfile::tempdir().unwrap();
    let mut upstream = Upstream::offline(legacy);
    let start = |upstream: &Upstream| {
        let launch = Bridge::to(&upstream.url("/mcp")).args(["--client-protocol", "modern", "--protocol", "legacy"]);
        launch.home(home.path()).startup_wait("0.2").start()
    };
    let mut bridge = start(&upstream);
    let answer = bridge.ask_modern("1", "server/discover", "");
    assert!(answer["result"]["capabilities"]["tools"].is_object(), "a first answer comes in time: {answer}");
    bridge.send(&modern("2", "tools/list", ""));
    upstream.listen();
    bridge.answer("2");
    bridge.finish();
}

#[test]
fn a_call_that_may_have_been_carried_out_is_not_sent_again() {
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
                _ if is_modern => call.modern(),
                _ => call.legacy_only(),
            });
            let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
            bridge.send(&modern_request("1", "tools/call", r#""name":"pay","#));
            error_of(&bridge.answer("1"));
            bridge.finish();
            assert_eq!(upstream.count("tools/call"), 1, "{which}, modern: {is_modern}: {:?}", upstream.kinds());
        }
    }
}

#[test]
fn a_call_that_is_refused_for_want_of_a_session_is_sent_in_one() {
    for (status, code, why) in [
        ("400 Bad Request", -32603, "Session ID missing"),
        ("200 OK", -32002, "Server not initialized"),
        ("200 OK", -32602, "Invalid request parameters"),
    ] {
        let upstream = Upstream::start(move |call| match (call.kind(), call.header("mcp-session-id")) {
            ("tools/call" | "server/discover", None) => call.error(status, code, why),
            _ => call.usual(),
        });
        let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
        let answer = bridge.ask_modern("1", "tools/call", r#""name":"t""#);
        assert_eq!(answer["result"]["resultType"], "complete", "{status}, {code}: {answer}");
        bridge.finish();
    }
}

#[test]
fn a_server_that_asks_in_a_call_without_a_session_is_told_that_nobody_can_be_asked() {
    let upstream = Upstream::start(|call| match (call.kind(), call.nth) {
        ("tools/call", 0) => call.hold(),
        _ => call.usual(),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&modern_request("1", "tools/call", r#""name":"t","#));
    let events = upstream.take("tools/call").sse();
    events.event(&request("7", "elicitation/create", r#"{"message":"who?"}"#));
    let told = upstream.wait_for("answer", 1);
    assert_eq!(error_of(told.text()).0, -32601, "{}", told.text());
    events.event(&result("1", r#"{"content":[]}"#));
    bridge.answer("1");
    bridge.ask_modern("2", "tools/list", "");
    bridge.finish();
    assert_eq!(upstream.count("initialize"), 1, "only a legacy server asks, so what follows has a session");
}

#[test]
fn the_batch_of_a_modern_client_is_taken_apart() {
    for is_modern in [false, true] {
        let upstream = Upstream::start(move |call| if is_modern { call.modern() } else { call.legacy_only() });
        let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--client-protocol", "modern"]).start();
        let elements = [modern_request("1", "tools/list", ""), modern_request("2", "tools/list", "")];
        bridge.owe("1");
        bridge.owe("2");
        bridge.send(&format!("[{}]", elements.join(",")));
        for id in ["1", "2"] {
            let answer = value(&bridge.answer(id));
            assert!(answer["result"].is_object(), "modern: {is_modern}: {answer}");
        }
        bridge.finish();
        assert_eq!(upstream.count("batch"), 0, "the era knows none");
    }
}
