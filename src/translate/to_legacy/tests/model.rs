//! Does every request get one response, whatever client, server and clock do? A model of both sides checks it.

use std::collections::{BTreeSet, HashSet};

use super::*;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Each request of either side gets one response, and no id is in flight twice.
    #[test]
    fn every_request_gets_one_response(script in proptest::collection::vec((0u8..12, any::<u8>()), 0..120)) {
        let mut model = Model::default();
        for (act, which) in script {
            model.step(act, usize::from(which));
        }
        model.finish();
    }
}

/// A client and a server that count what they are owed.
#[derive(Default)]
struct Model {
    run: Run,
    next: u64,
    /// The client's requests in flight, with their methods.
    asked: Vec<(u64, String)>,
    /// Input requests at the client: the id and method of its request, the keys, the state.
    wanted: Vec<(u64, String, Vec<String>, String)>,
    /// The requests in flight at the server: session, id, request.
    serving: Vec<(u64, Value, Value)>,
    server_requests: Vec<(u64, Value)>,
    /// The resources of which the server announces updates.
    subscribed: BTreeSet<String>,
    listens: Vec<(u64, &'static [&'static str])>,
    open: HashSet<u64>,
    answers: usize,
}

impl Model {
    fn step(&mut self, act: u8, which: usize) {
        self.next += 1;
        let id = self.next;
        match act {
            0 | 1 => self.request(id, "tools/call", r#""name":"t""#, which),
            2 => self.request(id, "tools/list", "", which),
            3 => self.listen(id, which),
            4 if which.is_multiple_of(4) => self.request(id, "server/discover", "", which),
            4 | 5 => self.answer(which),
            6 | 7 => self.server_request(which),
            8 => self.retry(which),
            9 => self.cancel(which),
            10 => {
                let Some(session) = self.open.iter().nth(which % self.open.len().max(1)) else { return };
                let changed = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
                let actions = self.run.server_message(*session, None, changed);
                self.take(actions);
            }
            _ => {
                let actions = self.run.pass_time(Duration::from_secs(if which.is_multiple_of(20) { 4000 } else { 1 }));
                self.take(actions);
            }
        }
    }

    fn listen(&mut self, id: u64, which: usize) {
        let resources = [&["a:b"][..], &["a:b", "c:d"], &["c:d"]][which % 3];
        self.listens.push((id, resources));
        let filter =
            format!(r#""notifications":{{"toolsListChanged":true,"resourceSubscriptions":{}}}"#, json!(resources));
        self.request(id, "subscriptions/listen", &filter, which);
    }

    fn request(&mut self, id: u64, method: &str, params: &str, which: usize) {
        let level = match which % 4 {
            0 => r#""io.modelcontextprotocol/logLevel":"info""#,
            1 => r#""io.modelcontextprotocol/logLevel":"error""#,
            _ => "",
        };
        self.asked.push((id, method.to_owned()));
        self.run.machine.client_request(&modern(&id.to_string(), method, params, level), false, self.run.now);
        let actions = self.run.machine.actions();
        self.take(actions);
    }

    fn answer(&mut self, which: usize) {
        if self.serving.is_empty() {
            return;
        }
        let (session, id, request) = self.serving.swap_remove(which % self.serving.len());
        if let Some(uri) = request["params"]["uri"].as_str() {
            if request["method"] == "resources/subscribe" {
                self.subscribed.insert(uri.to_owned());
            } else {
                self.subscribed.remove(uri);
            }
        }
        let actions = self.run.server_response(session, &message_result(&id.to_string(), "{}"));
        self.take(actions);
    }

    fn server_request(&mut self, which: usize) {
        if self.serving.is_empty() {
            return;
        }
        let (session, id, _) = self.serving[which % self.serving.len()].clone();
        let server_request = json!(format!("server_request {}", self.next));
        self.server_requests.push((session, server_request.clone()));
        let during = (which.is_multiple_of(2)).then(|| id.to_string());
        let method = ["roots/list", "elicitation/create", "sampling/createMessage"][which % 3];
        let text = format!(r#"{{"jsonrpc":"2.0","id":{server_request},"method":"{method}","params":{{}}}}"#);
        let actions = self.run.server_message(session, during.as_deref(), &text);
        self.take(actions);
    }

    fn retry(&mut self, which: usize) {
        if self.wanted.is_empty() {
            return;
        }
        let (_, method, keys, state) = self.wanted.swap_remove(which % self.wanted.len());
        let answered = keys.iter().enumerate().filter(|(n, _)| !(which >> n).is_multiple_of(3));
        let responses: Vec<_> = answered.map(|(_, key)| format!("{}:{{}}", json!(key))).collect();
        let params =
            format!(r#""name":"t","requestState":{},"inputResponses":{{{}}}"#, json!(state), responses.join(","));
        self.request(self.next, &method, &params, 1);
    }

    fn cancel(&mut self, which: usize) {
        if self.asked.len() + self.wanted.len() == 0 {
            return;
        }
        let which = which % (self.asked.len() + self.wanted.len());
        // A request that was answered with input requests may be cancelled too, if the client has not got them yet.
        let id = match which.checked_sub(self.asked.len()) {
            None => self.asked.swap_remove(which).0,
            Some(which) => self.wanted.swap_remove(which).0,
        };
        self.listens.retain(|(listen, _)| *listen != id);
        self.run.machine.client_cancelled(&cancellation(&id.to_string()));
        let actions = self.run.machine.actions();
        self.take(actions);
    }

    fn take(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Open { session, .. } => {
                    assert!(self.open.insert(session), "a session is opened once");
                    self.run.machine.session_opened(session, &message_result("0", SERVER), self.run.now);
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
                    let modern = ["requestState", "inputResponses"].map(|name| request["params"].get(name));
                    assert_eq!(modern, [None, None]);
                    let changes = |request: &Value| {
                        let level = (request["method"] == "logging/setLevel").then_some("level");
                        request["params"]["uri"].as_str().or(level).map(str::to_owned)
                    };
                    let change = changes(&request);
                    let clash = self.serving.iter().any(|(_, _, other)| change.is_some() && changes(other) == change);
                    assert!(!clash, "two conflicting requests are in flight: {request}");
                    self.serving.push((session, id, request));
                }
                Action::Notify { session, message } | Action::Reply { session, message, .. } => {
                    let reply = value(&message);
                    let request = (session, reply["id"].clone());
                    let place = self.server_requests.iter().position(|open| *open == request);
                    self.server_requests.swap_remove(place.expect("one reply to each server request"));
                }
                Action::Cancel { session, message, .. } => {
                    let id = value(&message)["params"]["requestId"].clone();
                    self.serving.retain(|(of, serving, _)| *of != session || *serving != id);
                }
                Action::Answer(answer) => self.answered(&value(&answer)),
                Action::Deliver(_) | Action::Warn(_) => {}
            }
        }
    }

    fn answered(&mut self, answer: &Value) {
        let id = answer["id"].as_u64().unwrap();
        let place = self.asked.iter().position(|(asked, _)| *asked == id).expect("one response to each request");
        let (asked, method) = self.asked.swap_remove(place);
        self.answers += 1;
        if answer["result"]["resultType"] == "input_required" {
            assert_eq!(method, "tools/call", "only some requests may be answered with input requests");
            let keys = answer["result"]["inputRequests"].as_object().unwrap().keys().cloned().collect();
            self.wanted.push((asked, method, keys, answer["result"]["requestState"].as_str().unwrap().to_owned()));
        }
    }

    /// Ends everything that is open; then nothing may be owed.
    fn finish(&mut self) {
        for _ in 0..1000 {
            let actions = self.run.pass_time(GATHER);
            self.take(actions);
            if self.serving.is_empty() && self.wanted.is_empty() {
                break;
            }
            self.answer(0);
            self.next += 1;
            self.retry(1);
        }
        let wanted: BTreeSet<_> =
            self.listens.iter().flat_map(|(_, uris)| *uris).map(|uri| (*uri).to_owned()).collect();
        assert_eq!(self.subscribed, wanted, "the server announces updates of exactly the wanted resources");
        self.run.machine.end_of_input();
        let actions = self.run.machine.actions();
        self.take(actions);
        assert_eq!(self.asked, [], "every request has its response");
        assert_eq!(self.server_requests, [], "every server request has its reply");
    }
}
