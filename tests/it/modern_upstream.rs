//! A legacy client of a modern upstream: requests and responses are translated in both directions.

use std::sync::Arc;

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::support::*;

over_each_protocol! {
    a_legacy_client_can_initialize_with_a_modern_server,
    a_server_stored_as_modern_gets_modern_requests_at_once,
    a_stored_era_that_has_become_wrong_is_replaced,
    the_option_protocol_sets_the_era,
    a_request_gains_its_meta_and_keeps_every_other_byte,
    messages_unknown_to_the_modern_era_are_handled_by_the_bridge,
    modern_errors_become_legacy_errors,
    a_cancellation_closes_the_http_request_and_posts_nothing,
    a_broken_stream_is_an_error_without_a_second_post,
    ids_that_the_modern_era_forbids_are_replaced_towards_the_server,
    a_batch_is_split_and_its_responses_are_joined_where_the_revision_allows_batches,
    one_request_of_a_batch_can_be_cancelled,
    a_server_without_initialize_and_without_discover_returns_its_own_error,
    a_modern_server_is_detected_behind_any_ambiguous_error,
    a_server_that_only_supports_a_later_revision_is_an_error_that_names_the_revision,
    a_server_that_refuses_a_revision_it_offers_is_requested_once_more,
    a_server_that_accepts_initialize_in_a_modern_revision_gets_modern_requests,
    a_modern_revision_in_an_initialize_result_without_discover_changes_nothing,
}

/// A server with this handler, and a bridge with an open session to it.
fn connected_to_modern(handler: impl Fn(Exchange) + Send + Sync + 'static) -> (Upstream, Bridge) {
    let upstream = Upstream::start(handler);
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.initialize();
    (upstream, bridge)
}

fn a_legacy_client_can_initialize_with_a_modern_server() {
    let upstream = Upstream::start(Exchange::respond_as_modern);
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    let response = value(&bridge.initialize());
    let result = &response["result"];
    assert_eq!(result["protocolVersion"], REVISION, "the client gets the revision that it requested");
    assert_eq!(result["serverInfo"], json!({ "name": "a-modern-upstream", "version": "9" }));
    assert_eq!(result["instructions"], "mind the gap");
    assert_eq!(result["capabilities"]["resources"], json!({ "subscribe": true, "listChanged": true }));
    assert_eq!(result["capabilities"]["extensions"], json!(null), "the client does not see the task capability");
    assert_eq!(result["resultType"], json!(null));
    bridge.still_works();
    bridge.finish();
    let discover = upstream.wait_for("server/discover", 1);
    let own = &value(discover.text())["params"]["_meta"];
    assert_eq!(
        own["io.modelcontextprotocol/clientInfo"]["name"], "a-client",
        "the request carries the client's information"
    );
    assert_eq!(own["io.modelcontextprotocol/clientCapabilities"]["sampling"], json!({}));
    let kinds = upstream.kinds();
    assert!(
        !kinds.iter().any(|kind| kind == "GET" || kind == "DELETE"),
        "the modern era has no session and no GET stream: {kinds:?}"
    );
}

fn a_server_stored_as_modern_gets_modern_requests_at_once() {
    let upstream = Upstream::start(Exchange::respond_as_modern);
    let home = tempfile::tempdir().unwrap();
    for started in 1..=2 {
        let mut bridge = Bridge::to(&upstream.url("/mcp")).home(home.path()).start();
        bridge.initialize();
        bridge.still_works();
        bridge.finish();
        assert_eq!(upstream.count("server/discover"), started);
        assert_eq!(upstream.count("initialize"), 1, "the era is stored");
    }
}

fn a_stored_era_that_has_become_wrong_is_replaced() {
    let is_modern = Arc::new(AtomicBool::new(true));
    let upstream = Upstream::start({
        let is_modern = Arc::clone(&is_modern);
        move |call| {
            if is_modern.load(Ordering::SeqCst) { call.respond_as_modern() } else { call.respond_as_legacy_only() }
        }
    });
    let home = tempfile::tempdir().unwrap();
    for (modern, initializes) in [(true, 1), (false, 2), (false, 3), (true, 4)] {
        is_modern.store(modern, Ordering::SeqCst);
        let mut bridge = Bridge::to(&upstream.url("/mcp")).home(home.path()).start();
        bridge.initialize();
        bridge.still_works();
        bridge.finish();
        assert_eq!(upstream.count("initialize"), initializes, "each server gets requests of its era");
    }
    assert_eq!(upstream.count("server/discover"), 3, "once at first, once without success, once after the change");
}

fn the_option_protocol_sets_the_era() {
    let upstream = Upstream::start(Exchange::respond_as_modern);
    let mut bridge = Bridge::to(&upstream.url("/mcp")).arg("--protocol=modern").start();
    bridge.initialize();
    bridge.finish();
    assert_eq!(upstream.count("initialize"), 0, "a server declared modern gets no initialize");
    let mut bridge = Bridge::to(&upstream.url("/mcp")).arg("--protocol=legacy").start();
    bridge.send(&initialize("1", REVISION));
    assert_eq!(error_of(&bridge.response("1")).0, -32022, "the client gets the server's own error");
    bridge.finish();
}

fn a_request_gains_its_meta_and_keeps_every_other_byte() {
    let (upstream, mut bridge) = connected_to_modern(Exchange::respond_as_modern);
    let call = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"t","arguments":{"n":12345678901234567890123,"f":1.0,"u":"\u00e9"},"_meta":{"progressToken":1.0,"traceparent":"00-a"}},"extra":[ 1 ]}"#;
    bridge.send(call);
    let answer = bridge.response("7");
    assert_eq!(answer, r#"{"jsonrpc":"2.0","id":7,"result":{"content":[]}}"#, "a result only loses its type");
    let seen = upstream.wait_for("tools/call", 1);
    for kept in [
        r#""arguments":{"n":12345678901234567890123,"f":1.0,"u":"\u00e9"}"#,
        r#""progressToken":1.0,"traceparent":"00-a""#,
        r#""extra":[ 1 ]"#,
    ] {
        assert!(seen.text().contains(kept), "{kept} should be as it was: {}", seen.text());
    }
    assert_eq!(seen.header("Mcp-Name"), Some("t"), "the header repeats the tool's name");
    bridge.finish();
}

fn messages_unknown_to_the_modern_era_are_handled_by_the_bridge() {
    let (upstream, mut bridge) = connected_to_modern(|call| match call.kind() {
        "tools/call" => {
            let level = call.params()["_meta"]["io.modelcontextprotocol/logLevel"].clone();
            assert_eq!(level, "warning", "each request carries the log level");
            call.complete("");
        }
        _ => call.respond_as_modern(),
    });
    assert_eq!(bridge.request("1", "ping", "{}"), r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
    assert!(bridge.request("2", "logging/setLevel", r#"{"level":"warning"}"#).contains(r#""result":{}"#));
    assert_eq!(error_of(&bridge.request("3", "logging/setLevel", r#"{"level":"loud"}"#)).0, -32602);
    bridge.send(&notification("notifications/roots/list_changed", "{}"));
    assert!(bridge.request("4", "tools/call", r#"{"name":"t"}"#).contains("result"));
    bridge.finish();
    let seen = upstream.kinds();
    let strange = seen.iter().filter(|kind| {
        !["initialize", "server/discover", "subscriptions/listen", "tools/call"].contains(&kind.as_str())
    });
    assert_eq!(strange.count(), 0, "{seen:?}");
}

fn modern_errors_become_legacy_errors() {
    let (_upstream, mut bridge) = connected_to_modern(|call| match (call.kind(), call.param("uri").as_str()) {
        ("resources/read", "a:gone") => call.error("200 OK", -32602, "Resource not found"),
        ("resources/read", _) => call.error("200 OK", -32602, "uri is too long"),
        ("tools/call", _) => {
            let error = format!(
                r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":-32021,"message":"Missing","data":{{"requiredCapabilities":{{"elicitation":{{"url":{{}}}}}}}}}}}}"#,
                call.id()
            );
            call.json_with_status("400 Bad Request", &error);
        }
        ("prompts/get", _) => call.error("404 Not Found", -32601, "Method not found"),
        _ => call.respond_as_modern(),
    });
    let gone = bridge.request("1", "resources/read", r#"{"uri":"a:gone"}"#);
    assert_eq!(error_of(&gone).0, -32002, "the legacy code for resource not found");
    assert_eq!(error_of(&bridge.request("2", "resources/read", r#"{"uri":"a:b"}"#)).0, -32602);
    assert_error_mentions(&bridge.request("3", "tools/call", r#"{"name":"t"}"#), &["elicitation.url"]);
    assert_eq!(
        error_of(&bridge.request("4", "prompts/get", r#"{"name":"p"}"#)),
        (-32601, "Method not found".to_owned())
    );
    bridge.finish();
}

fn a_cancellation_closes_the_http_request_and_posts_nothing() {
    let (upstream, mut bridge) = connected_to_modern(|call| match call.kind() {
        "tools/call" => call.hold(),
        _ => call.respond_as_modern(),
    });
    bridge.send(&request("1", "tools/call", r#"{"name":"t"}"#));
    let events = upstream.take("tools/call").sse();
    events.event(&notification("notifications/progress", r#"{"progressToken":1,"progress":1}"#));
    bridge.message("notifications/progress");
    bridge.cancel("1");
    assert!(events.closed_by_client(), "closing the stream cancels it");
    bridge.still_works();
    bridge.finish();
    assert_eq!(upstream.count("notifications/cancelled"), 0);
}

fn a_broken_stream_is_an_error_without_a_second_post() {
    let (upstream, mut bridge) = connected_to_modern(|call| match call.kind() {
        "tools/call" => {
            let events = call.sse();
            events.event(&notification("notifications/message", r#"{"level":"info","data":1}"#));
            events.cut();
        }
        _ => call.respond_as_modern(),
    });
    assert_error_mentions(&bridge.request("1", "tools/call", r#"{"name":"t"}"#), &["broke"]);
    assert_eq!(upstream.count("tools/call"), 1);
    bridge.still_works();
    bridge.finish();
}

fn ids_that_the_modern_era_forbids_are_replaced_towards_the_server() {
    let (_upstream, mut bridge) = connected_to_modern(|call| match call.kind() {
        "tools/call" => {
            assert!(call.id().starts_with('"'), "an id is a string or an integer: {}", call.id());
            call.complete("");
        }
        _ => call.respond_as_modern(),
    });
    for id in ["null", "1.5", "9007199254740993"] {
        assert_eq!(
            bridge.request(id, "tools/call", r#"{"name":"t"}"#),
            format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#)
        );
    }
    bridge.finish();
}

fn a_batch_is_split_and_its_responses_are_joined_where_the_revision_allows_batches() {
    for (revision, joined) in [("2025-03-26", true), ("2025-06-18", false)] {
        let upstream = Upstream::start(Exchange::respond_as_modern);
        let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
        bridge.initialize_with_revision(revision);
        let batch =
            [request("1", "ping", "{}"), initialized(), request("2", "tools/call", r#"{"name":"t"}"#)].join(",");
        bridge.send_raw(format!("[{batch}]\n").as_bytes());
        bridge.expect_response("1");
        bridge.expect_response("2");
        if joined {
            let line = bridge.line_where("the answers", |line| line.starts_with('['));
            assert_eq!(
                line,
                r#"[{"jsonrpc":"2.0","id":1,"result":{}},{"jsonrpc":"2.0","id":2,"result":{"content":[]}}]"#
            );
        } else {
            bridge.response("1");
            bridge.response("2");
        }
        bridge.finish();
        assert_eq!(upstream.count("batch"), 0, "the modern era has no batches");
    }
}

fn one_request_of_a_batch_can_be_cancelled() {
    let upstream = Upstream::start(|call| match call.kind() {
        "prompts/get" => call.hold(),
        _ => call.respond_as_modern(),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.initialize_with_revision("2025-03-26");
    let batch = [request("1", "prompts/get", r#"{"name":"p"}"#), request("2", "tools/call", r#"{"name":"t"}"#)];
    bridge.send_raw(format!("[{}]\n", batch.join(",")).as_bytes());
    bridge.expect_response("1");
    bridge.expect_response("2");
    upstream.wait_for("prompts/get", 1);
    upstream.wait_for("tools/call", 1);
    bridge.cancel("1");
    let line = bridge.line_where("what is left", |line| line.starts_with('['));
    assert_eq!(line, r#"[{"jsonrpc":"2.0","id":2,"result":{"content":[]}}]"#);
    bridge.finish();
}

fn a_server_without_initialize_and_without_discover_returns_its_own_error() {
    for (status, code) in [("404 Not Found", -32601), ("400 Bad Request", -32602), ("200 OK", -32601)] {
        let upstream = Upstream::start(move |call| match call.kind() {
            "GET" => call.plain("405 Method Not Allowed", ""),
            "server/discover" => call.error("404 Not Found", -32601, "no such thing"),
            _ => call.error(status, code, "the first error"),
        });
        let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
        bridge.send(&initialize("1", REVISION));
        assert_eq!(error_of(&bridge.response("1")), (code, "the first error".to_owned()), "{status}");
        bridge.finish();
        assert_eq!((upstream.count("initialize"), upstream.count("server/discover")), (1, 1));
    }
}

fn a_modern_server_is_detected_behind_any_ambiguous_error() {
    for (status, code) in
        [("404 Not Found", -32601), ("400 Bad Request", -32602), ("400 Bad Request", -32020), ("200 OK", -32601)]
    {
        let upstream = Upstream::start(move |call| match call.kind() {
            "initialize" => call.error(status, code, "what is that?"),
            _ => call.respond_as_modern(),
        });
        let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
        assert!(bridge.initialize().contains("a-modern-upstream"), "{status} {code}");
        bridge.finish();
    }
}

fn a_server_that_only_supports_a_later_revision_is_an_error_that_names_the_revision() {
    let upstream = Upstream::start(|call| {
        let data = r#""data":{"supported":["2031-01-01"],"requested":"x"}"#;
        let id = call.id();
        let error = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32022,"message":"no",{data}}}}}"#);
        call.json_with_status("400 Bad Request", &error);
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&initialize("1", REVISION));
    assert_error_mentions(&bridge.response("1"), &["2031-01-01"]);
    bridge.finish();
}

fn a_server_that_refuses_a_revision_it_offers_is_requested_once_more() {
    for protocol in ["auto", "modern"] {
        let upstream = Upstream::start(|call| match (call.kind(), call.nth) {
            ("server/discover", 0) => {
                let data = r#""data":{"supported":["2026-07-28"],"requested":"2026-07-28"}"#;
                let id = call.id();
                let error = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32022,"message":"no",{data}}}}}"#);
                call.json_with_status("400 Bad Request", &error);
            }
            _ => call.respond_as_modern(),
        });
        let mut bridge = Bridge::to(&upstream.url("/mcp")).arg(&format!("--protocol={protocol}")).start();
        assert!(bridge.initialize().contains("a-modern-upstream"), "{protocol}");
        bridge.finish();
        assert_eq!(upstream.count("server/discover"), 2, "{protocol}");
    }
}

fn a_server_that_accepts_initialize_in_a_modern_revision_gets_modern_requests() {
    let upstream = Upstream::start(|call| match call.kind() {
        "initialize" => {
            let response =
                r#"{"protocolVersion":"2026-07-28","capabilities":{},"serverInfo":{"name":"s","version":"1"}}"#;
            let answer = result(&call.id(), response);
            call.respond("200 OK", &[("Content-Type", "application/json"), ("Mcp-Session-Id", "s-1")], &answer);
        }
        "DELETE" => call.respond("200 OK", &[], ""),
        _ => call.respond_as_modern(),
    });
    let home = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let mut bridge = Bridge::to(&upstream.url("/mcp")).home(home.path()).start();
        let response = value(&bridge.initialize());
        assert_eq!(
            response["result"]["protocolVersion"], REVISION,
            "a legacy client gets its own revision: {response}"
        );
        bridge.still_works();
        bridge.finish();
    }
    upstream.wait_for("DELETE", 1);
    assert_eq!(upstream.count("initialize"), 1, "the era is stored");
}

fn a_modern_revision_in_an_initialize_result_without_discover_changes_nothing() {
    let upstream = Upstream::start(|call| match call.kind() {
        "initialize" => {
            call.result(
                r#"{"protocolVersion":"2026-07-28","capabilities":{},"serverInfo":{"name":"s","version":"1"}}"#,
            );
        }
        _ => call.respond_as_legacy_only(),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    let response = value(&bridge.initialize());
    assert_eq!(response["result"]["protocolVersion"], "2026-07-28", "the server's own result: {response}");
    bridge.still_works();
    bridge.finish();
}
