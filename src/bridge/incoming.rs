//! What becomes of a line of the client's?

use std::collections::HashSet;

use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::answers::make_room;
use super::guard::Guard;
use super::pending::Ticket;
use super::{Bridge, Done};
use crate::log;
use crate::message::{self, Id, Kind, Message, code};
use crate::stdio::Line;
use crate::task;
use crate::upstream::Failure;

impl Bridge {
    pub(super) fn line(&mut self, line: Line) {
        match line {
            Line::Text(text) => match Message::parse(text) {
                Ok(message) => self.message(message),
                Err(error) => self.refuse("null", code::PARSE_ERROR, &error.to_string()),
            },
            Line::TooLong { answer_id: Some(raw_id), .. } => {
                log::warn!("the client's answer {raw_id} is longer than --max-message-size allows");
                let why = "the client's answer is too long to be carried";
                self.post(message::error(&raw_id, code::INTERNAL_ERROR, why, None));
            }
            Line::TooLong { request_id, .. } => {
                let failure = Failure::TooLarge("the message is longer than --max-message-size allows".to_owned());
                log::warn!("{failure}");
                self.outgoing.send_now(failure.answer(request_id.as_deref().unwrap_or("null")).into_text());
            }
        }
    }

    fn message(&mut self, message: Message) {
        let message = match &self.guard {
            Some(guard) if message.requests().is_empty() => match guard.notice(message) {
                Some(message) => message,
                None => return,
            },
            _ => message,
        };
        log::debug!(
            "the client says {} {}",
            message.method().unwrap_or("an answer or a batch"),
            message.raw_id().unwrap_or_default()
        );
        match message.kind() {
            Kind::Request { .. } => self.request(message),
            Kind::Notification { method } => match &**method {
                "notifications/cancelled" => self.cancel(message),
                "notifications/initialized" => self.upstream.initialized(message),
                _ => self.notice(message),
            },
            Kind::Response { .. } => self.post(message),
            Kind::Batch(elements) if elements.is_empty() => {
                self.refuse("null", code::INVALID_REQUEST, "the batch is empty");
            }
            // Taken apart, each is answered all the same; and a cancellation concerns what is in flight here.
            Kind::Batch(elements) if self.upstream.takes_batches_apart() || elements.iter().any(is_cancellation) => {
                for element in elements.clone() {
                    self.message(element);
                }
            }
            Kind::Batch(_) => self.batch(message),
            Kind::Invalid(_) => {
                self.refuse(message.raw_id().unwrap_or("null"), code::INVALID_REQUEST, "not a JSON-RPC message");
            }
        }
    }

    fn batch(&mut self, message: Message) {
        let Kind::Batch(elements) = message.kind() else { return };
        let (messages, others): (Vec<_>, Vec<_>) =
            elements.iter().partition(|element| !matches!(element.kind(), Kind::Invalid(_)));
        for other in others {
            let raw_id = other.raw_id().unwrap_or("null");
            self.refuse(raw_id, code::INVALID_REQUEST, "an element of the batch is no JSON-RPC message");
        }
        if messages.iter().any(|message| matches!(message.kind(), Kind::Request { .. })) {
            self.request(message);
        } else if !messages.is_empty() {
            self.post(message);
        }
    }

    fn request(&mut self, message: Message) {
        let method = message.method().unwrap_or_default();
        if method == "server/discover" && !self.upstream.takes_discover() {
            // Of the era without a handshake. Whoever asks falls back to `initialize`, which then passes through
            // untranslated.
            let raw_id = message.raw_id().unwrap_or("null");
            return self.refuse(raw_id, code::METHOD_NOT_FOUND, "server/discover is not supported; use initialize");
        }
        let ids = message.requests();
        // A batch may hold many thousands, so no request is compared with each other one.
        let twice = ids.len() > 1 && ids.iter().map(|(id, _)| id).collect::<HashSet<_>>().len() < ids.len();
        if twice || ids.iter().any(|(id, _)| self.pending.contains(id)) {
            for (_, raw_id) in ids {
                self.refuse(&raw_id, code::INVALID_REQUEST, "a request with this id is still in flight");
            }
            return;
        }
        self.carry_out(message, ids);
    }

    /// Gives a request, or a batch, its task, and notes what it owes.
    fn carry_out(&mut self, message: Message, ids: Vec<(Id, Box<str>)>) {
        let lists = self.guard.as_ref().map(|guard| guard.lists(&message)).unwrap_or_default();
        let ticket = self.pending.ticket();
        let method = message.method().unwrap_or_default();
        let first = self.upstream.begins_session(&message);
        // `initialize` has its own limit, and must not be cancelled; a subscription lasts.
        let unlimited = first || method == "subscriptions/listen";
        let task = if first { self.spawn_initialize(ticket, message) } else { self.spawn_request(ticket, message) };
        if let Some(limit) = self.limit.filter(|_| !unlimited) {
            self.deadlines.push_back((Instant::now() + limit, ticket));
        }
        self.pending.insert(ticket, ids, &task);
        for (id, asked) in lists {
            self.pending.lists_tools(&id, asked);
        }
    }

    fn spawn_initialize(&mut self, ticket: Ticket, message: Message) -> AbortHandle {
        self.guard.iter().for_each(Guard::begin);
        let outgoing = self.outgoing.clone();
        let answer = self.upstream.initialize(message);
        task::spawn_in(&mut self.tasks, async move { Done::Request(ticket, make_room(&outgoing, answer.await).await) })
    }

    fn spawn_request(&mut self, ticket: Ticket, message: Message) -> AbortHandle {
        let (upstream, outgoing, guard) = (self.upstream.clone(), self.outgoing.clone(), self.guard.clone());
        task::spawn_in(&mut self.tasks, async move {
            let outcome = match guard {
                // Boxed, or its size would be everyone's.
                Some(guard) => Box::pin(guard.request(&upstream, message)).await,
                None => {
                    let outcome = upstream.request(&message).await;
                    // A large argument need not be held while its answer waits.
                    drop(message);
                    outcome
                }
            };
            Done::Request(ticket, make_room(&outgoing, outcome).await)
        })
    }

    fn refuse(&self, raw_id: &str, code: i64, why: &str) {
        self.outgoing.send_now(message::error(raw_id, code, why, None).into_text());
    }
}

fn is_cancellation(message: &Message) -> bool {
    message.method() == Some("notifications/cancelled")
}
