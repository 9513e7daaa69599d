//! A server that keeps no sessions for legacy clients: if it has a modern side, that is used from the first start on.

use crate::support::*;

over_each_protocol! {
    a_stateless_server_of_both_eras_is_used_as_modern_from_the_first_start,
    a_stateless_server_without_a_modern_side_is_asked_once,
    a_stateless_server_that_is_slow_to_discover_does_not_delay_the_first_response_too_long,
    a_server_with_a_session_is_not_asked_for_another_era,
}

/// A server of both eras that keeps no sessions for legacy clients.
fn stateless_server(discover: impl Fn(Exchange) + Send + Sync + 'static) -> Upstream {
    Upstream::start(move |call| match call.kind() {
        "initialize" => call.result(&initialize_result(REVISION)),
        "server/discover" => discover(call),
        _ if call.header("Mcp-Method").is_some() => call.respond_as_modern(),
        _ => call.respond_normally(),
    })
}

fn a_stateless_server_of_both_eras_is_used_as_modern_from_the_first_start() {
    let upstream = stateless_server(Exchange::respond_as_modern);
    let home = tempfile::tempdir().unwrap();
    for start in 1..=2 {
        let mut bridge = Bridge::to(&upstream.url("/mcp")).home(home.path()).start();
        assert!(bridge.initialize().contains("a-modern-upstream"), "its modern side is preferred at start {start}");
        bridge.request("1", "tools/list", "{}");
        bridge.finish();
        wait_until_stored(home.path(), r#""translated":true"#);
    }
    let kinds = upstream.kinds();
    assert_eq!(upstream.count("initialize"), 1, "only the first start asks the legacy side: {kinds:?}");
    assert_eq!(upstream.count("DELETE"), 0, "{kinds:?}");
}

fn a_stateless_server_without_a_modern_side_is_asked_once() {
    let refusals: [fn(Exchange); 3] = [
        |call| call.error("400 Bad Request", -32000, "Bad Request: Unsupported protocol version"),
        |call| call.error("200 OK", -32601, "Method not found"),
        |call| call.result("{}"),
    ];
    for refuse in refusals {
        let upstream = stateless_server(refuse);
        let home = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let mut bridge = Bridge::to(&upstream.url("/mcp")).home(home.path()).start();
            assert!(bridge.initialize().contains("an-upstream"), "the server's own result");
            bridge.still_works();
            bridge.finish();
            wait_until_stored(home.path(), r#""modern":false"#);
        }
        assert_eq!(upstream.count("server/discover"), 1, "{:?}", upstream.kinds());
    }
}

fn a_stateless_server_that_is_slow_to_discover_does_not_delay_the_first_response_too_long() {
    let upstream = stateless_server(Exchange::hold);
    let mut bridge = Bridge::to(&upstream.url("/mcp")).startup_wait("1").start();
    assert!(bridge.initialize().contains("an-upstream"), "the server's own result, within the startup wait");
    bridge.still_works();
    bridge.finish();
}

fn a_server_with_a_session_is_not_asked_for_another_era() {
    let upstream = Upstream::well_behaved();
    let mut bridge = Bridge::connected(&upstream);
    bridge.still_works();
    bridge.finish();
    assert_eq!(upstream.count("server/discover"), 0, "{:?}", upstream.kinds());
}
