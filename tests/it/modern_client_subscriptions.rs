//! `subscriptions/listen` of a modern client becomes the GET stream and `resources/subscribe` of a legacy server.

use serde_json::{Value, json};

use crate::support::*;

over_each_protocol! {
    supported_notifications_are_acknowledged_and_carry_the_subscription_id,
    cancelling_a_subscription_keeps_the_resources_of_other_subscriptions,
    unsupported_notifications_are_not_acknowledged,
    request_timeout_does_not_apply_to_subscriptions,
}

const ALL: &str =
    r#""notifications":{"toolsListChanged":true,"promptsListChanged":true,"resourceSubscriptions":["a:b","c:d"]}"#;

/// The subscription that a message belongs to.
fn subscription(line: &str) -> Value {
    value(line)["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"].clone()
}

fn supported_notifications_are_acknowledged_and_carry_the_subscription_id() {
    let upstream = Upstream::start(|call| match call.kind() {
        "GET" => call.hold(),
        "resources/subscribe" if call.param("uri") == "c:d" => call.error("200 OK", -32602, "no such resource"),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::modern(&upstream);
    bridge.send(&modern_request(r#""l""#, "subscriptions/listen", ALL));
    let acknowledged = bridge.message("notifications/subscriptions/acknowledged");
    assert_eq!(subscription(&acknowledged), "l");
    let agreed = &value(&acknowledged)["params"]["notifications"];
    assert_eq!(
        *agreed,
        json!({"toolsListChanged": true, "promptsListChanged": true, "resourceSubscriptions": ["a:b"]})
    );
    let stream = upstream.take("GET").sse();
    stream.event(&notification("notifications/resources/list_changed", "{}"));
    stream.event(r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#);
    stream.event(&notification("notifications/resources/updated", r#"{"uri":"x:y"}"#));
    stream.event(&notification("notifications/resources/updated", r#"{"uri":"a:b","v":1.0,"_meta":{"t":1}}"#));
    assert_eq!(subscription(&bridge.message("notifications/tools/list_changed")), "l");
    let updated = bridge.message("notifications/resources/updated");
    assert!(updated.contains(r#""uri":"a:b","v":1.0"#), "{updated}");
    assert_eq!(subscription(&updated), "l");
    bridge.close_stdin();
    let ended = bridge.wait_for_exit();
    let answer = ended.lines.iter().find(|line| line.contains(r#""result""#)).expect("an answer at the end");
    let result = &value(answer)["result"];
    assert_eq!(result["resultType"], "complete", "a subscription ends with a result");
    assert_eq!(result["_meta"]["io.modelcontextprotocol/subscriptionId"], "l");
    assert!(
        !ended.lines.iter().any(|line| line.contains("resources/list_changed")),
        "it is not part of the subscription"
    );
    assert!(ended.lines.iter().filter(|line| line.contains("resources/updated")).count() == 1);
}

fn cancelling_a_subscription_keeps_the_resources_of_other_subscriptions() {
    let upstream = Upstream::holding(["GET"]);
    let mut bridge = Bridge::modern(&upstream);
    let one = r#""notifications":{"resourceSubscriptions":["a:b"]}"#;
    let two = r#""notifications":{"toolsListChanged":true,"resourceSubscriptions":["a:b","c:d"]}"#;
    bridge.send(&modern_request("1", "subscriptions/listen", one));
    bridge.message("notifications/subscriptions/acknowledged");
    bridge.send(&modern_request("2", "subscriptions/listen", two));
    bridge.message("notifications/subscriptions/acknowledged");
    assert_eq!(upstream.count("resources/subscribe"), 2, "the server gets one subscription for each resource");
    let stream = upstream.take("GET").sse();
    stream.event(&notification("notifications/resources/updated", r#"{"uri":"a:b"}"#));
    let mut ids = [0, 0].map(|_| subscription(&bridge.message("notifications/resources/updated")).as_u64().unwrap());
    ids.sort_unstable();
    assert_eq!(ids, [1, 2], "each notification carries its subscription's id");
    bridge.cancel("2");
    assert_eq!(value(upstream.wait_for("resources/unsubscribe", 1).text())["params"]["uri"], "c:d");
    bridge.cancel("1");
    assert_eq!(value(upstream.wait_for("resources/unsubscribe", 2).text())["params"]["uri"], "a:b");
    stream.event(r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#);
    bridge.request_modern("3", "tools/list", "");
    let ended = bridge.finish();
    assert_eq!(upstream.count("notifications/cancelled"), 0, "the server received no such request");
    assert!(
        !ended.lines.iter().any(|line| line.contains("tools/list_changed")),
        "an ended subscription gets no notification"
    );
}

fn unsupported_notifications_are_not_acknowledged() {
    let upstream = Upstream::start(|call| match call.kind() {
        "initialize" => {
            let answer = result(
                &call.id(),
                r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"1"}}"#,
            );
            call.json(&answer);
        }
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::modern(&upstream);
    bridge.send(&modern_request("1", "subscriptions/listen", ALL));
    let acknowledged = bridge.message("notifications/subscriptions/acknowledged");
    assert_eq!(value(&acknowledged)["params"]["notifications"], json!({}));
    assert_eq!(upstream.count("resources/subscribe"), 0);
    let invalid = bridge.request_modern("2", "subscriptions/listen", "");
    assert_eq!(invalid["error"]["code"], -32602, "a subscription without a filter is invalid: {invalid}");
    bridge.finish();
}

fn request_timeout_does_not_apply_to_subscriptions() {
    let upstream = Upstream::holding(["tools/call"]);
    let launch = Bridge::to(&upstream.url("/mcp")).args([
        "--client-protocol",
        "modern",
        "--protocol",
        "legacy",
        "--request-timeout",
        "0.3",
    ]);
    let mut bridge = launch.start();
    bridge.send(&modern_request("1", "subscriptions/listen", r#""notifications":{"toolsListChanged":true}"#));
    bridge.message("notifications/subscriptions/acknowledged");
    bridge.send(&modern_request("2", "tools/call", r#""name":"t""#));
    assert_error_mentions(&bridge.response("2"), &["0.3 seconds"]);
    assert_eq!(value(upstream.wait_for("notifications/cancelled", 1).text())["params"]["requestId"], 2);
    let ended = bridge.finish();
    let ends: Vec<_> = ended.lines.iter().filter(|line| line.contains(r#""id":1"#)).collect();
    assert!(ends.len() == 1 && ends[0].contains("complete"), "{ends:?}");
}
