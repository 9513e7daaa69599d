//! stderr that nobody reads: the bridge has more to say than the pipe holds, and goes on all the same.

use crate::support::*;

#[test]
fn a_stderr_that_nobody_reads_holds_nothing_up() {
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
            _ => call.usual(),
        });
        let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--log-level", level]).stderr_unread().start();
        bridge.shake_hands();
        assert_eq!(bridge.ask("1", "tools/call", "{}"), result("1", "{}"));
        for _ in 0..300 {
            bridge.still_works();
        }
        let ended = bridge.finish();
        assert_eq!(upstream.count("DELETE"), 1, "{level}: an orderly end");
        assert!(ended.stderr.ends_with('\n') || ended.stderr.is_empty(), "{level}: whole lines");
    }
}

#[test]
fn warnings_without_end_from_other_requests_do_not_keep_an_end_of_stdin_waiting() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => {
            let events = call.sse();
            for _ in 0..4000 {
                events.chunk("data: this is no JSON\n\n");
            }
            assert!(events.closed_by_client(), "the client closes it when it ends");
        }
        _ => call.usual(),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).stderr_unread().start();
    bridge.shake_hands();
    bridge.send(&request("1", "tools/call", "{}"));
    upstream.wait_for("tools/call", 1);
    bridge.still_works();
    let took = bridge.finish().took;
    assert!(took.as_secs() < 10, "a full pipe is no reason to stay: {took:?}");
}
