//! Signals, and a client that closes stdout: the bridge exits with 0.

use crate::support::*;

#[test]
fn a_client_that_closes_stdout_ends_the_bridge() {
    let upstream = Upstream::holding(["GET"]);
    let mut bridge = Bridge::to(&upstream.url("/mcp")).close_stdout_after(1).start();
    bridge.send(&initialize("1", REVISION));
    bridge.response("1");
    bridge.send(&initialized());
    let get = upstream.take("GET").sse();
    get.event(&notification("notifications/x", "{}"));
    let ended = bridge.wait_for_exit();
    assert_eq!(ended.code, Some(0), "the bridge exits with 0 when the client has closed stdout: {}", ended.stderr);
    assert_eq!(upstream.count("DELETE"), 1, "{:?}", upstream.kinds());
}

#[cfg(unix)]
mod unix {
    use rustix::process::Signal;

    use super::*;

    fn exit_after(mut bridge: Bridge, signal: Signal) -> Exit {
        bridge.signal(signal);
        let ended = bridge.wait_for_exit();
        assert_eq!(ended.code, Some(0), "the bridge exits with 0 on {signal:?}: {}", ended.stderr);
        ended
    }

    /// Sends this signal during a request and while the session is idle.
    fn exits_with_success(signal: Signal) {
        exits_within(AT_ONCE, || {
            let upstream = Upstream::holding(["tools/call"]);
            let mut bridge = Bridge::connected(&upstream);
            bridge.send(&request("1", "tools/call", "{}"));
            let _call = upstream.take("tools/call");
            let ended = exit_after(bridge, signal);
            bridge_error(ended.lines.last().unwrap());
            assert_eq!(upstream.count("DELETE"), 1, "the session is closed: {:?}", upstream.kinds());
            ended
        });
        exits_within(AT_ONCE, || {
            let upstream = Upstream::well_behaved();
            let mut bridge = Bridge::connected(&upstream);
            bridge.still_works();
            let ended = exit_after(bridge, signal);
            assert_eq!(upstream.count("DELETE"), 1, "the session is closed: {:?}", upstream.kinds());
            ended
        });
    }

    #[test]
    fn sigint_ends_the_bridge_with_success() {
        exits_with_success(Signal::INT);
    }

    #[test]
    fn sigterm_ends_the_bridge_with_success() {
        exits_with_success(Signal::TERM);
    }

    #[test]
    fn sighup_ends_the_bridge_with_success() {
        exits_with_success(Signal::HUP);
    }

    #[test]
    fn sigterm_ends_the_bridge_while_the_server_is_offline() {
        let upstream = Upstream::offline(Exchange::respond_normally).may_receive_no_request();
        exits_within(AT_ONCE, || {
            let mut bridge = Bridge::to(&upstream.url("/mcp")).startup_wait("0.2").start();
            bridge.send(&initialize("1", REVISION));
            bridge.response("1");
            bridge.send(&request("2", "tools/list", "{}"));
            // The bridge answers this itself; by then it has read the request before it.
            bridge.send_raw(b"no JSON\n");
            bridge.response("null");
            exit_after(bridge, Signal::TERM)
        });
    }

    #[test]
    fn sigterm_ends_the_bridge_during_initialize() {
        exits_within(AT_ONCE, || {
            let upstream = Upstream::holding(["initialize"]);
            let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
            bridge.send(&initialize("1", REVISION));
            let _held = upstream.take("initialize");
            let ended = exit_after(bridge, Signal::TERM);
            bridge_error(&ended.lines[0]);
            ended
        });
    }

    #[test]
    fn sigterm_ends_the_bridge_after_the_end_of_stdin() {
        exits_within(AT_ONCE, || {
            let upstream = Upstream::holding(["tools/call"]);
            let mut bridge = Bridge::connected(&upstream);
            bridge.send(&request("1", "tools/call", "{}"));
            let _call = upstream.take("tools/call");
            bridge.close_stdin();
            exit_after(bridge, Signal::TERM)
        });
    }
}
