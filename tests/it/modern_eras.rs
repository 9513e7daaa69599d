//! A modern client before a modern upstream: nothing is touched, only mirrored in headers; and who is taken for what.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::*;

#[test]
fn a_modern_client_and_a_modern_server_hear_each_others_bytes() {
    let answer = r#"{"result" : {"n":1.0,"resultType":"complete","u":"\u00e9"}, "id":"d",  "jsonrpc":"2.0"}"#;
    let upstream = Upstream::start(move |call| match call.kind() {
        "vendor/odd" => call.json(answer),
        _ => call.modern(),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    let discovered = bridge.ask(r#""a""#, "server/discover", r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}"#);
    assert_eq!(discovered, result(r#""a""#, DISCOVERED));
    let odd = modern_request(r#""d""#, "vendor/odd", r#""big":12345678901234567890123,"#);
    bridge.send(&odd);
    assert_eq!(bridge.answer(r#""d""#), answer);
    bridge.finish();
    assert_eq!(upstream.wait_for("vendor/odd", 1).text(), odd);
    assert_eq!(upstream.kinds(), ["server/discover", "vendor/odd"], "no round trip but the client's own");
}

#[test]
fn any_modern_request_may_be_the_first() {
    let upstream = Upstream::start(Exchange::modern);
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&modern_request("1", "tools/call", r#""name":"Hello, 世界","arguments":{},"#));
    assert_eq!(bridge.answer("1"), r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","content":[]}}"#);
    bridge.finish();
    let call = upstream.wait_for("tools/call", 1);
    assert_eq!(call.header("Mcp-Name"), Some("=?base64?SGVsbG8sIOS4lueVjA==?="));
    assert_eq!(upstream.kinds(), ["tools/call"]);
}

#[test]
fn an_error_of_a_modern_server_passes_as_it_is() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => call.error("200 OK", -32602, "no such tool"),
        "prompts/get" => {
            let error = format!(
                r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":-32022,"message":"no","data":{{"supported":["2027-01-01"]}}}}}}"#,
                call.id()
            );
            call.respond("400 Bad Request", &[("Content-Type", "application/json")], &error);
        }
        _ => call.modern(),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&modern_request("1", "tools/call", r#""name":"t","#));
    assert_eq!(
        error_of(&bridge.answer("1")),
        (-32602, "no such tool".to_owned()),
        "any server may say that, so it was asked which it is"
    );
    bridge.send(&modern_request("2", "prompts/get", r#""name":"p","#));
    assert_eq!(error_of(&bridge.answer("2")).0, -32022, "the client picks from what is supported");
    bridge.finish();
    assert_eq!(upstream.kinds(), ["tools/call", "server/discover", "prompts/get"]);
}

#[test]
fn a_server_that_was_found_legacy_is_not_asked_again() {
    let upstream = Upstream::start(Exchange::legacy_only);
    let home = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let mut bridge = Bridge::to(&upstream.url("/mcp")).home(home.path()).start();
        let probe = r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}"#;
        assert_eq!(error_of(&bridge.ask("1", "server/discover", probe)).0, -32601, "so that the client shakes hands");
        bridge.shake_hands();
        bridge.still_works();
        bridge.finish();
    }
    assert_eq!(upstream.count("server/discover"), 1, "the verdict is remembered");
}

#[test]
fn a_legacy_server_that_has_become_modern_is_found_out() {
    let is_new = Arc::new(AtomicBool::new(false));
    let upstream = Upstream::start({
        let is_new = Arc::clone(&is_new);
        move |call| match (is_new.load(Ordering::Relaxed), call.kind()) {
            (false, _) => call.legacy_only(),
            (true, "initialize") => call.error("404 Not Found", -32601, "no such method"),
            (true, _) => call.modern(),
        }
    });
    let home = tempfile::tempdir().unwrap();
    for round in ["old", "new", "known"] {
        is_new.store(round != "old", Ordering::Relaxed);
        let mut bridge =
            Bridge::to(&upstream.url("/mcp")).home(home.path()).args(["--client-protocol", "modern"]).start();
        bridge.ask_modern("0", "server/discover", "");
        for id in ["1", "2"] {
            let listed = bridge.ask_modern(id, "tools/list", "");
            assert_eq!(listed["result"]["resultType"], "complete", "{round}: {listed}");
        }
        bridge.finish();
    }
    assert_eq!(upstream.count("initialize"), 2, "one session with the old one, one attempt with the new");
}

#[test]
fn a_modern_server_that_is_late_is_answered_for_by_what_it_said_last_time() {
    let upstream =
        Upstream::start(
            |call| if call.kind() == "server/discover" && call.nth > 0 { call.hold() } else { call.modern() },
        );
    let home = tempfile::tempdir().unwrap();
    let probe = r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}"#;
    for _ in 0..2 {
        let mut bridge = Bridge::to(&upstream.url("/mcp")).home(home.path()).startup_wait("0.3").start();
        let answer = value(&bridge.ask("1", "server/discover", probe));
        assert_eq!(answer["result"], value(DISCOVERED));
        bridge.send(&modern_request("2", "tools/list", ""));
        assert!(bridge.answer("2").contains("tools"));
        bridge.finish();
    }
    let mut bridge = Bridge::to(&upstream.url("/mcp")).home(home.path()).startup_wait("0.3").start();
    let greeting = bridge.shake_hands();
    assert!(greeting.contains("a-modern-upstream"), "in the other form for a legacy client: {greeting}");
    bridge.finish();
}

#[test]
fn a_modern_client_may_say_initialize_to_a_modern_server() {
    let upstream = Upstream::start(|call| match call.kind() {
        "initialize" => call.error("404 Not Found", -32601, "no such method"),
        _ => call.modern(),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.ask_modern("1", "tools/list", "");
    let refused = bridge.ask_modern("2", "initialize", "");
    assert_eq!(refused["error"]["message"], "no such method", "the server's own word, as for any request: {refused}");
    let listed = bridge.ask_modern("3", "tools/list", "");
    assert_eq!(listed["result"]["resultType"], "complete", "and nothing is translated after it: {listed}");
    bridge.finish();
    assert_eq!(upstream.kinds(), ["tools/list", "initialize", "tools/list"]);
}

#[test]
fn a_request_that_lacks_the_words_of_its_era_shows_nothing_of_the_server() {
    let bare = |call: &Exchange| call.params()["_meta"]["io.modelcontextprotocol/clientCapabilities"].is_null();
    let jsonrpc = move |call: Exchange| {
        if bare(&call) { call.error("400 Bad Request", -32602, "something is missing") } else { call.modern() }
    };
    let plain = move |call: Exchange| if bare(&call) { call.plain("400 Bad Request", "no") } else { call.modern() };
    for upstream in [Upstream::start(jsonrpc), Upstream::start(plain)] {
        let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
        bridge.ask("1", "server/discover", "{}");
        let listed = bridge.ask_modern("2", "tools/list", "");
        assert_eq!(listed["result"]["resultType"], "complete", "{listed}");
        bridge.finish();
        assert_eq!(upstream.count("initialize"), 0, "it is not taken for a legacy one");
    }
    let upstream = Upstream::start(Exchange::legacy_only);
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    assert_eq!(error_of(&bridge.ask("1", "server/discover", "{}")).0, -32601, "so that the client shakes hands");
    bridge.shake_hands();
    bridge.still_works();
    bridge.finish();
}

#[test]
fn a_server_that_was_remembered_as_legacy_and_is_modern_costs_a_modern_client_no_request() {
    let is_modern = Arc::new(AtomicBool::new(false));
    let upstream = of_either_era(&is_modern);
    let home = tempfile::tempdir().unwrap();
    for run in 0..3 {
        is_modern.store(run > 0, Ordering::Relaxed);
        let before = upstream.kinds().len();
        let mut bridge = Bridge::to(&upstream.url("/mcp")).home(home.path()).start();
        for id in ["1", "2"] {
            let answer = bridge.ask_modern(id, "tools/list", "");
            assert_eq!(answer["result"]["resultType"], "complete", "run {run}: {answer}");
        }
        bridge.finish();
        if run == 2 {
            assert_eq!(upstream.kinds()[before..], ["tools/list", "tools/list"], "what was found is remembered");
        }
    }
}

#[test]
fn the_discovery_of_such_a_server_is_its_own() {
    let is_modern = Arc::new(AtomicBool::new(false));
    let upstream = of_either_era(&is_modern);
    let home = tempfile::tempdir().unwrap();
    for name in ["an-upstream", "a-modern-upstream"] {
        let bridge = Bridge::to(&upstream.url("/mcp")).home(home.path());
        let mut bridge = bridge.args(["--client-protocol", "modern"]).start();
        let answer = bridge.ask_modern("1", "server/discover", "");
        assert_eq!(answer["result"]["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], name, "{answer}");
        bridge.finish();
        is_modern.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_modern_server_that_refuses_a_handshake_in_any_words_is_found_modern() {
    for (status, code) in
        [("400 Bad Request", Some(-32600)), ("400 Bad Request", None), ("405 Method Not Allowed", None)]
    {
        let upstream = Upstream::start(move |call| match (call.kind(), code) {
            ("initialize", Some(code)) => call.error(status, code, "there is no such thing"),
            ("initialize", None) => call.plain(status, "no"),
            _ => call.modern(),
        });
        let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
        let greeting = bridge.shake_hands();
        assert!(greeting.contains("a-modern-upstream"), "{status} {code:?}: {greeting}");
        bridge.finish();
    }
}

#[test]
fn an_error_is_the_servers_own_where_a_look_at_its_era_meets_a_fault() {
    for (code, fault) in
        [(-32001, "500 Internal Server Error"), (-32000, "200 OK"), (-32600, "503 Service Unavailable")]
    {
        let upstream = Upstream::start(move |call| match (call.kind(), call.nth) {
            ("tools/call", _) => call.error("200 OK", code, "the tool failed half way"),
            ("server/discover", 1) => call.error(fault, -32603, "for a moment"),
            _ => call.modern(),
        });
        let mut bridge = Bridge::connected(&upstream);
        let answer = bridge.ask("1", "tools/call", r#"{"name":"pay"}"#);
        assert_eq!(error_of(&answer).0, code, "{answer}");
        bridge.ask("2", "tools/call", r#"{"name":"pay"}"#);
        bridge.finish();
        assert_eq!(upstream.count("tools/call"), 2, "each is sent once");
        assert_eq!(upstream.count("initialize"), 1, "the session stays: {:?}", upstream.kinds());
    }
}

#[test]
fn who_pins_the_wrong_era_reads_which_option_it_was() {
    for (pinned, answer) in [("legacy", Exchange::modern as fn(Exchange)), ("modern", Exchange::usual)] {
        let upstream = Upstream::start(move |call| match call.kind() {
            "server/discover" if pinned == "modern" => call.error("400 Bad Request", -32000, "no session"),
            _ => answer(call),
        });
        let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--protocol", pinned]).start();
        bridge.send(&initialize("1", REVISION));
        error_of(&bridge.answer("1"));
        let stderr = bridge.finish().stderr;
        assert!(stderr.contains(&format!("try without --protocol {pinned}")), "{stderr}");
    }
}

#[test]
fn a_limit_says_nothing_of_an_era() {
    let is_limited = Arc::new(AtomicBool::new(false));
    let limits = Arc::clone(&is_limited);
    // Of both eras, and soon out of patience on the modern side.
    let upstream = Upstream::start(move |call| match call.header("Mcp-Method") {
        Some(_) if limits.load(Ordering::Relaxed) => call.error("429 Too Many Requests", -32000, "slow down"),
        Some(_) => call.modern(),
        None => call.usual(),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&modern_request("1", "tools/list", ""));
    bridge.answer("1");
    is_limited.store(true, Ordering::Relaxed);
    bridge.send(&modern_request("2", "tools/call", r#""name":"pay","#));
    assert_eq!(error_of(&bridge.answer("2")).0, -32000, "the server's own word");
    is_limited.store(false, Ordering::Relaxed);
    bridge.send(&modern_request("3", "tools/list", ""));
    bridge.answer("3");
    bridge.finish();
    assert_eq!(upstream.count("initialize"), 0, "it is as modern as before: {:?}", upstream.kinds());
}
