//! Subscriptions of a legacy client that a modern server refuses, in each form of refusal.

use crate::support::*;

over_each_protocol! {
    an_error_event_on_a_subscription_stream_is_a_refusal,
    a_server_that_refuses_subscriptions_by_an_event_is_not_requested_again,
    a_resource_that_is_not_acknowledged_is_refused_and_not_requested_again,
    a_late_refusal_is_logged_and_the_earlier_subscription_continues,
    each_of_several_refused_subscriptions_is_answered_and_dropped,
}

fn holding() -> Upstream {
    Upstream::start(|call| if call.kind() == "subscriptions/listen" { call.hold() } else { call.respond_as_modern() })
}

fn accept_listen(upstream: &Upstream) -> (String, Events) {
    let call = upstream.take("subscriptions/listen");
    let (id, wanted) = (call.id(), call.params()["notifications"].to_string());
    let events = call.sse();
    events.event(&acknowledged(&id, &wanted));
    (id, events)
}

/// The resources of the next `subscriptions/listen`, and its exchange.
fn next_listen(upstream: &Upstream) -> (serde_json::Value, Exchange) {
    let call = upstream.take("subscriptions/listen");
    (call.params()["notifications"]["resourceSubscriptions"].clone(), call)
}

fn refuse_by_event(call: Exchange, code: i64, why: &str) {
    let id = call.id();
    let events = call.sse();
    events.event(&error(&id, code, why));
    events.end();
}

fn subscribe(bridge: &mut Bridge, id: &str, uri: &str) {
    bridge.send(&request(id, "resources/subscribe", &format!(r#"{{"uri":"{uri}"}}"#)));
}

fn an_error_event_on_a_subscription_stream_is_a_refusal() {
    let upstream = holding();
    let mut bridge = Bridge::connected(&upstream);
    let (id, events) = accept_listen(&upstream);
    subscribe(&mut bridge, "1", "no:such");
    refuse_by_event(upstream.take("subscriptions/listen"), -32602, "there is no such resource");
    assert_eq!(error_of(&bridge.response("1")), (-32602, "there is no such resource".to_owned()));
    events.event(&subscription_notification(&id, "tools/list_changed", ""));
    bridge.message("notifications/tools/list_changed");
    bridge.finish();
    assert_eq!(upstream.count("subscriptions/listen"), 2, "a refused resource is not requested again");
}

fn a_server_that_refuses_subscriptions_by_an_event_is_not_requested_again() {
    let upstream = Upstream::start(|call| match call.kind() {
        "subscriptions/listen" => refuse_by_event(call, -32601, "Method not found"),
        _ => call.respond_as_modern(),
    });
    let mut bridge = Bridge::connected(&upstream);
    subscribe(&mut bridge, "1", "a:b");
    assert_eq!(error_of(&bridge.response("1")).0, -32601, "the first refusal has been read");
    assert!(bridge.finish().stderr.contains("does not listen"));
}

fn a_resource_that_is_not_acknowledged_is_refused_and_not_requested_again() {
    let upstream = holding();
    let mut bridge = Bridge::connected(&upstream);
    accept_listen(&upstream);
    subscribe(&mut bridge, "1", "no:such");
    let (_, call) = next_listen(&upstream);
    let id = call.id();
    let events = call.sse();
    events.event(&acknowledged(&id, r#"{"toolsListChanged":true,"resourcesListChanged":true}"#));
    let (code, why) = error_of(&bridge.response("1"));
    assert!(code == -32602 && why.contains("no:such"), "{code} {why}");
    events.event(&subscription_notification(&id, "tools/list_changed", ""));
    bridge.message("notifications/tools/list_changed");
    events.cut();
    let (wanted, _again) = next_listen(&upstream);
    assert_eq!(wanted, serde_json::json!(null), "a refused resource is dropped");
    bridge.finish();
}

fn a_late_refusal_is_logged_and_the_earlier_subscription_continues() {
    let upstream = holding();
    let mut bridge = Bridge::connected(&upstream);
    let (id, events) = accept_listen(&upstream);
    subscribe(&mut bridge, "1", "no:such");
    let (_, late) = next_listen(&upstream);
    assert!(bridge.response("1").contains(r#""result":{}"#), "the client gets a response in bounded time");
    late.error("400 Bad Request", -32602, "there is no such resource");
    bridge.wait_for_log("no changes to no:such are notified");
    subscribe(&mut bridge, "2", "a:b");
    let (wanted, call) = next_listen(&upstream);
    assert_eq!(wanted, value(r#"["a:b"]"#), "a refused resource is dropped");
    events.event(&subscription_notification(&id, "tools/list_changed", ""));
    bridge.message("notifications/tools/list_changed");
    let (id, wanted) = (call.id(), call.params()["notifications"].to_string());
    let second = call.sse();
    second.event(&acknowledged(&id, &wanted));
    assert!(bridge.response("2").contains(r#""result":{}"#));
    bridge.finish();
}

fn each_of_several_refused_subscriptions_is_answered_and_dropped() {
    let upstream = holding();
    let mut bridge = Bridge::connected(&upstream);
    accept_listen(&upstream);
    subscribe(&mut bridge, "0", "a:0");
    let (_, first) = next_listen(&upstream);
    for n in 1..4 {
        subscribe(&mut bridge, &n.to_string(), &format!("a:{n}"));
    }
    bridge.still_works();
    first.error("400 Bad Request", -32602, "no such resource");
    assert_eq!(error_of(&bridge.response("0")).0, -32602);
    let (all, call) = next_listen(&upstream);
    assert_eq!(all, value(r#"["a:1","a:2","a:3"]"#));
    call.error("400 Bad Request", -32602, "no such resource");
    for n in 1..4 {
        let (one, call) = next_listen(&upstream);
        assert_eq!(one, serde_json::json!([format!("a:{n}")]), "a refused resource is not requested again");
        call.error("400 Bad Request", -32602, "no such resource");
    }
    for n in 1..4 {
        assert_eq!(error_of(&bridge.response(&n.to_string())).0, -32602);
    }
    bridge.still_works();
    bridge.finish();
    assert_eq!(upstream.count("subscriptions/listen"), 6);
}
