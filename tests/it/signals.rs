//! Signals, and a client that closes stdout: each an orderly end.

use crate::support::*;

#[test]
fn a_client_that_closes_stdout_has_gone() {
    let upstream = Upstream::start(|call| if call.kind() == "GET" { call.hold() } else { call.usual() });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).hang_up_after(1).start();
    bridge.send(&initialize("1", REVISION));
    bridge.answer("1");
    bridge.send(&initialized());
    let get = upstream.take("GET").sse();
    get.event(&notification("notifications/x", "{}"));
    let ended = bridge.ended();
    assert_eq!(ended.code, Some(0), "a client that has gone is an orderly end: {}", ended.stderr);
    assert_eq!(upstream.count("DELETE"), 1, "{:?}", upstream.kinds());
}

#[cfg(unix)]
mod unix {
    use rustix::process::Signal;

    use super::*;

    fn orderly(mut bridge: Bridge, signal: Signal) -> Ended {
        bridge.signal(signal);
        let ended = bridge.ended();
        assert_eq!(ended.code, Some(0), "{signal:?} is an orderly end: {}", ended.stderr);
        ended
    }

    /// This signal with a request in flight, and when idle.
    fn ends_in_order(signal: Signal) {
        gone_within(AT_ONCE, || {
            let upstream = Upstream::start(|call| if call.kind() == "tools/call" { call.hold() } else { call.usual() });
            let mut bridge = Bridge::connected(&upstream);
            bridge.send(&request("1", "tools/call", "{}"));
            let _call = upstream.take("tools/call");
            let ended = orderly(bridge, signal);
            own_error(ended.lines.last().unwrap());
            assert_eq!(upstream.count("DELETE"), 1, "the session is closed: {:?}", upstream.kinds());
            ended
        });
        gone_within(AT_ONCE, || {
            let upstream = Upstream::usual();
            let mut bridge = Bridge::connected(&upstream);
            bridge.still_works();
            let ended = orderly(bridge, signal);
            assert_eq!(upstream.count("DELETE"), 1, "the session is closed: {:?}", upstream.kinds());
            ended
        });
    }

    #[test]
    fn sigint() {
        ends_in_order(Signal::INT);
    }

    #[test]
    fn sigterm() {
        ends_in_order(Signal::TERM);
    }

    #[test]
    fn sighup() {
        ends_in_order(Signal::HUP);
    }

    #[test]
    fn while_the_server_is_offline() {
        let upstream = Upstream::offline(Exchange::usual).may_stay_unasked();
        gone_within(AT_ONCE, || {
            let mut bridge = Bridge::to(&upstream.url("/mcp")).startup_wait("0.2").start();
            bridge.send(&initialize("1", REVISION));
            bridge.answer("1");
            bridge.send(&request("2", "tools/list", "{}"));
            // Answered by the bridge alone, so that the request before it has been read.
            bridge.send_raw(b"no JSON\n");
            bridge.answer("null");
            orderly(bridge, Signal::TERM)
        });
    }

    #[test]
    fn during_initialize() {
        gone_within(AT_ONCE, || {
            let upstream = Upstream::start(|call| if call.kind() == "initialize" { call.hold() } else { call.usual() });
            let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
            bridge.send(&initialize("1", REVISION));
            let _held = upstream.take("initialize");
            let ended = orderly(bridge, Signal::TERM);
            own_error(&ended.lines[0]);
            ended
        });
    }

    #[test]
    fn after_the_end_of_stdin() {
        gone_within(AT_ONCE, || {
            let upstream = Upstream::start(|call| if call.kind() == "tools/call" { call.hold() } else { call.usual() });
            let mut bridge = Bridge::connected(&upstream);
            bridge.send(&request("1", "tools/call", "{}"));
            let _call = upstream.take("tools/call");
            bridge.close_stdin();
            orderly(bridge, Signal::TERM)
        });
    }
}
