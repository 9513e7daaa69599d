//! Which stream serves the subscriptions of a legacy client, and which of them does the server refuse?

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::listener::{ListenResult, Listener, Subscriber};
use crate::message::{self, code};
use crate::translate::to_modern::NotificationFilter;
use crate::upstream::Failure;

/// How long a request to subscribe waits for the server's first response.
const FIRST_RESPONSE: Duration = Duration::from_secs(5);

/// How long a stream that is replaced goes on.
const LINGER: Duration = Duration::from_millis(10);

/// How often subscriptions that a slow server refused together are tried one by one.
const MOST_ROUNDS: u32 = 3;

/// Resources for which the server does not listen, each with the reason.
pub(super) type Refused = BTreeMap<String, Failure>;

/// One stream for all subscriptions. The stream that replaces it is opened first, however long that takes; if the
/// server refuses that, the old one goes on.
pub(super) struct Streams {
    subscriber: Arc<Subscriber>,
    current: Option<(NotificationFilter, Listener)>,
    pending: Option<Pending>,
    /// Among the subscriptions that were tried last.
    pub(super) refused: Refused,
}

/// A stream that the server has not acknowledged yet.
struct Pending {
    filter: NotificationFilter,
    listener: Listener,
    first_response: oneshot::Receiver<ListenResult>,
    /// How often its subscriptions were tried one by one before.
    round: u32,
}

impl Streams {
    pub(super) fn new(subscriber: Arc<Subscriber>) -> Self {
        Self { subscriber, current: None, pending: None, refused: BTreeMap::new() }
    }

    /// Has the server listen for this; ready when it does, refuses it, or has had its time.
    pub(super) async fn listen_for(&mut self, filter: NotificationFilter) {
        let current = self.current.as_ref().map(|(filter, _)| filter);
        if self.pending.as_ref().map(|pending| &pending.filter).or(current) == Some(&filter) {
            return;
        }
        if current == Some(&filter) || filter.is_empty() {
            self.pending = None;
            self.current.take_if(|_| filter.is_empty());
            return;
        }
        self.refused.clear();
        if let Err(failure) = self.attempt(filter.clone()).await {
            self.try_one_by_one(filter, 0, &failure).await;
        }
    }

    /// The server's first response on the pending stream; never, if there is no such stream.
    pub(super) async fn late_response(&mut self) -> ListenResult {
        match &mut self.pending {
            Some(pending) => (&mut pending.first_response).await.unwrap_or_else(|_| Ok(Vec::new())),
            None => std::future::pending().await,
        }
    }

    /// Acts on a [late response](Self::late_response).
    pub(super) async fn take_late_response(&mut self, response: ListenResult) {
        let Some(pending) = &self.pending else { return };
        let (filter, round) = (pending.filter.clone(), pending.round);
        self.refused.clear();
        if let Err(failure) = self.take_response(response).await {
            self.try_one_by_one(filter, round, &failure).await;
        }
    }

    /// Opens a stream beside the current one, and waits for the server for a while.
    async fn attempt(&mut self, filter: NotificationFilter) -> Result<(), Failure> {
        self.begin(filter, 0);
        match tokio::time::timeout(FIRST_RESPONSE, self.late_response()).await {
            Ok(response) => self.take_response(response).await,
            Err(_) => Ok(()),
        }
    }

    fn begin(&mut self, filter: NotificationFilter, round: u32) {
        let (listener, first_response) = Listener::begin(&self.subscriber, filter.clone());
        self.pending = Some(Pending { filter, listener, first_response, round });
    }

    /// What the server has sent on the old stream until now is read to the end, and no request to subscribe is answered
    /// before that stream is closed: a change that follows the answer comes on the new stream alone.
    async fn take_response(&mut self, response: ListenResult) -> Result<(), Failure> {
        let Some(Pending { mut filter, listener, .. }) = self.pending.take() else { return Ok(()) };
        for uri in response? {
            filter.unsubscribe(&uri);
            let failure = left_out(&uri);
            self.refused.insert(uri, failure);
        }
        if let Some((_, replaced)) = self.current.replace((filter, listener)) {
            tokio::time::sleep(LINGER).await;
            drop(replaced);
        }
        Ok(())
    }

    /// Resources that were subscribed to in the same moment, and refused together, are tried one by one: the refusal of
    /// one must not cost the others. When the server takes its time for one, the rest goes on without a wait.
    async fn try_one_by_one(&mut self, mut filter: NotificationFilter, round: u32, failure: &Failure) {
        let added = filter.resources_beyond(self.current.as_ref().map(|(filter, _)| filter));
        if added.len() == 1 || round == MOST_ROUNDS {
            self.refused.extend(added.into_iter().map(|uri| (uri, failure.clone())));
            return;
        }
        for uri in &added {
            filter.unsubscribe(uri);
        }
        let mut added = added.into_iter();
        while let Some(uri) = added.next() {
            filter.subscribe(uri.clone());
            if let Err(failure) = self.attempt(filter.clone()).await {
                self.refused.insert(uri, failure);
            } else if self.pending.is_some() && added.len() > 0 {
                for uri in added {
                    filter.subscribe(uri);
                }
                return self.begin(filter, round + 1);
            }
            for uri in self.refused.keys() {
                filter.unsubscribe(uri);
            }
        }
    }
}

/// The error of a resource that the server has not named among those for which it listens.
fn left_out(uri: &str) -> Failure {
    let why =
        format!("the server sends no notifications of changes to {uri}: it acknowledged the subscription without it");
    Failure::Rpc(message::error("null", code::INVALID_PARAMS, &why, None))
}
