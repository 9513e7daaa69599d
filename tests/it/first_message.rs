//! The first message is answered soon and never badly, whatever the upstream does.

use std::time::{Duration, Instant};

use crate::support::*;

/// What the bridge may say on its own while the upstream is silent.
fn made_up(answer: &str, revision: &str) {
    let result = &value(answer)["result"];
    assert_eq!(result["protocolVersion"], revision, "the revision is the one the client asked for: {answer}");
    assert_eq!(result["capabilities"]["tools"]["listChanged"], true, "what comes later can be told: {answer}");
    assert!(result["serverInfo"]["name"].is_string() && result["serverInfo"]["version"].is_string(), "{answer}");
}

#[test]
fn a_silent_upstream_does_not_keep_initialize_waiting() {
    let upstream = Upstream::start(|call| if call.kind() == "initialize" { call.hold() } else { call.usual() });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).startup_wait("0.2").start();
    let asked = Instant::now();
    bridge.send(&initialize("1", "2025-11-25"));
    made_up(&bridge.answer("1"), "2025-11-25");
    assert!(asked.elapsed() < Duration::from_secs(5), "answered after {:?}", asked.elapsed());
    bridge.send(&initialized());
    bridge.send(&request("2", "tools/list", "{}"));
    // The real answer comes late: it is the bridge's business, and what waited goes on.
    upstream.take("initialize").usual();
    assert_eq!(bridge.answer("2"), result("2", "{}"));
    bridge.message("notifications/tools/list_changed");
    assert_eq!(upstream.count("notifications/initialized"), 1, "{:?}", upstream.kinds());
    let ended = bridge.finish();
    assert!(
        !ended.lines.iter().any(|line| line.contains("mind the gap")),
        "one initialize, one answer: {:?}",
        ended.lines
    );
}

#[test]
fn an_upstream_that_answers_in_time_is_heard_itself() {
    let upstream = Upstream::usual();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    assert!(bridge.shake_hands().contains("mind the gap"));
    bridge.still_works();
    let ended = bridge.finish();
    assert!(!ended.lines.iter().any(|line| line.contains("list_changed")), "nothing has changed: {:?}", ended.lines);
}

#[test]
fn the_last_real_answer_of_the_same_server_is_kept_for_a_slow_day() {
    let home = tempfile::tempdir().unwrap();
    let upstream =
        Upstream::start(|call| if call.kind() == "initialize" && call.nth > 0 { call.hold() } else { call.usual() });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).home(home.path()).start();
    bridge.shake_hands();
    bridge.still_works();
    bridge.finish();

    let mut bridge = Bridge::to(&upstream.url("/mcp")).home(home.path()).startup_wait("0.2").start();
    bridge.send(&initialize("77", REVISION));
    let answer = bridge.answer("77");
    let (result, kept) = (&value(&answer)["result"], value(&initialize_result(REVISION)));
    for member in ["serverInfo", "instructions", "protocolVersion"] {
        assert_eq!(result[member], kept[member], "the real {member} of the last time: {answer}");
    }
    upstream.take("initialize").usual();
    bridge.still_works();
    bridge.finish();

    // Another server's answer is not this one's.
    let mut bridge = Bridge::to(&upstream.url("/other")).home(home.path()).startup_wait("0.2").start();
    bridge.send(&initialize("1", REVISION));
    assert!(!bridge.answer("1").contains("mind the gap"));
    bridge.finish();
}

#[test]
fn a_home_that_cannot_be_written_stops_nothing() {
    let upstream = Upstream::usual();
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).home(&file.path().join("below-a-file")).start();
    bridge.shake_hands();
    bridge.still_works();
    bridge.finish();
}

#[test]
fn what_the_kept_or_made_up_answer_promised_in_vain_is_empty() {
    let upstream = Upstream::start(|call| match call.kind() {
        "initialize" => call.hold(),
        "tools/list" => call.result(r#"{"tools":[{"name":"t","inputSchema":{"type":"object"}}]}"#),
        kind if kind.ends_with("/list") => call.error("200 OK", -32601, "Method not found"),
        _ => call.usual(),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).startup_wait("0.2").start();
    bridge.send(&initialize("1", REVISION));
    bridge.answer("1");
    bridge.send(&initialized());
    upstream.take("initialize").result(
        r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"only tools","version":"1"}}"#,
    );
    assert!(bridge.ask("2", "tools/list", "{}").contains(r#""name":"t""#));
    for (id, method, list) in [
        ("3", "prompts/list", "prompts"),
        ("4", "resources/list", "resources"),
        ("5", "resources/templates/list", "resourceTemplates"),
    ] {
        let answer = bridge.ask(id, method, "{}");
        assert_eq!(value(&answer)["result"][list], serde_json::json!([]), "{method}: {answer}");
    }
    bridge.finish();
}

#[test]
fn a_server_that_starts_later_is_found() {
    let mut upstream = Upstream::offline(Exchange::usual);
    let mut bridge = Bridge::to(&upstream.url("/mcp")).startup_wait("0.2").start();
    bridge.send(&initialize("1", REVISION));
    made_up(&bridge.answer("1"), REVISION);
    bridge.send(&initialized());
    bridge.send(&request("2", "tools/list", "{}"));
    upstream.listen();
    assert_eq!(bridge.answer("2"), result("2", "{}"), "a request waits for the server");
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
fn a_server_that_never_starts_is_an_error_that_says_what_is_wrong() {
    let upstream = Upstream::offline(Exchange::usual).may_stay_unasked();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).startup_wait("0.2").args(["--patience", "0.5"]).start();
    bridge.send(&initialize("1", REVISION));
    bridge.answer("1");
    bridge.send(&initialized());
    says(&bridge.ask("2", "tools/list", "{}"), &[&upstream.host(), "refused"]);
    says(&bridge.ask("3", "tools/call", "{}"), &[&upstream.host(), "refused"]);
    bridge.finish();
}

#[test]
fn a_name_that_does_not_resolve_is_an_error_that_names_it() {
    let mut bridge = Bridge::to("http://no-such-host.invalid/mcp")
        .args(["--allow-http", "--patience", "0.5"])
        .startup_wait("0.2")
        .start();
    bridge.send(&initialize("1", REVISION));
    bridge.answer("1");
    says(&bridge.ask("2", "tools/list", "{}"), &["no-such-host.invalid"]);
    bridge.finish();
}

#[test]
fn an_upstream_that_refuses_after_the_made_up_answer_is_reported_to_every_request() {
    let upstream = Upstream::start(|call| match call.kind() {
        "initialize" if call.nth == 0 => call.hold(),
        _ => call.plain("403 Forbidden", "this account is closed"),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).startup_wait("0.2").args(["--patience", "1"]).start();
    bridge.send(&initialize("1", REVISION));
    bridge.answer("1");
    upstream.take("initialize").plain("403 Forbidden", "this account is closed");
    says(&bridge.ask("2", "tools/list", "{}"), &[&upstream.host(), "403", "this account is closed"]);
    bridge.finish();
}

#[test]
fn an_upstream_that_refuses_at_once_is_reported_in_the_first_answer() {
    let upstream = Upstream::start(|call| call.plain("500 Internal Server Error", "out of cheese"));
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&initialize("1", REVISION));
    says(&bridge.answer("1"), &[&upstream.host(), "500", "out of cheese"]);
    bridge.finish();
}

#[test]
fn an_upstream_behind_a_gateway_that_is_not_ready_is_waited_for_and_then_reported() {
    let upstream = Upstream::start(|call| match (call.kind(), call.nth) {
        ("initialize", 0) => call.plain("502 Bad Gateway", "nobody home yet"),
        _ => call.usual(),
    });
    Bridge::connected(&upstream).finish();

    let upstream = Upstream::start(|call| call.plain("502 Bad Gateway", "nobody home"));
    let mut bridge = Bridge::to(&upstream.url("/mcp")).startup_wait("0.2").args(["--patience", "0.5"]).start();
    bridge.send(&initialize("1", REVISION));
    bridge.answer("1");
    says(&bridge.ask("2", "tools/list", "{}"), &[&upstream.host(), "502", "nobody home"]);
    bridge.finish();
}

#[test]
fn an_initialize_that_failed_may_be_tried_again() {
    let upstream = Upstream::start(|call| match (call.kind(), call.nth) {
        ("initialize", 0) => call.plain("500 Internal Server Error", "starting"),
        _ => call.usual(),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&initialize("1", REVISION));
    own_error(&bridge.answer("1"));
    bridge.send(&initialize("2", REVISION));
    assert!(bridge.answer("2").contains("mind the gap"));
    bridge.send(&initialized());
    bridge.still_works();
    bridge.finish();
}

#[test]
fn a_health_check_has_no_side_effects() {
    let home = tempfile::tempdir().unwrap();
    let upstream = Upstream::usual();
    for _ in 0..3 {
        let mut bridge = Bridge::to(&upstream.url("/mcp")).home(home.path()).start();
        bridge.send(&initialize("1", REVISION));
        bridge.answer("1");
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
    let upstream = Upstream::usual().may_stay_unasked();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.ask("1", "ping", "{}");
    bridge.shake_hands();
    bridge.still_works();
    bridge.finish();
}

#[test]
fn a_client_that_frames_by_length_is_answered_in_kind() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => call.result(r#"{"text":"é"}"#),
        _ => call.usual(),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).framed().start();
    let framed = |message: &str| format!("Content-Length: {}\r\n\r\n{message}", message.len()).into_bytes();
    bridge.owe("1");
    bridge.send_raw(&framed(&initialize("1", REVISION)));
    let hello = result("1", &initialize_result(REVISION));
    let hello = format!("Content-Length: {}\r\n\r\n{hello}", hello.len());
    bridge.raw_output("initialize answered in kind", &hello);
    bridge.send_raw(&framed(&initialized()));
    bridge.owe("2");
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
fn an_error_in_answer_to_initialize_passes_to_the_byte() {
    for status in ["200 OK", "400 Bad Request"] {
        for code in ["-32602", "-32022"] {
            let data = r#"{"supported":["2026-07-28"],"requested":"2025-06-18","n":1.0}"#;
            let body = format!(r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":{code},"message":"no","data":{data}}}}}"#);
            let answer = body.clone();
            let upstream = Upstream::start(move |call| match call.kind() {
                "initialize" => call.respond(status, &[("Content-Type", "application/json")], &answer),
                _ => call.usual(),
            });
            let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
            bridge.send(&initialize("1", REVISION));
            assert_eq!(bridge.answer("1"), body, "{status}");
            bridge.finish();
        }
    }
}

#[test]
fn a_client_that_never_says_initialize_is_carried_too() {
    let upstream = Upstream::usual();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.still_works();
    bridge.finish();
    assert_eq!(upstream.count("initialize"), 0, "what the client did not say is not said: {:?}", upstream.kinds());
}

#[test]
fn a_second_initialize_is_a_new_session() {
    let upstream = Upstream::start(|call| match (call.kind(), call.nth) {
        ("initialize", 0) => call.open_session("session-a"),
        ("initialize", _) => call.open_session("session-b"),
        _ => call.usual(),
    });
    let mut bridge = Bridge::connected(&upstream);
    bridge.still_works();
    bridge.send(&initialize("2", REVISION));
    assert!(bridge.answer("2").contains("mind the gap"));
    bridge.send(&initialized());
    bridge.still_works();
    assert_eq!(upstream.wait_for("tools/list", 2).header("mcp-session-id"), Some("session-b"));
    bridge.finish();
    let requests = upstream.requests();
    let deleted: Vec<_> = requests.iter().filter(|r| r.kind == "DELETE").map(|r| r.header("mcp-session-id")).collect();
    assert!(deleted.contains(&Some("session-b")), "{deleted:?}");
}
