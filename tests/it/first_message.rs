//! The first message is answered soon and usefully, whatever the upstream does.

use std::time::{Duration, Instant};

use crate::support::*;

over_each_protocol! {
    initialize_is_answered_in_time_while_the_upstream_is_silent,
    a_server_that_starts_later_is_reached,
}

/// Asserts that this is a valid placeholder for the initialize result of a silent upstream.
fn assert_placeholder(answer: &str, revision: &str) {
    let result = &value(answer)["result"];
    assert_eq!(result["protocolVersion"], revision, "the revision is the one that the client requested: {answer}");
    assert_eq!(
        result["capabilities"]["tools"]["listChanged"], true,
        "a later change of the tools can be announced: {answer}"
    );
    assert!(result["serverInfo"]["name"].is_string() && result["serverInfo"]["version"].is_string(), "{answer}");
}

fn initialize_is_answered_in_time_while_the_upstream_is_silent() {
    let upstream = Upstream::holding(["initialize"]);
    let mut bridge = Bridge::to(&upstream.url("/mcp")).startup_wait("0.2").start();
    let started = Instant::now();
    bridge.send(&initialize("1", "2025-11-25"));
    assert_placeholder(&bridge.response("1"), "2025-11-25");
    assert!(started.elapsed() < Duration::from_secs(5), "answered after {:?}", started.elapsed());
    bridge.send(&initialized());
    bridge.send(&request("2", "tools/list", "{}"));
    // The real result arrives late: the bridge keeps it, and the waiting request continues.
    upstream.take("initialize").respond_normally();
    assert_eq!(bridge.response("2"), result("2", "{}"));
    bridge.message("notifications/tools/list_changed");
    assert_eq!(upstream.count("notifications/initialized"), 1, "{:?}", upstream.kinds());
    let ended = bridge.finish();
    assert!(
        !ended.lines.iter().any(|line| line.contains("mind the gap")),
        "one initialize request gets one response: {:?}",
        ended.lines
    );
}

#[test]
fn the_upstreams_own_initialize_result_is_used_when_it_is_in_time() {
    let upstream = Upstream::well_behaved();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    assert!(bridge.initialize().contains("mind the gap"));
    bridge.still_works();
    let ended = bridge.finish();
    assert!(
        !ended.lines.iter().any(|line| line.contains("list_changed")),
        "the lists have not changed: {:?}",
        ended.lines
    );
}

#[test]
fn the_last_initialize_result_of_a_server_is_reused_when_it_is_slow() {
    let home = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(|call| {
        if call.kind() == "initialize" && call.nth > 0 { call.hold() } else { call.respond_normally() }
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).home(home.path()).start();
    bridge.initialize();
    bridge.still_works();
    bridge.finish();

    let mut bridge = Bridge::to(&upstream.url("/mcp")).home(home.path()).startup_wait("0.2").start();
    bridge.send(&initialize("77", REVISION));
    let answer = bridge.response("77");
    let (result, kept) = (&value(&answer)["result"], value(&initialize_result(REVISION)));
    for member in ["serverInfo", "instructions", "protocolVersion"] {
        assert_eq!(result[member], kept[member], "the stored {member}: {answer}");
    }
    upstream.take("initialize").respond_normally();
    bridge.still_works();
    bridge.finish();

    // The stored result of another server is not used.
    let mut bridge = Bridge::to(&upstream.url("/other")).home(home.path()).startup_wait("0.2").start();
    bridge.send(&initialize("1", REVISION));
    assert!(!bridge.response("1").contains("mind the gap"));
    bridge.finish();
}

#[test]
fn an_unwritable_home_directory_does_not_stop_the_bridge() {
    let upstream = Upstream::well_behaved();
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).home(&file.path().join("below-a-file")).start();
    bridge.initialize();
    bridge.still_works();
    bridge.finish();
}

#[test]
fn lists_that_only_the_placeholder_result_declared_are_empty() {
    let upstream = Upstream::start(|call| match call.kind() {
        "initialize" => call.hold(),
        "tools/list" => call.result(r#"{"tools":[{"name":"t","inputSchema":{"type":"object"}}]}"#),
        kind if kind.ends_with("/list") => call.error("200 OK", -32601, "Method not found"),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).startup_wait("0.2").start();
    bridge.send(&initialize("1", REVISION));
    bridge.response("1");
    bridge.send(&initialized());
    upstream.take("initialize").result(
        r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"only tools","version":"1"}}"#,
    );
    assert!(bridge.request("2", "tools/list", "{}").contains(r#""name":"t""#));
    for (id, method, list) in [
        ("3", "prompts/list", "prompts"),
        ("4", "resources/list", "resources"),
        ("5", "resources/templates/list", "resourceTemplates"),
    ] {
        let answer = bridge.request(id, method, "{}");
        assert_eq!(value(&answer)["result"][list], serde_json::json!([]), "{method}: {answer}");
    }
    bridge.finish();
}

fn a_server_that_starts_later_is_reached() {
    let mut upstream = Upstream::offline(Exchange::respond_normally);
    let mut bridge = Bridge::to(&upstream.url("/mcp")).startup_wait("0.2").start();
    bridge.send(&initialize("1", REVISION));
    assert_placeholder(&bridge.response("1"), REVISION);
    bridge.send(&initialized());
    bridge.send(&request("2", "tools/call", "{}"));
    upstream.listen();
    assert_eq!(bridge.response("2"), result("2", "{}"), "a call waits for the server");
    bridge.message("notifications/tools/list_changed");
    bridge.finish();
    assert_eq!(
        (upstream.count("initialize"), upstream.count("notifications/initialized")),
        (1, 1),
        "{:?}",
        upstream.kinds()
    );
}

#[test]
fn a_server_that_never_starts_is_an_error_that_names_the_cause() {
    let upstream = Upstream::offline(Exchange::respond_normally).may_receive_no_request();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).startup_wait("0.2").args(["--patience", "0.5"]).start();
    bridge.send(&initialize("1", REVISION));
    bridge.response("1");
    bridge.send(&initialized());
    assert_error_mentions(&bridge.request("2", "tools/list", "{}"), &[&upstream.host(), "refused"]);
    assert_error_mentions(&bridge.request("3", "tools/call", "{}"), &[&upstream.host(), "refused"]);
    bridge.finish();
}

#[test]
fn an_unresolvable_host_is_an_error_that_names_the_host() {
    let mut bridge = Bridge::to("http://no-such-host.invalid/mcp")
        .args(["--allow-http", "--patience", "0.5"])
        .startup_wait("0.2")
        .start();
    bridge.send(&initialize("1", REVISION));
    bridge.response("1");
    assert_error_mentions(&bridge.request("2", "tools/list", "{}"), &["no-such-host.invalid"]);
    bridge.finish();
}

#[test]
fn a_rejection_after_the_placeholder_result_is_reported_to_every_request() {
    let upstream = Upstream::start(|call| match call.kind() {
        "initialize" if call.nth == 0 => call.hold(),
        _ => call.plain("403 Forbidden", "this account is closed"),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).startup_wait("0.2").args(["--patience", "1"]).start();
    bridge.send(&initialize("1", REVISION));
    bridge.response("1");
    upstream.take("initialize").plain("403 Forbidden", "this account is closed");
    assert_error_mentions(
        &bridge.request("2", "tools/list", "{}"),
        &[&upstream.host(), "403", "this account is closed"],
    );
    bridge.finish();
}

#[test]
fn an_immediate_rejection_is_reported_in_the_first_response() {
    let upstream = Upstream::start(|call| call.plain("500 Internal Server Error", "out of cheese"));
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&initialize("1", REVISION));
    assert_error_mentions(&bridge.response("1"), &[&upstream.host(), "500", "out of cheese"]);
    bridge.finish();
}

#[test]
fn a_gateway_error_is_retried_and_then_reported() {
    let upstream = Upstream::start(|call| match (call.kind(), call.nth) {
        ("initialize", 0) => call.plain("502 Bad Gateway", "no backend yet"),
        _ => call.respond_normally(),
    });
    Bridge::connected(&upstream).finish();

    let upstream = Upstream::start(|call| call.plain("502 Bad Gateway", "no backend"));
    let mut bridge = Bridge::to(&upstream.url("/mcp")).startup_wait("0.2").args(["--patience", "0.5"]).start();
    bridge.send(&initialize("1", REVISION));
    bridge.response("1");
    assert_error_mentions(&bridge.request("2", "tools/list", "{}"), &[&upstream.host(), "502", "no backend"]);
    bridge.finish();
}

#[test]
fn a_failed_initialize_may_be_sent_again() {
    let upstream = Upstream::start(|call| match (call.kind(), call.nth) {
        ("initialize", 0) => call.plain("500 Internal Server Error", "starting"),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&initialize("1", REVISION));
    bridge_error(&bridge.response("1"));
    bridge.send(&initialize("2", REVISION));
    assert!(bridge.response("2").contains("mind the gap"));
    bridge.send(&initialized());
    bridge.still_works();
    bridge.finish();
}

#[test]
fn a_health_check_has_no_side_effects() {
    let home = tempfile::tempdir().unwrap();
    let upstream = Upstream::well_behaved();
    for _ in 0..3 {
        let mut bridge = Bridge::to(&upstream.url("/mcp")).home(home.path()).start();
        bridge.send(&initialize("1", REVISION));
        bridge.response("1");
        let ended = bridge.finish();
        assert_eq!(ended.stderr, "", "nothing to report");
    }
    let allowed = ["initialize", "DELETE", "GET", "server/discover"];
    let kinds = upstream.kinds();
    assert!(kinds.iter().all(|kind| allowed.contains(&kind.as_str())), "{kinds:?}");
    assert_eq!(upstream.count("DELETE"), 3, "no session is left behind: {kinds:?}");
}

#[test]
fn a_ping_before_initialize_is_answered() {
    let upstream = Upstream::well_behaved().may_receive_no_request();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.request("1", "ping", "{}");
    bridge.initialize();
    bridge.still_works();
    bridge.finish();
}

#[test]
fn a_client_that_uses_content_length_framing_gets_the_same_framing() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => call.result(r#"{"text":"é"}"#),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).framed().start();
    let framed = |message: &str| format!("Content-Length: {}\r\n\r\n{message}", message.len()).into_bytes();
    bridge.expect_response("1");
    bridge.send_raw(&framed(&initialize("1", REVISION)));
    let hello = result("1", &initialize_result(REVISION));
    let hello = format!("Content-Length: {}\r\n\r\n{hello}", hello.len());
    bridge.raw_output("initialize answered with Content-Length framing", &hello);
    bridge.send_raw(&framed(&initialized()));
    bridge.expect_response("2");
    let call = request("2", "tools/call", r#"{"text":"é"}"#);
    let mut bytes = format!(
        "content-type: application/vscode-jsonrpc; charset=utf-8\r\nCONTENT-LENGTH:{}\r\n\r\n{call}",
        call.len()
    )
    .into_bytes();
    bytes.extend(framed(&notification("notifications/x", "{}")));
    bridge.send_raw(&bytes);
    let answer = result("2", r#"{"text":"é"}"#);
    bridge.raw_output("a length counts bytes", &format!("Content-Length: {}\r\n\r\n{answer}", answer.len()));
    assert_eq!(upstream.wait_for("tools/call", 1).text(), call);
    upstream.wait_for("notifications/x", 1);
    bridge.finish();
}

#[test]
fn an_error_response_to_initialize_passes_byte_for_byte() {
    for status in ["200 OK", "400 Bad Request"] {
        for code in ["-32602", "-32022"] {
            let data = r#"{"supported":["2026-07-28"],"requested":"2025-06-18","n":1.0}"#;
            let body = format!(r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":{code},"message":"no","data":{data}}}}}"#);
            let answer = body.clone();
            let upstream = Upstream::start(move |call| match call.kind() {
                "initialize" => call.json_with_status(status, &answer),
                _ => call.respond_normally(),
            });
            let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
            bridge.send(&initialize("1", REVISION));
            assert_eq!(bridge.response("1"), body, "{status}");
            bridge.finish();
        }
    }
}

#[test]
fn a_client_that_never_sends_initialize_is_served() {
    let upstream = Upstream::well_behaved();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.still_works();
    bridge.finish();
    assert_eq!(upstream.count("initialize"), 0, "the bridge sends no initialize of its own: {:?}", upstream.kinds());
}

#[test]
fn a_second_initialize_opens_a_new_session() {
    let upstream = Upstream::start(|call| match (call.kind(), call.nth) {
        ("initialize", 0) => call.open_session("session-a"),
        ("initialize", _) => call.open_session("session-b"),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    bridge.still_works();
    bridge.send(&initialize("2", REVISION));
    assert!(bridge.response("2").contains("mind the gap"));
    bridge.send(&initialized());
    bridge.still_works();
    assert_eq!(upstream.wait_for("tools/list", 2).header("mcp-session-id"), Some("session-b"));
    bridge.finish();
    let requests = upstream.requests();
    let deleted: Vec<_> = requests.iter().filter(|r| r.kind == "DELETE").map(|r| r.header("mcp-session-id")).collect();
    assert!(deleted.contains(&Some("session-b")), "{deleted:?}");
}
