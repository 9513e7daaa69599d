//! Which one answer does a request get, and when?

use std::time::Duration;

use bytes::Bytes;
use tokio::task::{AbortHandle, JoinError};

use super::pending::{Pending, Request, Ticket};
use super::tasks::TaskEnd;
use super::tool_guard::ToolGuard;
use crate::log;
use crate::message::{self, Kind, Message};
use crate::stdio::{Outgoing, Reserved};
use crate::upstream::{Event, Failure, Outcome, Upstream};

/// Writes the answers to the client. A request is in `pending` from the moment it is read until its one answer goes
/// out; an answer to a request that is not in it is dropped.
pub(super) struct Answers {
    pub(super) upstream: Upstream,
    pub(super) pending: Pending,
    pub(super) outgoing: Outgoing,
    pub(super) guard: Option<ToolGuard>,
}

impl Answers {
    /// Takes what concerns requests but did not come from a request's own task.
    pub(super) fn event(&mut self, event: Event) {
        match event {
            Event::Answer(answer, line) => self.answer_event(&answer, line),
            Event::Undeliverable(id, failure) => {
                self.guard.iter().for_each(|guard| guard.own_requests().fail(&id));
                let request = self.pending.take(&id);
                self.fail(request, &failure);
            }
            Event::StreamLost(number, failure) => {
                self.guard.iter().for_each(|guard| guard.own_requests().fail_all());
                let requests = self.pending.lose_streams(number, failure.clone());
                self.fail(requests, &failure);
            }
        }
    }

    fn answer_event(&mut self, answer: &Message, line: Reserved) {
        let Kind::Response { id, .. } = answer.kind() else { return };
        if self.guard.as_ref().is_some_and(|guard| guard.own_requests().answer(answer)) {
            return;
        }
        if self.upstream.note_answer(answer) {
            return;
        }
        if let Some(request) = self.pending.take(id) {
            if answer.has_id_as_in(&request.raw_id) {
                return self.write(&request, answer, line);
            }
            let answer = answer.with_id(&request.raw_id);
            self.write(&request, &answer, line.with_text(answer.text().clone()));
        } else if let Some(request) = self.pending.take_inexact(answer) {
            let answer = answer.with_id(&request.raw_id);
            self.write(&request, &answer, line.with_text(answer.text().clone()));
        } else {
            log::debug!("the answer to {id} is dropped: no request with this id is in flight");
        }
    }

    /// Takes what the task of a request or a batch ended with.
    pub(super) fn task_end(&mut self, end: Result<(tokio::task::Id, TaskEnd), JoinError>) {
        let (unanswered, failure) = match end {
            Ok((_, TaskEnd::Notification)) => return,
            Ok((_, TaskEnd::Request(ticket, Ok((outcome, line))))) => match self.outcome(ticket, outcome, line) {
                Some(unanswered) => unanswered,
                None => return,
            },
            Ok((_, TaskEnd::Request(ticket, Err(failure)))) => (self.pending.take_all_of(ticket), failure),
            // It was aborted, or it panicked. Either way it cannot return its ticket.
            Err(error) => (self.pending.take_where(|request| request.task.id() == error.id()), Failure::Panicked),
        };
        if !unanswered.is_empty() {
            self.upstream.log_failure(&failure);
        }
        self.fail(unanswered, &failure);
    }

    /// Writes an outcome. Returns the requests that it leaves unanswered, and the reason.
    fn outcome(&mut self, ticket: Ticket, outcome: Outcome, line: Option<Reserved>) -> Option<(Vec<Request>, Failure)> {
        match (outcome, line) {
            (Outcome::Answer(answer), Some(line)) => {
                if let Some(request) = self.pending.take_answered(ticket, &answer) {
                    self.write(&request, &answer, line);
                    return None;
                }
                // Either the request was cancelled, and nothing is left to answer; or the answer has another id.
                let misfit = "the server's answer does not belong to the request".to_owned();
                return Some((self.pending.take_all_of(ticket), Failure::Unusable(misfit)));
            }
            (Outcome::Batch(answers), Some(line)) => {
                let mut texts = Vec::new();
                for answer in &answers {
                    let Some(request) = self.pending.take_answered(ticket, answer) else { continue };
                    texts.push(self.without_hidden(&request, answer).unwrap_or_else(|| answer.text().clone()));
                }
                if !texts.is_empty() {
                    self.outgoing.commit(line.with_text([b"[", &texts.join(&b',')[..], b"]"].concat().into()));
                }
            }
            (Outcome::Elsewhere(stream), _) => return self.pending.expect_on_stream(ticket, stream),
            _ => {}
        }
        let incomplete = "the batch's answers are not complete".to_owned();
        Some((self.pending.take_all_of(ticket), Failure::Broken(incomplete)))
    }

    /// Answers what has taken too long. Returns each request's task, and the cancellation for the server.
    pub(super) fn time_out(&mut self, ticket: Ticket, limit: Duration) -> Vec<(AbortHandle, Message)> {
        let requests = self.pending.take_all_of(ticket);
        let failure = Failure::TimedOut(limit);
        let cancelled = |request: &Request| {
            log::warn!("{failure}");
            (request.task.clone(), message::cancelled(&request.raw_id, "timed out"))
        };
        let cancellations = requests.iter().map(cancelled).collect();
        self.fail(requests, &failure);
        cancellations
    }

    fn write(&self, request: &Request, answer: &Message, line: Reserved) {
        self.outgoing.commit(match self.without_hidden(request, answer) {
            Some(text) => line.with_text(text),
            None => line,
        });
    }

    /// The text of an answer without the hidden tools; `None` if none is hidden.
    fn without_hidden(&self, request: &Request, answer: &Message) -> Option<Bytes> {
        Some(self.guard.as_ref()?.filter_list(request.list?, answer)?.into_text())
    }

    pub(super) fn fail(&self, requests: impl IntoIterator<Item = Request>, failure: &Failure) {
        for request in requests {
            self.outgoing.send_now(failure.answer(&request.raw_id).into_text());
        }
    }

    /// Answers a message that never became a request in flight.
    pub(super) fn refuse(&self, raw_id: &str, code: i64, why: &str) {
        self.outgoing.send_now(message::error(raw_id, code, why, None).into_text());
    }
}
