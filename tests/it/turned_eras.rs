//! A server that changes its era while a client is there, and one that only looks as if it did.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::*;

#[test]
fn a_server_that_changes_its_era_under_a_legacy_client_costs_it_no_request() {
    for begins_modern in [false, true] {
        let is_modern = Arc::new(AtomicBool::new(begins_modern));
        let upstream = of_either_era(&is_modern);
        let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
        bridge.shake_hands();
        for (round, id) in ["1", "2", "3", "4"].into_iter().enumerate() {
            is_modern.store(begins_modern == (round < 2), Ordering::Relaxed);
            let answer = value(&bridge.ask(id, "tools/list", "{}"));
            assert!(answer["result"].is_object(), "began modern: {begins_modern}, {id}: {answer}");
            assert_eq!(answer["result"].get("resultType"), None, "whatever it speaks, the client is legacy");
        }
        bridge.message("notifications/tools/list_changed");
        bridge.finish();
    }
}

#[test]
fn a_server_that_changes_its_era_hears_again_what_a_legacy_client_has_asked_for() {
    let is_modern = Arc::new(AtomicBool::new(false));
    let upstream = of_either_era(&is_modern);
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.shake_hands();
    bridge.ask("1", "logging/setLevel", r#"{"level":"error"}"#);
    bridge.ask("2", "resources/subscribe", r#"{"uri":"a:b"}"#);
    is_modern.store(true, Ordering::Relaxed);
    bridge.ask("3", "tools/list", "{}");
    bridge.ask("4", "tools/list", "{}");
    let listed = upstream.requests().into_iter().rfind(|request| request.kind == "tools/list").unwrap();
    assert!(listed.text().contains(r#""io.modelcontextprotocol/logLevel":"error""#), "{}", listed.text());
    let mut listens = (1..).map(|number| upstream.wait_for("subscriptions/listen", number));
    assert!(listens.any(|listen| listen.text().contains(r#""resourceSubscriptions":["a:b"]"#)));
    bridge.finish();
}

#[test]
fn a_server_that_changes_its_era_under_a_modern_client_costs_it_no_request() {
    for begins_modern in [false, true] {
        let is_modern = Arc::new(AtomicBool::new(begins_modern));
        let upstream = of_either_era(&is_modern);
        let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
        for (round, id) in ["1", "2", "3", "4"].into_iter().enumerate() {
            is_modern.store(begins_modern == (round < 2), Ordering::Relaxed);
            let answer = bridge.ask_modern(id, "tools/list", "");
            assert_eq!(answer["result"]["resultType"], "complete", "began modern: {begins_modern}, {id}: {answer}");
        }
        bridge.finish();
    }
}

#[test]
fn a_server_that_turns_modern_is_found_out_by_whatever_it_refuses_a_request_with() {
    type Refuse = fn(Exchange);
    let refusals: [Refuse; 4] = [
        |call| call.error("400 Bad Request", -32602, "_meta is missing"),
        |call| call.error("400 Bad Request", -32600, "Invalid Request"),
        |call| call.error("404 Not Found", -32601, "Method not found"),
        |call| call.plain("400 Bad Request", ""),
    ];
    for (which, refuse) in refusals.into_iter().enumerate() {
        let is_modern = Arc::new(AtomicBool::new(false));
        let turned = Arc::clone(&is_modern);
        let upstream = Upstream::start(move |call| match call.header("Mcp-Method") {
            _ if !turned.load(Ordering::Relaxed) => call.usual(),
            None if !["initialize", "GET", "DELETE"].contains(&call.kind()) => refuse(call),
            _ => call.modern(),
        });
        let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
        bridge.shake_hands();
        bridge.still_works();
        is_modern.store(true, Ordering::Relaxed);
        // One of them may be a legacy server's word on a request that is none.
        let answers = ["1", "2", "3"].map(|id| value(&bridge.ask(id, "tools/list", "{}")));
        assert!(answers[2]["result"].is_object(), "{which}: {answers:?}");
        bridge.finish();
    }
}

#[test]
fn a_server_that_turns_legacy_is_found_out_by_whatever_it_refuses_a_request_with() {
    type Refuse = fn(Exchange);
    let refusals: [Refuse; 3] = [
        |call| call.plain("400 Bad Request", "Invalid session"),
        |call| call.error("200 OK", -32602, "Invalid request parameters"),
        |call| call.error("200 OK", -32002, "Server not initialized"),
    ];
    for (which, refuse) in refusals.into_iter().enumerate() {
        let is_modern = Arc::new(AtomicBool::new(true));
        let turned = Arc::clone(&is_modern);
        let upstream = Upstream::start(move |call| match call.header("mcp-session-id") {
            _ if turned.load(Ordering::Relaxed) => call.modern(),
            None if !["initialize", "GET"].contains(&call.kind()) => refuse(call),
            _ => call.usual(),
        });
        let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
        bridge.shake_hands();
        bridge.still_works();
        is_modern.store(false, Ordering::Relaxed);
        let answer = value(&bridge.ask("1", "tools/list", "{}"));
        assert!(answer["result"].is_object(), "{which}: {answer}");
        bridge.finish();
    }
}

#[test]
fn a_server_of_both_eras_that_refuses_what_is_wrong_keeps_its_session() {
    type Refuse = fn(Exchange);
    let refusals: [Refuse; 3] = [
        |call| call.error("400 Bad Request", -32602, "no such argument"),
        |call| call.error("404 Not Found", -32601, "no such method"),
        |call| call.plain("400 Bad Request", "no such argument"),
    ];
    for (which, refuse) in refusals.into_iter().enumerate() {
        let upstream = Upstream::start(move |call| match (call.kind(), call.header("Mcp-Method")) {
            ("tools/call", None) => refuse(call),
            (_, Some(_)) => call.modern(),
            _ => call.usual(),
        });
        let mut bridge = Bridge::connected(&upstream);
        for id in ["1", "2"] {
            error_of(&bridge.ask(id, "tools/call", "{}"));
        }
        bridge.still_works();
        assert_eq!(upstream.count("server/discover"), 0, "{which}: ordinary work costs no request of ours");
        for id in ["3", "4", "5", "6"] {
            error_of(&bridge.ask(id, "tools/call", "{}"));
        }
        assert_eq!(upstream.count("initialize"), 1, "{which}: {:?}", upstream.kinds());
        assert_eq!(upstream.count("DELETE"), 0, "{which}: the session is good");
        bridge.finish();
    }
}
