//! A server that stops for a moment or for good.

use crate::support::*;

over_each_protocol! {
    a_request_that_could_not_be_sent_waits_for_the_server,
    a_server_that_stops_for_good_is_an_error_for_each_request,
    a_server_that_stops_during_a_request_fails_it_and_is_reached_again,
    a_server_restart_between_two_calls_fails_no_call,
    a_session_lost_in_a_server_restart_is_opened_again,
}

/// A bridge without requests in flight: the GET stream has been requested and refused too.
fn idle_bridge(upstream: &Upstream, launch: Launch) -> Bridge {
    let mut bridge = launch.start();
    bridge.initialize();
    bridge.still_works();
    upstream.wait_for("GET", 1);
    bridge
}

fn a_request_that_could_not_be_sent_waits_for_the_server() {
    let mut upstream = Upstream::well_behaved();
    let mut bridge = idle_bridge(&upstream, Bridge::to(&upstream.url("/mcp")));
    upstream.stop();
    bridge.send(&request("1", "tools/call", "{}"));
    upstream.listen();
    assert_eq!(bridge.response("1"), result("1", "{}"));
    bridge.finish();
    assert_eq!(upstream.count("tools/call"), 1);
}

fn a_server_that_stops_for_good_is_an_error_for_each_request() {
    let mut upstream = Upstream::well_behaved();
    let mut bridge = idle_bridge(&upstream, Bridge::to(&upstream.url("/mcp")).args(["--patience", "0.5"]));
    upstream.stop();
    assert_error_mentions(&bridge.request("1", "tools/call", "{}"), &[&upstream.host(), "refused"]);
    assert_error_mentions(&bridge.request("2", "tools/call", "{}"), &[&upstream.host(), "refused"]);
    bridge.finish();
}

fn a_server_that_stops_during_a_request_fails_it_and_is_reached_again() {
    let mut upstream = Upstream::holding(["tools/call"]);
    let mut bridge = Bridge::connected(&upstream);
    bridge.send(&request("1", "tools/call", "{}"));
    let call = upstream.take("tools/call");
    upstream.stop();
    drop(call);
    assert_error_mentions(&bridge.response("1"), &[&upstream.host()]);
    upstream.listen();
    bridge.still_works();
    bridge.finish();
    assert_eq!(upstream.count("tools/call"), 1, "a request that has reached the server is not sent twice");
}

fn a_server_restart_between_two_calls_fails_no_call() {
    let mut upstream = Upstream::well_behaved();
    let mut bridge = idle_bridge(&upstream, Bridge::to(&upstream.url("/mcp")));
    for id in 1..=5 {
        let id = id.to_string();
        assert_eq!(bridge.request(&id, "tools/call", "{}"), result(&id, "{}"));
        upstream.stop();
        upstream.listen();
    }
    bridge.still_works();
    bridge.finish();
    assert_eq!(upstream.count("tools/call"), 5);
}

fn a_session_lost_in_a_server_restart_is_opened_again() {
    let restarted = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let has_restarted = std::sync::Arc::clone(&restarted);
    let mut upstream = Upstream::start(move |call| {
        let restarted = has_restarted.load(std::sync::atomic::Ordering::SeqCst);
        match (call.kind(), call.header("mcp-session-id")) {
            ("initialize", _) if restarted => call.open_session("session-2"),
            (_, Some("session-1")) if restarted => call.plain("404 Not Found", "Session not found"),
            _ => call.respond_normally(),
        }
    });
    let mut bridge = idle_bridge(&upstream, Bridge::to(&upstream.url("/mcp")));
    upstream.stop();
    restarted.store(true, std::sync::atomic::Ordering::SeqCst);
    upstream.listen();
    bridge.still_works();
    bridge.message("notifications/tools/list_changed");
    bridge.finish();
    assert_eq!(upstream.count("initialize"), 2);
}

#[cfg(target_os = "linux")]
#[test]
fn a_connection_attempt_that_hangs_times_out_with_an_error() {
    let (address, _waiting) = hanging_address();
    let mut bridge = Bridge::to(&format!("http://{address}/mcp"))
        .startup_wait("0.2")
        .args(["--connect-timeout", "0.3", "--patience", "1"])
        .start();
    bridge.send(&initialize("1", REVISION));
    bridge.response("1");
    assert_error_mentions(&bridge.request("2", "tools/list", "{}"), &[&address.to_string()]);
    bridge.finish();
}
