//! Who waits for the answers to requests that the bridge sends itself?

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{Id, Kind, Message};

/// Makes ids for the bridge's own requests, and hands each answer to the task that waits for it.
#[derive(Debug)]
pub(crate) struct OwnRequests {
    /// How each id begins, as JSON text. It is random, so that no peer uses such an id.
    prefix: String,
    next: AtomicU64,
    /// A task that sends a request adds it and removes it; the task that reads answers looks them up here.
    waiting: Mutex<HashMap<Id, oneshot::Sender<Message>>>,
}

impl Default for OwnRequests {
    fn default() -> Self {
        // The standard library seeds its hasher at random.
        let random = RandomState::new().build_hasher().finish();
        Self { prefix: format!("\"mcp-ferry-{random:016x}-"), next: AtomicU64::new(1), waiting: Mutex::default() }
    }
}

impl OwnRequests {
    /// A new id, as JSON text.
    pub(crate) fn next_id(&self) -> String {
        format!("{}{}\"", self.prefix, self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Whether this is an id of the bridge's own requests.
    pub(crate) fn has_made(&self, raw_id: &str) -> bool {
        raw_id.starts_with(&self.prefix)
    }

    /// Waits for the answer from now on: call it before the request is sent, and once for an id.
    pub(crate) fn wait(&self, id: Id) -> Waiting<'_> {
        let (sender, answer) = oneshot::channel();
        self.waiting.lock().insert(id.clone(), sender);
        Waiting { requests: self, id, answer }
    }

    /// Hands this message to the task that waits for it. True for any answer to one of the bridge's requests.
    pub(crate) fn answer(&self, message: &Message) -> bool {
        let Kind::Response { id, .. } = message.kind() else { return false };
        match self.waiting.lock().remove(id) {
            Some(waiting) => {
                waiting.send(message.clone()).ok();
                true
            }
            None => message.raw_id().is_some_and(|raw_id| self.has_made(raw_id)),
        }
    }

    /// Hands a message whose id the server has changed to the only task that waits. True if it is such an answer.
    pub(crate) fn answer_inexact(&self, message: &Message) -> bool {
        let Kind::Response { id, is_error } = message.kind() else { return false };
        let mut waiting = self.waiting.lock();
        let mut ids = waiting.keys();
        let (Some(only), None) = (ids.next(), ids.next()) else { return false };
        if !(only.resembles(id) || (id.is_null() && *is_error)) {
            return false;
        }
        let only = only.clone();
        if let Some(waiting) = waiting.remove(&only) {
            waiting.send(message.clone()).ok();
        }
        true
    }

    /// The request with this id will get no answer.
    pub(crate) fn fail(&self, id: &Id) {
        self.waiting.lock().remove(id);
    }

    /// No request that waits now will get an answer.
    pub(crate) fn fail_all(&self) {
        self.waiting.lock().clear();
    }
}

/// Resolves to the answer, or to `None` when the request [fails](OwnRequests::fail). Dropped, it stops waiting.
#[derive(Debug)]
pub(crate) struct Waiting<'a> {
    requests: &'a OwnRequests,
    id: Id,
    answer: oneshot::Receiver<Message>,
}

impl Future for Waiting<'_> {
    type Output = Option<Message>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.answer).poll(context).map(Result::ok)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.requests.fail(&self.id);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::message::result;

    #[test]
    fn an_answer_goes_to_the_task_that_waits_for_it() {
        let requests = OwnRequests::default();
        let (one, two) = (requests.next_id(), requests.next_id());
        let first = requests.wait(Id::from_json(&one));
        let second = requests.wait(Id::from_json(&two));
        assert!(requests.answer(&result(&two, "2")));
        assert_eq!(second.now_or_never().flatten().unwrap().as_str(), result(&two, "2").as_str());
        assert!(!requests.answer(&result("1", "{}")), "the client's request");
        requests.fail(&Id::from_json(&one));
        assert_eq!(first.now_or_never(), Some(None));
    }

    #[test]
    fn an_answer_that_comes_too_late_is_still_one_of_ours() {
        let requests = OwnRequests::default();
        let raw_id = requests.next_id();
        drop(requests.wait(Id::from_json(&raw_id)));
        assert!(requests.waiting.lock().is_empty());
        assert!(requests.answer(&result(&raw_id, "{}")));
    }
}
