//! The requests in flight.

use std::collections::HashMap;

use tokio::task::AbortHandle;

use crate::message::{Id, Kind, Message};
use crate::tools::Asked;
use crate::upstream::Failure;

/// A number for each task that carries a request or a batch. Not the request's id: that may be used again once it is
/// answered or cancelled, while the first task still ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket(u64);

/// Who waits for an answer, and who is to bring it.
#[derive(Debug, Default)]
pub(super) struct Pending {
    requests: HashMap<Id, Request>,
    next: u64,
    /// The last stream that was lost, and why.
    lost: Option<(u64, Failure)>,
}

/// A request in flight.
#[derive(Debug)]
pub(super) struct Request {
    /// Its id as spelled.
    pub(super) raw_id: Box<str>,
    /// Its answer lists tools, some of which may have to be hidden.
    pub(super) asked: Option<Asked>,
    ticket: Ticket,
    /// Several share one in a batch.
    task: AbortHandle,
    /// The stream its answer comes on, where that is not the task's own.
    elsewhere: Option<u64>,
}

impl Pending {
    pub(super) fn ticket(&mut self) -> Ticket {
        self.next += 1;
        Ticket(self.next)
    }

    pub(super) fn contains(&self, id: &Id) -> bool {
        self.requests.contains_key(id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.requests.len()
    }

    pub(super) fn insert(&mut self, ticket: Ticket, ids: Vec<(Id, Box<str>)>, task: &AbortHandle) {
        for (id, raw_id) in ids {
            self.requests.insert(id, Request { raw_id, asked: None, ticket, task: task.clone(), elsewhere: None });
        }
    }

    /// The answer to this one is a list of tools.
    pub(super) fn lists_tools(&mut self, id: &Id, asked: Asked) {
        if let Some(request) = self.requests.get_mut(id) {
            request.asked = Some(asked);
        }
    }

    /// The client wants no answer to this one any more. `None` if it is not in flight; else its task, to be dropped
    /// when nobody [waits for it](Self::is_wanted).
    pub(super) fn cancel(&mut self, id: &Id) -> Option<AbortHandle> {
        Some(self.requests.remove(id)?.task)
    }

    /// Whether this task still owes an answer: others of its batch may.
    pub(super) fn is_wanted(&self, task: &AbortHandle) -> bool {
        self.requests.values().any(|request| request.task.id() == task.id())
    }

    /// An answer came on a stream of its own. Its task, if it still runs, ends with its exchange.
    pub(super) fn answered(&mut self, id: &Id) -> Option<Request> {
        self.requests.remove(id)
    }

    /// The same for an answer whose server could not read the request's id, or read it as a double. On a shared stream
    /// that is only certain where a single request fits.
    pub(super) fn answered_inexactly(&mut self, answer: &Message) -> Option<Request> {
        let Kind::Response { id, is_error } = answer.kind() else { return None };
        // Not only those that are known to be answered elsewhere: an answer may overtake the 202 that says so.
        let fits = |owed: &&Id| id.same_as_double(owed) || (id.is_null() && *is_error);
        let mut fitting = self.requests.keys().filter(fits).cloned();
        match (fitting.next(), fitting.next()) {
            (Some(only), None) => self.requests.remove(&only),
            _ => None,
        }
    }

    /// There will be no answer to this one: its id as spelled, if it is in flight.
    pub(super) fn give_up(&mut self, id: &Id) -> Option<Box<str>> {
        self.requests.remove(id).map(|request| request.raw_id)
    }

    /// A task has had its time: what it still owes, and itself.
    pub(super) fn abandon(&mut self, ticket: Ticket) -> Vec<(Box<str>, AbortHandle)> {
        let owed = self.requests.extract_if(|_, request| request.ticket == ticket);
        owed.map(|(_, request)| (request.raw_id, request.task)).collect()
    }

    /// A task has brought the answer to its one request; `None` if nobody waits for it any more. Looks at no other
    /// request: thousands may be in flight.
    pub(super) fn answer(&mut self, ticket: Ticket, answer: &Message) -> Option<Request> {
        let Kind::Response { id, .. } = answer.kind() else { return None };
        let request = self.requests.remove(id)?;
        if request.ticket == ticket {
            return Some(request);
        }
        // A later request of the same id, which is none of this task's business.
        self.requests.insert(id.clone(), request);
        None
    }

    /// A task has ended: the ids it leaves unanswered.
    pub(super) fn finish(&mut self, ticket: Ticket) -> Vec<Box<str>> {
        self.take(|request| request.ticket == ticket)
    }

    /// The same for a task that could not say its ticket.
    pub(super) fn finish_task(&mut self, task: tokio::task::Id) -> Vec<Box<str>> {
        self.take(|request| request.task.id() == task)
    }

    /// A task has ended, and its answers come on this stream; unless that is lost already, when this returns the ids
    /// and the reason.
    pub(super) fn elsewhere(&mut self, ticket: Ticket, stream: u64) -> Option<(Vec<Box<str>>, Failure)> {
        if let Some((_, failure)) = self.lost.clone().filter(|(lost, _)| *lost >= stream) {
            return Some((self.finish(ticket), failure));
        }
        for request in self.requests.values_mut().filter(|request| request.ticket == ticket) {
            request.elsewhere = Some(stream);
        }
        None
    }

    /// Streams up to this one are lost: the ids whose answers were to come on them.
    pub(super) fn lost(&mut self, stream: u64, failure: Failure) -> Vec<Box<str>> {
        if self.lost.as_ref().is_none_or(|(last, _)| *last < stream) {
            self.lost = Some((stream, failure));
        }
        self.take(|request| request.elsewhere.is_some_and(|number| number <= stream))
    }

    /// All that are left.
    pub(super) fn drain(&mut self) -> Vec<Box<str>> {
        self.take(|_| true)
    }

    fn take(&mut self, which: impl Fn(&Request) -> bool) -> Vec<Box<str>> {
        self.requests.extract_if(|_, request| which(request)).map(|(_, request)| request.raw_id).collect()
    }
}
