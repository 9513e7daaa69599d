//! What does the client come back with? Replies for the server, or none; or what nobody can make anything of.

use std::time::Instant;

use super::asked::Asked;
use super::exchange::Client;
use super::questions::Question;
use super::session::cancellation;
use super::{Action, Place, ToLegacy, told};
use crate::message::Members;
use crate::message::{Id, Message};

impl ToLegacy {
    /// The client comes back, with answers or without.
    pub(super) fn come_back(&mut self, message: &Message, asked: Asked, state: &str, now: Instant) {
        let held = self.exchanges.iter_mut().find(|(_, exchange)| exchange.state.as_deref() == Some(state));
        let Some((number, exchange)) = held else {
            return self
                .invalid(&asked.raw_id, "the requestState is not known here, or not any more; ask again without it");
        };
        if exchange.method != asked.method || exchange.subject != asked.subject {
            return self.invalid(&asked.raw_id, "the requestState belongs to another request than this");
        }
        let responses = match responses(asked.responses.as_deref(), &exchange.questions) {
            Ok(responses) => responses,
            // The state stays good: the client may come back with better.
            Err(why) => return self.invalid(&asked.raw_id, &why),
        };
        let (number, session, was) = (*number, exchange.session, exchange.was.take());
        exchange.state = None;
        exchange.held_until = None;
        exchange.level = asked.level;
        exchange.declares = serde_json::from_str(&asked.capabilities).ok();
        exchange.client = Some(Client { raw_id: asked.raw_id, token: asked.progress_token });
        self.forget(number, was.as_ref());
        self.asked.insert(asked.id, Place::Exchange(number));
        if let Some(session) = self.sessions.get_mut(&session) {
            session.used = now;
        }
        let refused = self.reply(number, &responses) | self.refuse_what_is_lacking(number);
        self.set_level(session, now);
        self.go_on(number, message, refused, now);
    }

    /// The client's request that was answered with questions means this exchange no longer.
    pub(super) fn forget(&mut self, number: u64, was: Option<&Id>) {
        // A later request may have had its id.
        if let Some(id) = was.filter(|id| matches!(self.asked.get(id), Some(Place::Exchange(of)) if *of == number)) {
            self.asked.remove(id);
        }
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
            exchange.request = Some(message.clone());
            let (session, questions) = (exchange.session, std::mem::take(&mut exchange.questions));
            self.leave(session, questions, "the request that this belongs to is sent once more");
            return self.begin(number, now);
        }
        if let Some(answer) = exchange.answer.take() {
            self.settle(number, &answer);
        }
    }

    /// Gives the server the replies to its questions, those among them that another request has inherited meanwhile.
    /// True if one asked by an error was not accepted.
    fn reply(&mut self, back: u64, responses: &Members<'_>) -> bool {
        let Some(session) = self.exchanges.get(&back).map(|exchange| exchange.session) else { return false };
        let mut refused = false;
        for (number, exchange) in self.exchanges.iter_mut().filter(|(_, exchange)| exchange.session == session) {
            let may_be_meant = |question: &Question| *number == back || question.shared.is_some();
            let replied = exchange
                .questions
                .extract_if(.., |question| may_be_meant(question) && responses.object(&question.key).is_some());
            for question in replied {
                let response = responses.get(&question.key).unwrap_or("{}");
                let Some(raw_id) = question.raw_id else {
                    let action = Members::of(response).and_then(|response| response.string("action"));
                    refused |= action.as_deref() != Some("accept");
                    continue;
                };
                let reply = Message::parse(format!(r#"{{"jsonrpc":"2.0","id":{raw_id},"result":{response}}}"#));
                let exchange = *number;
                self.actions.extend(reply.ok().map(|message| Action::Reply { session, exchange, message }));
            }
        }
        refused
    }

    /// Refuses what the client cannot be asked again, by what it declares now. True if an error asked that.
    fn refuse_what_is_lacking(&mut self, number: u64) -> bool {
        let Some(exchange) = self.exchanges.get_mut(&number) else { return false };
        let (session, questions) = (exchange.session, std::mem::take(&mut exchange.questions));
        let mut by_error = false;
        for question in questions {
            let lacks = self.lacks(session, Some(number), question.needs);
            let Some(exchange) = self.exchanges.get_mut(&number) else { return false };
            match (lacks, &question.raw_id) {
                (None, _) => exchange.questions.push(question),
                (Some(lacks), Some(raw_id)) => {
                    exchange.missed = Some(lacks);
                    self.refuse_for_lack(session, raw_id, lacks);
                }
                (Some(_), None) => {
                    exchange.missed = Some(question.needs);
                    by_error = true;
                }
            }
        }
        by_error
    }

    /// The server does not take a reply. It would wait for one in vain, and the client for its answer, which is now
    /// this error.
    pub fn refused(&mut self, exchange: u64, error: &Message, now: Instant) {
        let Some(refused) = self.exchanges.get_mut(&exchange) else { return };
        let Some(raw_id) = refused.raw_id.take() else { return };
        refused.missed = None;
        let (session, id) = (refused.session, Id::from_json(&raw_id));
        self.awaited.remove(&(session, id.clone()));
        if let Some(message) = cancellation(None, &raw_id, "what was asked for cannot be delivered") {
            self.actions.push(Action::Cancel { session, id, message });
        }
        self.finish(exchange, error, now);
    }
}

/// The replies that a request brings; or why it brings none that a server could read ("Error Handling").
fn responses<'a>(raw: Option<&'a str>, questions: &[Question]) -> Result<Members<'a>, String> {
    let raw = raw.filter(|raw| *raw != "null").unwrap_or("{}");
    let responses =
        Members::of(raw).ok_or("the inputResponses are no object with a response for each key of the inputRequests")?;
    let misfit =
        |question: &&Question| responses.get(&question.key).is_some() && responses.object(&question.key).is_none();
    match questions.iter().find(misfit) {
        Some(question) => Err(format!("the response to {} is no object", question.key)),
        None => Ok(responses),
    }
}
