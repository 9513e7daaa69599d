//! What does the server want to know before it answers? The client is asked by the answer to what it waits for ("Multi
//! Round-Trip Requests").

use std::time::Instant;

use super::exchange::Exchange;
use super::{Action, GATHER, HELD, Origin, Place, Timer, ToLegacy, capabilities, told};
use crate::message::quoted;
use crate::message::{self, Id, Message, cancelled_id, code};

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
    /// The capability without which no client may be asked it.
    pub(super) needs: &'static str,
    /// Where it came on a stream that all requests share, and so may belong to another: until when more is gathered.
    pub(super) shared: Option<Instant>,
}

impl ToLegacy {
    /// The server asks something of the client.
    pub(super) fn questioned(&mut self, session: u64, origin: Origin, message: &Message, now: Instant) {
        let raw_id: Box<str> = message.raw_id().unwrap_or("null").into();
        let method = message.method().unwrap_or_default();
        if method == "ping" {
            self.actions.push(Action::Notify { session, message: message::result_text(&raw_id, "{}") });
            return;
        }
        let Some(needs) = capabilities::needed(message) else {
            self.refuse(session, &raw_id, code::METHOD_NOT_FOUND, "no client is asked this");
            return self.warn(format!("the server asked {method}, which no client offers"));
        };
        let due = now + GATHER;
        let shared = matches!(origin, Origin::Shared).then_some(due);
        let exchange = match origin {
            Origin::Exchange(exchange) => Some(exchange),
            Origin::OwnRequest => None,
            Origin::Shared => self.newest_that_may_be_asked(session, needs),
        };
        if let Some(lacks) = self.lacks(session, exchange, needs) {
            if let Some(exchange) = exchange.and_then(|exchange| self.exchanges.get_mut(&exchange)) {
                exchange.missed = Some(lacks);
            }
            self.refuse_for_lack(session, &raw_id, lacks);
            return self.warn(format!("the server asked {method}, which the client does not offer"));
        }
        let exchange = exchange.filter(|exchange| self.exchanges.get(exchange).is_some_and(Exchange::may_be_asked));
        let (Some(number), Some(text)) = (exchange, told::question(message)) else {
            let why = "the client can only be asked while it calls a tool, gets a prompt or reads a resource";
            self.refuse(session, &raw_id, code::INTERNAL_ERROR, why);
            return self.warn(format!("the server asked {method} outside any request that could carry it"));
        };
        let key = format!("{method}-{}", self.next());
        let Some(exchange) = self.exchanges.get_mut(&number) else { return };
        exchange.questions.push(Question { key, raw_id: Some(raw_id), text, needs, shared });
        if exchange.client.is_some() {
            self.timers.insert((due, Timer::Ask(number)));
        }
    }

    /// A question on a stream that all share is most likely of the last request that waits, and whose client can be
    /// asked it.
    fn newest_that_may_be_asked(&self, session: u64, needs: &'static str) -> Option<u64> {
        let able = self.exchanges.iter().filter(|(_, exchange)| exchange.session == session && exchange.may_be_asked());
        let fitness = |(number, exchange): &(&u64, &Exchange)| {
            (self.lacks(session, Some(**number), needs).is_none(), exchange.client.is_some(), **number)
        };
        able.max_by_key(fitness).map(|(number, _)| *number)
    }

    /// What the client lacks to be asked something: by what it declared when the session was opened, or when it last
    /// came back to this exchange.
    pub(super) fn lacks(&self, session: u64, exchange: Option<u64>, needs: &'static str) -> Option<&'static str> {
        let session = self.sessions.get(&session).map(|session| &session.capabilities);
        let client = exchange.and_then(|exchange| self.exchanges.get(&exchange)?.declares.as_ref());
        session.into_iter().chain(client).find_map(|declared| capabilities::lacking(declared, needs))
    }

    /// Says that the client cannot be asked this, in the server's era's words for that.
    pub(super) fn refuse_for_lack(&mut self, session: u64, raw_id: &str, lacks: &str) {
        // A mode that was not declared is a parameter ("Elicitation"); all else is a method ("Roots").
        let code = if lacks.contains('.') { code::INVALID_PARAMS } else { code::METHOD_NOT_FOUND };
        self.refuse(session, raw_id, code, &format!("the client does not declare {lacks}"));
    }

    /// The server has found out by itself.
    pub(super) fn question_withdrawn(&mut self, session: u64, message: &Message) {
        let Some(id) = cancelled_id(message) else { return };
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
        let was = Id::from_json(&client.raw_id);
        exchange.was = Some(was.clone());
        self.answer(message::result_text(&client.raw_id, &result));
        // A cancellation of it may be on its way.
        self.asked.insert(was, Place::Exchange(number));
        let held = self.exchanges.iter().filter_map(|(number, exchange)| Some((exchange.held_until?, *number)));
        if held.clone().count() > MOST_HELD
            && let Some((until, oldest)) = held.min()
        {
            self.give_up_held(oldest, until);
        }
    }

    /// Parts an exchange that has ended from its questions. One that may be another request's becomes that one's: it
    /// was a guess whose it is. The rest is refused.
    pub(super) fn leave_questions(&mut self, exchange: &mut Exchange, why: &str) {
        self.leave(exchange.session, std::mem::take(&mut exchange.questions), why);
    }

    /// The same for questions alone.
    pub(super) fn leave(&mut self, session: u64, questions: Vec<Question>, why: &str) {
        for question in questions {
            match (self.heir(session, &question), question.raw_id.as_deref()) {
                (Some(heir), _) => self.give(heir, question),
                (None, Some(raw_id)) => self.refuse(session, raw_id, code::INTERNAL_ERROR, why),
                (None, None) => {}
            }
        }
    }

    /// The server has answered a request without what the client was asked with it: it was a wrong guess whose that is.
    /// The client may still come back with it.
    pub(super) fn pass_questions_on(&mut self, number: u64) {
        let Some(exchange) = self.exchanges.get_mut(&number) else { return };
        let session = exchange.session;
        for question in std::mem::take(&mut exchange.questions) {
            let heir = self.heir(session, &question).unwrap_or(number);
            self.give(heir, question);
        }
    }

    /// Whose a question may be besides the request that it was taken to be of.
    fn heir(&self, session: u64, question: &Question) -> Option<u64> {
        question.shared?;
        let heir = self.newest_that_may_be_asked(session, question.needs)?;
        self.lacks(session, Some(heir), question.needs).is_none().then_some(heir)
    }

    fn give(&mut self, number: u64, question: Question) {
        let Some(exchange) = self.exchanges.get_mut(&number) else { return };
        if let Some(due) = question.shared.filter(|_| exchange.client.is_some()) {
            self.timers.insert((due, Timer::Ask(number)));
        }
        exchange.questions.push(question);
    }
}

impl Exchange {
    /// Only where the specification lets a server answer "input required", and while it works on an answer.
    fn may_be_asked(&self) -> bool {
        self.subject.is_some() && self.raw_id.is_some()
    }
}
