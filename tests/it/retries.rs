//! Which requests are retried, when, and how often.

use std::time::{Duration, Instant};

use crate::support::*;

over_each_protocol! {
    retry_after_is_respected,
    the_first_message_is_retried_too,
    retries_end_with_the_servers_error,
    a_retry_after_beyond_the_patience_is_an_immediate_error,
    a_request_that_waits_for_its_retry_can_be_cancelled,
    a_server_that_closes_after_every_response_loses_no_request,
}

fn retry_after_is_respected() {
    for status in ["429 Too Many Requests", "503 Service Unavailable"] {
        let upstream = Upstream::start(move |call| match (call.kind(), call.nth) {
            ("tools/call", 0) => call.respond(status, &[("Retry-After", "1")], "busy"),
            _ => call.respond_normally(),
        });
        let mut bridge = Bridge::connected(&upstream);
        let started = Instant::now();
        let line = request("1", "tools/call", r#"{"n":1.0}"#);
        bridge.send(&line);
        assert_eq!(bridge.response("1"), result("1", "{}"), "{status} with Retry-After is retried");
        assert!(
            started.elapsed() >= Duration::from_millis(900),
            "the server requested one second, the bridge waited {:?}",
            started.elapsed()
        );
        assert_eq!(upstream.wait_for("tools/call", 2).text().trim_end(), line, "the retry is identical");
        bridge.finish();
        assert_eq!(upstream.count("tools/call"), 2);
    }
}

fn the_first_message_is_retried_too() {
    let upstream = Upstream::start(|call| match (call.kind(), call.nth) {
        ("initialize", 0) => call.respond("503 Service Unavailable", &[("Retry-After", "0")], "waking up"),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    bridge.still_works();
    bridge.finish();
}

fn retries_end_with_the_servers_error() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => call.respond("429 Too Many Requests", &[("Retry-After", "0")], "quota used up"),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    assert_error_mentions(&bridge.request("1", "tools/call", "{}"), &[&upstream.host(), "429", "quota used up"]);
    bridge.still_works();
    bridge.finish();
    assert!(upstream.count("tools/call") <= 10, "tried {} times", upstream.count("tools/call"));
}

fn a_retry_after_beyond_the_patience_is_an_immediate_error() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => call.respond("429 Too Many Requests", &[("Retry-After", "86400")], "come back tomorrow"),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    assert_error_mentions(&bridge.request("1", "tools/call", "{}"), &[&upstream.host(), "429", "come back tomorrow"]);
    bridge.finish();
    assert_eq!(upstream.count("tools/call"), 1);
}

fn a_request_that_waits_for_its_retry_can_be_cancelled() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => call.respond("503 Service Unavailable", &[("Retry-After", "3")], "busy"),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    bridge.send(&request("1", "tools/call", "{}"));
    upstream.wait_for("tools/call", 1);
    bridge.cancel("1");
    bridge.still_works();
    let ended = bridge.finish();
    assert!(ended.took < Duration::from_secs(2), "a cancelled request does not delay the exit: {:?}", ended.took);
    assert_eq!(upstream.count("tools/call"), 1);
}

fn a_server_that_closes_after_every_response_loses_no_request() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => {
            let answer = result(&call.id(), "{}");
            // Every second response announces the close; the others do not.
            let is_announced = call.nth % 2 == 0;
            call.json_and_close(&answer, is_announced);
        }
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    upstream.wait_for("GET", 1);
    for n in 1..=10 {
        let id = n.to_string();
        assert_eq!(bridge.request(&id, "tools/call", "{}"), result(&id, "{}"));
        // Only a connection closed before the next request is known to have lost nothing.
        upstream.wait_for_closed(n);
    }
    bridge.finish();
    assert_eq!(upstream.count("tools/call"), 10, "no request is sent twice");
}
