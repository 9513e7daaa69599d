//! Streams of HTTP+SSE that break at an awkward moment: no request is lost with them, and the session comes back.

use crate::support::*;

fn listening(upstream: &Upstream) -> Bridge {
    Bridge::to(&upstream.url("/sse")).args(["--transport", "sse-only"]).start()
}

fn shake_hands_again(bridge: &mut Bridge) {
    bridge.send(&initialize(r#""again""#, REVISION));
    let answer = bridge.answer(r#""again""#);
    assert!(answer.contains(r#""result""#), "a second initialize should succeed: {answer}");
    bridge.send(&initialized());
}

/// A request that is answered long after it was accepted is not given up before.
fn waits_for_its_answer(bridge: &mut Bridge, voice: &HttpSse, id: &str) {
    bridge.send(&request(id, "tools/call", r#"{"name":"hang"}"#));
    for _ in 0..3 {
        bridge.still_works();
    }
    voice.event(&result(id, r#"{"late":true}"#));
    assert_eq!(bridge.answer(id), result(id, r#"{"late":true}"#), "the server's own answer, however late");
}

#[test]
fn a_first_stream_that_breaks_before_initialize_is_answered_spoils_nothing_later() {
    let voice = HttpSse::new("/messages");
    let server = voice.clone();
    let upstream = Upstream::start(move |call| match (call.kind(), call.nth) {
        ("initialize", 0) => {
            call.accepted();
            server.cut();
        }
        _ => server.serve(call),
    });
    let mut bridge = listening(&upstream);
    bridge.send(&initialize("1", REVISION));
    bridge.answer("1");
    bridge.send(&initialized());
    waits_for_its_answer(&mut bridge, &voice, "2");
    bridge.finish();
}

#[test]
fn a_session_opened_after_streams_were_lost_knows_its_own_streams_from_theirs() {
    let voice = HttpSse::new("/messages");
    let server = voice.clone();
    let upstream = Upstream::start(move |call| server.serve(call));
    let mut bridge = listening(&upstream);
    bridge.shake_hands();
    for streams in [2, 3] {
        bridge.still_works();
        voice.cut();
        upstream.wait_for("GET", streams);
    }
    bridge.still_works();
    shake_hands_again(&mut bridge);
    waits_for_its_answer(&mut bridge, &voice, "1");
    bridge.finish();
}

#[test]
fn a_stream_that_breaks_while_initialized_is_on_its_way_is_opened_again() {
    let voice = HttpSse::new("/messages");
    let server = voice.clone();
    let upstream = Upstream::start(move |call| match (call.kind(), call.nth) {
        ("notifications/initialized", 0) => call.hold(),
        _ => server.serve(call),
    });
    let mut bridge = listening(&upstream);
    bridge.shake_hands();
    let initialized = upstream.take("notifications/initialized");
    voice.cut();
    upstream.wait_for("GET", 2);
    initialized.accepted();
    waits_for_its_answer(&mut bridge, &voice, "1");
    bridge.finish();
}

#[test]
fn a_client_that_initializes_again_hears_of_what_was_in_flight() {
    let voice = HttpSse::new("/messages");
    let server = voice.clone();
    let upstream = Upstream::start(move |call| server.serve(call));
    let mut bridge = listening(&upstream);
    bridge.shake_hands();
    for id in ["1", "2"] {
        bridge.send(&request(id, "tools/call", r#"{"name":"hang"}"#));
    }
    upstream.wait_for("tools/call", 2);
    shake_hands_again(&mut bridge);
    for id in ["1", "2"] {
        own_error(&bridge.answer(id));
    }
    bridge.still_works();
    bridge.finish();
}
