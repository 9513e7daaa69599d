//! Notifications of a modern server ("Subscriptions") to clients of both eras.

use crate::support::*;

over_each_protocol! {
    one_stream_carries_all_subscriptions_of_a_legacy_client,
    a_refused_subscription_is_an_error_and_the_earlier_ones_continue,
    of_several_simultaneous_subscriptions_only_the_refused_one_fails,
    a_legacy_clients_stream_is_reopened_and_possible_changes_are_announced,
    a_server_without_subscriptions_is_not_requested_again,
    the_old_stream_stays_open_until_the_new_one_is_acknowledged,
    the_stream_that_replaces_a_broken_one_announces_possible_changes,
    a_subscription_once_accepted_is_requested_again_after_any_error,
    a_modern_clients_subscription_survives_errors_of_a_gateway,
    a_modern_clients_subscription_is_reopened_without_the_client_noticing,
    a_modern_clients_subscription_is_closed_by_cancellation_and_at_exit,
    an_open_subscription_does_not_delay_the_exit,
    notifications_of_a_replaced_stream_are_still_delivered,
}

const FILTER: &str = r#"{"toolsListChanged":true,"resourcesListChanged":true,"resourceSubscriptions":["a:b"]}"#;

fn holding() -> Upstream {
    Upstream::start(|call| if call.kind() == "subscriptions/listen" { call.hold() } else { call.respond_as_modern() })
}

/// Accepts the next `subscriptions/listen`: returns its id, its filter and the stream.
fn accept_listen(upstream: &Upstream) -> (String, serde_json::Value, Events) {
    let call = upstream.take("subscriptions/listen");
    call.has_modern_headers();
    let (id, wanted) = (call.id(), call.params()["notifications"].clone());
    let events = call.sse();
    events.event(&acknowledged(&id, &wanted.to_string()));
    (id, wanted, events)
}

fn one_stream_carries_all_subscriptions_of_a_legacy_client() {
    let upstream = holding();
    let mut bridge = Bridge::connected(&upstream);
    let (id, wanted, first) = accept_listen(&upstream);
    assert_eq!(
        wanted,
        serde_json::json!({ "toolsListChanged": true, "resourcesListChanged": true }),
        "everything that the server declares"
    );
    first.event(&subscription_notification(&id, "tools/list_changed", ""));
    let received = bridge.message("notifications/tools/list_changed");
    assert!(!received.contains("subscriptionId"), "a legacy client has no subscription ids: {received}");
    bridge.send(&request("1", "resources/subscribe", r#"{"uri":"a:b"}"#));
    let call = upstream.take("subscriptions/listen");
    assert_eq!(call.params()["notifications"], value(FILTER), "the filter is the union of all subscriptions");
    // The old stream stays open until the new one is acknowledged.
    first.event(&subscription_notification(&id, "resources/list_changed", ""));
    bridge.message("notifications/resources/list_changed");
    let id = call.id();
    let second = call.sse();
    second.event(&acknowledged(&id, FILTER));
    assert!(bridge.response("1").contains(r#""result":{}"#));
    assert!(first.closed_by_client(), "the old stream is closed when the new one is acknowledged");
    second.event(&subscription_notification(&id, "resources/updated", r#""uri":"a:b","#));
    assert!(bridge.message("notifications/resources/updated").contains(r#""uri":"a:b""#));
    bridge.send(&request("2", "resources/unsubscribe", r#"{"uri":"a:b"}"#));
    let (_, wanted, _third) = accept_listen(&upstream);
    assert_eq!(wanted["resourceSubscriptions"], serde_json::json!(null));
    bridge.response("2");
    assert!(second.closed_by_client());
    bridge.finish();
    assert_eq!(upstream.count("resources/subscribe"), 0, "the modern era has no such request");
}

fn a_refused_subscription_is_an_error_and_the_earlier_ones_continue() {
    let upstream = holding();
    let mut bridge = Bridge::connected(&upstream);
    let (id, _, events) = accept_listen(&upstream);
    bridge.send(&request("1", "resources/subscribe", r#"{"uri":"no:such"}"#));
    upstream.take("subscriptions/listen").error("400 Bad Request", -32602, "there is no such resource");
    let refused = bridge.response("1");
    assert!(
        refused.contains("-32602") && refused.contains("there is no such resource"),
        "the server's own error: {refused}"
    );
    events.event(&subscription_notification(&id, "tools/list_changed", ""));
    bridge.message("notifications/tools/list_changed");
    bridge.send(&request("2", "resources/subscribe", r#"{"uri":"a:b"}"#));
    let (_, wanted, _events) = accept_listen(&upstream);
    assert_eq!(
        wanted["resourceSubscriptions"],
        serde_json::json!(["a:b"]),
        "a refused resource is not requested again"
    );
    assert!(bridge.response("2").contains(r#""result":{}"#));
    bridge.finish();
    assert_eq!(upstream.count("subscriptions/listen"), 3, "one request for each change");
}

fn of_several_simultaneous_subscriptions_only_the_refused_one_fails() {
    let upstream = holding();
    let mut bridge = Bridge::connected(&upstream);
    let (.., _lists) = accept_listen(&upstream);
    bridge.send(&request("1", "resources/subscribe", r#"{"uri":"a:b"}"#));
    let first = upstream.take("subscriptions/listen");
    for (id, uri) in [("2", "no:such"), ("3", "c:d")] {
        bridge.send(&request(id, "resources/subscribe", &format!(r#"{{"uri":"{uri}"}}"#)));
    }
    bridge.still_works();
    let (id, wanted) = (first.id(), first.params()["notifications"].to_string());
    let first = first.sse();
    first.event(&acknowledged(&id, &wanted));
    bridge.response("1");
    let both = upstream.take("subscriptions/listen");
    assert_eq!(both.params()["notifications"]["resourceSubscriptions"], value(r#"["a:b","c:d","no:such"]"#));
    both.error("400 Bad Request", -32602, "there is no such resource");
    let (_, wanted, _events) = accept_listen(&upstream);
    assert_eq!(wanted["resourceSubscriptions"], value(r#"["a:b","c:d"]"#), "each resource is tried alone");
    let alone = upstream.take("subscriptions/listen");
    assert_eq!(alone.params()["notifications"]["resourceSubscriptions"], value(r#"["a:b","c:d","no:such"]"#));
    alone.error("400 Bad Request", -32602, "there is no such resource");
    assert!(bridge.response("2").contains("there is no such resource"), "the refused subscription is an error");
    assert!(bridge.response("3").contains(r#""result":{}"#), "the refusal of another resource does not matter");
    bridge.finish();
}

fn a_legacy_clients_stream_is_reopened_and_possible_changes_are_announced() {
    let upstream = holding();
    let mut bridge = Bridge::connected(&upstream);
    let (first, _, events) = accept_listen(&upstream);
    events.cut();
    let (second, _, events) = accept_listen(&upstream);
    assert_ne!(first, second, "a new request has a new id");
    bridge.message("notifications/tools/list_changed");
    bridge.message("notifications/resources/list_changed");
    // A clean end, as when the server is stopped; the next server may be another.
    events.event(&result(&second, "{}"));
    events.end();
    let (..) = accept_listen(&upstream);
    bridge.message("notifications/tools/list_changed");
    bridge.finish();
}

fn a_server_without_subscriptions_is_not_requested_again() {
    let upstream = Upstream::start(|call| match call.kind() {
        "subscriptions/listen" => call.error("404 Not Found", -32601, "Method not found"),
        _ => call.respond_as_modern(),
    });
    let mut bridge = Bridge::connected(&upstream);
    upstream.wait_for("subscriptions/listen", 1);
    bridge.still_works();
    assert!(bridge.finish().stderr.contains("does not listen"));
    assert_eq!(upstream.count("subscriptions/listen"), 1);
}

fn the_old_stream_stays_open_until_the_new_one_is_acknowledged() {
    let upstream = holding();
    let mut bridge = Bridge::connected(&upstream);
    let (id, _, first) = accept_listen(&upstream);
    bridge.send(&request("1", "resources/subscribe", r#"{"uri":"a:b"}"#));
    let late = upstream.take("subscriptions/listen");
    assert!(bridge.response("1").contains(r#""result":{}"#), "the client gets a response in bounded time");
    first.event(&subscription_notification(&id, "tools/list_changed", ""));
    bridge.message("notifications/tools/list_changed");
    let id = late.id();
    let second = late.sse();
    second.event(&acknowledged(&id, FILTER));
    assert!(first.closed_by_client(), "no notification is delivered twice");
    second.event(&subscription_notification(&id, "resources/updated", r#""uri":"a:b","#));
    bridge.message("notifications/resources/updated");
    let received = bridge.lines().iter().filter(|line| line.contains("list_changed")).count();
    assert_eq!(received, 1, "no change was missed");
    bridge.finish();
}

fn the_stream_that_replaces_a_broken_one_announces_possible_changes() {
    let upstream = holding();
    let mut bridge = Bridge::connected(&upstream);
    let (.., first) = accept_listen(&upstream);
    first.cut();
    let _again = upstream.take("subscriptions/listen");
    bridge.send(&request("1", "resources/subscribe", r#"{"uri":"a:b"}"#));
    let (_, wanted, _second) = accept_listen(&upstream);
    assert_eq!(wanted, value(FILTER));
    bridge.message("notifications/tools/list_changed");
    bridge.message("notifications/resources/list_changed");
    bridge.response("1");
    bridge.finish();
}

fn a_subscription_once_accepted_is_requested_again_after_any_error() {
    let upstream = holding();
    let bridge = Bridge::connected(&upstream);
    let (.., events) = accept_listen(&upstream);
    events.cut();
    upstream.take("subscriptions/listen").plain("404 Not Found", "<html>no upstream</html>");
    let starting = upstream.take("subscriptions/listen");
    let id = starting.id();
    let events = starting.sse();
    events.event(&error(&id, -32603, "starting up"));
    events.end();
    let (.., _events) = accept_listen(&upstream);
    bridge.finish();
}

fn a_modern_clients_subscription_survives_errors_of_a_gateway() {
    let upstream = holding();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&minimal_modern_request("\"l\"", "subscriptions/listen", &format!(r#""notifications":{FILTER},"#)));
    let (.., events) = accept_listen(&upstream);
    bridge.message("notifications/subscriptions/acknowledged");
    events.cut();
    upstream.take("subscriptions/listen").plain("500 Internal Server Error", "");
    upstream.take("subscriptions/listen").plain("404 Not Found", "<html>no upstream</html>");
    let (.., _events) = accept_listen(&upstream);
    bridge.message("notifications/resources/updated");
    bridge.close_stdin();
    assert_eq!(
        bridge.response("\"l\""),
        result("\"l\"", r#"{"resultType":"complete","_meta":{"io.modelcontextprotocol/subscriptionId":"l"}}"#),
        "the client has cancelled it itself"
    );
    bridge.finish();
}

fn a_modern_clients_subscription_is_reopened_without_the_client_noticing() {
    let upstream = holding();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&minimal_modern_request("\"l\"", "subscriptions/listen", &format!(r#""notifications":{FILTER},"#)));
    let (id, _, events) = accept_listen(&upstream);
    assert_eq!(id, "\"l\"", "the first request is the client's own");
    assert_eq!(
        bridge.message("notifications/subscriptions/acknowledged"),
        acknowledged("\"l\"", &value(FILTER).to_string())
    );
    let update = subscription_notification("\"l\"", "resources/updated", r#""uri":"a:b" ,"#);
    events.event(&update);
    assert_eq!(bridge.message("notifications/resources/updated"), update, "byte for byte");
    events.cut();
    let (id, wanted, events) = accept_listen(&upstream);
    assert_ne!(id, "\"l\"", "a new request has a new id");
    assert_eq!(wanted, value(FILTER));
    for missed in
        ["notifications/tools/list_changed", "notifications/resources/list_changed", "notifications/resources/updated"]
    {
        assert!(bridge.message(missed).contains(r#""io.modelcontextprotocol/subscriptionId":"l""#), "{missed}");
    }
    events.event(&subscription_notification(&id, "tools/list_changed", ""));
    let received = bridge.message("notifications/tools/list_changed");
    assert_eq!(
        received,
        subscription_notification("\"l\"", "tools/list_changed", ""),
        "the id is the one that the client knows"
    );
    events.event(&result(
        &id,
        &format!(r#"{{"resultType":"complete","_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}}}}"#),
    ));
    let answer = bridge.response("\"l\"");
    assert!(answer.contains(r#""io.modelcontextprotocol/subscriptionId":"l""#), "{answer}");
    bridge.finish();
}

fn a_modern_clients_subscription_is_closed_by_cancellation_and_at_exit() {
    let upstream = holding();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&minimal_modern_request("1", "subscriptions/listen", r#""notifications":{"toolsListChanged":true},"#));
    let (.., events) = accept_listen(&upstream);
    bridge.message("notifications/subscriptions/acknowledged");
    bridge.cancel("1");
    assert!(events.closed_by_client());
    bridge.send(&minimal_modern_request("2", "subscriptions/listen", r#""notifications":{"toolsListChanged":true},"#));
    let (.., events) = accept_listen(&upstream);
    bridge.message("notifications/subscriptions/acknowledged");
    bridge.cancel("2");
    bridge.finish();
    assert!(events.closed_by_client());
    assert_eq!(upstream.count("notifications/cancelled"), 0, "closing the stream cancels it");
}

fn an_open_subscription_does_not_delay_the_exit() {
    exits_within(AT_ONCE, || {
        let upstream = holding();
        let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
        bridge.send(&minimal_modern_request(
            "1",
            "subscriptions/listen",
            r#""notifications":{"toolsListChanged":true},"#,
        ));
        let (.., _events) = accept_listen(&upstream);
        bridge.message("notifications/subscriptions/acknowledged");
        bridge.finish()
    });
}

fn notifications_of_a_replaced_stream_are_still_delivered() {
    let upstream = holding();
    let mut bridge = Bridge::connected(&upstream);
    let (id, _, first) = accept_listen(&upstream);
    bridge.send(&request("1", "resources/subscribe", r#"{"uri":"a:b"}"#));
    let call = upstream.take("subscriptions/listen");
    let (new, wanted) = (call.id(), call.params()["notifications"].to_string());
    let second = call.sse();
    first.event(&subscription_notification(&id, "resources/list_changed", ""));
    second.event(&acknowledged(&new, &wanted));
    bridge.message("notifications/resources/list_changed");
    bridge.response("1");
    // From now on only the new stream is used, even if the server writes to both.
    assert!(first.closed_by_client());
    second.event(&subscription_notification(&new, "resources/updated", r#""uri":"a:b","#));
    bridge.message("notifications/resources/updated");
    bridge.still_works();
    let received = bridge.finish().lines;
    assert_eq!(
        received.iter().filter(|line| line.contains("resources/updated")).count(),
        1,
        "delivered once: {received:?}"
    );
}
