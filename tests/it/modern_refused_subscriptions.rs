//! What a modern server does not tell a legacy client of, whichever way it says so.

use crate::support::*;

fn holding() -> Upstream {
    Upstream::start(|call| if call.kind() == "subscriptions/listen" { call.hold() } else { call.modern() })
}

fn listened(upstream: &Upstream) -> (String, Events) {
    let call = upstream.take("subscriptions/listen");
    let (id, wanted) = (call.id(), call.params()["notifications"].to_string());
    let events = call.sse();
    events.event(&acknowledged(&id, &wanted));
    (id, events)
}

/// The resources that the next `subscriptions/listen` asks for, and that itself.
fn next(upstream: &Upstream) -> (serde_json::Value, Exchange) {
    let call = upstream.take("subscriptions/listen");
    (call.params()["notifications"]["resourceSubscriptions"].clone(), call)
}

fn refuses_in_a_stream(call: Exchange, code: i64, why: &str) {
    let id = call.id();
    let events = call.sse();
    events.event(&error(&id, code, why));
    events.end();
}

fn subscribe(bridge: &mut Bridge, id: &str, uri: &str) {
    bridge.send(&request(id, "resources/subscribe", &format!(r#"{{"uri":"{uri}"}}"#)));
}

#[test]
fn an_error_on_a_stream_is_a_refusal_like_any_other() {
    let upstream = holding();
    let mut bridge = Bridge::connected(&upstream);
    let (id, events) = listened(&upstream);
    subscribe(&mut bridge, "1", "no:such");
    refuses_in_a_stream(upstream.take("subscriptions/listen"), -32602, "there is no such resource");
    assert_eq!(error_of(&bridge.answer("1")), (-32602, "there is no such resource".to_owned()));
    events.event(&news(&id, "tools/list_changed", ""));
    bridge.message("notifications/tools/list_changed");
    bridge.finish();
    assert_eq!(upstream.count("subscriptions/listen"), 2, "what is refused is not asked for again");
}

#[test]
fn a_server_that_says_on_a_stream_that_it_does_not_listen_is_not_asked_again() {
    let upstream = Upstream::start(|call| match call.kind() {
        "subscriptions/listen" => refuses_in_a_stream(call, -32601, "Method not found"),
        _ => call.modern(),
    });
    let mut bridge = Bridge::connected(&upstream);
    subscribe(&mut bridge, "1", "a:b");
    assert_eq!(error_of(&bridge.answer("1")).0, -32601, "the first refusal has been read by then");
    assert!(bridge.finish().stderr.contains("does not listen"));
}

#[test]
fn a_resource_that_is_not_among_the_acknowledged_is_refused_and_not_asked_for_again() {
    let upstream = holding();
    let mut bridge = Bridge::connected(&upstream);
    listened(&upstream);
    subscribe(&mut bridge, "1", "no:such");
    let (_, call) = next(&upstream);
    let id = call.id();
    let events = call.sse();
    events.event(&acknowledged(&id, r#"{"toolsListChanged":true,"resourcesListChanged":true}"#));
    let (code, why) = error_of(&bridge.answer("1"));
    assert!(code == -32602 && why.contains("no:such"), "{code} {why}");
    events.event(&news(&id, "tools/list_changed", ""));
    bridge.message("notifications/tools/list_changed");
    events.cut();
    let (wanted, _again) = next(&upstream);
    assert_eq!(wanted, serde_json::json!(null), "what is refused is forgotten");
    bridge.finish();
}

#[test]
fn a_refusal_that_comes_late_is_logged_and_what_there_was_goes_on() {
    let upstream = holding();
    let mut bridge = Bridge::connected(&upstream);
    let (id, events) = listened(&upstream);
    subscribe(&mut bridge, "1", "no:such");
    let (_, late) = next(&upstream);
    assert!(bridge.answer("1").contains(r#""result":{}"#), "the client is not kept waiting for ever");
    late.error("400 Bad Request", -32602, "there is no such resource");
    bridge.logged("no changes to no:such are told");
    subscribe(&mut bridge, "2", "a:b");
    let (wanted, call) = next(&upstream);
    assert_eq!(wanted, value(r#"["a:b"]"#), "what is refused is forgotten");
    events.event(&news(&id, "tools/list_changed", ""));
    bridge.message("notifications/tools/list_changed");
    let (id, wanted) = (call.id(), call.params()["notifications"].to_string());
    let second = call.sse();
    second.event(&acknowledged(&id, &wanted));
    assert!(bridge.answer("2").contains(r#""result":{}"#));
    bridge.finish();
}

#[test]
fn each_of_many_refused_at_once_is_told_so_and_forgotten() {
    let upstream = holding();
    let mut bridge = Bridge::connected(&upstream);
    listened(&upstream);
    subscribe(&mut bridge, "0", "a:0");
    let (_, first) = next(&upstream);
    for n in 1..4 {
        subscribe(&mut bridge, &n.to_string(), &format!("a:{n}"));
    }
    bridge.still_works();
    first.error("400 Bad Request", -32602, "no such resource");
    assert_eq!(error_of(&bridge.answer("0")).0, -32602);
    let (all, call) = next(&upstream);
    assert_eq!(all, value(r#"["a:1","a:2","a:3"]"#));
    call.error("400 Bad Request", -32602, "no such resource");
    for n in 1..4 {
        let (one, call) = next(&upstream);
        assert_eq!(one, serde_json::json!([format!("a:{n}")]), "what was refused is not asked for again");
        call.error("400 Bad Request", -32602, "no such resource");
    }
    for n in 1..4 {
        assert_eq!(error_of(&bridge.answer(&n.to_string())).0, -32602);
    }
    bridge.still_works();
    bridge.finish();
    assert_eq!(upstream.count("subscriptions/listen"), 6);
}
