//! A modern client and a modern upstream: messages pass unchanged, and the bridge detects the era of the server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::*;

#[test]
fn messages_between_a_modern_client_and_a_modern_server_pass_byte_for_byte() {
    let answer = r#"{"result" : {"n":1.0,"resultType":"complete","u":"\u00e9"}, "id":"d",  "jsonrpc":"2.0"}"#;
    let upstream = Upstream::start(move |call| match call.kind() {
        "vendor/odd" => call.json(answer),
        _ => call.respond_as_modern(),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    let discovered = bridge.request(r#""a""#, "server/discover", r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}"#);
    assert_eq!(discovered, result(r#""a""#, DISCOVER_RESULT));
    let odd = minimal_modern_request(r#""d""#, "vendor/odd", r#""big":12345678901234567890123,"#);
    bridge.send(&odd);
    assert_eq!(bridge.response(r#""d""#), answer);
    bridge.finish();
    assert_eq!(upstream.wait_for("vendor/odd", 1).text(), odd);
    assert_eq!(upstream.kinds(), ["server/discover", "vendor/odd"], "only the client's own requests");
}

#[test]
fn any_modern_request_may_be_the_first_message() {
    let upstream = Upstream::start(Exchange::respond_as_modern);
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&minimal_modern_request("1", "tools/call", r#""name":"Hello, 世界","arguments":{},"#));
    assert_eq!(bridge.response("1"), r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","content":[]}}"#);
    bridge.finish();
    let call = upstream.wait_for("tools/call", 1);
    assert_eq!(call.header("Mcp-Name"), Some("=?base64?SGVsbG8sIOS4lueVjA==?="));
    assert_eq!(upstream.kinds(), ["tools/call"]);
}

#[test]
fn an_error_of_a_modern_server_passes_unchanged() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => call.error("200 OK", -32602, "no such tool"),
        "prompts/get" => {
            let error = format!(
                r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":-32022,"message":"no","data":{{"supported":["2027-01-01"]}}}}}}"#,
                call.id()
            );
            call.json_with_status("400 Bad Request", &error);
        }
        _ => call.respond_as_modern(),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&minimal_modern_request("1", "tools/call", r#""name":"t","#));
    assert_eq!(
        error_of(&bridge.response("1")),
        (-32602, "no such tool".to_owned()),
        "the error may come from either era, so the bridge probes the server"
    );
    bridge.send(&minimal_modern_request("2", "prompts/get", r#""name":"p","#));
    assert_eq!(error_of(&bridge.response("2")).0, -32022, "the client chooses from the supported revisions");
    bridge.finish();
    assert_eq!(upstream.kinds(), ["tools/call", "server/discover", "prompts/get"]);
}

#[test]
fn a_server_found_to_be_legacy_is_not_probed_again() {
    let upstream = Upstream::start(Exchange::respond_as_legacy_only);
    let home = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let mut bridge = Bridge::to(&upstream.url("/mcp")).home(home.path()).start();
        let probe = r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}"#;
        assert_eq!(
            error_of(&bridge.request("1", "server/discover", probe)).0,
            -32601,
            "the client then falls back to initialize"
        );
        bridge.initialize();
        bridge.still_works();
        bridge.finish();
    }
    assert_eq!(upstream.count("server/discover"), 1, "the era is stored");
}

#[test]
fn a_legacy_server_that_has_become_modern_is_detected() {
    let is_new = Arc::new(AtomicBool::new(false));
    let upstream = Upstream::start({
        let is_new = Arc::clone(&is_new);
        move |call| match (is_new.load(Ordering::Relaxed), call.kind()) {
            (false, _) => call.respond_as_legacy_only(),
            (true, "initialize") => call.error("404 Not Found", -32601, "no such method"),
            (true, _) => call.respond_as_modern(),
        }
    });
    let home = tempfile::tempdir().unwrap();
    for round in ["old", "new", "known"] {
        is_new.store(round != "old", Ordering::Relaxed);
        let mut bridge =
            Bridge::to(&upstream.url("/mcp")).home(home.path()).args(["--client-protocol", "modern"]).start();
        bridge.request_modern("0", "server/discover", "");
        for id in ["1", "2"] {
            let listed = bridge.request_modern(id, "tools/list", "");
            assert_eq!(listed["result"]["resultType"], "complete", "{round}: {listed}");
        }
        bridge.finish();
    }
    assert_eq!(upstream.count("initialize"), 2, "one session with the legacy server, one attempt with the modern one");
}

#[test]
fn discover_of_a_slow_modern_server_is_answered_from_the_stored_result() {
    let upstream = Upstream::start(|call| {
        if call.kind() == "server/discover" && call.nth > 0 { call.hold() } else { call.respond_as_modern() }
    });
    let home = tempfile::tempdir().unwrap();
    let probe = r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}"#;
    for _ in 0..2 {
        let mut bridge = Bridge::to(&upstream.url("/mcp")).home(home.path()).startup_wait("0.3").start();
        let answer = value(&bridge.request("1", "server/discover", probe));
        assert_eq!(answer["result"], value(DISCOVER_RESULT));
        bridge.send(&minimal_modern_request("2", "tools/list", ""));
        assert!(bridge.response("2").contains("tools"));
        bridge.finish();
    }
    let mut bridge = Bridge::to(&upstream.url("/mcp")).home(home.path()).startup_wait("0.3").start();
    let response = bridge.initialize();
    assert!(response.contains("a-modern-upstream"), "translated for a legacy client: {response}");
    bridge.finish();
}

#[test]
fn an_initialize_of_a_modern_client_to_a_modern_server_passes() {
    let upstream = Upstream::start(|call| match call.kind() {
        "initialize" => call.error("404 Not Found", -32601, "no such method"),
        _ => call.respond_as_modern(),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.request_modern("1", "tools/list", "");
    let refused = bridge.request_modern("2", "initialize", "");
    assert_eq!(refused["error"]["message"], "no such method", "the server's own error, as for any request: {refused}");
    let listed = bridge.request_modern("3", "tools/list", "");
    assert_eq!(listed["result"]["resultType"], "complete", "later requests are not translated: {listed}");
    bridge.finish();
    assert_eq!(upstream.kinds(), ["tools/list", "initialize", "tools/list"]);
}

#[test]
fn an_error_to_a_request_without_modern_meta_does_not_decide_the_era() {
    let bare = |call: &Exchange| call.params()["_meta"]["io.modelcontextprotocol/clientCapabilities"].is_null();
    let jsonrpc = move |call: Exchange| {
        if bare(&call) {
            call.error("400 Bad Request", -32602, "something is missing");
        } else {
            call.respond_as_modern();
        }
    };
    let plain =
        move |call: Exchange| if bare(&call) { call.plain("400 Bad Request", "no") } else { call.respond_as_modern() };
    for upstream in [Upstream::start(jsonrpc), Upstream::start(plain)] {
        let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
        bridge.request("1", "server/discover", "{}");
        let listed = bridge.request_modern("2", "tools/list", "");
        assert_eq!(listed["result"]["resultType"], "complete", "{listed}");
        bridge.finish();
        assert_eq!(upstream.count("initialize"), 0, "the server is not treated as legacy");
    }
    let upstream = Upstream::start(Exchange::respond_as_legacy_only);
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    assert_eq!(
        error_of(&bridge.request("1", "server/discover", "{}")).0,
        -32601,
        "the client then falls back to initialize"
    );
    bridge.initialize();
    bridge.still_works();
    bridge.finish();
}

#[test]
fn no_request_fails_when_a_server_stored_as_legacy_is_modern() {
    let is_modern = Arc::new(AtomicBool::new(false));
    let upstream = server_of_either_era(&is_modern);
    let home = tempfile::tempdir().unwrap();
    for run in 0..3 {
        is_modern.store(run > 0, Ordering::Relaxed);
        let before = upstream.kinds().len();
        let mut bridge = Bridge::to(&upstream.url("/mcp")).home(home.path()).start();
        for id in ["1", "2"] {
            let answer = bridge.request_modern(id, "tools/list", "");
            assert_eq!(answer["result"]["resultType"], "complete", "run {run}: {answer}");
        }
        bridge.finish();
        if run == 2 {
            assert_eq!(upstream.kinds()[before..], ["tools/list", "tools/list"], "the detected era is stored");
        }
    }
}

#[test]
fn discover_of_a_server_stored_with_the_wrong_era_returns_its_own_result() {
    let is_modern = Arc::new(AtomicBool::new(false));
    let upstream = server_of_either_era(&is_modern);
    let home = tempfile::tempdir().unwrap();
    for name in ["an-upstream", "a-modern-upstream"] {
        let bridge = Bridge::to(&upstream.url("/mcp")).home(home.path());
        let mut bridge = bridge.args(["--client-protocol", "modern"]).start();
        let answer = bridge.request_modern("1", "server/discover", "");
        assert_eq!(answer["result"]["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], name, "{answer}");
        bridge.finish();
        is_modern.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_modern_server_is_detected_from_any_refusal_of_initialize() {
    for (status, code) in
        [("400 Bad Request", Some(-32600)), ("400 Bad Request", None), ("405 Method Not Allowed", None)]
    {
        let upstream = Upstream::start(move |call| match (call.kind(), code) {
            ("initialize", Some(code)) => call.error(status, code, "there is no such thing"),
            ("initialize", None) => call.plain(status, "no"),
            _ => call.respond_as_modern(),
        });
        let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
        let response = bridge.initialize();
        assert!(response.contains("a-modern-upstream"), "{status} {code:?}: {response}");
        bridge.finish();
    }
}

#[test]
fn a_failed_era_probe_leaves_the_servers_own_error_unchanged() {
    for (code, fault) in
        [(-32001, "500 Internal Server Error"), (-32000, "200 OK"), (-32600, "503 Service Unavailable")]
    {
        let upstream = Upstream::start(move |call| match (call.kind(), call.nth) {
            ("tools/call", _) => call.error("200 OK", code, "the tool failed half way"),
            ("server/discover", 1) => call.error(fault, -32603, "for a moment"),
            _ => call.respond_as_modern(),
        });
        let mut bridge = Bridge::connected(&upstream);
        let answer = bridge.request("1", "tools/call", r#"{"name":"pay"}"#);
        assert_eq!(error_of(&answer).0, code, "{answer}");
        bridge.request("2", "tools/call", r#"{"name":"pay"}"#);
        bridge.finish();
        assert_eq!(upstream.count("tools/call"), 2, "each call is sent once");
        assert_eq!(upstream.count("initialize"), 1, "the session stays open: {:?}", upstream.kinds());
    }
}

#[test]
fn an_error_from_a_wrongly_set_era_names_the_option() {
    for (pinned, answer) in
        [("legacy", Exchange::respond_as_modern as fn(Exchange)), ("modern", Exchange::respond_normally)]
    {
        let upstream = Upstream::start(move |call| match call.kind() {
            "server/discover" if pinned == "modern" => call.error("400 Bad Request", -32000, "no session"),
            _ => answer(call),
        });
        let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--protocol", pinned]).start();
        bridge.send(&initialize("1", REVISION));
        error_of(&bridge.response("1"));
        let stderr = bridge.finish().stderr;
        assert!(stderr.contains(&format!("try without --protocol {pinned}")), "{stderr}");
    }
}

#[test]
fn a_429_does_not_decide_the_era() {
    let is_limited = Arc::new(AtomicBool::new(false));
    let limits = Arc::clone(&is_limited);
    // A server of both eras that limits the rate of modern requests.
    let upstream = Upstream::start(move |call| match call.header("Mcp-Method") {
        Some(_) if limits.load(Ordering::Relaxed) => call.error("429 Too Many Requests", -32000, "slow down"),
        Some(_) => call.respond_as_modern(),
        None => call.respond_normally(),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&minimal_modern_request("1", "tools/list", ""));
    bridge.response("1");
    is_limited.store(true, Ordering::Relaxed);
    bridge.send(&minimal_modern_request("2", "tools/call", r#""name":"pay","#));
    assert_eq!(error_of(&bridge.response("2")).0, -32000, "the server's own error");
    is_limited.store(false, Ordering::Relaxed);
    bridge.send(&minimal_modern_request("3", "tools/list", ""));
    bridge.response("3");
    bridge.finish();
    assert_eq!(upstream.count("initialize"), 0, "the server is still treated as modern: {:?}", upstream.kinds());
}
