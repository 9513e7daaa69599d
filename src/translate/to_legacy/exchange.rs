//! One request of the client's, from its first words to the server's answer, through every question on the way.

use std::time::Instant;

use serde_json::Value;

use super::asked::{self, Asked, Level};
use super::questions::Question;
use super::session::cancellation;
use super::{Action, Awaited, Place, ToLegacy, capabilities, told};
use crate::message::{Id, Message};

/// A request with the server, and who waits for its answer.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    pub(super) session: u64,
    pub(super) method: Box<str>,
    /// Tool, prompt or resource; only where the client may be asked something.
    pub(super) subject: Option<String>,
    /// What the client said, until it is sent.
    pub(super) request: Option<Message>,
    /// Its id with the server; none before it is sent, none after the server's last word.
    pub(super) raw_id: Option<Box<str>>,
    /// The progress token that the server knows.
    pub(super) token: Option<Id>,
    pub(super) level: Option<Level>,
    /// Who waits for an answer. Nobody while the client gathers what was asked for.
    pub(super) client: Option<Client>,
    /// The id of its request that was answered with questions, until it comes back.
    pub(super) was: Option<Id>,
    /// The capabilities it came back with.
    pub(super) declares: Option<Value>,
    pub(super) questions: Vec<Question>,
    /// The capability that the server missed in the client.
    pub(super) missed: Option<&'static str>,
    /// What the client comes back with.
    pub(super) state: Option<String>,
    /// The server's answer, where it came while nobody waited.
    pub(super) answer: Option<Message>,
    pub(super) held_until: Option<Instant>,
}

/// A request of the client's that wants an answer.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) raw_id: Box<str>,
    pub(super) token: Option<Box<str>>,
}

impl ToLegacy {
    /// Takes a request that the server is to answer.
    pub(super) fn exchange(&mut self, message: &Message, asked: Asked, session: u64, now: Instant) {
        let number = self.next();
        let exchange = Exchange {
            session,
            method: asked.method,
            subject: asked.subject,
            request: Some(message.clone()),
            level: asked.level,
            client: Some(Client { raw_id: asked.raw_id, token: asked.progress_token }),
            ..Exchange::default()
        };
        self.exchanges.insert(number, exchange);
        self.asked.insert(asked.id, Place::Exchange(number));
        self.begin_when_open(session, number, now);
    }

    /// Id and progress token stay as the client made them, unless an exchange that is held has the same.
    pub(super) fn send(&mut self, number: u64) {
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

    /// The server's last word on a request.
    pub(super) fn finish(&mut self, number: u64, answer: &Message, now: Instant) {
        let Some(exchange) = self.exchanges.get_mut(&number) else { return };
        exchange.raw_id = None;
        if let Some(token) = exchange.token.take() {
            self.tokens.remove(&(exchange.session, token));
        }
        if exchange.client.is_none() {
            exchange.answer = Some(answer.clone());
            return self.pass_questions_on(number);
        }
        let urls = told::urls_to_visit(answer);
        if exchange.subject.is_none() || urls.is_empty() {
            return self.settle(number, answer);
        }
        let session = exchange.session;
        let needs = capabilities::URL;
        if self.lacks(session, Some(number), needs).is_some() {
            let cannot = told::missing(answer, needs);
            return self.settle(number, cannot.as_ref().unwrap_or(answer));
        }
        let Some(exchange) = self.exchanges.get_mut(&number) else { return };
        let keyed = urls.into_iter().enumerate();
        let questions = keyed.map(|(n, text)| Question {
            key: format!("visit-{}", n + 1),
            raw_id: None,
            text,
            needs,
            shared: None,
        });
        exchange.questions.extend(questions);
        exchange.answer = Some(answer.clone());
        self.ask(number, now);
    }

    /// Gives the client the server's answer.
    pub(super) fn settle(&mut self, number: u64, answer: &Message) {
        let Some(mut exchange) = self.exchanges.remove(&number) else { return };
        let Some(client) = &exchange.client else { return };
        let server = self.sessions.get(&exchange.session).map(|session| &session.server);
        let missed = exchange.missed.and_then(|capability| told::missing(answer, capability));
        let answer = missed.as_ref().unwrap_or(answer);
        let modern = server.and_then(|server| server.modern(answer, &exchange.method, &client.raw_id));
        let modern = modern.unwrap_or_else(|| answer.with_id(&client.raw_id));
        self.answer(modern);
        self.leave_questions(&mut exchange, "the request that this belongs to is answered");
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
        let Some(mut exchange) = self.exchanges.remove(&number) else { return };
        self.forget(number, exchange.was.as_ref());
        self.leave_questions(&mut exchange, reason);
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
}
