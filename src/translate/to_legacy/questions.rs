//! What does the server want to know before it answers? Asked of the client with what it waits for, and answered when
//! that comes back ("Multi Round-Trip Requests").

use std::time::Instant;

use super::asked::Asked;
use super::exchange::{Client, Exchange};
use super::session::withdrawn;
use super::{Action, GATHER, HELD, Origin, Place, Timer, ToLegacy, told};
use crate::message::{self, Id, Message};
use crate::translate::members::{Members, quoted};

/// How many exchanges wait at a time for a client that may never come back.
const MOST_HELD: usize = 1024;

/// Something the server wants to know.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) key: String,
    /// The server's own; none where an error asked, which wants no reply.
    pub(super) raw_id: Option<Box<str>>,
    /// As `inputRequests` has it.
    pub(super) text: String,
    /// Where it came on a stream that all requests share, and so may belong to another: until when more is gathered.
    pub(super) shared: Option<Instant>,
}

impl ToLegacy {
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
        let due = now + GATHER;
        let shared = matches!(origin, Origin::Shared).then_some(due);
        let exchange = match origin {
            Origin::Exchange(exchange) => Some(exchange),
            Origin::OwnRequest => None,
            Origin::Shared => self.newest_that_may_be_asked(session),
        };
        if let Some(lacks) = self.sessions.get(&session).map_or(Some(""), |session| session.lacks(message)) {
            if let Some(exchange) = exchange.and_then(|exchange| self.exchanges.get_mut(&exchange)) {
                exchange.missed = Some(lacks).filter(|lacks| !lacks.is_empty());
            }
            self.refuse(session, &raw_id, "the client cannot be asked this");
            return self.warn(format!("the server asked {method}, which the client does not offer"));
        }
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
        exchange.questions.push(Question { key, raw_id: Some(raw_id), text, shared });
        if exchange.client.is_some() {
            self.timers.insert((due, Timer::Ask(number)));
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
        self.go_on(number, message, refused, now);
    }

    /// Asks for what is still unknown, asks the server again, or gives the answer that has come meanwhile.
    fn go_on(&mut self, number: u64, message: &Message, refused: bool, now: Instant) {
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
            return self.begin(number, now);
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

    /// Parts an exchange that has ended from its questions. One that may be another request's becomes that one's: it
    /// was a guess whose it is. The rest is refused.
    pub(super) fn leave_questions(&mut self, exchange: &mut Exchange, why: &str) {
        for question in std::mem::take(&mut exchange.questions) {
            let Some(raw_id) = question.raw_id.as_deref() else { continue };
            let heir = question.shared.and_then(|due| Some((due, self.newest_that_may_be_asked(exchange.session)?)));
            let Some((due, number)) = heir else {
                self.refuse(exchange.session, raw_id, why);
                continue;
            };
            if let Some(heir) = self.exchanges.get_mut(&number) {
                heir.questions.push(question);
                if heir.client.is_some() {
                    self.timers.insert((due, Timer::Ask(number)));
                }
            }
        }
    }
}

impl Exchange {
    /// Only where the specification lets a server answer "input required", and while it works on an answer.
    fn may_be_asked(&self) -> bool {
        self.subject.is_some() && self.raw_id.is_some()
    }
}
