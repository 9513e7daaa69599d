//! What does the server end up with, where two requests that undo each other may be carried out in either order?

use super::*;

const ERROR: &str = r#""io.modelcontextprotocol/logLevel":"error""#;
const DEBUG: &str = r#""io.modelcontextprotocol/logLevel":"debug""#;

fn listen(id: &str, uri: &str) -> Message {
    modern(id, "subscriptions/listen", &format!(r#""notifications":{{"resourceSubscriptions":["{uri}"]}}"#), "")
}

fn cancel(id: &str) -> Message {
    message(format!(r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#))
}

/// What the only message to the server is about: its method, and the level, the resource or the request.
fn only(actions: &[Action]) -> (String, String, String) {
    let sent = sent(actions);
    let [(_, sent)] = &sent[..] else { panic!("{sent:?}") };
    let of = |value: &Value| value.as_str().map_or(value.to_string(), str::to_owned);
    let params = &sent["params"];
    let about = ["level", "uri", "requestId"].into_iter().find_map(|name| params.get(name)).map_or(String::new(), of);
    (sent["method"].as_str().unwrap().to_owned(), about, sent["id"].to_string())
}

/// The resources in the only acknowledgement.
fn agreed(actions: &[Action]) -> Value {
    let told = told(actions);
    let [told] = &told[..] else { panic!("{told:?}") };
    assert_eq!(told["method"], "notifications/subscriptions/acknowledged");
    told["params"]["notifications"]["resourceSubscriptions"].clone()
}

fn ok(id: &str) -> Message {
    message_result(id, "{}")
}

fn refusal(id: &str) -> Message {
    message(format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32602,"message":"no"}}}}"#))
}

#[test]
fn one_log_level_at_a_time_is_told_and_the_last_is_the_one_that_is_wanted() {
    let mut run = Run::new();
    let (method, level, first) = only(&run.ask(&modern("1", "tools/list", "", ERROR)));
    assert_eq!((&*method, &*level), ("logging/setLevel", "error"));
    assert_eq!(sent(&run.ask(&modern("2", "tools/list", "", DEBUG))), [], "the server has one to answer already");
    let then = sent(&run.answered(1, &ok(&first)));
    assert_eq!(then.len(), 2, "{then:?}");
    assert_eq!(then[0].1["params"]["level"], "debug");
    assert_eq!(then[1].1["id"], 1, "this one need not wait for more than it wants");
    let last = sent(&run.answered(1, &ok(&then[0].1["id"].to_string())));
    assert_eq!((last.len(), &last[0].1["id"]), (1, &json!(2)));
    assert_eq!(only(&run.ask(&modern("3", "tools/list", "", DEBUG))).0, "tools/list", "it is told once");
}

#[test]
fn a_request_does_not_trust_in_a_level_that_may_be_about_to_end() {
    let mut run = Run::new();
    let (_, _, debug) = only(&run.ask(&modern("1", "tools/list", "", DEBUG)));
    run.answered(1, &ok(&debug));
    run.answered(1, &ok("1"));
    let quieter = sent(&run.ask(&modern("2", "tools/list", "", ERROR)));
    assert_eq!((&quieter[0].1["params"]["level"], &quieter[1].1["id"]), (&json!("error"), &json!(2)));
    run.answered(1, &ok("2"));
    assert_eq!(sent(&run.ask(&modern("3", "tools/list", "", DEBUG))), []);
    let (_, level, again) = only(&run.answered(1, &ok(&quieter[0].1["id"].to_string())));
    assert_eq!(level, "debug");
    assert_eq!(only(&run.answered(1, &ok(&again))).0, "tools/list");
}

#[test]
fn a_request_does_not_wait_for_ever_for_its_log_level() {
    let mut run = Run::new();
    let (_, _, never) = only(&run.ask(&modern("1", "tools/list", "", ERROR)));
    run.ask(&modern("2", "tools/list", "", DEBUG));
    assert_eq!(sent(&run.pass(OWN_REQUEST / 2)), []);
    let sent = sent(&run.pass(OWN_REQUEST / 2));
    assert_eq!(sent[0].1["method"], "notifications/cancelled");
    assert_eq!(sent[0].1["params"]["requestId"].to_string(), never);
    assert_eq!((&sent[1].1["id"], &sent[2].1["id"]), (&json!(1), &json!(2)));
    assert_eq!(sent[3].1["params"]["level"], "debug", "which has not been tried yet");
}

#[test]
fn a_server_that_greets_late_is_told_the_level_then() {
    let mut run = Run::new();
    run.machine.request(&modern("1", "tools/list", "", DEBUG), run.now);
    run.machine.actions();
    run.machine.late(1, &message_result("\"hello\"", SERVER), run.now);
    assert_eq!(only(&run.machine.actions()).0, "logging/setLevel");
    run.pass(OWN_REQUEST);
    run.machine.opened(1, &message_result("\"hello\"", SERVER), run.now);
    let (method, level, _) = only(&run.machine.actions());
    assert_eq!((&*method, &*level), ("logging/setLevel", "debug"), "what it was told before, it has not heard");
}

#[test]
fn a_session_that_was_greeted_anew_is_told_the_level_of_what_is_in_flight() {
    let mut run = Run::new();
    let (_, _, level) = only(&run.ask(&modern("1", "tools/list", "", DEBUG)));
    assert_eq!(only(&run.answered(1, &ok(&level))).0, "tools/list");
    run.machine.renewed(1, run.now);
    let (method, level, told) = only(&run.machine.actions());
    assert_eq!((&*method, &*level), ("logging/setLevel", "debug"));
    // Nobody knows in which of the sessions that one is answered.
    run.machine.renewed(1, run.now);
    assert_eq!(sent(&run.machine.actions()), []);
    assert_eq!(only(&run.answered(1, &ok(&told))).0, "logging/setLevel");
}

#[test]
fn a_resource_that_is_wanted_again_is_subscribed_to_after_the_server_has_let_go_of_it() {
    let mut run = Run::new();
    let (_, _, subscribe) = only(&run.ask(&listen("1", "a:b")));
    assert_eq!(agreed(&run.answered(1, &ok(&subscribe))), json!(["a:b"]));
    run.machine.cancelled(&cancel("1"));
    let (method, _, unsubscribe) = only(&run.machine.actions());
    assert_eq!(method, "resources/unsubscribe");
    let meanwhile = run.ask(&listen("2", "a:b"));
    assert!(sent(&meanwhile).is_empty() && told(&meanwhile).is_empty(), "{meanwhile:?}");
    let (method, uri, again) = only(&run.answered(1, &ok(&unsubscribe)));
    assert_eq!((&*method, &*uri), ("resources/subscribe", "a:b"));
    assert_eq!(agreed(&run.answered(1, &ok(&again))), json!(["a:b"]));
}

#[test]
fn a_subscription_that_is_cancelled_too_early_is_ended_when_it_stands() {
    let mut run = Run::new();
    let (_, _, subscribe) = only(&run.ask(&listen("1", "a:b")));
    run.machine.cancelled(&cancel("1"));
    assert_eq!(sent(&run.machine.actions()), [], "it might overtake what it ends");
    let (method, uri, _) = only(&run.answered(1, &ok(&subscribe)));
    assert_eq!((&*method, &*uri), ("resources/unsubscribe", "a:b"));
}

#[test]
fn none_is_promised_a_resource_before_the_server_agrees() {
    for refused in [false, true] {
        let mut run = Run::new();
        let (_, _, subscribe) = only(&run.ask(&listen("1", "a:b")));
        let second = run.ask(&listen("2", "a:b"));
        assert!(sent(&second).is_empty() && told(&second).is_empty(), "{second:?}");
        let answer = if refused { refusal(&subscribe) } else { ok(&subscribe) };
        let told = told(&run.answered(1, &answer));
        let promised = if refused { Value::Null } else { json!(["a:b"]) };
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told.iter().all(|told| told["params"]["notifications"]["resourceSubscriptions"] == promised));
        let third = run.ask(&listen("3", "a:b"));
        if refused {
            assert_eq!(only(&third).0, "resources/subscribe", "it may be another day");
        } else {
            assert_eq!((agreed(&third), sent(&third).len()), (promised, 0));
        }
    }
}

#[test]
fn a_server_that_does_not_let_go_of_a_resource_is_asked_for_it_anew() {
    let mut run = Run::new();
    let (_, _, subscribe) = only(&run.ask(&listen("1", "a:b")));
    run.answered(1, &ok(&subscribe));
    run.machine.cancelled(&cancel("1"));
    let (_, _, unsubscribe) = only(&run.machine.actions());
    run.ask(&listen("2", "a:b"));
    let late = run.pass(OWN_REQUEST);
    assert_eq!(agreed(&late), Value::Null);
    let sent = sent(&late);
    assert_eq!(sent[0].1["params"]["requestId"].to_string(), unsubscribe);
    assert_eq!(sent[1].1["method"], "resources/subscribe");
    run.answered(1, &ok(&sent[1].1["id"].to_string()));
    let updated = r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a:b"}}"#;
    assert_eq!(told(&run.said(1, None, updated)).len(), 1, "late is better than never");
}

#[test]
fn what_is_subscribed_to_while_the_session_is_lost_is_subscribed_to_in_the_new_one() {
    let mut run = Run::new();
    let (_, _, before) = only(&run.ask(&listen("1", "a:b")));
    run.machine.renewed(1, run.now);
    assert_eq!(sent(&run.machine.actions()), []);
    let (method, _, after) = only(&run.answered(1, &ok(&before)));
    assert_eq!(method, "resources/subscribe", "that may have been the old session's answer");
    assert_eq!(agreed(&run.answered(1, &ok(&after))), json!(["a:b"]));
}
