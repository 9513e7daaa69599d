use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::message::{self, Kind, Message, OwnRequests};
use crate::translate::test_support::{self, message, value};

const CAPABILITIES: &str =
    r#"{"sampling":{},"elicitation":{"form":{},"url":{}},"roots":{"listChanged":true},"tasks":{"list":{}}}"#;

fn client(revision: &str) -> Client {
    let params = format!(
        r#"{{"protocolVersion":"{revision}","capabilities":{CAPABILITIES},"clientInfo":{{"name":"c","version":"1"}}}}"#
    );
    Client::of(&message(request("0", "initialize", &params)), "2026-07-28", true)
}

fn request(id: &str, method: &str, params: &str) -> String {
    message::request(id, method, params).as_str().to_owned()
}

/// A client, its ids, and a call on its way.
struct Run {
    client: Client,
    ids: OwnRequests,
    call: Call,
    step: Step,
    to_client: Vec<Message>,
}

impl Run {
    fn of(request: &str) -> Self {
        let (client, ids) = (client("2025-11-25"), OwnRequests::default());
        let (call, step) = Call::start(ClientContext { client: &client, ids: &ids }, &message(request));
        Self { client, ids, call, step, to_client: Vec::new() }
    }

    fn next(&mut self, act: impl FnOnce(&mut Call, ClientContext<'_>) -> Step) {
        let Self { client, ids, call, .. } = self;
        self.step = act(call, ClientContext { client, ids });
        self.to_client.extend(self.step.to_client.clone());
    }

    fn posted(&self) -> &Message {
        match &self.step.next {
            Next::Post(message, _) => message,
            next => panic!("not a post: {next:?}"),
        }
    }

    fn server_response(&mut self, member: &str) {
        let answer = message(format!(r#"{{"jsonrpc":"2.0","id":{},{member}}}"#, self.posted().raw_id().unwrap()));
        self.next(|call, context| call.server_response(context, &answer));
    }

    fn client_response(&mut self, raw_id: &str, member: &str) {
        let answer = message(format!(r#"{{"jsonrpc":"2.0","id":{raw_id},{member}}}"#));
        self.next(|call, context| call.client_response(context, &answer));
    }

    /// The input requests of this step: their ids and methods.
    fn input_requests(&self) -> Vec<(String, String)> {
        let requests = self.step.to_client.iter().filter(|message| matches!(message.kind(), Kind::Request { .. }));
        requests.map(|message| (message.raw_id().unwrap().to_owned(), message.method().unwrap().to_owned())).collect()
    }

    fn answer(&self) -> Value {
        match &self.step.next {
            Next::Answer(answer) => value(answer),
            next => panic!("not a response: {next:?}"),
        }
    }

    fn close(&mut self) -> (Vec<Message>, Option<Message>) {
        let Self { client, ids, call, .. } = self;
        call.close(ClientContext { client, ids })
    }
}

#[test]
fn the_result_of_discover_becomes_that_of_initialize() {
    let discovered = r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{ "listChanged":true},"extensions":{"io.modelcontextprotocol/tasks":{},"io.modelcontextprotocol/ui":{"a":1.0}}},"instructions":"i","ttlMs":5,"cacheScope":"public","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"1.0","x":1.0},"other":1.0}}"#;
    let to_client = results::initialize_result(discovered, "2025-06-18", "host").unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&to_client).unwrap(),
        json!({
            "capabilities": { "tools": { "listChanged": true }, "extensions": { "io.modelcontextprotocol/ui": { "a": 1.0 } } },
            "instructions": "i",
            "_meta": { "other": 1.0 },
            "protocolVersion": "2025-06-18",
            "serverInfo": { "name": "s", "version": "1.0", "x": 1.0 },
        })
    );
    assert!(to_client.contains(r#"{ "listChanged":true}"#), "the spelling stays: {to_client}");
    let bare = r#"{"supportedVersions":["2026-07-28"],"capabilities":{}}"#;
    let to_client: Value =
        serde_json::from_str(&results::initialize_result(bare, "1999-01-01", "host").unwrap()).unwrap();
    assert_eq!(to_client["protocolVersion"], "2025-11-25");
    assert_eq!(to_client["serverInfo"]["name"], "host");
    assert_eq!(results::initialize_result("{}", "2025-06-18", "host"), None, "not a result of server/discover");
}

#[test]
fn every_request_repeats_what_the_client_sent_in_initialize() {
    let mut client = client("2025-11-25");
    let level = message(request("1", "logging/setLevel", r#"{"level":"error"}"#));
    assert!(matches!(client.answers_locally(&level), Some(LocalAnswer::Answer(_))));
    let with_meta = value(&client.with_meta(&message(request("1", "tools/list", "null")), None, &[]));
    assert_eq!(
        with_meta["params"]["_meta"],
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
fn tools_lose_the_schemas_that_a_legacy_client_would_refuse() {
    let list = r#"{"tools":[{"name":"a","outputSchema":{"type":"array"}},{"name":"b","outputSchema":{"type":"object"} }],"resultType":"complete"}"#;
    assert_eq!(
        results::legacy_result("tools/list", list).unwrap(),
        r#"{"tools":[{"name":"a"},{"name":"b","outputSchema":{"type":"object"} }]}"#
    );
    let called = r#"{"content":[],"structuredContent":[1]}"#;
    assert_eq!(results::legacy_result("tools/call", called).unwrap(), r#"{"content":[]}"#);
    assert_eq!(results::legacy_result("tools/call", r#"{"structuredContent":{"a":1.0}}"#), None, "nothing changes");
}

#[test]
fn open_requests_are_cancelled_when_a_call_is_closed() {
    let mut run = Run::of(&request("1", "tools/call", "{}"));
    assert!(run.close().0.is_empty(), "it is enough to drop the exchange");
    let mut run = Run::of(&request("1", "tools/call", "{}"));
    run.server_response(r#""result":{"resultType":"input_required","inputRequests":{"a":{"method":"roots/list"},"b":{"method":"roots/list"}}}"#);
    let requests = run.input_requests();
    run.client_response(&requests[0].0, r#""result":{"roots":[]}"#);
    let (to_client, posted) = run.close();
    assert_eq!(to_client.len(), 1, "the answered request is not cancelled");
    assert_eq!(value(&to_client[0])["params"]["requestId"].to_string(), requests[1].0);
    assert!(posted.is_none());
    let mut run = Run::of(&request("1", "tools/call", "{}"));
    run.server_response(r#""result":{"resultType":"task","taskId":"t","status":"working"}"#);
    assert_eq!(run.close().1.unwrap().method(), Some("tasks/cancel"));
}

#[test]
fn a_result_without_a_type_is_complete() {
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
        run.server_response(&format!(r#""result":{result}"#));
        assert_eq!(run.answer().get("result").is_some(), is_complete, "{result}");
    }
}

#[test]
fn a_task_that_ends_without_its_outcome_is_an_error_and_is_not_cancelled() {
    for (status, why) in [("completed", "no result"), ("failed", "no error")] {
        let mut run = Run::of(&request("1", "tools/call", "{}"));
        run.server_response(r#""result":{"resultType":"task","taskId":"t","status":"working"}"#);
        run.server_response(&format!(r#""result":{{"taskId":"t","status":"{status}"}}"#));
        let response = run.answer()["error"]["message"].to_string();
        assert!(response.contains(status) && response.contains(why), "{response}");
        assert!(run.close().1.is_none(), "a task that has ended is not cancelled");
    }
}

fn unusual_members() -> impl Strategy<Value = String> {
    test_support::members(r#"{"_meta":{"a":1e400}}"#)
}

/// A response of the server.
#[derive(Debug, Clone)]
enum ServerResponse {
    /// Input requests of these kinds, with a state or without.
    Ask(Vec<u8>, Option<String>),
    State(String),
    Done,
    Fail,
}

fn server_response() -> impl Strategy<Value = ServerResponse> {
    let state = "[ -~é]{0,12}";
    prop_oneof![
        4 => (proptest::collection::vec(0u8..3, 1..5), proptest::option::of(state)).prop_map(|(kinds, state)| ServerResponse::Ask(kinds, state)),
        1 => state.prop_map(ServerResponse::State),
        1 => Just(ServerResponse::Done),
        1 => Just(ServerResponse::Fail),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_request_gains_its_modern_members_and_loses_nothing(params in unusual_members(), meta in unusual_members(), more in unusual_members()) {
        let meta_member = format!(r#""_meta":{{{meta}}}"#);
        let params = if params.is_empty() { meta_member } else { format!("{params}, {meta_member}") };
        let more = if more.is_empty() { String::new() } else { format!(", {more}") };
        let text = format!(r#"{{"jsonrpc":"2.0","id":7,"method":"vendor/odd","params":{{{params}}}{more}}}"#);
        let with_meta = client("2025-06-18").with_meta(&message(text.clone()), None, &[]);
        let with_meta = std::str::from_utf8(with_meta.text()).unwrap();
        prop_assert!(with_meta.contains(&params[..params.len() - 1]) && with_meta.ends_with(&format!("{more}}}")), "{}", with_meta);
        let own = serde_json::from_str::<BTreeMap<String, Box<serde_json::value::RawValue>>>(with_meta).is_ok();
        prop_assert!(own, "it is still one object");
    }

    /// Whatever the server responds, and in whichever order the client does: each input request comes once, each
    /// response has its key, the state keeps its spelling, each retry has a new id, and there is one response in the
    /// end.
    #[test]
    fn a_call_goes_through_all_rounds(script in proptest::collection::vec((server_response(), any::<u64>()), 0..12)) {
        let mut run = Run::of(&request("1", "tools/call", r#"{"name":"t","arguments":{"a":1.0}}"#));
        let mut ids = vec![run.posted().raw_id().unwrap().to_owned()];
        let mut script = script.into_iter();
        loop {
            let (response, order) = script.next().unwrap_or((ServerResponse::Done, 0));
            let (requests, state) = match response {
                ServerResponse::Done => break run.server_response(r#""result":{"resultType":"complete","content":[]}"#),
                ServerResponse::Fail => break run.server_response(r#""error":{"code":-32603,"message":"no"}"#),
                ServerResponse::State(state) => (Vec::new(), Some(state)),
                ServerResponse::Ask(kinds, state) => (kinds, state),
            };
            let asked: BTreeMap<String, Value> = requests.iter().enumerate().map(|(n, kind)| {
                let request = match kind {
                    0 => json!({ "method": "roots/list" }),
                    1 => json!({ "method": "elicitation/create", "params": { "message": n, "requestedSchema": {} } }),
                    _ => json!({ "method": "sampling/createMessage", "params": { "n": n } }),
                };
                (format!("key {n}"), request)
            }).collect();
            let mut result = json!({ "resultType": "input_required" });
            if !asked.is_empty() {
                result["inputRequests"] = json!(asked);
            }
            if let Some(state) = &state {
                result["requestState"] = json!(state);
            }
            run.server_response(&format!(r#""result":{result}"#));
            let mut open = run.input_requests();
            prop_assert_eq!(open.len(), requests.len());
            let methods: Vec<_> = open.iter().map(|(_, method)| method.clone()).collect();
            let mut expected = BTreeMap::new();
            let mut turn = order;
            let names: Vec<_> = asked.keys().cloned().collect();
            let mut named: Vec<_> = open.drain(..).zip(names).collect();
            while !named.is_empty() {
                let ((raw_id, _), name) = named.remove(usize::try_from(turn % named.len() as u64).unwrap());
                turn = turn.rotate_left(7);
                run.client_response(&raw_id, &format!(r#""result":{{"to":{raw_id}}}"#));
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
        let (to_client, posted) = run.close();
        prop_assert!(to_client.is_empty() && posted.is_none(), "nothing is open");
        let ids: Vec<_> = run.to_client.iter().filter_map(Message::raw_id).collect();
        let once: std::collections::HashSet<_> = ids.iter().collect();
        prop_assert_eq!(once.len(), ids.len(), "no two input requests have one id");
    }
}
