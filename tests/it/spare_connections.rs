//! Which connections are opened before a request needs them? Those for the first requests to an https server that speaks
//! HTTP/1.1.

use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::support::*;

#[test]
fn the_connections_for_the_first_requests_are_opened_side_by_side() {
    for arguments in [&[][..], &["--http1"][..]] {
        let server = Https::start(&["localhost"]);
        let (launch, _authority) = server.trusting_bridge();
        let mut bridge = arguments.iter().fold(launch, |launch, argument| launch.arg(argument)).start();
        bridge.send(&initialize("1", REVISION));
        bridge.response("1");
        let connections = || server.connections.load(Ordering::SeqCst);
        let give_up = Instant::now() + DEADLINE;
        while connections() < 3 {
            assert!(Instant::now() < give_up, "{arguments:?}: one for the session and two more, not {}", connections());
            std::thread::yield_now();
        }
        bridge.send(&initialized());
        for id in ["2", "3"] {
            bridge.request(id, "ping", "{}");
        }
        assert_eq!(connections(), 3, "{arguments:?}: the requests that follow go over them");
        bridge.finish();
    }
}

#[test]
fn no_connection_is_opened_in_advance_to_this_machine_without_tls() {
    let upstream = Upstream::well_behaved();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&initialize("1", REVISION));
    bridge.response("1");
    bridge.request("2", "ping", "{}");
    assert_eq!(upstream.connections(), 1);
    bridge.finish();
}
