use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::message::{self, Kind, Message};
use crate::translate::odd;

const CAPABILITIES: &str =
    r#"{"sampling":{},"elicitation":{"form":{},"url":{}},"roots":{"listChanged":true},"tasks":{"list":{}}}"#;

fn message(text: impl Into<String>) -> Message {
    Message::parse(text.into()).unwrap()
}

fn value(message: &Message) -> Value {
    serde_json::from_slice(message.text()).unwrap()
}

fn client(revision: &str) -> Client {
    let params = format!(
        r#"{{"protocolVersion":"{revision}","capabilities":{CAPABILITIES},"clientInfo":{{"name":"c","version":"1"}}}}"#
    );
    Client::of(&message(request("0", "initialize", &params)), "2026-07-28", true)
}

fn request(id: &str, method: &str, params: &str) -> String {
    message::request_text(id, method, params).as_str().to_owned()
}

/// A client, its ids, and a call on its way.
struct Run {
    client: Client,
    ids: Ids,
    call: Call,
    step: Step,
    told: Vec<Message>,
}

impl Run {
    fn of(request: &str) -> Self {
        let (client, ids) = (client("2025-11-25"), Ids::default());
        let (call, step) = Call::begin(ClientContext { client: &client, ids: &ids }, &message(request));
        Self { client, ids, call, step, told: Vec::new() }
    }

    fn next(&mut self, act: impl FnOnce(&mut Call, ClientContext<'_>) -> Step) {
        let Self { client, ids, call, .. } = self;
        self.step = act(call, ClientContext { client, ids });
        self.told.extend(self.step.tell.clone());
    }

    fn posted(&self) -> &Message {
        match &self.step.then {
            Next::Post(message, _) => message,
            then => panic!("a post was due: {then:?}"),
        }
    }

    fn server_says(&mut self, member: &str) {
        let answer = message(format!(r#"{{"jsonrpc":"2.0","id":{},{member}}}"#, self.posted().raw_id().unwrap()));
        self.next(|call, context| call.server_says(context, &answer));
    }

    fn client_says(&mut self, raw_id: &str, member: &str) {
        let answer = message(format!(r#"{{"jsonrpc":"2.0","id":{raw_id},{member}}}"#));
        self.next(|call, context| call.client_says(context, &answer));
    }

    /// The questions of this step: their ids and methods.
    fn questions(&self) -> Vec<(String, String)> {
        let requests = self.step.tell.iter().filter(|message| matches!(message.kind(), Kind::Request { .. }));
        requests.map(|message| (message.raw_id().unwrap().to_owned(), message.method().unwrap().to_owned())).collect()
    }

    fn answer(&self) -> Value {
        match &self.step.then {
            Next::Answer(answer) => value(answer),
            then => panic!("an answer was due: {then:?}"),
        }
    }

    fn end(&mut self) -> (Vec<Message>, Option<Message>) {
        let Self { client, ids, call, .. } = self;
        call.end(ClientContext { client, ids })
    }
}

#[test]
fn a_greeting_is_the_same_server_in_other_words() {
    let discovered = r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{ "listChanged":true},"extensions":{"io.modelcontextprotocol/tasks":{},"io.modelcontextprotocol/ui":{"a":1.0}}},"instructions":"i","ttlMs":5,"cacheScope":"public","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"1.0","x":1.0},"other":1.0}}"#;
    let told = greeting::initialize_result(discovered, "2025-06-18", "host").unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&told).unwrap(),
        json!({
            "capabilities": { "tools": { "listChanged": true }, "extensions": { "io.modelcontextprotocol/ui": { "a": 1.0 } } },
            "instructions": "i",
            "_meta": { "other": 1.0 },
            "protocolVersion": "2025-06-18",
            "serverInfo": { "name": "s", "version": "1.0", "x": 1.0 },
        })
    );
    assert!(told.contains(r#"{ "listChanged":true}"#), "letters stay as they are: {told}");
    let bare = r#"{"supportedVersions":["2026-07-28"],"capabilities":{}}"#;
    let told: Value = serde_json::from_str(&greeting::initialize_result(bare, "1999-01-01", "host").unwrap()).unwrap();
    assert_eq!((&told["protocolVersion"], &told["serverInfo"]["name"]), (&json!("2025-11-25"), &json!("host")));
    assert_eq!(greeting::initialize_result("{}", "2025-06-18", "host"), None, "that is no greeting");
}

#[test]
fn a_client_is_known_by_what_it_said_once() {
    let mut client = client("2025-11-25");
    let level = message(request("1", "logging/setLevel", r#"{"level":"error"}"#));
    assert!(matches!(client.answers_locally(&level), Some(LocalAnswer::Answer(_))));
    let dressed = value(&client.with_meta(&message(request("1", "tools/list", "null")), None, &[]));
    assert_eq!(
        dressed["params"]["_meta"],
        json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": "c", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {
                "sampling": {}, "elicitation": { "form": {}, "url": {} }, "roots": { "listChanged": true },
                "extensions": { "io.modelcontextprotocol/tasks": {} },
            },
            "io.modelcontextprotocol/logLevel": "error",
        })
    );
}

#[test]
fn tools_that_a_legacy_client_would_choke_on_are_trimmed() {
    let list = r#"{"tools":[{"name":"a","outputSchema":{"type":"array"}},{"name":"b","outputSchema":{"type":"object"} }],"resultType":"complete"}"#;
    assert_eq!(
        results::result("tools/list", list).unwrap(),
        r#"{"tools":[{"name":"a"},{"name":"b","outputSchema":{"type":"object"} }]}"#
    );
    let called = r#"{"content":[],"structuredContent":[1]}"#;
    assert_eq!(results::result("tools/call", called).unwrap(), r#"{"content":[]}"#);
    assert_eq!(results::result("tools/call", r#"{"structuredContent":{"a":1.0}}"#), None, "nothing to change");
}

#[test]
fn what_is_open_when_nobody_waits_any_more_is_withdrawn() {
    let mut run = Run::of(&request("1", "tools/call", "{}"));
    assert!(run.end().0.is_empty(), "closing the exchange is all that it takes");
    let mut run = Run::of(&request("1", "tools/call", "{}"));
    run.server_says(r#""result":{"resultType":"input_required","inputRequests":{"a":{"method":"roots/list"},"b":{"method":"roots/list"}}}"#);
    let questions = run.questions();
    run.client_says(&questions[0].0, r#""result":{"roots":[]}"#);
    let (told, posted) = run.end();
    assert_eq!(told.len(), 1, "the one that is answered is not withdrawn");
    assert_eq!(value(&told[0])["params"]["requestId"].to_string(), questions[1].0);
    assert!(posted.is_none());
    let mut run = Run::of(&request("1", "tools/call", "{}"));
    run.server_says(r#""result":{"resultType":"task","taskId":"t","status":"working"}"#);
    assert_eq!(run.end().1.unwrap().method(), Some("tasks/cancel"));
}

#[test]
fn only_a_result_that_names_no_type_is_complete_without_saying_so() {
    for (result, is_complete) in [
        (r#"{"content":[]}"#, true),
        (r#"{"content":[],"resultType":"complete"}"#, true),
        (r#"{"content":[],"resultType":"\u0063omplete"}"#, true),
        (r#"{"content":[],"resultType":"strange"}"#, false),
        (r#"{"content":[],"resultType":5}"#, false),
        (r#"{"content":[],"resultType":null}"#, false),
        (r#"{"content":[],"resultType":["complete"]}"#, false),
    ] {
        let mut run = Run::of(&request("1", "tools/call", "{}"));
        run.server_says(&format!(r#""result":{result}"#));
        assert_eq!(run.answer().get("result").is_some(), is_complete, "{result}");
    }
}

#[test]
fn a_task_that_ends_without_what_it_owes_is_said_to_and_is_not_cancelled() {
    for (status, why) in [("completed", "not with which result"), ("failed", "not of what")] {
        let mut run = Run::of(&request("1", "tools/call", "{}"));
        run.server_says(r#""result":{"resultType":"task","taskId":"t","status":"working"}"#);
        run.server_says(&format!(r#""result":{{"taskId":"t","status":"{status}"}}"#));
        let said = run.answer()["error"]["message"].to_string();
        assert!(said.contains(status) && said.contains(why), "{said}");
        assert!(run.end().1.is_none(), "what has ended is not cancelled");
    }
}

fn odd_members() -> impl Strategy<Value = String> {
    odd::members(r#"{"_meta":{"a":1e400}}"#)
}

/// What a server may answer with next.
#[derive(Debug, Clone)]
enum Said {
    /// So many questions of these kinds, with a state or without.
    Ask(Vec<u8>, Option<String>),
    State(String),
    Done,
    Fail,
}

fn said() -> impl Strategy<Value = Said> {
    let state = "[ -~é]{0,12}";
    prop_oneof![
        4 => (proptest::collection::vec(0u8..3, 1..5), proptest::option::of(state)).prop_map(|(kinds, state)| Said::Ask(kinds, state)),
        1 => state.prop_map(Said::State),
        1 => Just(Said::Done),
        1 => Just(Said::Fail),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_request_gains_its_era_and_loses_nothing(params in odd_members(), meta in odd_members(), more in odd_members()) {
        let meta_member = format!(r#""_meta":{{{meta}}}"#);
        let params = if params.is_empty() { meta_member } else { format!("{params}, {meta_member}") };
        let more = if more.is_empty() { String::new() } else { format!(", {more}") };
        let text = format!(r#"{{"jsonrpc":"2.0","id":7,"method":"vendor/odd","params":{{{params}}}{more}}}"#);
        let dressed = client("2025-06-18").with_meta(&message(text.clone()), None, &[]);
        let dressed = std::str::from_utf8(dressed.text()).unwrap();
        prop_assert!(dressed.contains(&params[..params.len() - 1]) && dressed.ends_with(&format!("{more}}}")), "{}", dressed);
        let own = serde_json::from_str::<BTreeMap<String, Box<serde_json::value::RawValue>>>(dressed).is_ok();
        prop_assert!(own, "it is still one object");
    }

    /// Whatever the server makes of a call and in whichever order the client answers: each question once, each answer
    /// under its name, the state as it was spelled, a new id each time, and one answer in the end.
    #[test]
    fn a_call_goes_through_all_rounds(script in proptest::collection::vec((said(), any::<u64>()), 0..12)) {
        let mut run = Run::of(&request("1", "tools/call", r#"{"name":"t","arguments":{"a":1.0}}"#));
        let mut ids = vec![run.posted().raw_id().unwrap().to_owned()];
        let mut script = script.into_iter();
        loop {
            let (said, order) = script.next().unwrap_or((Said::Done, 0));
            let (questions, state) = match said {
                Said::Done => break run.server_says(r#""result":{"resultType":"complete","content":[]}"#),
                Said::Fail => break run.server_says(r#""error":{"code":-32603,"message":"no"}"#),
                Said::State(state) => (Vec::new(), Some(state)),
                Said::Ask(kinds, state) => (kinds, state),
            };
            let asked: BTreeMap<String, Value> = questions.iter().enumerate().map(|(n, kind)| {
                let question = match kind {
                    0 => json!({ "method": "roots/list" }),
                    1 => json!({ "method": "elicitation/create", "params": { "message": n, "requestedSchema": {} } }),
                    _ => json!({ "method": "sampling/createMessage", "params": { "n": n } }),
                };
                (format!("key {n}"), question)
            }).collect();
            let mut result = json!({ "resultType": "input_required" });
            if !asked.is_empty() {
                result["inputRequests"] = json!(asked);
            }
            if let Some(state) = &state {
                result["requestState"] = json!(state);
            }
            run.server_says(&format!(r#""result":{result}"#));
            let mut open = run.questions();
            prop_assert_eq!(open.len(), questions.len());
            let methods: Vec<_> = open.iter().map(|(_, method)| method.clone()).collect();
            let mut expected = BTreeMap::new();
            let mut turn = order;
            let names: Vec<_> = asked.keys().cloned().collect();
            let mut named: Vec<_> = open.drain(..).zip(names).collect();
            while !named.is_empty() {
                let ((raw_id, _), name) = named.remove(usize::try_from(turn % named.len() as u64).unwrap());
                turn = turn.rotate_left(7);
                run.client_says(&raw_id, &format!(r#""result":{{"to":{raw_id}}}"#));
                expected.insert(name, json!({ "to": serde_json::from_str::<Value>(&raw_id).unwrap() }));
            }
            prop_assert_eq!(methods.len(), expected.len());
            let retry = value(run.posted());
            prop_assert_eq!(&retry["params"]["arguments"], &json!({ "a": 1.0 }));
            prop_assert_eq!(&retry["params"]["requestState"], &state.map_or(Value::Null, Value::from));
            let responses = if expected.is_empty() { Value::Null } else { json!(expected) };
            prop_assert_eq!(&retry["params"]["inputResponses"], &responses);
            let id = run.posted().raw_id().unwrap().to_owned();
            prop_assert!(!ids.contains(&id), "a retry is a new request");
            ids.push(id);
        }
        let answer = run.answer();
        prop_assert_eq!(&answer["id"], &json!(1));
        prop_assert!(answer["result"]["resultType"].is_null());
        let (told, posted) = run.end();
        prop_assert!(told.is_empty() && posted.is_none(), "nothing is left open");
        let ids: Vec<_> = run.told.iter().filter_map(Message::raw_id).collect();
        let once: std::collections::HashSet<_> = ids.iter().collect();
        prop_assert_eq!(once.len(), ids.len(), "no two questions under one id");
    }
}
