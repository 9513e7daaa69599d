//! A 202 response is complete when its head has arrived, and no notification delays the requests after it for long.

use std::time::{Duration, Instant};

use crate::support::*;

over_each_protocol! {
    an_initialized_accepted_with_an_open_body_does_not_delay_requests,
    an_unanswered_initialized_delays_requests_by_a_few_seconds_at_most,
    a_request_accepted_with_an_open_body_fails_at_once,
    a_notification_accepted_with_an_open_body_does_not_block_the_next_one,
}

/// Responds with a 202 whose body stays open until the bridge closes the connection.
fn accept_with_open_body(call: Exchange) {
    assert!(
        call.start_response("202 Accepted", &[]).closed_by_client(),
        "the bridge closes a connection that it no longer needs"
    );
}

fn an_initialized_accepted_with_an_open_body_does_not_delay_requests() {
    let upstream = Upstream::start(|call| match call.kind() {
        "notifications/initialized" => accept_with_open_body(call),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    bridge.still_works();
    bridge.finish();
}

fn an_unanswered_initialized_delays_requests_by_a_few_seconds_at_most() {
    let upstream = Upstream::holding(["notifications/initialized"]);
    let mut bridge = Bridge::connected(&upstream);
    let started = Instant::now();
    bridge.still_works();
    let took = started.elapsed();
    assert!(took < Duration::from_secs(10), "the wait for `initialized` ends after 5 s; it took {took:?}");
    upstream.wait_for("GET", 1);
    bridge.still_works();
    bridge.finish();
}

fn a_request_accepted_with_an_open_body_fails_at_once() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => accept_with_open_body(call),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    assert_error_mentions(&bridge.request("1", "tools/call", "{}"), &[&upstream.host(), "202"]);
    bridge.still_works();
    bridge.finish();
}

fn a_notification_accepted_with_an_open_body_does_not_block_the_next_one() {
    let upstream = Upstream::start(|call| match call.kind() {
        "notifications/x" => accept_with_open_body(call),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    for _ in 0..3 {
        bridge.send(&notification("notifications/x", "{}"));
    }
    upstream.wait_for("notifications/x", 3);
    bridge.still_works();
    bridge.finish();
}
