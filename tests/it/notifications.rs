//! Messages that want no answer: what the upstream says to them reaches nobody, and stops nothing.

use crate::support::*;

#[test]
fn whatever_status_a_notification_gets_the_client_hears_nothing_of_it() {
    let meetings: [fn(Exchange); 7] = [
        |call| call.respond("200 OK", &[], ""),
        |call| call.respond("204 No Content", &[], ""),
        |call| call.json("{}"),
        |call| call.json("null"),
        |call| call.plain("400 Bad Request", "I do not like it"),
        |call| call.error("500 Internal Server Error", -32603, "I cannot bear it"),
        Exchange::cut,
    ];
    for meet in meetings {
        let upstream =
            Upstream::start(move |call| if call.kind() == "notifications/x" { meet(call) } else { call.usual() });
        let mut bridge = Bridge::connected(&upstream);
        bridge.send(&notification("notifications/x", "{}"));
        upstream.wait_for("notifications/x", 1);
        bridge.still_works();
        let ended = bridge.finish();
        assert_eq!(ended.lines.len(), 2, "a notification is not answered: {:?}", ended.lines);
        assert_eq!(upstream.count("notifications/x"), 1, "nor sent twice");
    }
}

#[test]
fn an_initialized_that_the_upstream_refuses_stops_nothing() {
    let upstream = Upstream::start(|call| match call.kind() {
        "notifications/initialized" => call.plain("405 Method Not Allowed", "no notifications here"),
        _ => call.usual(),
    });
    let mut bridge = Bridge::connected(&upstream);
    bridge.still_works();
    bridge.finish();
}

#[test]
fn a_reply_that_the_upstream_refuses_stops_nothing() {
    let upstream = Upstream::start(|call| match call.kind() {
        "GET" => call.hold(),
        "answer" => call.plain("400 Bad Request", "nobody asked"),
        _ => call.usual(),
    });
    let mut bridge = Bridge::connected(&upstream);
    let get = upstream.take("GET").sse();
    get.event(&request("1", "roots/list", "{}"));
    bridge.message("roots/list");
    bridge.send(&result("1", r#"{"roots":[]}"#));
    upstream.wait_for("answer", 1);
    bridge.still_works();
    let ended = bridge.finish();
    assert_eq!(ended.lines.len(), 3, "{:?}", ended.lines);
}

#[test]
fn a_notification_that_is_answered_with_a_stream_is_heard() {
    let upstream = Upstream::start(|call| if call.kind() == "notifications/x" { call.hold() } else { call.usual() });
    let mut bridge = Bridge::connected(&upstream);
    bridge.send(&notification("notifications/x", "{}"));
    let events = upstream.take("notifications/x").sse();
    events.event(&notification("notifications/y", "{}"));
    bridge.message("notifications/y");
    events.end();
    bridge.still_works();
    bridge.finish();
}

#[test]
fn notifications_keep_their_order() {
    let upstream = Upstream::usual();
    let mut bridge = Bridge::connected(&upstream);
    for n in 0..50 {
        bridge.send(&notification("notifications/x", &format!(r#"{{"n":{n}}}"#)));
    }
    upstream.wait_for("notifications/x", 50);
    bridge.finish();
    let requests = upstream.requests();
    let seen: Vec<_> = requests.iter().filter(|r| r.kind == "notifications/x").map(|r| r.text().trim_end()).collect();
    for (n, text) in seen.iter().enumerate() {
        assert!(text.contains(&format!(r#""n":{n}}}"#)), "number {n} is {text}");
    }
}
