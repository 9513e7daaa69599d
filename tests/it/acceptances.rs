//! A 202 is complete with its head; and no notification, answered or not, keeps the requests after it waiting for long.

use std::time::{Duration, Instant};

use crate::support::*;

/// A 202 whose body the upstream keeps open until the client has closed the connection, if it ever does.
fn accept_and_stay(call: Exchange) {
    assert!(call.begin("202 Accepted", &[]).closed_by_client(), "the client closes what it no longer needs");
}

#[test]
fn an_initialized_accepted_with_an_open_body_holds_nothing_up() {
    let upstream = Upstream::start(|call| match call.kind() {
        "notifications/initialized" => accept_and_stay(call),
        _ => call.usual(),
    });
    let mut bridge = Bridge::connected(&upstream);
    bridge.still_works();
    bridge.finish();
}

#[test]
fn an_initialized_that_is_never_answered_holds_requests_up_for_seconds_only() {
    let upstream = Upstream::start(|call| match call.kind() {
        "notifications/initialized" => call.hold(),
        _ => call.usual(),
    });
    let mut bridge = Bridge::connected(&upstream);
    let asked = Instant::now();
    bridge.still_works();
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(10), "the wait for `initialized` ends after 5 s; it took {took:?}");
    upstream.wait_for("GET", 1);
    bridge.still_works();
    bridge.finish();
}

#[test]
fn a_request_accepted_with_an_open_body_is_an_error_at_once() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => accept_and_stay(call),
        _ => call.usual(),
    });
    let mut bridge = Bridge::connected(&upstream);
    says(&bridge.ask("1", "tools/call", "{}"), &[&upstream.host(), "202"]);
    bridge.still_works();
    bridge.finish();
}

#[test]
fn a_notification_accepted_with_an_open_body_lets_the_next_one_pass() {
    let upstream = Upstream::start(|call| match call.kind() {
        "notifications/x" => accept_and_stay(call),
        _ => call.usual(),
    });
    let mut bridge = Bridge::connected(&upstream);
    for _ in 0..3 {
        bridge.send(&notification("notifications/x", "{}"));
    }
    upstream.wait_for("notifications/x", 3);
    bridge.still_works();
    bridge.finish();
}
