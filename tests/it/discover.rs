//! `server/discover` to an upstream that does not support it is refused soon, and a following `initialize` passes.

use std::time::{Duration, Instant};

use crate::support::*;

over_each_protocol! {
    server_discover_is_unknown_to_a_legacy_upstream_and_initialize_then_passes,
    server_discover_is_answered_in_time_for_a_silent_upstream,
    server_discover_is_answered_in_time_for_an_offline_upstream,
}

fn server_discover_is_unknown_to_a_legacy_upstream_and_initialize_then_passes() {
    let refusals: [fn(Exchange); 6] = [
        |call| call.error("200 OK", -32601, "Method not found"),
        |call| call.plain("400 Bad Request", "Bad Request: Server not initialized"),
        |call| {
            let body = r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: No valid session ID provided"},"id":null}"#;
            call.json_with_status("400 Bad Request", body);
        },
        |call| call.plain("404 Not Found", ""),
        |call| call.plain("500 Internal Server Error", "TypeError"),
        Exchange::accepted,
    ];
    for refuse in refusals {
        let upstream =
            Upstream::start(
                move |call| if call.kind() == "server/discover" { refuse(call) } else { call.respond_normally() },
            );
        let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
        let meta = r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}"#;
        let answer = bridge.request(r#""probe""#, "server/discover", meta);
        assert_eq!(error_of(&answer).0, -32601, "a legacy server does not support server/discover: {answer}");
        assert!(bridge.initialize().contains("mind the gap"));
        bridge.still_works();
        bridge.finish();
        assert_eq!(upstream.count("initialize"), 1);
    }
}

fn server_discover_is_answered_in_time_for_a_silent_upstream() {
    let upstream = Upstream::holding(["server/discover"]).may_receive_no_request();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).startup_wait("0.2").start();
    let started = Instant::now();
    assert_eq!(error_of(&bridge.request("1", "server/discover", "{}")).0, -32601);
    assert!(started.elapsed() < Duration::from_secs(5));
    bridge.finish();
}

fn server_discover_is_answered_in_time_for_an_offline_upstream() {
    let mut upstream = Upstream::offline(Exchange::respond_normally);
    let mut bridge = Bridge::to(&upstream.url("/mcp")).startup_wait("0.2").start();
    assert_eq!(error_of(&bridge.request("1", "server/discover", "{}")).0, -32601);
    upstream.listen();
    bridge.initialize();
    bridge.still_works();
    bridge.finish();
}
