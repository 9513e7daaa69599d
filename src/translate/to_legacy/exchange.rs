//! One request of the client's, from its first words to the server's answer, through every question on the way.

use std::time::Instant;

use super::asked::{self, Asked, Level};
use super::session::{cancellation, with_token, withdrawn};
use super::told;
use super::{Action, Awaited, GATHER, HELD, Origin, Place, Timer, ToLegacy};
use crate::message::{self, Id, Message};
use crate::translate::members::{Members, quoted};
use crate::translate::text;

/// How many exchanges wait at a time for a client that may never come back.
const MOST_HELD: usize = 64;

/// A request with the server, and who waits for its answer.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) session: u64,
    method: Box<str>,
    /// Tool, prompt or resource; only where the client may be asked something.
    subject: Option<String>,
    /// What the client said, until it is sent.
    request: Option<Message>,
    /// Its id with the server; none before it is sent, none after the server's last word.
    raw_id: Option<Box<str>>,
    /// The progress token that the server knows.
    token: Option<Id>,
    level: Option<Level>,
    /// Who waits for an answer. Nobody while the client gathers what was asked for.
    pub(super) client: Option<Client>,
    questions: Vec<Question>,
    /// What the client comes back with.
    state: Option<String>,
    /// The server's answer, where it came while nobody waited.
    answer: Option<Message>,
    held_until: Option<Instant>,
}

/// A request of the client's that wants an answer.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) raw_id: Box<str>,
    token: Option<Box<str>>,
}

/// Something the server wants to know.
#[derive(Debug)]
struct Question {
    key: String,
    /// The server's own; none where an error asked, which wants no reply.
    raw_id: Option<Box<str>>,
    /// As `inputRequests` has it.
    text: String,
}

impl ToLegacy {
    /// Takes a request that the server is to answer.
    pub(super) fn exchange(&mut self, message: &Message, asked: Asked, session: u64) {
        let number = self.next();
        let exchange = Exchange {
            session,
            method: asked.method,
            subject: asked.subject,
            request: Some(message.clone()),
            raw_id: None,
            token: None,
            level: asked.level,
            client: Some(Client { raw_id: asked.raw_id, token: asked.progress_token }),
            questions: Vec::new(),
            state: None,
            answer: None,
            held_until: None,
        };
        self.exchanges.insert(number, exchange);
        self.asked.insert(asked.id, Place::Exchange(number));
        self.begin_when_open(session, number);
    }

    /// Sends it, after the log level if that must change.
    pub(super) fn begin(&mut self, number: u64) {
        let Some(exchange) = self.exchanges.get(&number) else { return };
        let session_number = exchange.session;
        let Some(session) = self.sessions.get(&session_number) else { return };
        let Some(level) = exchange.level.filter(|_| session.server.can("logging", None)) else {
            return self.send(number);
        };
        // The server knows one level for all: the most talkative that anybody wants.
        let others = self.exchanges.values().filter(|other| other.session == session_number);
        let level = others.filter_map(|other| other.level).min().unwrap_or(level);
        let told = session.level == Some(level);
        match session.leveling.clone() {
            Some(id) if told => {
                if let Some(Awaited::Level(waiting)) = self.awaited.get_mut(&(session_number, id)) {
                    waiting.push(number);
                }
            }
            _ if told => self.send(number),
            _ => {
                let params = format!(r#"{{"level":"{}"}}"#, level.name());
                let id = self.own_request(session_number, "logging/setLevel", &params, Awaited::Level(vec![number]));
                if let Some(session) = self.sessions.get_mut(&session_number) {
                    session.level = Some(level);
                    session.leveling = Some(id);
                }
            }
        }
    }

    /// The server knows the level; what waited for that is sent.
    pub(super) fn leveled(&mut self, session: u64, id: &Id, waiting: &[u64]) {
        if let Some(session) = self.sessions.get_mut(&session) {
            session.leveling.take_if(|leveling| leveling == id);
        }
        for exchange in waiting {
            self.send(*exchange);
        }
    }

    /// Id and progress token stay as the client made them, unless an exchange that is held has the same.
    fn send(&mut self, number: u64) {
        let fresh = format!("\"mcp-ferry {}\"", self.next());
        let Some(exchange) = self.exchanges.get_mut(&number) else { return };
        let (Some(request), Some(client)) = (exchange.request.take(), &exchange.client) else { return };
        let session = exchange.session;
        let is_taken = self.awaited.contains_key(&(session, Id::from_json(&client.raw_id)));
        let raw_id: Box<str> = if is_taken { fresh.as_str().into() } else { client.raw_id.clone() };
        let token = client.token.clone().map(|token| {
            let is_taken = self.tokens.contains_key(&(session, Id::from_json(&token)));
            if is_taken { fresh.as_str().into() } else { token }
        });
        let Some(message) = asked::legacy(&request, &raw_id, token.as_deref()) else { return };
        if let Some(token) = token.map(|token| Id::from_json(&token)) {
            self.tokens.insert((session, token.clone()), number);
            exchange.token = Some(token);
        }
        self.awaited.insert((session, Id::from_json(&raw_id)), Awaited::Exchange(number));
        exchange.raw_id = Some(raw_id);
        self.actions.push(Action::Request { session, message });
    }

    /// The server asks something of the client.
    pub(super) fn questioned(&mut self, session: u64, origin: Origin, message: &Message, now: Instant) {
        let raw_id: Box<str> = message.raw_id().unwrap_or("null").into();
        let method = message.method().unwrap_or_default();
        if method == "ping" {
            if let Ok(message) = Message::parse(message::result(&raw_id, &serde_json::json!({}))) {
                self.actions.push(Action::Notify { session, message });
            }
            return;
        }
        if !self.sessions.get(&session).is_some_and(|session| session.may_ask(message)) {
            self.refuse(session, &raw_id, "the client cannot be asked this");
            return self.warn(format!("the server asked {method}, which the client does not offer"));
        }
        let exchange = match origin {
            Origin::Exchange(exchange) => Some(exchange),
            Origin::OwnRequest => None,
            Origin::Shared => self.newest_that_may_be_asked(session),
        };
        let exchange = exchange.filter(|exchange| self.exchanges.get(exchange).is_some_and(Exchange::may_be_asked));
        let (Some(number), Some(text)) = (exchange, told::question(message)) else {
            self.refuse(
                session,
                &raw_id,
                "the client can only be asked while it calls a tool, gets a prompt or reads a resource",
            );
            return self.warn(format!("the server asked {method} outside any request that could carry it"));
        };
        let key = format!("{method}-{}", self.next());
        let Some(exchange) = self.exchanges.get_mut(&number) else { return };
        exchange.questions.push(Question { key, raw_id: Some(raw_id), text });
        if exchange.client.is_some() {
            self.timers.insert((now + GATHER, Timer::Ask(number)));
        }
    }

    /// A question on a stream that all share is most likely of the last request that waits.
    fn newest_that_may_be_asked(&self, session: u64) -> Option<u64> {
        let all = self.exchanges.iter().rev().filter(|(_, exchange)| exchange.session == session);
        let able = || all.clone().filter(|(_, exchange)| exchange.may_be_asked());
        let waiting = able().find(|(_, exchange)| exchange.client.is_some());
        waiting.or_else(|| able().next()).map(|(number, _)| *number)
    }

    /// The server has found out by itself.
    pub(super) fn question_withdrawn(&mut self, session: u64, message: &Message) {
        let Some(id) = withdrawn(message) else { return };
        for exchange in self.exchanges.values_mut().filter(|exchange| exchange.session == session) {
            exchange.questions.retain(|question| question.raw_id.as_deref().map(Id::from_json) != Some(id.clone()));
        }
    }

    /// Answers the client with what the server wants to know, all that has gathered.
    pub(super) fn ask(&mut self, number: u64, now: Instant) {
        let state = (self.secrets)();
        let Some(exchange) = self.exchanges.get_mut(&number).filter(|exchange| !exchange.questions.is_empty()) else {
            return;
        };
        let Some(client) = exchange.client.take() else { return };
        let questions =
            exchange.questions.iter().map(|question| format!("{}:{}", quoted(&question.key), question.text));
        let result = format!(
            r#"{{"resultType":"input_required","inputRequests":{{{}}},"requestState":{}}}"#,
            questions.collect::<Vec<_>>().join(","),
            quoted(&state)
        );
        exchange.state = Some(state);
        exchange.held_until = Some(now + HELD);
        self.timers.insert((now + HELD, Timer::Held(number)));
        self.answer(format!(r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, client.raw_id));
        let held = self.exchanges.iter().filter_map(|(number, exchange)| Some((exchange.held_until?, *number)));
        if held.clone().count() > MOST_HELD
            && let Some((until, oldest)) = held.min()
        {
            self.give_up_held(oldest, until);
        }
    }

    /// The client comes back, with answers or without.
    pub(super) fn come_back(&mut self, message: &Message, asked: Asked, state: &str, now: Instant) {
        let held = self.exchanges.iter().find(|(_, exchange)| exchange.state.as_deref() == Some(state));
        let Some((number, exchange)) = held else {
            return self
                .invalid(&asked.raw_id, "the requestState is not known here, or not any more; ask again without it");
        };
        if exchange.method != asked.method || exchange.subject != asked.subject {
            return self.invalid(&asked.raw_id, "the requestState belongs to another request than this");
        }
        let (number, session) = (*number, exchange.session);
        if let Some(session) = self.sessions.get_mut(&session) {
            session.used = now;
        }
        let Some(exchange) = self.exchanges.get_mut(&number) else { return };
        exchange.state = None;
        exchange.held_until = None;
        exchange.level = asked.level;
        exchange.client = Some(Client { raw_id: asked.raw_id, token: asked.progress_token });
        self.asked.insert(asked.id, Place::Exchange(number));
        let responses = asked.responses.as_deref().unwrap_or("{}");
        let refused = self.reply(number, Members::of(responses).as_ref());
        let Some(exchange) = self.exchanges.get_mut(&number) else { return };
        if !exchange.questions.is_empty() && exchange.answer.is_none() {
            // Not all was answered, or more was asked meanwhile.
            return self.ask(number, now);
        }
        let unsent = exchange.raw_id.is_none()
            && exchange.answer.as_ref().is_some_and(|answer| !told::urls_to_visit(answer).is_empty());
        if unsent && !refused {
            // The user has been where an error asked to go first: the server may say yes now.
            exchange.answer = None;
            exchange.questions.clear();
            exchange.request = Some(message.clone());
            return self.begin(number);
        }
        if let Some(answer) = exchange.answer.take() {
            self.settle(number, &answer);
        }
    }

    /// Gives the server the replies to its questions. True if one asked by an error was not accepted.
    fn reply(&mut self, number: u64, responses: Option<&Members<'_>>) -> bool {
        let Some(exchange) = self.exchanges.get_mut(&number) else { return false };
        let given = |question: &Question| responses.and_then(|responses| responses.get(&question.key));
        let mut refused = false;
        let mut replies = Vec::new();
        exchange.questions.retain(|question| {
            let Some(response) = given(question) else { return true };
            match &question.raw_id {
                Some(raw_id) => {
                    replies.push(format!(r#"{{"jsonrpc":"2.0","id":{raw_id},"result":{response}}}"#));
                }
                None => {
                    let action = Members::of(response).and_then(|response| response.string("action"));
                    refused |= action.as_deref() != Some("accept");
                }
            }
            false
        });
        let session = exchange.session;
        let replies = replies.into_iter().filter_map(|reply| Message::parse(reply).ok());
        self.actions.extend(replies.map(|message| Action::Notify { session, message }));
        refused
    }

    /// The server's last word on a request.
    pub(super) fn finish(&mut self, number: u64, answer: &Message, now: Instant) {
        let Some(exchange) = self.exchanges.get_mut(&number) else { return };
        exchange.raw_id = None;
        if let Some(token) = exchange.token.take() {
            self.tokens.remove(&(exchange.session, token));
        }
        if exchange.client.is_none() {
            exchange.answer = Some(answer.clone());
            return;
        }
        let may_visit = self.sessions.get(&exchange.session).is_some_and(super::session::Session::may_send_to_urls);
        if exchange.subject.is_some() && may_visit {
            let urls = told::urls_to_visit(answer);
            if !urls.is_empty() {
                let keyed = urls.into_iter().enumerate();
                let questions = keyed.map(|(n, text)| Question { key: format!("visit-{}", n + 1), raw_id: None, text });
                exchange.questions.extend(questions);
                exchange.answer = Some(answer.clone());
                return self.ask(number, now);
            }
        }
        self.settle(number, answer);
    }

    /// Gives the client the server's answer.
    fn settle(&mut self, number: u64, answer: &Message) {
        let Some(exchange) = self.exchanges.remove(&number) else { return };
        let Some(client) = &exchange.client else { return };
        let server = self.sessions.get(&exchange.session).map(|session| &session.server);
        let modern = server.and_then(|server| server.modern(answer, &exchange.method, &client.raw_id));
        let modern = modern.unwrap_or_else(|| answer.with_id(&client.raw_id));
        self.answer(modern.text().clone());
        self.refuse_questions(&exchange, "the request that this belongs to is answered");
    }

    fn refuse_questions(&mut self, exchange: &Exchange, why: &str) {
        for raw_id in exchange.questions.iter().filter_map(|question| question.raw_id.as_deref()) {
            self.refuse(exchange.session, raw_id, why);
        }
    }

    /// Nobody waits any more: the server is told, if it has been asked.
    pub(super) fn cancel_exchange(&mut self, number: u64, said: Option<&Message>) {
        self.drop_exchange(number, said, "the client has gone");
    }

    /// The client has not come back in time.
    pub(super) fn give_up_held(&mut self, number: u64, now: Instant) {
        let held = self.exchanges.get(&number).and_then(|exchange| exchange.held_until);
        if held.is_some_and(|until| until <= now) {
            self.warn(
                "the client has not come back with what the server asked for; the request is given up".to_owned(),
            );
            self.drop_exchange(number, None, "the client has not come back");
        }
    }

    fn drop_exchange(&mut self, number: u64, said: Option<&Message>, reason: &str) {
        let Some(exchange) = self.exchanges.remove(&number) else { return };
        self.refuse_questions(&exchange, reason);
        let session = exchange.session;
        if let Some(token) = exchange.token {
            self.tokens.remove(&(session, token));
        }
        if let Some(raw_id) = exchange.raw_id {
            let id = Id::from_json(&raw_id);
            self.awaited.remove(&(session, id.clone()));
            if let Some(message) = cancellation(said, &raw_id, reason) {
                self.actions.push(Action::Cancel { session, id, message });
            }
        }
    }

    /// Progress goes to whoever waits, under the token of the request that waits now.
    pub(super) fn progressed(&mut self, session: u64, message: &Message) {
        let params = Members::of(text(message)).and_then(|members| members.object("params"));
        let Some(token) = params.and_then(|params| params.get("progressToken")).map(Id::from_json) else { return };
        let Some(exchange) = self.tokens.get(&(session, token)).and_then(|number| self.exchanges.get(number)) else {
            return;
        };
        let token = exchange.client.as_ref().and_then(|client| client.token.as_deref());
        if let Some(message) = token.and_then(|token| with_token(message, token)) {
            self.actions.push(Action::Tell(message));
        }
    }

    /// Log messages go to requests that want some, and no other. Many servers send all on the stream that all share.
    pub(super) fn logged(&mut self, session: u64, origin: Origin, message: &Message) {
        let params = Members::of(text(message)).and_then(|members| members.object("params"));
        let Some(level) = params.and_then(|params| params.string("level")).as_deref().and_then(Level::named) else {
            return;
        };
        let wants =
            |exchange: &Exchange| exchange.client.is_some() && exchange.level.is_some_and(|least| level >= least);
        let wanted = match origin {
            Origin::Exchange(exchange) => self.exchanges.get(&exchange).is_some_and(wants),
            Origin::OwnRequest => false,
            Origin::Shared => self.exchanges.values().any(|exchange| exchange.session == session && wants(exchange)),
        };
        if wanted {
            self.actions.push(Action::Tell(message.clone()));
        }
    }
}

impl Exchange {
    /// Only where the specification lets a server answer "input required", and while it works on an answer.
    fn may_be_asked(&self) -> bool {
        self.subject.is_some() && self.raw_id.is_some()
    }
}
