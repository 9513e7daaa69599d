//! A server that changes its era during a session, and refusals that only resemble such a change.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::*;

#[test]
fn an_era_change_fails_no_request_of_a_legacy_client() {
    for begins_modern in [false, true] {
        let is_modern = Arc::new(AtomicBool::new(begins_modern));
        let upstream = server_of_either_era(&is_modern);
        let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
        bridge.initialize();
        for (round, id) in ["1", "2", "3", "4"].into_iter().enumerate() {
            is_modern.store(begins_modern == (round < 2), Ordering::Relaxed);
            let answer = value(&bridge.request(id, "tools/list", "{}"));
            assert!(answer["result"].is_object(), "began modern: {begins_modern}, {id}: {answer}");
            assert_eq!(answer["result"].get("resultType"), None, "the client gets legacy results");
        }
        bridge.message("notifications/tools/list_changed");
        bridge.finish();
    }
}

#[test]
fn an_era_change_restores_log_level_and_subscriptions_of_a_legacy_client() {
    let is_modern = Arc::new(AtomicBool::new(false));
    let upstream = server_of_either_era(&is_modern);
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.initialize();
    bridge.request("1", "logging/setLevel", r#"{"level":"error"}"#);
    bridge.request("2", "resources/subscribe", r#"{"uri":"a:b"}"#);
    is_modern.store(true, Ordering::Relaxed);
    bridge.request("3", "tools/list", "{}");
    bridge.request("4", "tools/list", "{}");
    let listed = upstream.requests().into_iter().rfind(|request| request.kind == "tools/list").unwrap();
    assert!(listed.text().contains(r#""io.modelcontextprotocol/logLevel":"error""#), "{}", listed.text());
    let mut listens = (1..).map(|number| upstream.wait_for("subscriptions/listen", number));
    assert!(listens.any(|listen| listen.text().contains(r#""resourceSubscriptions":["a:b"]"#)));
    bridge.finish();
}

#[test]
fn an_era_change_fails_no_request_of_a_modern_client() {
    for begins_modern in [false, true] {
        let is_modern = Arc::new(AtomicBool::new(begins_modern));
        let upstream = server_of_either_era(&is_modern);
        let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
        for (round, id) in ["1", "2", "3", "4"].into_iter().enumerate() {
            is_modern.store(begins_modern == (round < 2), Ordering::Relaxed);
            let answer = bridge.request_modern(id, "tools/list", "");
            assert_eq!(answer["result"]["resultType"], "complete", "began modern: {begins_modern}, {id}: {answer}");
        }
        bridge.finish();
    }
}

#[test]
fn a_change_to_modern_is_detected_from_every_kind_of_refusal() {
    type Refuse = fn(Exchange);
    let refusals: [Refuse; 4] = [
        |call| call.error("400 Bad Request", -32602, "_meta is missing"),
        |call| call.error("400 Bad Request", -32600, "Invalid Request"),
        |call| call.error("404 Not Found", -32601, "Method not found"),
        |call| call.plain("400 Bad Request", ""),
    ];
    for (which, refuse) in refusals.into_iter().enumerate() {
        let is_modern = Arc::new(AtomicBool::new(false));
        let is_modern_now = Arc::clone(&is_modern);
        let upstream = Upstream::start(move |call| match call.header("Mcp-Method") {
            _ if !is_modern_now.load(Ordering::Relaxed) => call.respond_normally(),
            None if !["initialize", "GET", "DELETE"].contains(&call.kind()) => refuse(call),
            _ => call.respond_as_modern(),
        });
        let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
        bridge.initialize();
        bridge.still_works();
        is_modern.store(true, Ordering::Relaxed);
        // One error may be a legacy server's answer to an invalid request.
        let answers = ["1", "2", "3"].map(|id| value(&bridge.request(id, "tools/list", "{}")));
        assert!(answers[2]["result"].is_object(), "{which}: {answers:?}");
        bridge.finish();
    }
}

#[test]
fn a_change_to_legacy_is_detected_from_every_kind_of_refusal() {
    type Refuse = fn(Exchange);
    let refusals: [Refuse; 3] = [
        |call| call.plain("400 Bad Request", "Invalid session"),
        |call| call.error("200 OK", -32602, "Invalid request parameters"),
        |call| call.error("200 OK", -32002, "Server not initialized"),
    ];
    for (which, refuse) in refusals.into_iter().enumerate() {
        let is_modern = Arc::new(AtomicBool::new(true));
        let is_modern_now = Arc::clone(&is_modern);
        let upstream = Upstream::start(move |call| match call.header("mcp-session-id") {
            _ if is_modern_now.load(Ordering::Relaxed) => call.respond_as_modern(),
            None if !["initialize", "GET"].contains(&call.kind()) => refuse(call),
            _ => call.respond_normally(),
        });
        let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
        bridge.initialize();
        bridge.still_works();
        is_modern.store(false, Ordering::Relaxed);
        let answer = value(&bridge.request("1", "tools/list", "{}"));
        assert!(answer["result"].is_object(), "{which}: {answer}");
        bridge.finish();
    }
}

#[test]
fn an_ordinary_refusal_of_a_server_of_both_eras_keeps_the_session() {
    type Refuse = fn(Exchange);
    let refusals: [Refuse; 3] = [
        |call| call.error("400 Bad Request", -32602, "no such argument"),
        |call| call.error("404 Not Found", -32601, "no such method"),
        |call| call.plain("400 Bad Request", "no such argument"),
    ];
    for (which, refuse) in refusals.into_iter().enumerate() {
        let upstream = Upstream::start(move |call| match (call.kind(), call.header("Mcp-Method")) {
            ("tools/call", None) => refuse(call),
            (_, Some(_)) => call.respond_as_modern(),
            _ => call.respond_normally(),
        });
        let mut bridge = Bridge::connected(&upstream);
        for id in ["1", "2"] {
            error_of(&bridge.request(id, "tools/call", "{}"));
        }
        bridge.still_works();
        assert_eq!(upstream.count("server/discover"), 0, "{which}: ordinary errors cause no probe");
        for id in ["3", "4", "5", "6"] {
            error_of(&bridge.request(id, "tools/call", "{}"));
        }
        assert_eq!(upstream.count("initialize"), 1, "{which}: {:?}", upstream.kinds());
        assert_eq!(upstream.count("DELETE"), 0, "{which}: the session stays open");
        bridge.finish();
    }
}
