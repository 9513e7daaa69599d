#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::HashSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const CAPABILITIES: &str = r#"{"sampling":{},"elicitation":{"form":{},"url":{}},"roots":{}}"#;
const SERVER: &str = r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true},"logging":{}},"serverInfo":{"name":"s","version":"1"}}"#;

fn message(text: impl Into<String>) -> Message {
    Message::parse(text.into()).unwrap()
}

/// A modern request; `params` are its members but `_meta`, `meta` the members of that but the required ones.
fn modern(id: &str, method: &str, params: &str, meta: &str) -> Message {
    let params = if params.is_empty() { String::new() } else { format!("{params},") };
    let meta = if meta.is_empty() { String::new() } else { format!(",{meta}") };
    message(format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{params}"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{CAPABILITIES}{meta}}}}}}}"#
    ))
}

fn value(message: &Message) -> Value {
    serde_json::from_slice(message.text()).unwrap()
}

fn machine() -> ToLegacy {
    let mut last = 0;
    ToLegacy::new(Box::new(move || {
        last += 1;
        format!("state {last}")
    }))
}

/// A machine with a session that is open, after these requests of the client's.
struct Run {
    machine: ToLegacy,
    now: Instant,
}

impl Run {
    fn new() -> Self {
        Self { machine: machine(), now: Instant::now() }
    }

    fn ask(&mut self, message: &Message) -> Vec<Action> {
        self.machine.request(message, self.now);
        let actions = self.machine.actions();
        match actions.first() {
            Some(Action::Open { session, .. }) => {
                let answer = message_result("\"hello\"", SERVER);
                self.machine.opened(*session, &answer, self.now);
                self.machine.actions()
            }
            _ => actions,
        }
    }

    fn answered(&mut self, session: u64, answer: &Message) -> Vec<Action> {
        self.machine.answered(session, answer, self.now);
        self.machine.actions()
    }

    fn said(&mut self, session: u64, during: Option<&str>, said: &str) -> Vec<Action> {
        let during = during.map(Id::from_json);
        self.machine.said(session, during.as_ref(), &message(said), self.now);
        self.machine.actions()
    }

    fn pass(&mut self, time: Duration) -> Vec<Action> {
        self.now += time;
        self.machine.expire(self.now);
        self.machine.actions()
    }
}

fn message_result(id: &str, result: &str) -> Message {
    message(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#))
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
        Action::Cancel { session, message, .. } => Some((*session, value(message))),
        _ => None,
    });
    sent.collect()
}

fn told(actions: &[Action]) -> Vec<Value> {
    let told = actions.iter().filter_map(|action| match action {
        Action::Tell(message) => Some(value(message)),
        _ => None,
    });
    told.collect()
}

#[test]
fn what_was_held_for_too_long_is_given_up_and_the_server_hears_so() {
    let mut run = Run::new();
    let (session, call) = sent(&run.ask(&modern("1", "tools/call", r#""name":"t""#, "")))[0].clone();
    assert_eq!(call["id"], 1);
    run.said(session, Some("1"), r#"{"jsonrpc":"2.0","id":"q","method":"roots/list"}"#);
    let asked = only_answer(&run.pass(GATHER));
    let state = asked["result"]["requestState"].clone();
    assert_eq!(sent(&run.pass(HELD / 2)), []);
    let given_up = sent(&run.pass(HELD));
    assert_eq!(given_up.len(), 2, "{given_up:?}");
    assert_eq!((&given_up[0].1["id"], given_up[0].1["error"].is_object()), (&json!("q"), true));
    assert_eq!(given_up[1].1["method"], "notifications/cancelled");
    assert_eq!(given_up[1].1["params"]["requestId"], 1);
    let late = run.ask(&modern("2", "tools/call", &format!(r#""name":"t","requestState":{state}"#), ""));
    assert_eq!(only_answer(&late)["error"]["code"], -32602, "an unknown state is an error, not a hang");
}

#[test]
fn an_id_and_a_token_that_a_held_exchange_still_has_are_others_with_the_server() {
    let mut run = Run::new();
    let call = |id: &str| modern(id, "tools/call", r#""name":"t""#, r#""progressToken":7"#);
    let (session, _) = sent(&run.ask(&call("1")))[0].clone();
    run.said(session, Some("1"), r#"{"jsonrpc":"2.0","id":9,"method":"roots/list"}"#);
    run.pass(GATHER);
    let (_, again) = sent(&run.ask(&call("1")))[0].clone();
    assert!(again["id"].is_string() && again["params"]["_meta"]["progressToken"].is_string(), "{again}");
    let token = &again["params"]["_meta"]["progressToken"];
    let progress =
        format!(r#"{{"method":"notifications/progress","params":{{"progressToken":{token},"progress":1.0}}}}"#);
    assert_eq!(told(&run.said(session, None, &progress))[0]["params"]["progressToken"], 7);
    let held = r#"{"method":"notifications/progress","params":{"progressToken":7,"progress":1}}"#;
    assert_eq!(told(&run.said(session, None, held)), [] as [Value; 0], "nobody waits for the one that is held");
    let answer = message_result(&again["id"].to_string(), r#"{"content":[]}"#);
    assert_eq!(only_answer(&run.answered(session, &answer))["id"], 1);
}

#[test]
fn few_sessions_are_kept_and_the_oldest_unused_goes_first() {
    let mut machine = machine();
    let now = Instant::now();
    let with = |n: u32| {
        let text = String::from_utf8(modern(&n.to_string(), "server/discover", "", "").text().to_vec()).unwrap();
        message(text.replace(CAPABILITIES, &format!(r#"{{"experimental":{{"n":{n}}}}}"#)))
    };
    let mut closed = Vec::new();
    for n in 0..6 {
        machine.request(&with(n), now + Duration::from_secs(n.into()));
        for action in machine.actions() {
            match action {
                Action::Open { session, .. } => {
                    machine.opened(session, &message_result("0", SERVER), now);
                }
                Action::Close { session } => closed.push(session),
                _ => {}
            }
        }
    }
    assert_eq!(closed.len(), 2, "{closed:?}");
    machine.actions();
    machine.expire(now + IDLE * 3);
    let left = machine.actions().into_iter().filter(|action| matches!(action, Action::Close { .. })).count();
    assert_eq!(left, 3, "all that are idle go but the one that was used last");
}

#[test]
fn a_session_that_was_greeted_anew_is_told_again_what_it_must_know() {
    let mut run = Run::new();
    let listen = r#""notifications":{"resourceSubscriptions":["a:b"]}"#;
    let (session, subscribe) = sent(&run.ask(&modern("1", "subscriptions/listen", listen, "")))[0].clone();
    run.answered(session, &message_result(&subscribe["id"].to_string(), "{}"));
    let level = r#""io.modelcontextprotocol/logLevel":"info""#;
    assert_eq!(sent(&run.ask(&modern("2", "tools/list", "", level)))[0].1["method"], "logging/setLevel");
    run.machine.renewed(session);
    assert_eq!(sent(&run.machine.actions())[0].1["method"], "resources/subscribe");
    assert_eq!(sent(&run.ask(&modern("3", "tools/list", "", level)))[0].1["method"], "logging/setLevel");
}

/// Members whose bytes a parser would not give back.
fn odd_members() -> impl Strategy<Value = String> {
    let values = [
        "1.0",
        "12345678901234567890123",
        r#""\u0041""#,
        "[ ]",
        r#"{"_meta":{"io.modelcontextprotocol/logLevel":1}}"#,
        "null",
    ];
    let member = ("[a-z]{1,4}", proptest::sample::select(values.to_vec()), "[ ]{0,2}");
    proptest::collection::vec(member, 0..4).prop_map(|members| {
        let members = members.into_iter().enumerate();
        members
            .map(|(n, (name, value, space))| format!(r#""x{n}{name}":{space}{value}"#))
            .collect::<Vec<_>>()
            .join(", ")
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_request_loses_its_era_and_nothing_else(params in odd_members(), meta in odd_members()) {
        let request = modern("7", "vendor/method", &params, &meta);
        let sent = sent(&Run::new().ask(&request));
        let mut expected = value(&request);
        let members = expected["params"]["_meta"].as_object_mut().unwrap();
        members.retain(|name, _| !name.starts_with("io.modelcontextprotocol/"));
        if members.is_empty() {
            expected["params"].as_object_mut().unwrap().remove("_meta");
        }
        prop_assert_eq!(&sent[0].1, &expected);
        let mut run = Run::new();
        run.machine.request(&request, run.now);
        run.machine.opened(1, &message_result("0", SERVER), run.now);
        let text = run.machine.actions().into_iter().find_map(|action| match action {
            Action::Request { message, .. } => Some(String::from_utf8(message.text().to_vec()).unwrap()),
            _ => None,
        });
        let text = text.unwrap();
        prop_assert!(text.contains(&params) && text.contains(&meta), "{}", text);
    }

    #[test]
    fn a_result_gains_its_era_and_loses_nothing(result in odd_members(), meta in odd_members()) {
        let mut run = Run::new();
        let (session, _) = sent(&run.ask(&modern("7", "tools/list", "", "")))[0].clone();
        let whole = if result.is_empty() { format!(r#"{{"_meta":{{{meta}}}}}"#) } else { format!(r#"{{{result}, "_meta":{{{meta}}}}}"#) };
        let actions = run.answered(session, &message_result("7", &whole));
        let Action::Answer(answer) = &actions[0] else { panic!("{actions:?}") };
        let text = String::from_utf8(answer.text().to_vec()).unwrap();
        prop_assert!(text.contains(&result) && text.contains(&meta), "{}", text);
        let mut got = value(answer)["result"].clone();
        prop_assert_eq!(got["resultType"].take(), json!("complete"));
        prop_assert_eq!(got["ttlMs"].take(), json!(0));
        prop_assert_eq!(got["cacheScope"].take(), json!("private"));
        prop_assert_eq!(&got["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], &json!("s"));
    }

    /// Whatever client, server and clock do: one answer to each request, one reply to each question, no id twice in flight.
    #[test]
    fn everything_asked_is_answered_once(script in proptest::collection::vec((0u8..12, any::<u8>()), 0..120)) {
        let mut world = World::new();
        for (act, which) in script {
            world.step(act, usize::from(which));
        }
        world.come_to_an_end();
    }
}

/// A client and a server that keep accounts.
struct World {
    run: Run,
    next: u64,
    /// The client's requests in flight, and how to come back with each.
    asked: Vec<(u64, String)>,
    /// Input that the client was asked for: method and name again, the keys, the state.
    wanted: Vec<(String, Vec<String>, String)>,
    /// The server's requests in flight: session, id, whether it may ask in it.
    serving: Vec<(u64, Value, bool)>,
    questions: Vec<(u64, Value)>,
    open: HashSet<u64>,
    answers: usize,
}

impl World {
    fn new() -> Self {
        Self {
            run: Run::new(),
            next: 0,
            asked: Vec::new(),
            wanted: Vec::new(),
            serving: Vec::new(),
            questions: Vec::new(),
            open: HashSet::new(),
            answers: 0,
        }
    }

    fn step(&mut self, act: u8, which: usize) {
        self.next += 1;
        let id = self.next;
        match act {
            0 | 1 => self.request(id, "tools/call", r#""name":"t""#, which),
            2 => self.request(id, "tools/list", "", which),
            3 => self.request(
                id,
                "subscriptions/listen",
                r#""notifications":{"toolsListChanged":true,"resourceSubscriptions":["a:b"]}"#,
                which,
            ),
            4 if which.is_multiple_of(4) => self.request(id, "server/discover", "", which),
            4 | 5 => self.answer(which),
            6 | 7 => self.question(which),
            8 => self.come_back(which),
            9 => self.cancel(which),
            10 => {
                let session = self.open.iter().nth(which % self.open.len().max(1)).copied();
                if let Some(session) = session {
                    let actions = self.run.said(
                        session,
                        None,
                        r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#,
                    );
                    self.take(actions);
                }
            }
            _ => {
                let actions = self.run.pass(Duration::from_secs(if which.is_multiple_of(20) { 4000 } else { 1 }));
                self.take(actions);
            }
        }
    }

    fn request(&mut self, id: u64, method: &str, params: &str, which: usize) {
        let level = if which.is_multiple_of(3) { r#""io.modelcontextprotocol/logLevel":"info""# } else { "" };
        self.asked.push((id, method.to_owned()));
        self.run.machine.request(&modern(&id.to_string(), method, params, level), self.run.now);
        let actions = self.run.machine.actions();
        self.take(actions);
    }

    fn answer(&mut self, which: usize) {
        if self.serving.is_empty() {
            return;
        }
        let (session, id, _) = self.serving.swap_remove(which % self.serving.len());
        let actions = self.run.answered(session, &message_result(&id.to_string(), "{}"));
        self.take(actions);
    }

    fn question(&mut self, which: usize) {
        if self.serving.is_empty() {
            return;
        }
        let (session, id, _) = self.serving[which % self.serving.len()].clone();
        let question = json!(format!("question {}", self.next));
        self.questions.push((session, question.clone()));
        let during = (which.is_multiple_of(2)).then(|| id.to_string());
        let method = ["roots/list", "elicitation/create", "sampling/createMessage"][which % 3];
        let text = format!(r#"{{"jsonrpc":"2.0","id":{question},"method":"{method}","params":{{}}}}"#);
        let actions = self.run.said(session, during.as_deref(), &text);
        self.take(actions);
    }

    fn come_back(&mut self, which: usize) {
        if self.wanted.is_empty() {
            return;
        }
        let (method, keys, state) = self.wanted.swap_remove(which % self.wanted.len());
        let answered = keys.iter().enumerate().filter(|(n, _)| !(which >> n).is_multiple_of(3));
        let responses: Vec<_> = answered.map(|(_, key)| format!("{}:{{}}", json!(key))).collect();
        let params =
            format!(r#""name":"t","requestState":{},"inputResponses":{{{}}}"#, json!(state), responses.join(","));
        self.request(self.next, &method, &params, 1);
    }

    fn cancel(&mut self, which: usize) {
        if self.asked.is_empty() {
            return;
        }
        let (id, _) = self.asked.swap_remove(which % self.asked.len());
        let text = format!(r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#);
        self.run.machine.cancelled(&message(text));
        let actions = self.run.machine.actions();
        self.take(actions);
    }

    fn take(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Open { session, .. } => {
                    assert!(self.open.insert(session), "a session is opened once");
                    self.run.machine.opened(session, &message_result("0", SERVER), self.run.now);
                    let actions = self.run.machine.actions();
                    self.take(actions);
                }
                Action::Close { session } => {
                    assert!(self.open.remove(&session));
                    assert!(!self.serving.iter().any(|(of, ..)| *of == session), "a session in use is not closed");
                }
                Action::Request { session, message } => {
                    assert!(self.open.contains(&session));
                    let request = value(&message);
                    let id = request["id"].clone();
                    let twice = self.serving.iter().any(|(of, serving, _)| *of == session && *serving == id);
                    assert!(!twice, "{id} is in flight already");
                    assert!(
                        request["params"].get("requestState").is_none()
                            && request["params"].get("inputResponses").is_none()
                    );
                    self.serving.push((session, id, request["method"] == "tools/call"));
                }
                Action::Notify { session, message } => {
                    let reply = value(&message);
                    let place = self.questions.iter().position(|question| *question == (session, reply["id"].clone()));
                    self.questions.swap_remove(place.expect("one reply to each question"));
                }
                Action::Cancel { session, message, .. } => {
                    let id = value(&message)["params"]["requestId"].clone();
                    self.serving.retain(|(of, serving, _)| *of != session || *serving != id);
                }
                Action::Answer(answer) => self.answered(&value(&answer)),
                Action::Tell(_) | Action::Warn(_) => {}
            }
        }
    }

    fn answered(&mut self, answer: &Value) {
        let id = answer["id"].as_u64().unwrap();
        let place = self.asked.iter().position(|(asked, _)| *asked == id).expect("one answer to each request");
        let (_, method) = self.asked.swap_remove(place);
        self.answers += 1;
        if answer["result"]["resultType"] == "input_required" {
            assert_eq!(method, "tools/call", "only some requests may be answered with a question");
            let keys = answer["result"]["inputRequests"].as_object().unwrap().keys().cloned().collect();
            self.wanted.push((method, keys, answer["result"]["requestState"].as_str().unwrap().to_owned()));
        }
    }

    /// All that is open is brought to its end; then nothing may be owed.
    fn come_to_an_end(&mut self) {
        for _ in 0..1000 {
            let actions = self.run.pass(GATHER);
            self.take(actions);
            if self.serving.is_empty() && self.wanted.is_empty() {
                break;
            }
            self.answer(0);
            self.next += 1;
            self.come_back(1);
        }
        self.run.machine.end();
        let actions = self.run.machine.actions();
        self.take(actions);
        assert_eq!(self.asked, [], "every request has its answer");
        assert_eq!(self.questions, [], "every question has its reply");
    }
}
