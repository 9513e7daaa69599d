//! Which one answer does a request get, and when?

use bytes::Bytes;
use tokio::task::JoinError;

use super::guard::Guard;
use super::pending::{Request, Ticket};
use super::{Bridge, Done};
use crate::log;
use crate::message::{Kind, Message};
use crate::stdio::{Outgoing, Reserved};
use crate::upstream::Failure;
use crate::upstream::{Event, Outcome};

impl Bridge {
    pub(super) fn event(&mut self, event: Event) {
        match event {
            Event::Answer(message, line) => {
                let Kind::Response { id, .. } = message.kind() else { return };
                if self.guard.as_ref().is_some_and(|guard| guard.is_own(&message)) {
                    return;
                }
                if let Some(request) = self.pending.answered(id) {
                    self.answer(&request, &message, line);
                } else if let Some(request) = self.pending.answered_inexactly(&message) {
                    let message = message.with_id(&request.raw_id);
                    self.answer(&request, &message, line.with_text(message.text().clone()));
                } else {
                    log::debug!("an answer to {id}, which nobody waits for, is dropped");
                }
            }
            Event::Undeliverable(id, failure) => {
                self.guard.iter().for_each(|guard| guard.give_up(&id));
                if let Some(raw_id) = self.pending.give_up(&id) {
                    self.outgoing.send_now(failure.answer(&raw_id).into_text());
                }
            }
            Event::StreamLost(number, failure) => {
                self.guard.iter().for_each(Guard::lost);
                for raw_id in self.pending.lost(number, failure.clone()) {
                    self.outgoing.send_now(failure.answer(&raw_id).into_text());
                }
            }
        }
    }

    /// Writes the one answer to a request.
    fn answer(&self, request: &Request, answer: &Message, line: Reserved) {
        let shown = request.asked.zip(self.guard.as_ref()).and_then(|(asked, guard)| guard.answer(asked, answer));
        self.outgoing.commit(match shown {
            Some(shown) => line.with_text(shown),
            None => line,
        });
    }

    /// One answer of several, if it is still waited for, as the client may see it.
    fn shown(&mut self, ticket: Ticket, answer: &Message) -> Option<Bytes> {
        let request = self.pending.answer(ticket, answer)?;
        let shown = request.asked.zip(self.guard.as_ref()).and_then(|(asked, guard)| guard.answer(asked, answer));
        Some(shown.unwrap_or_else(|| answer.text().clone()))
    }

    pub(super) fn done(&mut self, done: Result<(tokio::task::Id, Done), JoinError>) {
        let (unanswered, failure) = match done {
            Ok((_, Done::Notice)) => return,
            Ok((_, Done::Request(ticket, Ok((outcome, room))))) => match self.outcome(ticket, outcome, room) {
                Some(left) => left,
                None => return,
            },
            Ok((_, Done::Request(ticket, Err(failure)))) => (self.pending.finish(ticket), failure),
            // Cancelled, or a bug: what it owed is found by its task.
            Err(error) => (self.pending.finish_task(error.id()), Failure::Panicked),
        };
        if !unanswered.is_empty() {
            log::warn!("{}", failure.for_log());
        }
        for raw_id in unanswered {
            self.outgoing.send_now(failure.answer(&raw_id).into_text());
        }
    }

    /// Writes what a request's or a batch's task has brought. Gives the ids that it leaves unanswered, and the reason.
    fn outcome(
        &mut self,
        ticket: Ticket,
        outcome: Outcome,
        room: Option<Reserved>,
    ) -> Option<(Vec<Box<str>>, Failure)> {
        match (outcome, room) {
            (Outcome::Answer(answer), Some(line)) => {
                if let Some(request) = self.pending.answer(ticket, &answer) {
                    self.answer(&request, &answer, line);
                    return None;
                }
                // Cancelled, so that nothing is owed; or what came fits no request, which still has its one answer.
                let misfit = "the server's answer does not belong to the request".to_owned();
                return Some((self.pending.finish(ticket), Failure::Unusable(misfit)));
            }
            (Outcome::Batch(answers), Some(line)) => {
                let shown: Vec<_> = answers.iter().filter_map(|answer| self.shown(ticket, answer)).collect();
                if !shown.is_empty() {
                    self.outgoing.commit(line.with_text([b"[", &shown.join(&b',')[..], b"]"].concat().into()));
                }
            }
            (Outcome::Elsewhere(number), _) => return self.pending.elsewhere(ticket, number),
            _ => {}
        }
        let incomplete = "the batch's answers are not complete".to_owned();
        Some((self.pending.finish(ticket), Failure::Broken(incomplete)))
    }
}

/// Waits until the client has read enough for what came to have room.
pub(super) async fn make_room(
    outgoing: &Outgoing,
    outcome: Result<Outcome, Failure>,
) -> Result<(Outcome, Option<Reserved>), Failure> {
    let outcome = outcome?;
    let room = match &outcome {
        Outcome::Answer(answer) => Some(outgoing.reserve(answer.text().clone()).await),
        Outcome::Batch(answers) => {
            let all: Vec<_> = answers.iter().map(|answer| &answer.text()[..]).collect();
            Some(outgoing.reserve(all.concat().into()).await)
        }
        _ => None,
    };
    Ok((outcome, room))
}
