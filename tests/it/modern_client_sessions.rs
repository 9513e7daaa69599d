//! Which sessions does a modern client, which knows none, have with a legacy server?

use crate::support::*;

#[test]
fn each_set_of_capabilities_has_its_session() {
    let upstream = Upstream::start(|call| match call.kind() {
        "initialize" => {
            let session = format!("s{}", call.nth);
            call.open_session(&session);
        }
        _ => call.usual(),
    });
    let mut bridge = Bridge::modern(&upstream);
    let with = |id: &str, capabilities: &str| modern_with(id, "tools/list", "", capabilities, "");
    for (id, capabilities) in [
        ("1", r#"{"roots":{},"sampling":{}}"#),
        ("2", r#"{ "sampling" : {}, "roots":{} }"#),
        ("3", "{}"),
        ("4", r#"{"roots":{},"sampling":{}}"#),
    ] {
        bridge.send(&with(id, capabilities));
        bridge.answer(id);
    }
    let sessions: Vec<_> = upstream
        .requests()
        .iter()
        .filter(|request| request.kind == "tools/list")
        .map(|request| request.header("mcp-session-id").unwrap().to_owned())
        .collect();
    assert_eq!(sessions, ["s0", "s0", "s1", "s0"], "the order of members says nothing");
    bridge.finish();
    let deleted: Vec<_> = upstream
        .requests()
        .iter()
        .filter(|request| request.kind == "DELETE")
        .map(|request| request.header("mcp-session-id").unwrap().to_owned())
        .collect();
    assert_eq!(deleted.len(), 2, "every session ends with the client: {deleted:?}");
}

#[test]
fn there_are_never_many_sessions() {
    let upstream = Upstream::usual();
    let mut bridge = Bridge::modern(&upstream);
    for n in 0..12 {
        let id = n.to_string();
        bridge.send(&modern_with(&id, "tools/list", "", &format!(r#"{{"experimental":{{"n{n}":{{}}}}}}"#), ""));
        bridge.answer(&id);
    }
    upstream.wait_for("DELETE", 4);
    bridge.finish();
    assert_eq!((upstream.count("initialize"), upstream.count("DELETE")), (12, 12));
}

#[test]
fn where_all_sessions_are_in_use_one_serves_that_asks_nothing_the_client_cannot_answer() {
    let upstream = Upstream::start(|call| match (call.kind(), call.request.text().contains("held")) {
        ("tools/call", true) => call.hold(),
        ("tools/call", false) => call.result(r#"{"content":[]}"#),
        _ => call.usual(),
    });
    let mut bridge = Bridge::modern(&upstream);
    let experimental = |n: usize| format!(r#"{{"experimental":{{"n{n}":{{}}}}}}"#);
    for n in 0..8 {
        bridge.send(&modern_with(&format!("{n}"), "tools/call", r#""name":"held""#, &experimental(n), ""));
        upstream.wait_for("tools/call", n + 1);
    }
    let more = r#"{"roots":{},"experimental":{"n3":{},"n8":{}}}"#;
    for (id, method, capabilities) in
        [("20", "tools/call", more), ("21", "server/discover", "{}"), ("22", "tools/list", "{}")]
    {
        bridge.send(&modern_with(id, method, r#""name":"t""#, capabilities, ""));
        let answer = value(&bridge.answer(id));
        assert_eq!(answer["result"]["resultType"], "complete", "{method}: {answer}");
    }
    bridge.send(&modern_with("23", "tools/call", r#""name":"t""#, "{}", ""));
    let refused = bridge.answer("23");
    assert_eq!(error_of(&refused).0, -32603, "in any other it might be asked what it cannot answer");
    says(&refused, &["hint: try again"]);
    assert_eq!(upstream.count("initialize"), 8, "they are bounded");
    bridge.finish();
}

#[test]
fn a_lost_session_is_opened_again_and_told_what_it_must_know() {
    let upstream = Upstream::start(|call| match call.kind() {
        "initialize" => {
            let session = format!("s{}", call.nth);
            call.open_session(&session);
        }
        "tools/list" if call.header("mcp-session-id") == Some("s0") => call.plain("404 Not Found", "no such session"),
        _ => call.usual(),
    });
    let mut bridge = Bridge::modern(&upstream);
    let filter = r#""notifications":{"toolsListChanged":true,"resourceSubscriptions":["a:b"]}"#;
    bridge.send(&modern(r#""l""#, "subscriptions/listen", filter));
    bridge.message("notifications/subscriptions/acknowledged");
    bridge.send(&modern_with("1", "tools/list", "", CAPABILITIES, r#""io.modelcontextprotocol/logLevel":"debug""#));
    assert!(value(&bridge.answer("1"))["result"].is_object(), "the client notices nothing");
    let level = upstream.wait_for("logging/setLevel", 2);
    assert_eq!(level.header("mcp-session-id"), Some("s1"), "the new session is told the level of what is sent again");
    let again = upstream.wait_for("resources/subscribe", 2);
    assert_eq!(again.header("mcp-session-id"), Some("s1"), "the new session is subscribed too");
    let changed = bridge.message("notifications/tools/list_changed");
    assert!(
        changed.contains(r#""io.modelcontextprotocol/subscriptionId":"l""#),
        "the lists may be others now: {changed}"
    );
    bridge.finish();
}

#[test]
fn a_server_of_http_sse_is_reached_too() {
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
    assert_eq!(bridge.ask_modern("0", "server/discover", "")["result"]["resultType"], "complete");
    assert_eq!(bridge.ask_modern("1", "tools/list", "")["result"]["ttlMs"], 0);
    bridge.send(&modern_with("2", "tools/call", r#""name":"t""#, CAPABILITIES, r#""progressToken":"p""#));
    upstream.take("tools/call").accepted();
    server.event(&notification("notifications/progress", r#"{"progressToken":"p","progress":1}"#));
    server.event(&request(r#""q""#, "roots/list", "{}"));
    bridge.message("notifications/progress");
    let answer = value(&bridge.answer("2"));
    let (key, _) = answer["result"]["inputRequests"].as_object().unwrap().iter().next().unwrap();
    let state = &answer["result"]["requestState"];
    let back = format!(r#""name":"t","requestState":{state},"inputResponses":{{"{key}":{{"roots":[]}}}}"#);
    bridge.send(&modern("3", "tools/call", &back));
    assert_eq!(upstream.wait_for("answer", 1).text(), result(r#""q""#, r#"{"roots":[]}"#));
    server.event(&result("2", r#"{"content":[]}"#));
    assert_eq!(value(&bridge.answer("3"))["result"]["resultType"], "complete");
    // A stream that breaks costs the request that waits on it, and no other.
    bridge.send(&modern("4", "tools/call", r#""name":"t""#));
    upstream.take("tools/call").accepted();
    server.cut();
    assert!(value(&bridge.answer("4"))["error"].is_object());
    assert!(bridge.ask_modern("5", "tools/list", "")["result"].is_object());
    bridge.finish();
}
