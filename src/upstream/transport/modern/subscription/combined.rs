//! What is a legacy client subscribed to? All of it is served by one stream.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::listener::Subscriber;
use super::streams::{Refused, Streams};
use crate::log;
use crate::task;
use crate::translate::to_modern::NotificationFilter;
use crate::upstream::Failure;
use crate::upstream::transport::modern::call::Caller;

/// The subscriptions of a legacy client: its resources, and the lists that every such client is notified of.
pub(crate) struct CombinedSubscription {
    subscriber: Arc<Subscriber>,
    /// Requests to subscribe change it and count the change; the task that listens reads it.
    wanted: watch::Sender<(u64, NotificationFilter)>,
    /// The last change that was tried, and which resources the server refused. The task that listens changes it; the
    /// requests wait for their change.
    tried: watch::Sender<(u64, Refused)>,
    /// The task that listens. The client's `initialized` or first subscription starts it, the end stops it.
    task: Mutex<Option<AbortHandle>>,
}

impl CombinedSubscription {
    pub(crate) fn new(caller: &Arc<Caller>, filter: NotificationFilter) -> Self {
        Self {
            subscriber: Arc::new(Subscriber::new(caller)),
            wanted: watch::Sender::new((0, filter)),
            tried: watch::Sender::new((0, Refused::new())),
            task: Mutex::default(),
        }
    }

    /// Begins to listen, unless that has begun.
    pub(crate) fn begin(self: &Arc<Self>) {
        let mut task = self.task.lock();
        if task.is_none() {
            *task = Some(task::spawn(Arc::clone(self).listen()).abort_handle());
        }
    }

    /// Whether resources may be subscribed to.
    pub(crate) fn takes_resources(&self) -> bool {
        self.wanted.borrow().1.takes_resources
    }

    /// Subscribes to this resource too; ready when the server listens for it, or has had its time.
    pub(crate) async fn subscribe(&self, uri: String) -> Result<(), Failure> {
        let change = self.change(|filter| filter.subscribe(uri.clone()));
        self.wait_until_tried(change, &uri).await.map_or(Ok(()), Err)
    }

    /// Unsubscribes from this resource; ready when the server has read that, or has had its time.
    pub(crate) async fn unsubscribe(&self, uri: &str) {
        let change = self.change(|filter| filter.unsubscribe(uri));
        self.wait_until_tried(change, uri).await;
    }

    fn change(&self, change: impl FnOnce(&mut NotificationFilter) -> bool) -> u64 {
        let mut number = 0;
        self.wanted.send_if_modified(|(count, filter)| {
            let changed = change(filter);
            *count += u64::from(changed);
            number = *count;
            changed
        });
        number
    }

    /// Waits until the server has been sent this change; each such attempt has its bounds. Returns why the server does
    /// not listen for this resource.
    async fn wait_until_tried(&self, change: u64, uri: &str) -> Option<Failure> {
        let mut tried = self.tried.subscribe();
        let tried = tried.wait_for(|(tried, _)| *tried >= change).await;
        tried.ok()?.1.get(uri).cloned()
    }

    /// Unsubscribes from what was refused, and lets the requests go on that wait: the rest is still wanted.
    fn set_tried(&self, change: u64, refused: &Refused) {
        self.change(|filter| refused.keys().filter(|uri| filter.unsubscribe(uri)).count() > 0);
        self.tried.send_replace((change, refused.clone()));
    }

    pub(crate) fn end(&self) {
        if let Some(task) = self.task.lock().take() {
            task.abort();
        }
        self.tried.send_modify(|(tried, _)| *tried = u64::MAX);
    }

    /// Has the server listen for all that is wanted, whenever that changes.
    async fn listen(self: Arc<Self>) {
        let mut wanted = self.wanted.subscribe();
        let mut streams = Streams::new(Arc::clone(&self.subscriber));
        loop {
            let (change, filter) = wanted.borrow_and_update().clone();
            streams.listen_for(filter).await;
            self.set_tried(change, &streams.refused);
            loop {
                let response = tokio::select! {
                    changed = wanted.changed() => match changed {
                        Ok(()) => break,
                        Err(_) => return,
                    },
                    response = streams.late_response() => response,
                };
                streams.take_late_response(response).await;
                self.set_tried(change, &streams.refused);
                for (uri, failure) in &streams.refused {
                    log::warn!(
                        "no changes to {uri} are notified, although the client subscribed: {}",
                        failure.for_log()
                    );
                }
            }
        }
    }
}
