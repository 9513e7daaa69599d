//! What a modern server says unasked ("Subscriptions"), to clients of either era.

use crate::support::*;

const FILTER: &str = r#"{"toolsListChanged":true,"resourcesListChanged":true,"resourceSubscriptions":["a:b"]}"#;

fn holding() -> Upstream {
    Upstream::start(|call| if call.kind() == "subscriptions/listen" { call.hold() } else { call.modern() })
}

/// Takes the next `subscriptions/listen` and begins to listen: its id, what it wants, the stream.
fn listened(upstream: &Upstream) -> (String, serde_json::Value, Events) {
    let call = upstream.take("subscriptions/listen");
    call.has_modern_headers();
    let (id, wanted) = (call.id(), call.params()["notifications"].clone());
    let events = call.sse();
    events.event(&acknowledged(&id, &wanted.to_string()));
    (id, wanted, events)
}

#[test]
fn a_legacy_client_hears_of_all_it_is_interested_in_on_one_stream() {
    let upstream = holding();
    let mut bridge = Bridge::connected(&upstream);
    let (id, wanted, first) = listened(&upstream);
    assert_eq!(
        wanted,
        serde_json::json!({ "toolsListChanged": true, "resourcesListChanged": true }),
        "what the server declares"
    );
    first.event(&news(&id, "tools/list_changed", ""));
    let told = bridge.message("notifications/tools/list_changed");
    assert!(!told.contains("subscriptionId"), "a legacy client knows no subscription ids: {told}");
    bridge.send(&request("1", "resources/subscribe", r#"{"uri":"a:b"}"#));
    let call = upstream.take("subscriptions/listen");
    assert_eq!(call.params()["notifications"], value(FILTER), "the union of all");
    // The old stream is there until the new one listens.
    first.event(&news(&id, "resources/list_changed", ""));
    bridge.message("notifications/resources/list_changed");
    let id = call.id();
    let second = call.sse();
    second.event(&acknowledged(&id, FILTER));
    assert!(bridge.answer("1").contains(r#""result":{}"#));
    assert!(first.closed_by_client(), "the old stream is dropped when the new one listens");
    second.event(&news(&id, "resources/updated", r#""uri":"a:b","#));
    assert!(bridge.message("notifications/resources/updated").contains(r#""uri":"a:b""#));
    bridge.send(&request("2", "resources/unsubscribe", r#"{"uri":"a:b"}"#));
    let (_, wanted, _third) = listened(&upstream);
    assert_eq!(wanted["resourceSubscriptions"], serde_json::json!(null));
    bridge.answer("2");
    assert!(second.closed_by_client());
    bridge.finish();
    assert_eq!(upstream.count("resources/subscribe"), 0, "the modern era knows no such request");
}

#[test]
fn a_subscription_that_the_server_refuses_is_refused_and_what_there_was_goes_on() {
    let upstream = holding();
    let mut bridge = Bridge::connected(&upstream);
    let (id, _, events) = listened(&upstream);
    bridge.send(&request("1", "resources/subscribe", r#"{"uri":"no:such"}"#));
    upstream.take("subscriptions/listen").error("400 Bad Request", -32602, "there is no such resource");
    let refused = bridge.answer("1");
    assert!(
        refused.contains("-32602") && refused.contains("there is no such resource"),
        "the server's word: {refused}"
    );
    events.event(&news(&id, "tools/list_changed", ""));
    bridge.message("notifications/tools/list_changed");
    bridge.send(&request("2", "resources/subscribe", r#"{"uri":"a:b"}"#));
    let (_, wanted, _events) = listened(&upstream);
    assert_eq!(wanted["resourceSubscriptions"], serde_json::json!(["a:b"]), "what was refused is not asked for again");
    assert!(bridge.answer("2").contains(r#""result":{}"#));
    bridge.finish();
    assert_eq!(upstream.count("subscriptions/listen"), 3, "one for each change, none to go back");
}

#[test]
fn of_resources_subscribed_to_in_one_moment_only_the_refused_one_is_refused() {
    let upstream = holding();
    let mut bridge = Bridge::connected(&upstream);
    let (.., _lists) = listened(&upstream);
    bridge.send(&request("1", "resources/subscribe", r#"{"uri":"a:b"}"#));
    let first = upstream.take("subscriptions/listen");
    for (id, uri) in [("2", "no:such"), ("3", "c:d")] {
        bridge.send(&request(id, "resources/subscribe", &format!(r#"{{"uri":"{uri}"}}"#)));
    }
    bridge.still_works();
    let (id, wanted) = (first.id(), first.params()["notifications"].to_string());
    let first = first.sse();
    first.event(&acknowledged(&id, &wanted));
    bridge.answer("1");
    let both = upstream.take("subscriptions/listen");
    assert_eq!(both.params()["notifications"]["resourceSubscriptions"], value(r#"["a:b","c:d","no:such"]"#));
    both.error("400 Bad Request", -32602, "there is no such resource");
    let (_, wanted, _events) = listened(&upstream);
    assert_eq!(wanted["resourceSubscriptions"], value(r#"["a:b","c:d"]"#), "each is tried by itself");
    let alone = upstream.take("subscriptions/listen");
    assert_eq!(alone.params()["notifications"]["resourceSubscriptions"], value(r#"["a:b","c:d","no:such"]"#));
    alone.error("400 Bad Request", -32602, "there is no such resource");
    assert!(bridge.answer("2").contains("there is no such resource"), "what is refused is told to be refused");
    assert!(bridge.answer("3").contains(r#""result":{}"#), "another's refusal is not this one's");
    bridge.finish();
}

#[test]
fn a_legacy_clients_stream_is_opened_again_and_what_may_be_missed_is_told() {
    let upstream = holding();
    let mut bridge = Bridge::connected(&upstream);
    let (first, _, events) = listened(&upstream);
    events.cut();
    let (second, _, events) = listened(&upstream);
    assert_ne!(first, second, "a new request has a new id");
    bridge.message("notifications/tools/list_changed");
    bridge.message("notifications/resources/list_changed");
    // In good order, as a server does that is stopped: the next one may be another.
    events.event(&result(&second, "{}"));
    events.end();
    let (..) = listened(&upstream);
    bridge.message("notifications/tools/list_changed");
    bridge.finish();
}

#[test]
fn a_server_that_does_not_listen_is_not_asked_again() {
    let upstream = Upstream::start(|call| match call.kind() {
        "subscriptions/listen" => call.error("404 Not Found", -32601, "Method not found"),
        _ => call.modern(),
    });
    let mut bridge = Bridge::connected(&upstream);
    upstream.wait_for("subscriptions/listen", 1);
    bridge.still_works();
    assert!(bridge.finish().stderr.contains("does not listen"));
    assert_eq!(upstream.count("subscriptions/listen"), 1);
}

#[test]
fn the_old_stream_goes_on_until_the_new_one_listens_however_late() {
    let upstream = holding();
    let mut bridge = Bridge::connected(&upstream);
    let (id, _, first) = listened(&upstream);
    bridge.send(&request("1", "resources/subscribe", r#"{"uri":"a:b"}"#));
    let late = upstream.take("subscriptions/listen");
    assert!(bridge.answer("1").contains(r#""result":{}"#), "the client is not kept waiting for ever");
    first.event(&news(&id, "tools/list_changed", ""));
    bridge.message("notifications/tools/list_changed");
    let id = late.id();
    let second = late.sse();
    second.event(&acknowledged(&id, FILTER));
    assert!(first.closed_by_client(), "nothing is told twice");
    second.event(&news(&id, "resources/updated", r#""uri":"a:b","#));
    bridge.message("notifications/resources/updated");
    let told = bridge.lines().iter().filter(|line| line.contains("list_changed")).count();
    assert_eq!(told, 1, "there was no gap to make up for");
    bridge.finish();
}

#[test]
fn what_was_missed_is_told_by_the_stream_that_replaces_a_broken_one() {
    let upstream = holding();
    let mut bridge = Bridge::connected(&upstream);
    let (.., first) = listened(&upstream);
    first.cut();
    let _again = upstream.take("subscriptions/listen");
    bridge.send(&request("1", "resources/subscribe", r#"{"uri":"a:b"}"#));
    let (_, wanted, _second) = listened(&upstream);
    assert_eq!(wanted, value(FILTER));
    bridge.message("notifications/tools/list_changed");
    bridge.message("notifications/resources/list_changed");
    bridge.answer("1");
    bridge.finish();
}

#[test]
fn once_it_has_listened_a_server_is_asked_again_whatever_stands_in_for_it() {
    let upstream = holding();
    let bridge = Bridge::connected(&upstream);
    let (.., events) = listened(&upstream);
    events.cut();
    upstream.take("subscriptions/listen").plain("404 Not Found", "<html>no upstream</html>");
    let starting = upstream.take("subscriptions/listen");
    let id = starting.id();
    let events = starting.sse();
    events.event(&error(&id, -32603, "starting up"));
    events.end();
    let (.., _events) = listened(&upstream);
    bridge.finish();
}

#[test]
fn a_modern_clients_own_stream_outlives_what_stands_in_for_the_server() {
    let upstream = holding();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&modern_request("\"l\"", "subscriptions/listen", &format!(r#""notifications":{FILTER},"#)));
    let (.., events) = listened(&upstream);
    bridge.message("notifications/subscriptions/acknowledged");
    events.cut();
    upstream.take("subscriptions/listen").plain("500 Internal Server Error", "");
    upstream.take("subscriptions/listen").plain("404 Not Found", "<html>no upstream</html>");
    let (.., _events) = listened(&upstream);
    bridge.message("notifications/resources/updated");
    bridge.close_stdin();
    assert_eq!(
        bridge.answer("\"l\""),
        result("\"l\"", r#"{"resultType":"complete","_meta":{"io.modelcontextprotocol/subscriptionId":"l"}}"#),
        "the client has ended it itself, in order"
    );
    bridge.finish();
}

#[test]
fn a_modern_clients_own_stream_is_mended_out_of_its_sight() {
    let upstream = holding();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&modern_request("\"l\"", "subscriptions/listen", &format!(r#""notifications":{FILTER},"#)));
    let (id, _, events) = listened(&upstream);
    assert_eq!(id, "\"l\"", "the first time it is the client's own request");
    assert_eq!(
        bridge.message("notifications/subscriptions/acknowledged"),
        acknowledged("\"l\"", &value(FILTER).to_string())
    );
    let update = news("\"l\"", "resources/updated", r#""uri":"a:b" ,"#);
    events.event(&update);
    assert_eq!(bridge.message("notifications/resources/updated"), update, "byte for byte");
    events.cut();
    let (id, wanted, events) = listened(&upstream);
    assert_ne!(id, "\"l\"", "a new request has a new id");
    assert_eq!(wanted, value(FILTER));
    for missed in
        ["notifications/tools/list_changed", "notifications/resources/list_changed", "notifications/resources/updated"]
    {
        assert!(bridge.message(missed).contains(r#""io.modelcontextprotocol/subscriptionId":"l""#), "{missed}");
    }
    events.event(&news(&id, "tools/list_changed", ""));
    let told = bridge.message("notifications/tools/list_changed");
    assert_eq!(told, news("\"l\"", "tools/list_changed", ""), "under the id that the client knows");
    events.event(&result(
        &id,
        &format!(r#"{{"resultType":"complete","_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}}}}"#),
    ));
    let answer = bridge.answer("\"l\"");
    assert!(answer.contains(r#""io.modelcontextprotocol/subscriptionId":"l""#), "{answer}");
    bridge.finish();
}

#[test]
fn a_modern_client_closes_its_stream_by_cancelling_and_at_its_end() {
    let upstream = holding();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&modern_request("1", "subscriptions/listen", r#""notifications":{"toolsListChanged":true},"#));
    let (.., events) = listened(&upstream);
    bridge.message("notifications/subscriptions/acknowledged");
    bridge.cancel("1");
    assert!(events.closed_by_client());
    bridge.send(&modern_request("2", "subscriptions/listen", r#""notifications":{"toolsListChanged":true},"#));
    let (.., events) = listened(&upstream);
    bridge.message("notifications/subscriptions/acknowledged");
    bridge.cancel("2");
    bridge.finish();
    assert!(events.closed_by_client());
    assert_eq!(upstream.count("notifications/cancelled"), 0, "closing is the cancellation");
}

#[test]
fn an_open_stream_does_not_hold_up_the_end() {
    gone_within(AT_ONCE, || {
        let upstream = holding();
        let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
        bridge.send(&modern_request("1", "subscriptions/listen", r#""notifications":{"toolsListChanged":true},"#));
        let (.., _events) = listened(&upstream);
        bridge.message("notifications/subscriptions/acknowledged");
        bridge.finish()
    });
}

#[test]
fn what_the_server_has_said_on_a_stream_that_is_replaced_is_told() {
    let upstream = holding();
    let mut bridge = Bridge::connected(&upstream);
    let (id, _, first) = listened(&upstream);
    bridge.send(&request("1", "resources/subscribe", r#"{"uri":"a:b"}"#));
    let call = upstream.take("subscriptions/listen");
    let (new, wanted) = (call.id(), call.params()["notifications"].to_string());
    let second = call.sse();
    first.event(&news(&id, "resources/list_changed", ""));
    second.event(&acknowledged(&new, &wanted));
    bridge.message("notifications/resources/list_changed");
    bridge.answer("1");
    // From now on it comes on the new one alone, whatever a server says on both.
    assert!(first.closed_by_client());
    second.event(&news(&new, "resources/updated", r#""uri":"a:b","#));
    bridge.message("notifications/resources/updated");
    bridge.still_works();
    let told = bridge.finish().lines;
    assert_eq!(told.iter().filter(|line| line.contains("resources/updated")).count(), 1, "once: {told:?}");
}
