//! What may be sent again, when, and how often.

use std::time::{Duration, Instant};

use crate::support::*;

#[test]
fn a_server_that_asks_for_a_moment_gets_it() {
    for status in ["429 Too Many Requests", "503 Service Unavailable"] {
        let upstream = Upstream::start(move |call| match (call.kind(), call.nth) {
            ("tools/call", 0) => call.respond(status, &[("Retry-After", "1")], "busy"),
            _ => call.usual(),
        });
        let mut bridge = Bridge::connected(&upstream);
        let asked = Instant::now();
        let line = request("1", "tools/call", r#"{"n":1.0}"#);
        bridge.send(&line);
        assert_eq!(bridge.answer("1"), result("1", "{}"), "{status} with Retry-After is tried again");
        assert!(
            asked.elapsed() >= Duration::from_millis(900),
            "the server asked for a second, it got {:?}",
            asked.elapsed()
        );
        assert_eq!(upstream.wait_for("tools/call", 2).text().trim_end(), line, "to the byte");
        bridge.finish();
        assert_eq!(upstream.count("tools/call"), 2);
    }
}

#[test]
fn the_first_message_is_tried_again_too() {
    let upstream = Upstream::start(|call| match (call.kind(), call.nth) {
        ("initialize", 0) => call.respond("503 Service Unavailable", &[("Retry-After", "0")], "waking up"),
        _ => call.usual(),
    });
    let mut bridge = Bridge::connected(&upstream);
    bridge.still_works();
    bridge.finish();
}

#[test]
fn a_server_that_is_always_busy_is_reported_in_the_end() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => call.respond("429 Too Many Requests", &[("Retry-After", "0")], "quota used up"),
        _ => call.usual(),
    });
    let mut bridge = Bridge::connected(&upstream);
    says(&bridge.ask("1", "tools/call", "{}"), &[&upstream.host(), "429", "quota used up"]);
    bridge.still_works();
    bridge.finish();
    assert!(upstream.count("tools/call") <= 10, "tried {} times", upstream.count("tools/call"));
}

#[test]
fn a_wait_beyond_patience_is_not_waited_for() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => call.respond("429 Too Many Requests", &[("Retry-After", "86400")], "come back tomorrow"),
        _ => call.usual(),
    });
    let mut bridge = Bridge::connected(&upstream);
    says(&bridge.ask("1", "tools/call", "{}"), &[&upstream.host(), "429", "come back tomorrow"]);
    bridge.finish();
    assert_eq!(upstream.count("tools/call"), 1);
}

#[test]
fn a_request_that_waits_to_be_tried_again_can_be_cancelled() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => call.respond("503 Service Unavailable", &[("Retry-After", "3")], "busy"),
        _ => call.usual(),
    });
    let mut bridge = Bridge::connected(&upstream);
    bridge.send(&request("1", "tools/call", "{}"));
    upstream.wait_for("tools/call", 1);
    bridge.cancel("1");
    bridge.still_works();
    let ended = bridge.finish();
    assert!(ended.took < Duration::from_secs(2), "a cancelled request keeps nobody waiting: {:?}", ended.took);
    assert_eq!(upstream.count("tools/call"), 1);
}

#[test]
fn a_server_that_closes_after_every_answer_loses_no_request() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => {
            let answer = result(&call.id(), "{}");
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n", answer.len());
            // It says so every second time; otherwise the connection is just gone.
            let close = if call.nth % 2 == 0 { "Connection: close\r\n" } else { "" };
            call.raw(format!("{head}{close}\r\n{answer}").as_bytes());
        }
        _ => call.usual(),
    });
    let mut bridge = Bridge::connected(&upstream);
    upstream.wait_for("GET", 1);
    for n in 1..=10 {
        let id = n.to_string();
        assert_eq!(bridge.ask(&id, "tools/call", "{}"), result(&id, "{}"));
        // Only what was closed before the next request can be told from what breaks under it.
        upstream.wait_for_closed(n);
    }
    bridge.finish();
    assert_eq!(upstream.count("tools/call"), 10, "and sends none twice");
}
