//! Which sessions with a legacy server does the bridge keep for a modern client, whose era has no sessions?

use crate::support::*;

over_each_protocol! {
    each_set_of_capabilities_has_its_own_session,
    the_number_of_open_sessions_is_bounded,
    a_full_pool_uses_a_session_whose_capabilities_the_client_has,
    a_lost_session_is_opened_again_with_log_level_and_subscriptions,
    an_http_sse_server_serves_a_modern_client,
}

fn each_set_of_capabilities_has_its_own_session() {
    let upstream = Upstream::start(|call| match call.kind() {
        "initialize" => {
            let session = format!("s{}", call.nth);
            call.open_session(&session);
        }
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::modern(&upstream);
    let with = |id: &str, capabilities: &str| modern_request_with(id, "tools/list", "", capabilities, "");
    for (id, capabilities) in [
        ("1", r#"{"roots":{},"sampling":{}}"#),
        ("2", r#"{ "sampling" : {}, "roots":{} }"#),
        ("3", "{}"),
        ("4", r#"{"roots":{},"sampling":{}}"#),
    ] {
        bridge.send(&with(id, capabilities));
        bridge.response(id);
    }
    let sessions: Vec<_> = upstream
        .requests()
        .iter()
        .filter(|request| request.kind == "tools/list")
        .map(|request| request.header("mcp-session-id").unwrap().to_owned())
        .collect();
    assert_eq!(sessions, ["s0", "s0", "s1", "s0"], "the order of members does not matter");
    bridge.finish();
    let deleted: Vec<_> = upstream
        .requests()
        .iter()
        .filter(|request| request.kind == "DELETE")
        .map(|request| request.header("mcp-session-id").unwrap().to_owned())
        .collect();
    assert_eq!(deleted.len(), 2, "every session is deleted at the end: {deleted:?}");
}

fn the_number_of_open_sessions_is_bounded() {
    let upstream = Upstream::well_behaved();
    let mut bridge = Bridge::modern(&upstream);
    for n in 0..12 {
        let id = n.to_string();
        bridge.send(&modern_request_with(&id, "tools/list", "", &format!(r#"{{"experimental":{{"n{n}":{{}}}}}}"#), ""));
        bridge.response(&id);
    }
    upstream.wait_for("DELETE", 4);
    bridge.finish();
    assert_eq!((upstream.count("initialize"), upstream.count("DELETE")), (12, 12));
}

fn a_full_pool_uses_a_session_whose_capabilities_the_client_has() {
    let upstream = Upstream::start(|call| match (call.kind(), call.request.text().contains("held")) {
        ("tools/call", true) => call.hold(),
        ("tools/call", false) => call.result(r#"{"content":[]}"#),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::modern(&upstream);
    let experimental = |n: usize| format!(r#"{{"experimental":{{"n{n}":{{}}}}}}"#);
    for n in 0..8 {
        bridge.send(&modern_request_with(&format!("{n}"), "tools/call", r#""name":"held""#, &experimental(n), ""));
        upstream.wait_for("tools/call", n + 1);
    }
    let more = r#"{"roots":{},"experimental":{"n3":{},"n8":{}}}"#;
    for (id, method, capabilities) in
        [("20", "tools/call", more), ("21", "server/discover", "{}"), ("22", "tools/list", "{}")]
    {
        bridge.send(&modern_request_with(id, method, r#""name":"t""#, capabilities, ""));
        let answer = value(&bridge.response(id));
        assert_eq!(answer["result"]["resultType"], "complete", "{method}: {answer}");
    }
    bridge.send(&modern_request_with("23", "tools/call", r#""name":"t""#, "{}", ""));
    let refused = bridge.response("23");
    assert_eq!(error_of(&refused).0, -32603, "any other session may cause a request that the client cannot answer");
    assert_error_mentions(&refused, &["hint: try again"]);
    assert_eq!(upstream.count("initialize"), 8, "the number of sessions is bounded");
    bridge.finish();
}

fn a_lost_session_is_opened_again_with_log_level_and_subscriptions() {
    let upstream = Upstream::start(|call| match call.kind() {
        "initialize" => {
            let session = format!("s{}", call.nth);
            call.open_session(&session);
        }
        "tools/list" if call.header("mcp-session-id") == Some("s0") => call.plain("404 Not Found", "no such session"),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::modern(&upstream);
    let filter = r#""notifications":{"toolsListChanged":true,"resourceSubscriptions":["a:b"]}"#;
    bridge.send(&modern_request(r#""l""#, "subscriptions/listen", filter));
    bridge.message("notifications/subscriptions/acknowledged");
    bridge.send(&modern_request_with(
        "1",
        "tools/list",
        "",
        CAPABILITIES,
        r#""io.modelcontextprotocol/logLevel":"debug""#,
    ));
    assert!(value(&bridge.response("1"))["result"].is_object(), "the client gets the result");
    let level = upstream.wait_for("logging/setLevel", 2);
    assert_eq!(
        level.header("mcp-session-id"),
        Some("s1"),
        "the new session gets the log level of the repeated request"
    );
    let again = upstream.wait_for("resources/subscribe", 2);
    assert_eq!(again.header("mcp-session-id"), Some("s1"), "the new session is subscribed too");
    let changed = bridge.message("notifications/tools/list_changed");
    assert!(
        changed.contains(r#""io.modelcontextprotocol/subscriptionId":"l""#),
        "the lists may have changed: {changed}"
    );
    bridge.finish();
}

fn an_http_sse_server_serves_a_modern_client() {
    let server = HttpSse::new("/messages");
    let played = server.clone();
    let upstream = Upstream::start(move |call| {
        if call.kind() == "tools/call" {
            call.hold();
        } else {
            played.serve(call);
        }
    });
    let mut bridge = Bridge::to(&upstream.url("/sse"))
        .args(["--client-protocol", "modern", "--protocol", "legacy", "--transport", "sse-only"])
        .start();
    assert_eq!(bridge.request_modern("0", "server/discover", "")["result"]["resultType"], "complete");
    assert_eq!(bridge.request_modern("1", "tools/list", "")["result"]["ttlMs"], 0);
    bridge.send(&modern_request_with("2", "tools/call", r#""name":"t""#, CAPABILITIES, r#""progressToken":"p""#));
    upstream.take("tools/call").accepted();
    server.event(&notification("notifications/progress", r#"{"progressToken":"p","progress":1}"#));
    server.event(&request(r#""q""#, "roots/list", "{}"));
    bridge.message("notifications/progress");
    let answer = value(&bridge.response("2"));
    let (key, _) = answer["result"]["inputRequests"].as_object().unwrap().iter().next().unwrap();
    let state = &answer["result"]["requestState"];
    let back = format!(r#""name":"t","requestState":{state},"inputResponses":{{"{key}":{{"roots":[]}}}}"#);
    bridge.send(&modern_request("3", "tools/call", &back));
    assert_eq!(upstream.wait_for("response", 1).text(), result(r#""q""#, r#"{"roots":[]}"#));
    server.event(&result("2", r#"{"content":[]}"#));
    assert_eq!(value(&bridge.response("3"))["result"]["resultType"], "complete");
    // A broken stream fails only the request that waits for it.
    bridge.send(&modern_request("4", "tools/call", r#""name":"t""#));
    upstream.take("tools/call").accepted();
    server.cut();
    assert!(value(&bridge.response("4"))["error"].is_object());
    assert!(bridge.request_modern("5", "tools/list", "")["result"].is_object());
    bridge.finish();
}
