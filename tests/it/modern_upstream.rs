//! A legacy client before a modern upstream: what it says reaches the server in the server's words, and the other way
//! round.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::support::*;

/// A bridge that has shaken hands with this server, which speaks as `modern` does where the handler does not.
fn translated(handler: impl Fn(Exchange) + Send + Sync + 'static) -> (Upstream, Bridge) {
    let upstream = Upstream::start(handler);
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.shake_hands();
    (upstream, bridge)
}

#[test]
fn a_legacy_client_is_greeted_by_a_modern_server() {
    let upstream = Upstream::start(Exchange::modern);
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    let greeting = value(&bridge.shake_hands());
    let result = &greeting["result"];
    assert_eq!(result["protocolVersion"], REVISION, "the client gets the revision that it asked for");
    assert_eq!(result["serverInfo"], json!({ "name": "a-modern-upstream", "version": "9" }));
    assert_eq!(result["instructions"], "mind the gap");
    assert_eq!(result["capabilities"]["resources"], json!({ "subscribe": true, "listChanged": true }));
    assert_eq!(result["capabilities"]["extensions"], json!(null), "tasks are the bridge's own business");
    assert_eq!(result["resultType"], json!(null));
    bridge.still_works();
    bridge.finish();
    let discover = upstream.wait_for("server/discover", 1);
    let own = &value(discover.text())["params"]["_meta"];
    assert_eq!(own["io.modelcontextprotocol/clientInfo"]["name"], "a-client", "the client says who it is");
    assert_eq!(own["io.modelcontextprotocol/clientCapabilities"]["sampling"], json!({}));
    let kinds = upstream.kinds();
    assert!(!kinds.iter().any(|kind| kind == "GET" || kind == "DELETE"), "no session, no stream, no end: {kinds:?}");
}

#[test]
fn a_server_that_was_modern_once_is_asked_in_its_own_words_at_once() {
    let upstream = Upstream::start(Exchange::modern);
    let home = tempfile::tempdir().unwrap();
    for started in 1..=2 {
        let mut bridge = Bridge::to(&upstream.url("/mcp")).home(home.path()).start();
        bridge.shake_hands();
        bridge.still_works();
        bridge.finish();
        assert_eq!(upstream.count("server/discover"), started);
        assert_eq!(upstream.count("initialize"), 1, "the verdict is remembered");
    }
}

#[test]
fn a_verdict_that_has_become_wrong_is_dropped() {
    let is_modern = Arc::new(AtomicBool::new(true));
    let upstream = Upstream::start({
        let is_modern = Arc::clone(&is_modern);
        move |call| if is_modern.load(Ordering::SeqCst) { call.modern() } else { call.legacy_only() }
    });
    let home = tempfile::tempdir().unwrap();
    for (modern, initializes) in [(true, 1), (false, 2), (false, 3), (true, 4)] {
        is_modern.store(modern, Ordering::SeqCst);
        let mut bridge = Bridge::to(&upstream.url("/mcp")).home(home.path()).start();
        bridge.shake_hands();
        bridge.still_works();
        bridge.finish();
        assert_eq!(upstream.count("initialize"), initializes, "each server in its own words");
    }
    assert_eq!(upstream.count("server/discover"), 3, "once when it was new, once in vain, once when it was back");
}

#[test]
fn the_era_can_be_laid_down() {
    let upstream = Upstream::start(Exchange::modern);
    let mut bridge = Bridge::to(&upstream.url("/mcp")).arg("--protocol=modern").start();
    bridge.shake_hands();
    bridge.finish();
    assert_eq!(
        upstream.count("initialize"),
        0,
        "a server that is modern by the user's word is never greeted otherwise"
    );
    let mut bridge = Bridge::to(&upstream.url("/mcp")).arg("--protocol=legacy").start();
    bridge.send(&initialize("1", REVISION));
    assert_eq!(error_of(&bridge.answer("1")).0, -32022, "its own error is all that there is");
    bridge.finish();
}

#[test]
fn a_request_gets_its_meta_and_keeps_every_other_byte() {
    let (upstream, mut bridge) = translated(Exchange::modern);
    let call = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"t","arguments":{"n":12345678901234567890123,"f":1.0,"u":"\u00e9"},"_meta":{"progressToken":1.0,"traceparent":"00-a"}},"extra":[ 1 ]}"#;
    bridge.send(call);
    let answer = bridge.answer("7");
    assert_eq!(
        answer, r#"{"jsonrpc":"2.0","id":7,"result":{"content":[]}}"#,
        "a result loses its type, and that is all"
    );
    let seen = upstream.wait_for("tools/call", 1);
    for kept in [
        r#""arguments":{"n":12345678901234567890123,"f":1.0,"u":"\u00e9"}"#,
        r#""progressToken":1.0,"traceparent":"00-a""#,
        r#""extra":[ 1 ]"#,
    ] {
        assert!(seen.text().contains(kept), "{kept} should be as it was: {}", seen.text());
    }
    assert_eq!(seen.header("Mcp-Name"), Some("t"), "what is called is mirrored");
    bridge.finish();
}

#[test]
fn what_a_modern_server_has_no_word_for_stays_here() {
    let (upstream, mut bridge) = translated(|call| match call.kind() {
        "tools/call" => {
            let level = call.params()["_meta"]["io.modelcontextprotocol/logLevel"].clone();
            assert_eq!(level, "warning", "the level goes with each request");
            call.complete("");
        }
        _ => call.modern(),
    });
    assert_eq!(bridge.ask("1", "ping", "{}"), r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
    assert!(bridge.ask("2", "logging/setLevel", r#"{"level":"warning"}"#).contains(r#""result":{}"#));
    assert_eq!(error_of(&bridge.ask("3", "logging/setLevel", r#"{"level":"loud"}"#)).0, -32602);
    bridge.send(&notification("notifications/roots/list_changed", "{}"));
    assert!(bridge.ask("4", "tools/call", r#"{"name":"t"}"#).contains("result"));
    bridge.finish();
    let said = upstream.kinds();
    let strange = said.iter().filter(|kind| {
        !["initialize", "server/discover", "subscriptions/listen", "tools/call"].contains(&kind.as_str())
    });
    assert_eq!(strange.count(), 0, "{said:?}");
}

#[test]
fn errors_become_what_a_legacy_client_knows() {
    let (_upstream, mut bridge) = translated(|call| match (call.kind(), call.param("uri").as_str()) {
        ("resources/read", "a:gone") => call.error("200 OK", -32602, "Resource not found"),
        ("resources/read", _) => call.error("200 OK", -32602, "uri is too long"),
        ("tools/call", _) => {
            let error = format!(
                r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":-32021,"message":"Missing","data":{{"requiredCapabilities":{{"elicitation":{{"url":{{}}}}}}}}}}}}"#,
                call.id()
            );
            call.respond("400 Bad Request", &[("Content-Type", "application/json")], &error);
        }
        ("prompts/get", _) => call.error("404 Not Found", -32601, "Method not found"),
        _ => call.modern(),
    });
    let gone = bridge.ask("1", "resources/read", r#"{"uri":"a:gone"}"#);
    assert_eq!(error_of(&gone).0, -32002, "not found has a code of its own in the legacy revisions");
    assert_eq!(error_of(&bridge.ask("2", "resources/read", r#"{"uri":"a:b"}"#)).0, -32602);
    says(&bridge.ask("3", "tools/call", r#"{"name":"t"}"#), &["elicitation.url"]);
    assert_eq!(error_of(&bridge.ask("4", "prompts/get", r#"{"name":"p"}"#)), (-32601, "Method not found".to_owned()));
    bridge.finish();
}

#[test]
fn cancelling_closes_the_exchange_and_posts_nothing() {
    let (upstream, mut bridge) = translated(|call| match call.kind() {
        "tools/call" => call.hold(),
        _ => call.modern(),
    });
    bridge.send(&request("1", "tools/call", r#"{"name":"t"}"#));
    let events = upstream.take("tools/call").sse();
    events.event(&notification("notifications/progress", r#"{"progressToken":1,"progress":1}"#));
    bridge.message("notifications/progress");
    bridge.cancel("1");
    assert!(events.closed_by_client(), "closing is the cancellation");
    bridge.still_works();
    bridge.finish();
    assert_eq!(upstream.count("notifications/cancelled"), 0);
}

#[test]
fn a_broken_stream_is_an_error_and_nothing_is_sent_twice() {
    let (upstream, mut bridge) = translated(|call| match call.kind() {
        "tools/call" => {
            let events = call.sse();
            events.event(&notification("notifications/message", r#"{"level":"info","data":1}"#));
            events.cut();
        }
        _ => call.modern(),
    });
    says(&bridge.ask("1", "tools/call", r#"{"name":"t"}"#), &["broke"]);
    assert_eq!(upstream.count("tools/call"), 1);
    bridge.still_works();
    bridge.finish();
}

#[test]
fn ids_that_the_modern_era_does_not_know_are_others_with_the_server() {
    let (_upstream, mut bridge) = translated(|call| match call.kind() {
        "tools/call" => {
            assert!(call.id().starts_with('"'), "an id is a string or an integer: {}", call.id());
            call.complete("");
        }
        _ => call.modern(),
    });
    for id in ["null", "1.5", "9007199254740993"] {
        assert_eq!(
            bridge.ask(id, "tools/call", r#"{"name":"t"}"#),
            format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#)
        );
    }
    bridge.finish();
}

#[test]
fn a_batch_is_split_and_its_answers_are_joined_where_the_revision_has_that() {
    for (revision, joined) in [("2025-03-26", true), ("2025-06-18", false)] {
        let upstream = Upstream::start(Exchange::modern);
        let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
        bridge.shake_hands_in(revision);
        let batch =
            [request("1", "ping", "{}"), initialized(), request("2", "tools/call", r#"{"name":"t"}"#)].join(",");
        bridge.send_raw(format!("[{batch}]\n").as_bytes());
        bridge.owe("1");
        bridge.owe("2");
        if joined {
            let line = bridge.line_where("the answers", |line| line.starts_with('['));
            assert_eq!(
                line,
                r#"[{"jsonrpc":"2.0","id":1,"result":{}},{"jsonrpc":"2.0","id":2,"result":{"content":[]}}]"#
            );
        } else {
            bridge.answer("1");
            bridge.answer("2");
        }
        bridge.finish();
        assert_eq!(upstream.count("batch"), 0, "the modern era knows no batches");
    }
}

#[test]
fn a_request_of_a_batch_is_cancelled_alone() {
    let upstream = Upstream::start(|call| match call.kind() {
        "prompts/get" => call.hold(),
        _ => call.modern(),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.shake_hands_in("2025-03-26");
    let batch = [request("1", "prompts/get", r#"{"name":"p"}"#), request("2", "tools/call", r#"{"name":"t"}"#)];
    bridge.send_raw(format!("[{}]\n", batch.join(",")).as_bytes());
    bridge.owe("1");
    bridge.owe("2");
    upstream.wait_for("prompts/get", 1);
    upstream.wait_for("tools/call", 1);
    bridge.cancel("1");
    let line = bridge.line_where("what is left", |line| line.starts_with('['));
    assert_eq!(line, r#"[{"jsonrpc":"2.0","id":2,"result":{"content":[]}}]"#);
    bridge.finish();
}

#[test]
fn a_stateless_legacy_side_gives_way_to_the_modern_one_from_the_next_start() {
    let upstream = Upstream::start(|call| match call.kind() {
        "initialize" => call.result(&initialize_result(REVISION)),
        _ if call.header("Mcp-Method").is_some() => call.modern(),
        _ => call.usual(),
    });
    let home = tempfile::tempdir().unwrap();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).home(home.path()).start();
    assert!(bridge.shake_hands().contains("an-upstream"), "the first time it is taken at its word");
    bridge.still_works();
    upstream.wait_for("server/discover", 1);
    // What it answers is looked at beside the client's own requests, and then kept: a bridge that ends before keeps
    // nothing, and looks again the next time.
    remembered(home.path(), r#""translated":true"#);
    bridge.still_works();
    bridge.finish();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).home(home.path()).start();
    assert!(bridge.shake_hands().contains("a-modern-upstream"), "its modern side can do more");
    bridge.finish();
    assert_eq!(upstream.count("initialize"), 1);
}

/// Waits until what is kept of the one server has this in it.
fn remembered(home: &std::path::Path, what: &str) {
    let kept = || {
        let file = std::fs::read_dir(home.join("servers")).ok()?.flatten().next()?;
        std::fs::read_to_string(file.path()).ok()
    };
    let began = std::time::Instant::now();
    while !kept().is_some_and(|kept| kept.contains(what)) {
        assert!(began.elapsed() < DEADLINE, "{what} should be kept, not {:?}", kept());
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

#[test]
fn a_server_without_the_handshake_and_without_discovery_is_reported_as_it_answers() {
    for (status, code) in [("404 Not Found", -32601), ("400 Bad Request", -32602), ("200 OK", -32601)] {
        let upstream = Upstream::start(move |call| match call.kind() {
            "GET" => call.plain("405 Method Not Allowed", ""),
            "server/discover" => call.error("404 Not Found", -32601, "no such thing"),
            _ => call.error(status, code, "first words"),
        });
        let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
        bridge.send(&initialize("1", REVISION));
        assert_eq!(error_of(&bridge.answer("1")), (code, "first words".to_owned()), "{status}");
        bridge.finish();
        assert_eq!((upstream.count("initialize"), upstream.count("server/discover")), (1, 1));
    }
}

#[test]
fn a_modern_server_is_found_behind_any_error_that_may_hide_one() {
    for (status, code) in
        [("404 Not Found", -32601), ("400 Bad Request", -32602), ("400 Bad Request", -32020), ("200 OK", -32601)]
    {
        let upstream = Upstream::start(move |call| match call.kind() {
            "initialize" => call.error(status, code, "what is that?"),
            _ => call.modern(),
        });
        let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
        assert!(bridge.shake_hands().contains("a-modern-upstream"), "{status} {code}");
        bridge.finish();
    }
}

#[test]
fn a_server_of_a_later_revision_alone_says_so_in_words() {
    let upstream = Upstream::start(|call| {
        let data = r#""data":{"supported":["2031-01-01"],"requested":"x"}"#;
        let id = call.id();
        let error = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32022,"message":"no",{data}}}}}"#);
        call.respond("400 Bad Request", &[("Content-Type", "application/json")], &error);
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&initialize("1", REVISION));
    says(&bridge.answer("1"), &["2031-01-01"]);
    bridge.finish();
}

#[test]
fn a_server_that_refuses_the_revision_it_offers_is_asked_once_more() {
    for protocol in ["auto", "modern"] {
        let upstream = Upstream::start(|call| match (call.kind(), call.nth) {
            ("server/discover", 0) => {
                let data = r#""data":{"supported":["2026-07-28"],"requested":"2026-07-28"}"#;
                let id = call.id();
                let error = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32022,"message":"no",{data}}}}}"#);
                call.respond("400 Bad Request", &[("Content-Type", "application/json")], &error);
            }
            _ => call.modern(),
        });
        let mut bridge = Bridge::to(&upstream.url("/mcp")).arg(&format!("--protocol={protocol}")).start();
        assert!(bridge.shake_hands().contains("a-modern-upstream"), "{protocol}");
        bridge.finish();
        assert_eq!(upstream.count("server/discover"), 2, "{protocol}");
    }
}

#[test]
fn a_server_that_shakes_hands_in_a_modern_revision_is_spoken_to_in_it() {
    let upstream = Upstream::start(|call| match call.kind() {
        "initialize" => {
            let greeting =
                r#"{"protocolVersion":"2026-07-28","capabilities":{},"serverInfo":{"name":"s","version":"1"}}"#;
            let answer = result(&call.id(), greeting);
            call.respond("200 OK", &[("Content-Type", "application/json"), ("Mcp-Session-Id", "s-1")], &answer);
        }
        "DELETE" => call.respond("200 OK", &[], ""),
        _ => call.modern(),
    });
    let home = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let mut bridge = Bridge::to(&upstream.url("/mcp")).home(home.path()).start();
        let greeting = value(&bridge.shake_hands());
        assert_eq!(greeting["result"]["protocolVersion"], REVISION, "a legacy client knows no other: {greeting}");
        bridge.still_works();
        bridge.finish();
    }
    upstream.wait_for("DELETE", 1);
    assert_eq!(upstream.count("initialize"), 1, "the verdict is remembered");
}

#[test]
fn a_server_that_only_says_that_it_is_modern_is_taken_as_it_is() {
    let upstream = Upstream::start(|call| match call.kind() {
        "initialize" => {
            call.result(
                r#"{"protocolVersion":"2026-07-28","capabilities":{},"serverInfo":{"name":"s","version":"1"}}"#,
            );
        }
        _ => call.legacy_only(),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    let greeting = value(&bridge.shake_hands());
    assert_eq!(greeting["result"]["protocolVersion"], "2026-07-28", "its own words: {greeting}");
    bridge.still_works();
    bridge.finish();
}
