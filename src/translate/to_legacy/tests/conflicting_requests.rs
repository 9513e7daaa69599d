//! Which state does the server reach, if it may carry out two conflicting requests in either order?

use super::*;

const ERROR: &str = r#""io.modelcontextprotocol/logLevel":"error""#;
const DEBUG: &str = r#""io.modelcontextprotocol/logLevel":"debug""#;

fn listen(id: &str, uri: &str) -> Message {
    modern(id, "subscriptions/listen", &format!(r#""notifications":{{"resourceSubscriptions":["{uri}"]}}"#), "")
}

/// The only message to the server: its method, its level, resource or request id, and its own id.
fn only_sent(actions: &[Action]) -> (String, String, String) {
    let sent = sent(actions);
    let [(_, sent)] = &sent[..] else { panic!("{sent:?}") };
    let of = |value: &Value| value.as_str().map_or(value.to_string(), str::to_owned);
    let params = &sent["params"];
    let about = ["level", "uri", "requestId"].into_iter().find_map(|name| params.get(name)).map_or(String::new(), of);
    (sent["method"].as_str().unwrap().to_owned(), about, sent["id"].to_string())
}

/// The resources in the only acknowledgement.
fn acknowledged_resources(actions: &[Action]) -> Value {
    let delivered = delivered(actions);
    let [delivered] = &delivered[..] else { panic!("{delivered:?}") };
    assert_eq!(delivered["method"], "notifications/subscriptions/acknowledged");
    delivered["params"]["notifications"]["resourceSubscriptions"].clone()
}

fn ok(id: &str) -> Message {
    message_result(id, "{}")
}

fn refusal(id: &str) -> Message {
    message(format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32602,"message":"no"}}}}"#))
}

#[test]
fn one_log_level_is_requested_at_a_time_and_the_wanted_one_last() {
    let mut run = Run::default();
    let (method, level, first) = only_sent(&run.ask(&modern("1", "tools/list", "", ERROR)));
    assert_eq!((&*method, &*level), ("logging/setLevel", "error"));
    assert_eq!(sent(&run.ask(&modern("2", "tools/list", "", DEBUG))), [], "the server has yet to answer the first one");
    let then = sent(&run.server_response(1, &ok(&first)));
    assert_eq!(then.len(), 2, "{then:?}");
    assert_eq!(then[0].1["params"]["level"], "debug");
    assert_eq!(then[1].1["id"], 1, "its own level is set");
    let last = sent(&run.server_response(1, &ok(&then[0].1["id"].to_string())));
    assert_eq!((last.len(), &last[0].1["id"]), (1, &json!(2)));
    assert_eq!(only_sent(&run.ask(&modern("3", "tools/list", "", DEBUG))).0, "tools/list", "the level is set once");
}

#[test]
fn a_request_waits_if_its_log_level_may_be_about_to_change() {
    let mut run = Run::default();
    let (_, _, debug) = only_sent(&run.ask(&modern("1", "tools/list", "", DEBUG)));
    run.server_response(1, &ok(&debug));
    run.server_response(1, &ok("1"));
    let quieter = sent(&run.ask(&modern("2", "tools/list", "", ERROR)));
    assert_eq!((&quieter[0].1["params"]["level"], &quieter[1].1["id"]), (&json!("error"), &json!(2)));
    run.server_response(1, &ok("2"));
    assert_eq!(sent(&run.ask(&modern("3", "tools/list", "", DEBUG))), []);
    let (_, level, again) = only_sent(&run.server_response(1, &ok(&quieter[0].1["id"].to_string())));
    assert_eq!(level, "debug");
    assert_eq!(only_sent(&run.server_response(1, &ok(&again))).0, "tools/list");
}

#[test]
fn a_request_does_not_wait_for_ever_for_its_log_level() {
    let mut run = Run::default();
    let (_, _, never) = only_sent(&run.ask(&modern("1", "tools/list", "", ERROR)));
    run.ask(&modern("2", "tools/list", "", DEBUG));
    assert_eq!(sent(&run.pass_time(OWN_REQUEST / 2)), []);
    let sent = sent(&run.pass_time(OWN_REQUEST / 2));
    assert_eq!(sent[0].1["method"], "notifications/cancelled");
    assert_eq!(sent[0].1["params"]["requestId"].to_string(), never);
    assert_eq!((&sent[1].1["id"], &sent[2].1["id"]), (&json!(1), &json!(2)));
    assert_eq!(sent[3].1["params"]["level"], "debug", "the second level was not tried yet");
}

#[test]
fn a_server_that_opens_late_is_asked_for_the_log_level_then() {
    let mut run = Run::default();
    run.machine.client_request(&modern("1", "tools/list", "", DEBUG), false, run.now);
    run.machine.actions();
    run.machine.session_opened_provisionally(1, &message_result("\"initialize\"", SERVER), run.now);
    assert_eq!(only_sent(&run.machine.actions()).0, "logging/setLevel");
    run.pass_time(OWN_REQUEST);
    run.machine.session_opened(1, &message_result("\"initialize\"", SERVER), run.now);
    let (method, level, _) = only_sent(&run.machine.actions());
    assert_eq!((&*method, &*level), ("logging/setLevel", "debug"), "the server may have ignored the earlier one");
}

#[test]
fn a_reopened_session_is_asked_for_the_log_level_of_requests_in_flight() {
    let mut run = Run::default();
    let (_, _, level) = only_sent(&run.ask(&modern("1", "tools/list", "", DEBUG)));
    assert_eq!(only_sent(&run.server_response(1, &ok(&level))).0, "tools/list");
    run.machine.session_reopened(1, run.now);
    let (method, level, id) = only_sent(&run.machine.actions());
    assert_eq!((&*method, &*level), ("logging/setLevel", "debug"));
    // It is unknown in which of the two sessions the request in flight is answered.
    run.machine.session_reopened(1, run.now);
    assert_eq!(sent(&run.machine.actions()), []);
    assert_eq!(only_sent(&run.server_response(1, &ok(&id))).0, "logging/setLevel");
}

#[test]
fn a_resource_is_subscribed_to_again_after_the_unsubscribe_is_answered() {
    let mut run = Run::default();
    let (_, _, subscribe) = only_sent(&run.ask(&listen("1", "a:b")));
    assert_eq!(acknowledged_resources(&run.server_response(1, &ok(&subscribe))), json!(["a:b"]));
    run.machine.client_cancelled(&cancellation("1"));
    let (method, _, unsubscribe) = only_sent(&run.machine.actions());
    assert_eq!(method, "resources/unsubscribe");
    let meanwhile = run.ask(&listen("2", "a:b"));
    assert!(sent(&meanwhile).is_empty() && delivered(&meanwhile).is_empty(), "{meanwhile:?}");
    let (method, uri, again) = only_sent(&run.server_response(1, &ok(&unsubscribe)));
    assert_eq!((&*method, &*uri), ("resources/subscribe", "a:b"));
    assert_eq!(acknowledged_resources(&run.server_response(1, &ok(&again))), json!(["a:b"]));
}

#[test]
fn a_resource_is_not_acknowledged_before_the_server_agrees() {
    for refused in [false, true] {
        let mut run = Run::default();
        let (_, _, subscribe) = only_sent(&run.ask(&listen("1", "a:b")));
        let second = run.ask(&listen("2", "a:b"));
        assert!(sent(&second).is_empty() && delivered(&second).is_empty(), "{second:?}");
        let answer = if refused { refusal(&subscribe) } else { ok(&subscribe) };
        let delivered = delivered(&run.server_response(1, &answer));
        let promised = if refused { Value::Null } else { json!(["a:b"]) };
        let resources = |delivered: &Value| delivered["params"]["notifications"]["resourceSubscriptions"].clone();
        assert_eq!(delivered.iter().map(resources).collect::<Vec<_>>(), [promised.clone(), promised.clone()]);
        let third = run.ask(&listen("3", "a:b"));
        if refused {
            assert_eq!(only_sent(&third).0, "resources/subscribe", "the server may agree now");
        } else {
            assert_eq!((acknowledged_resources(&third), sent(&third).len()), (promised, 0));
        }
    }
}

#[test]
fn a_server_that_does_not_answer_an_unsubscribe_is_asked_for_the_resource_again() {
    let mut run = Run::default();
    let (_, _, subscribe) = only_sent(&run.ask(&listen("1", "a:b")));
    run.server_response(1, &ok(&subscribe));
    run.machine.client_cancelled(&cancellation("1"));
    let (_, _, unsubscribe) = only_sent(&run.machine.actions());
    run.ask(&listen("2", "a:b"));
    let late = run.pass_time(OWN_REQUEST);
    assert_eq!(acknowledged_resources(&late), Value::Null);
    let sent = sent(&late);
    assert_eq!(sent[0].1["params"]["requestId"].to_string(), unsubscribe);
    assert_eq!(sent[1].1["method"], "resources/subscribe");
    run.server_response(1, &ok(&sent[1].1["id"].to_string()));
    let updated = r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a:b"}}"#;
    assert_eq!(delivered(&run.server_message(1, None, updated)).len(), 1, "a late agreement counts too");
}

#[test]
fn a_resource_that_is_being_subscribed_to_is_subscribed_to_in_the_reopened_session() {
    let mut run = Run::default();
    let (_, _, before) = only_sent(&run.ask(&listen("1", "a:b")));
    run.machine.session_reopened(1, run.now);
    assert_eq!(sent(&run.machine.actions()), []);
    let (method, _, after) = only_sent(&run.server_response(1, &ok(&before)));
    assert_eq!(method, "resources/subscribe", "the answer may be the old session's");
    assert_eq!(acknowledged_resources(&run.server_response(1, &ok(&after))), json!(["a:b"]));
}
