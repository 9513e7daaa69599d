//! Which requests are in flight?

use std::collections::HashMap;

use tokio::task::AbortHandle;

use crate::message::{Id, Kind, Message};
use crate::tools::ListRequest;
use crate::upstream::Failure;

/// A number for each task that carries a request or a batch. The request's id would not do: the client may use it again
/// once it is answered or cancelled, while the first task still ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket(u64);

/// The requests that wait for an answer, and the task or stream that their answer comes from.
#[derive(Debug, Default)]
pub(super) struct Pending {
    requests: HashMap<Id, Request>,
    next: u64,
    /// The last stream that was lost, and why.
    lost: Option<(u64, Failure)>,
}

#[derive(Debug)]
pub(super) struct Request {
    /// Its id as spelled.
    pub(super) raw_id: Box<str>,
    /// `Some` where its answer lists tools, some of which may have to be hidden.
    pub(super) list: Option<ListRequest>,
    /// The requests of a batch share one task.
    pub(super) task: AbortHandle,
    ticket: Ticket,
    /// The number of the stream its answer comes on, if that is not the response to its own POST.
    stream: Option<u64>,
}

impl Pending {
    pub(super) fn ticket(&mut self) -> Ticket {
        self.next += 1;
        Ticket(self.next)
    }

    pub(super) fn contains(&self, id: &Id) -> bool {
        self.requests.contains_key(id)
    }

    pub(super) fn len(&self) -> usize {
        self.requests.len()
    }

    /// Adds the requests that a task carries. `lists`: those of them whose answer lists tools.
    pub(super) fn insert(
        &mut self,
        ticket: Ticket,
        ids: Vec<(Id, Box<str>)>,
        lists: Vec<(Id, ListRequest)>,
        task: &AbortHandle,
    ) {
        for (id, raw_id) in ids {
            self.requests.insert(id, Request { raw_id, list: None, ticket, task: task.clone(), stream: None });
        }
        for (id, list) in lists {
            self.requests.entry(id).and_modify(|request| request.list = Some(list));
        }
    }

    /// Whether this task still has a request to answer.
    pub(super) fn has_task(&self, task: &AbortHandle) -> bool {
        self.requests.values().any(|request| request.task.id() == task.id())
    }

    /// The request with this id: it is answered or cancelled. Its task, if it still runs, ends with its exchange.
    pub(super) fn take(&mut self, id: &Id) -> Option<Request> {
        self.requests.remove(id)
    }

    /// The request for an answer whose id the server changed. It is certain only if no other request fits.
    pub(super) fn take_inexact(&mut self, answer: &Message) -> Option<Request> {
        let Kind::Response { id, is_error } = answer.kind() else { return None };
        // Also those that are not known to be answered on a stream: an answer may come before the 202 that says so.
        let fits = |pending: &&Id| id.resembles(pending) || (id.is_null() && *is_error);
        let mut fitting = self.requests.keys().filter(fits).cloned();
        match (fitting.next(), fitting.next()) {
            (Some(only), None) => self.requests.remove(&only),
            _ => None,
        }
    }

    /// The request that a task's answer belongs to, if in flight. Looks at no other: thousands may be in flight.
    pub(super) fn take_answered(&mut self, ticket: Ticket, answer: &Message) -> Option<Request> {
        let Kind::Response { id, .. } = answer.kind() else { return None };
        let request = self.requests.remove(id)?;
        if request.ticket == ticket {
            return Some(request);
        }
        // A later request with the same id, which another task carries.
        self.requests.insert(id.clone(), request);
        None
    }

    pub(super) fn take_all_of(&mut self, ticket: Ticket) -> Vec<Request> {
        self.take_where(|request| request.ticket == ticket)
    }

    /// A task's answers come on this stream. If it is lost already, returns the requests and the reason.
    pub(super) fn expect_on_stream(&mut self, ticket: Ticket, stream: u64) -> Option<(Vec<Request>, Failure)> {
        if let Some((_, failure)) = self.lost.clone().filter(|(lost, _)| *lost >= stream) {
            return Some((self.take_all_of(ticket), failure));
        }
        for request in self.requests.values_mut().filter(|request| request.ticket == ticket) {
            request.stream = Some(stream);
        }
        None
    }

    /// The streams up to this number are lost: returns the requests whose answers were to come on them.
    pub(super) fn lose_streams(&mut self, stream: u64, failure: Failure) -> Vec<Request> {
        if self.lost.as_ref().is_none_or(|(last, _)| *last < stream) {
            self.lost = Some((stream, failure));
        }
        self.take_where(|request| request.stream.is_some_and(|number| number <= stream))
    }

    pub(super) fn take_where(&mut self, fits: impl Fn(&Request) -> bool) -> Vec<Request> {
        self.requests.extract_if(|_, request| fits(request)).map(|(_, request)| request).collect()
    }
}
