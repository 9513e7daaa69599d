//! An unread stderr: the bridge continues although it logs more than the pipe holds.

use crate::support::*;

#[test]
fn an_unread_stderr_does_not_block_the_bridge() {
    for level in ["warn", "debug"] {
        let upstream = Upstream::start(|call| match call.kind() {
            "tools/call" => {
                let id = call.id();
                let events = call.sse();
                for n in 0..4000 {
                    events.chunk(&format!("data: this is no JSON, for the {n}th time\n\n"));
                }
                events.event(&result(&id, "{}"));
                events.end();
            }
            _ => call.respond_normally(),
        });
        let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--log-level", level]).leave_stderr_unread().start();
        bridge.initialize();
        assert_eq!(bridge.request("1", "tools/call", "{}"), result("1", "{}"));
        for _ in 0..300 {
            bridge.still_works();
        }
        let ended = bridge.finish();
        assert_eq!(upstream.count("DELETE"), 1, "{level}: the session is deleted");
        assert!(ended.stderr.ends_with('\n') || ended.stderr.is_empty(), "{level}: whole lines");
    }
}

#[test]
fn endless_warnings_do_not_delay_the_exit() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => {
            let events = call.sse();
            for _ in 0..4000 {
                events.chunk("data: this is no JSON\n\n");
            }
            assert!(events.closed_by_client(), "the bridge closes the stream when it exits");
        }
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).leave_stderr_unread().start();
    bridge.initialize();
    bridge.send(&request("1", "tools/call", "{}"));
    upstream.wait_for("tools/call", 1);
    bridge.still_works();
    let took = bridge.finish().took;
    assert!(took.as_secs() < 10, "a full pipe does not delay the exit: {took:?}");
}
