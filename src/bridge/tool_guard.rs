//! May this message go to the server, by the rules for tools?
//!
//! [`crate::tools`] knows the rules; this applies them to what the client sends and to the lists that the server
//! returns.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::tool_list::ToolList;
use crate::log;
use crate::message::{self, Id, Kind, Message, OwnRequests};
use crate::tools::{Filter, ListRequest, Verdict, not_available};
use crate::upstream::{Event, Failure, Outcome, Upstream};

/// Stands between the client and the server's tools. Cheap to clone.
#[derive(Clone)]
pub(super) struct ToolGuard(Arc<Inner>);

struct Inner {
    /// The bridge's loop filters lists with it; the tasks of requests judge calls by it, and add the list that the
    /// bridge requests itself.
    filter: Mutex<Filter>,
    list: ToolList,
    events: mpsc::UnboundedSender<Event>,
}

impl ToolGuard {
    /// `events` gets the refused requests of batches.
    pub(super) fn new(filter: Filter, events: mpsc::UnboundedSender<Event>) -> Self {
        Self(Arc::new(Inner { filter: Mutex::new(filter), list: ToolList::default(), events }))
    }

    /// A new session begins, with tools of its own.
    pub(super) fn new_session(&self) {
        self.0.filter.lock().tools_changed();
    }

    /// The bridge's own requests for a list. Their answers are not for the client.
    pub(super) fn own_requests(&self) -> &OwnRequests {
        &self.0.list.requests
    }

    /// The requests in a message whose answers list tools.
    pub(super) fn list_requests(&self, message: &Message) -> Vec<(Id, ListRequest)> {
        let filter = self.0.filter.lock();
        let list = |one: &Message| Some((request_id(one)?, filter.list_request(one)?));
        elements(message).iter().filter_map(list).collect()
    }

    /// The answer to a list without the hidden tools; `None` if none is hidden.
    pub(super) fn filter_list(&self, request: ListRequest, answer: &Message) -> Option<Message> {
        self.0.filter.lock().filter_list(request, answer)
    }

    /// The part of a message without requests that may go to the server.
    pub(super) fn filter_notification(&self, message: Message) -> Option<Message> {
        let why_unknown = "this call has no id, and no list has shown that its tool is read-only";
        let (passed, refused) = self.judge(message, why_unknown);
        for (_, why) in refused {
            log::warn!("{why}");
        }
        passed
    }

    /// Sends a request to the server if it may pass, or the part of a batch that may pass.
    pub(super) async fn request(&self, upstream: &Upstream, message: Message) -> Result<Outcome, Failure> {
        // The rules are about the server's tools. A call of the bridge's own tool never goes to the server.
        if let Some(outcome) = upstream.own_tool(&message).await {
            return Ok(outcome);
        }
        self.0.filter.lock().always_show(upstream.own_tool_name());
        let mut why_unknown = "the server lists no such tool".to_owned();
        if let Some(call) = self.unknown_call(&message)
            && let Err(why) = Box::pin(self.0.list.learn(&self.0.filter, upstream, &call)).await
        {
            why_unknown = why;
        }
        let is_batch = matches!(message.kind(), Kind::Batch(_));
        let (passed, refused) = self.judge(message, &why_unknown);
        for (id, why) in refused {
            match id {
                Some(id) if is_batch => drop(self.0.events.send(Event::Undeliverable(id, Failure::Hidden(why)))),
                Some(_) => return Err(Failure::Hidden(why)),
                None => log::warn!("{why}"),
            }
        }
        match passed {
            Some(rest) if is_batch && rest.requests().is_empty() => {
                upstream.notify(&rest).await.map(|()| Outcome::Done)
            }
            Some(rest) => upstream.request(&rest).await,
            None => Ok(Outcome::Done),
        }
    }

    /// The first call in a message whose tool no list has shown.
    fn unknown_call(&self, message: &Message) -> Option<Message> {
        let filter = self.0.filter.lock();
        elements(message).iter().find(|one| matches!(filter.judge(one), Verdict::NeedList(_))).cloned()
    }

    /// The part of a message or batch that the rules let pass, and the rest. `why_unknown`: why no list has shown a
    /// tool.
    fn judge(&self, message: Message, why_unknown: &str) -> (Option<Message>, Refused) {
        let filter = self.0.filter.lock();
        let (mut passed, mut refused) = (Vec::new(), Vec::new());
        let is_batch = matches!(message.kind(), Kind::Batch(_));
        for element in elements(&message) {
            match filter.judge(element) {
                // The client has its error for it already, and some server might find a call in it.
                Verdict::Pass if is_batch && matches!(element.kind(), Kind::Invalid(_)) => {}
                Verdict::Pass => passed.push(element),
                Verdict::Refuse(why) => refused.push((request_id(element), why)),
                Verdict::NeedList(name) => {
                    let why = not_available(&name, &format!("--read-only hides it: {why_unknown}"));
                    refused.push((request_id(element), why));
                }
            }
        }
        let passed = match passed.len() {
            0 => None,
            all if all == elements(&message).len() => Some(message),
            _ => Some(message::batch(&passed)),
        };
        (passed, refused)
    }
}

/// The id of each request that must not go to the server, and why. A refused notification has no id.
type Refused = Vec<(Option<Id>, String)>;

/// The elements of a batch, or the message alone.
fn elements(message: &Message) -> &[Message] {
    match message.kind() {
        Kind::Batch(elements) => elements,
        _ => std::slice::from_ref(message),
    }
}

fn request_id(message: &Message) -> Option<Id> {
    match message.kind() {
        Kind::Request { id, .. } => Some(id.clone()),
        _ => None,
    }
}
