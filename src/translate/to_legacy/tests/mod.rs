//! Does the machine keep its promises to a client and a server?

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod conflicting_requests;
mod input_responses;
mod model;

use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::input_requests::{GATHER, HELD};
use super::outbox::OWN_REQUEST;
use super::sessions::IDLE;
use super::*;
use crate::message::result as message_result;
use crate::translate::test_support::{self, message, value};

const CAPABILITIES: &str = r#"{"sampling":{},"elicitation":{"form":{},"url":{}},"roots":{}}"#;
const SERVER: &str = r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true},"logging":{}},"serverInfo":{"name":"s","version":"1"}}"#;

/// A modern request; `params` are its members but `_meta`, `meta` the members of that but the required ones.
fn modern(id: &str, method: &str, params: &str, meta: &str) -> Message {
    let params = if params.is_empty() { String::new() } else { format!("{params},") };
    let meta = if meta.is_empty() { String::new() } else { format!(",{meta}") };
    message(format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{params}"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{CAPABILITIES}{meta}}}}}}}"#
    ))
}

fn machine() -> ToLegacy {
    let mut last = 0;
    let secrets = move || {
        last += 1;
        format!("state {last}")
    };
    ToLegacy::new(Box::new(secrets), Instant::now())
}

/// A machine whose sessions open at once, and its time.
struct Run {
    machine: ToLegacy,
    now: Instant,
}

impl Default for Run {
    fn default() -> Self {
        Self { machine: machine(), now: Instant::now() }
    }
}

impl Run {
    fn ask(&mut self, message: &Message) -> Vec<Action> {
        self.machine.client_request(message, false, self.now);
        let actions = self.machine.actions();
        match actions.first() {
            Some(Action::Open { session, .. }) => {
                let answer = message_result("\"initialize\"", SERVER);
                self.machine.session_opened(*session, &answer, self.now);
                self.machine.actions()
            }
            _ => actions,
        }
    }

    fn server_response(&mut self, session: u64, answer: &Message) -> Vec<Action> {
        self.machine.server_response(session, answer, self.now);
        self.machine.actions()
    }

    fn server_message(&mut self, session: u64, during: Option<&str>, text: &str) -> Vec<Action> {
        let during = during.map(Id::from_json);
        self.machine.server_message(session, during.as_ref(), &message(text), self.now);
        self.machine.actions()
    }

    fn pass_time(&mut self, time: Duration) -> Vec<Action> {
        self.now += time;
        self.machine.time_passed(self.now);
        self.machine.actions()
    }
}

fn cancellation(id: &str) -> Message {
    crate::message::cancelled(id, "")
}

fn only_answer(actions: &[Action]) -> Value {
    let answers = actions.iter().filter_map(|action| match action {
        Action::Answer(answer) => Some(value(answer)),
        _ => None,
    });
    let answers: Vec<_> = answers.collect();
    assert_eq!(answers.len(), 1, "{actions:?}");
    answers[0].clone()
}

fn sent(actions: &[Action]) -> Vec<(u64, Value)> {
    let sent = actions.iter().filter_map(|action| match action {
        Action::Request { session, message } | Action::Notify { session, message } => Some((*session, value(message))),
        Action::Cancel { session, message, .. } | Action::Reply { session, message, .. } => {
            Some((*session, value(message)))
        }
        _ => None,
    });
    sent.collect()
}

fn delivered(actions: &[Action]) -> Vec<Value> {
    let delivered = actions.iter().filter_map(|action| match action {
        Action::Deliver(message) => Some(value(message)),
        _ => None,
    });
    delivered.collect()
}

#[test]
fn an_exchange_that_is_held_for_too_long_is_cancelled_at_the_server() {
    let mut run = Run::default();
    let (session, call) = sent(&run.ask(&modern("1", "tools/call", r#""name":"t""#, "")))[0].clone();
    assert_eq!(call["id"], 1);
    run.server_message(session, Some("1"), r#"{"jsonrpc":"2.0","id":"q","method":"roots/list"}"#);
    let asked = only_answer(&run.pass_time(GATHER));
    let state = asked["result"]["requestState"].clone();
    assert_eq!(sent(&run.pass_time(HELD / 2)), []);
    let given_up = sent(&run.pass_time(HELD));
    assert_eq!(given_up.len(), 2, "{given_up:?}");
    assert_eq!((&given_up[0].1["id"], given_up[0].1["error"].is_object()), (&json!("q"), true));
    assert_eq!(given_up[1].1["method"], "notifications/cancelled");
    assert_eq!(given_up[1].1["params"]["requestId"], 1);
    let late = run.ask(&modern("2", "tools/call", &format!(r#""name":"t","requestState":{state}"#), ""));
    assert_eq!(only_answer(&late)["error"]["code"], -32602, "an unknown state is an error");
}

#[test]
fn many_exchanges_are_held_at_once() {
    let mut run = Run::default();
    let mut states = Vec::new();
    for n in 0..500 {
        let (session, _) = sent(&run.ask(&modern(&n.to_string(), "tools/call", r#""name":"t""#, "")))[0].clone();
        let question = format!(r#"{{"jsonrpc":"2.0","id":{n},"method":"roots/list"}}"#);
        run.server_message(session, Some(&n.to_string()), &question);
        states.push(only_answer(&run.pass_time(GATHER))["result"]["requestState"].clone());
    }
    let back = run.ask(&modern("1000", "tools/call", &format!(r#""name":"t","requestState":{}"#, states[0]), ""));
    assert_eq!(only_answer(&back)["result"]["resultType"], "input_required", "the input requests come again");
}

#[test]
fn an_id_and_a_token_that_a_held_exchange_uses_are_replaced() {
    let mut run = Run::default();
    let call = |id: &str| modern(id, "tools/call", r#""name":"t""#, r#""progressToken":7"#);
    let (session, _) = sent(&run.ask(&call("1")))[0].clone();
    run.server_message(session, Some("1"), r#"{"jsonrpc":"2.0","id":9,"method":"roots/list"}"#);
    run.pass_time(GATHER);
    let (_, again) = sent(&run.ask(&call("1")))[0].clone();
    assert!(again["id"].is_string() && again["params"]["_meta"]["progressToken"].is_string(), "{again}");
    let token = &again["params"]["_meta"]["progressToken"];
    let progress =
        format!(r#"{{"method":"notifications/progress","params":{{"progressToken":{token},"progress":1.0}}}}"#);
    assert_eq!(delivered(&run.server_message(session, None, &progress))[0]["params"]["progressToken"], 7);
    let held = r#"{"method":"notifications/progress","params":{"progressToken":7,"progress":1}}"#;
    assert!(delivered(&run.server_message(session, None, held)).is_empty(), "the held request gets no progress");
    let answer = message_result(&again["id"].to_string(), r#"{"content":[]}"#);
    assert_eq!(only_answer(&run.server_response(session, &answer))["id"], 1);
}

#[test]
fn few_sessions_stay_open_and_the_oldest_unused_is_closed_first() {
    let mut machine = machine();
    let now = Instant::now();
    let with = |n: u32| {
        let discover = modern(&n.to_string(), "server/discover", "", "");
        message(discover.as_str().replace(CAPABILITIES, &format!(r#"{{"experimental":{{"n":{n}}}}}"#)))
    };
    let mut closed = Vec::new();
    for n in 0..10 {
        machine.client_request(&with(n), false, now + Duration::from_secs(n.into()));
        for action in machine.actions() {
            match action {
                Action::Open { session, .. } => {
                    machine.session_opened(session, &message_result("0", SERVER), now);
                }
                Action::Close { session } => closed.push(session),
                _ => {}
            }
        }
    }
    assert_eq!(closed.len(), 2, "{closed:?}");
    machine.actions();
    machine.time_passed(now + IDLE * 3);
    let left = machine.actions().into_iter().filter(|action| matches!(action, Action::Close { .. })).count();
    assert_eq!(left, 7, "all idle sessions are closed but the one that was used last");
}

fn unusual_members() -> impl Strategy<Value = String> {
    test_support::members(r#"{"_meta":{"io.modelcontextprotocol/logLevel":1}}"#)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_request_loses_its_modern_members_and_nothing_else(params in unusual_members(), meta in unusual_members()) {
        let request = modern("7", "vendor/method", &params, &meta);
        let sent = sent(&Run::default().ask(&request));
        let mut expected = value(&request);
        let members = expected["params"]["_meta"].as_object_mut().unwrap();
        members.retain(|name, _| !name.starts_with("io.modelcontextprotocol/"));
        if members.is_empty() {
            expected["params"].as_object_mut().unwrap().remove("_meta");
        }
        prop_assert_eq!(&sent[0].1, &expected);
        let mut run = Run::default();
        run.machine.client_request(&request, false, run.now);
        run.machine.session_opened(1, &message_result("0", SERVER), run.now);
        let text = run.machine.actions().into_iter().find_map(|action| match action {
            Action::Request { message, .. } => Some(String::from_utf8(message.text().to_vec()).unwrap()),
            _ => None,
        });
        let text = text.unwrap();
        prop_assert!(text.contains(&params) && text.contains(&meta), "{}", text);
    }

    #[test]
    fn a_result_gains_its_modern_members_and_loses_nothing(result in unusual_members(), meta in unusual_members()) {
        let mut run = Run::default();
        let (session, _) = sent(&run.ask(&modern("7", "tools/list", "", "")))[0].clone();
        let whole = if result.is_empty() { format!(r#"{{"_meta":{{{meta}}}}}"#) } else { format!(r#"{{{result}, "_meta":{{{meta}}}}}"#) };
        let actions = run.server_response(session, &message_result("7", &whole));
        let Action::Answer(answer) = &actions[0] else { panic!("{actions:?}") };
        let text = String::from_utf8(answer.text().to_vec()).unwrap();
        prop_assert!(text.contains(&result) && text.contains(&meta), "{}", text);
        let mut got = value(answer)["result"].clone();
        prop_assert_eq!(got["resultType"].take(), json!("complete"));
        prop_assert_eq!(got["ttlMs"].take(), json!(0));
        prop_assert_eq!(got["cacheScope"].take(), json!("private"));
        prop_assert_eq!(&got["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], &json!("s"));
    }
}

#[test]
fn a_removed_method_is_unknown() {
    let mut run = Run::default();
    for method in ["initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"] {
        let actions = run.ask(&modern("1", method, "", ""));
        assert_eq!(only_answer(&actions)["error"]["code"], -32601, "{method}");
        assert_eq!(actions.len(), 1, "the server gets nothing, although it may have the method: {actions:?}");
    }
}

#[test]
fn an_input_request_from_the_shared_stream_outlives_the_request_that_it_was_given_to() {
    for cancelled in [false, true] {
        let mut run = Run::default();
        let [(session, _)] = sent(&run.ask(&modern("1", "tools/call", r#""name":"a""#, "")))[..] else { panic!() };
        run.ask(&modern("2", "tools/call", r#""name":"b""#, ""));
        run.server_message(session, None, r#"{"jsonrpc":"2.0","id":9,"method":"roots/list"}"#);
        let ended = if cancelled {
            run.machine.client_cancelled(&cancellation("2"));
            run.machine.actions()
        } else {
            run.server_response(session, &message_result("2", "{}"))
        };
        let replies = sent(&ended).into_iter().filter(|(_, sent)| sent["id"] == 9).count();
        assert_eq!(replies, 0, "it may belong to the other request: {ended:?}");
        let asked = only_answer(&run.pass_time(GATHER));
        assert_eq!(asked["id"], 1, "the other request gets it");
        assert_eq!(asked["result"]["inputRequests"].as_object().map(serde_json::Map::len), Some(1), "{asked}");
    }
}

#[test]
fn an_error_after_a_rejected_server_request_names_the_missing_capability() {
    for (outcome, code) in [
        (r#""error":{"code":-32603,"message":"sampling failed"}"#, json!(-32021)),
        (r#""result":{"content":[]}"#, json!(null)),
    ] {
        let mut run = Run::default();
        let call = modern("1", "tools/call", r#""name":"t""#, "").as_str().replace(CAPABILITIES, r#"{"roots":{}}"#);
        let (session, _) = sent(&run.ask(&message(call)))[0];
        let refused = run.server_message(
            session,
            Some("1"),
            r#"{"jsonrpc":"2.0","id":9,"method":"sampling/createMessage","params":{}}"#,
        );
        assert_eq!(sent(&refused)[0].1["error"]["code"], -32601, "the server gets the rejection at once: {refused:?}");
        let answer = message(format!(r#"{{"jsonrpc":"2.0","id":1,{outcome}}}"#));
        let response = only_answer(&run.server_response(session, &answer));
        assert_eq!(response["error"]["code"], code, "a result passes: {response}");
        if response["error"].is_object() {
            assert_eq!(response["error"]["data"]["requiredCapabilities"], json!({ "sampling": {} }));
        }
    }
}

#[test]
fn a_code_that_the_modern_era_forbids_is_replaced() {
    for (method, params) in [
        ("tools/call", r#""name":"t""#),
        ("prompts/get", r#""name":"t""#),
        ("resources/read", r#""uri":"a:b""#),
        ("tools/list", ""),
        ("vendor/method", ""),
    ] {
        for (code, modern_code) in [(-32002, -32602), (-32042, -32603), (-32000, -32000)] {
            let mut run = Run::default();
            let (session, _) = sent(&run.ask(&modern("1", method, params, "")))[0];
            let error = format!(r#"{{"code":{code},"message":"m","data":{{"uri":"a:b"}}}}"#);
            let answer = message(format!(r#"{{"jsonrpc":"2.0","id":1,"error":{error}}}"#));
            let response = only_answer(&run.server_response(session, &answer));
            let expected = json!({ "code": modern_code, "message": "m", "data": { "uri": "a:b" } });
            assert_eq!(response["error"], expected, "{method}: only the code changes");
        }
    }
}

#[test]
fn a_server_request_that_the_client_does_not_declare_is_rejected_with_the_right_code() {
    for (declared, question, code) in [
        ("{}", r#""method":"roots/list""#, Some(-32601)),
        ("{}", r#""method":"sampling/createMessage","params":{}"#, Some(-32601)),
        ("{}", r#""method":"elicitation/create","params":{"mode":"url"}"#, Some(-32601)),
        (r#"{"elicitation":{}}"#, r#""method":"elicitation/create","params":{"mode":"form"}"#, None),
        (r#"{"elicitation":{}}"#, r#""method":"elicitation/create","params":{}"#, None),
        (r#"{"elicitation":{}}"#, r#""method":"elicitation/create","params":{"mode":"url"}"#, Some(-32602)),
        (r#"{"elicitation":{"form":{}}}"#, r#""method":"elicitation/create","params":{"mode":"url"}"#, Some(-32602)),
        (r#"{"elicitation":{"url":{}}}"#, r#""method":"elicitation/create","params":{"mode":"url"}"#, None),
        (r#"{"elicitation":{"url":{}}}"#, r#""method":"elicitation/create","params":{}"#, Some(-32602)),
        (CAPABILITIES, r#""method":"vendor/question","params":{}"#, Some(-32601)),
    ] {
        let mut run = Run::default();
        let call = modern("1", "tools/call", r#""name":"t""#, "").as_str().replace(CAPABILITIES, declared);
        let (session, _) = sent(&run.ask(&message(call)))[0];
        let refused = run.server_message(session, Some("1"), &format!(r#"{{"jsonrpc":"2.0","id":"q",{question}}}"#));
        let rejection = sent(&refused).first().and_then(|(_, sent)| sent["error"]["code"].as_i64());
        assert_eq!(rejection, code, "{declared} {question}");
    }
}
