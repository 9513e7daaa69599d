//! The subscriptions of a legacy client: all that it is interested in, on one stream.

use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::streams::{Refused, Streams};
use crate::log;
use crate::task;
use crate::translate::to_modern::NotificationFilter;
use crate::upstream::Context;
use crate::upstream::Failure;
use crate::upstream::modern::session::Session;

/// All that a legacy client wants to hear of unasked, on one stream.
pub(in crate::upstream::modern) struct Subscription {
    /// Counted, so that whoever changes it knows what has come of that.
    wanted: watch::Sender<(u64, NotificationFilter)>,
    /// The last that was tried, and what of it was refused.
    heard: watch::Sender<(u64, Refused)>,
    listener: Mutex<Option<AbortHandle>>,
    /// What may have changed while nobody listened.
    lapsed: Mutex<Option<NotificationFilter>>,
}

impl Subscription {
    pub(in crate::upstream::modern) fn new(filter: NotificationFilter) -> Self {
        let (wanted, heard) = (watch::Sender::new((0, filter)), watch::Sender::new((0, Refused::new())));
        Self { wanted, heard, listener: Mutex::default(), lapsed: Mutex::default() }
    }

    /// Begins to listen, if there is anything to listen for.
    pub(in crate::upstream::modern) fn begin(&self, session: &Arc<Session>) {
        let mut listener = self.listener.lock();
        if listener.is_none() {
            *listener = Some(task::spawn(listen(Arc::clone(session))).abort_handle());
        }
    }

    /// Whether resources may be subscribed to.
    pub(in crate::upstream::modern) fn takes_resources(&self) -> bool {
        self.wanted.borrow().1.takes_resources
    }

    /// Listens for changes of this resource too; ready when the server does, or has had its time.
    pub(in crate::upstream::modern) async fn subscribe(&self, uri: String) -> Result<(), Failure> {
        let generation = self.change(|filter| filter.subscribe(uri.clone()));
        self.tried(generation, &uri).await.map_or(Ok(()), Err)
    }

    /// Listens for them no more; ready when the server has been told, or has had its time.
    pub(in crate::upstream::modern) async fn unsubscribe(&self, uri: &str) {
        let generation = self.change(|filter| filter.unsubscribe(uri));
        self.tried(generation, uri).await;
    }

    fn change(&self, change: impl FnOnce(&mut NotificationFilter) -> bool) -> u64 {
        let mut generation = 0;
        self.wanted.send_if_modified(|(count, filter)| {
            let changed = change(filter);
            *count += u64::from(changed);
            generation = *count;
            changed
        });
        generation
    }

    /// Waits until the server has been asked for what is wanted since then; each time that takes has its bounds. Why it
    /// does not listen for this resource.
    async fn tried(&self, generation: u64, uri: &str) -> Option<Failure> {
        let mut heard = self.heard.subscribe();
        let tried = heard.wait_for(|(tried, _)| *tried >= generation).await;
        tried.ok()?.1.get(uri).cloned()
    }

    /// What is refused is forgotten, and whoever waits is told: the rest is still wanted.
    fn has_tried(&self, generation: u64, refused: &Refused) {
        self.change(|filter| refused.keys().filter(|uri| filter.unsubscribe(uri)).count() > 0);
        self.heard.send_replace((generation, refused.clone()));
    }

    fn lapsed(&self) -> MutexGuard<'_, Option<NotificationFilter>> {
        self.lapsed.lock()
    }

    /// From now on nobody hears of these.
    pub(super) fn lapse(&self, filter: NotificationFilter) {
        self.lapsed().replace(filter);
    }

    /// Tells the client what it may have missed, now that somebody listens again.
    pub(super) async fn make_up(&self, context: &Context) {
        let lapsed = self.lapsed().take();
        for missed in lapsed.iter().flat_map(|lapsed| lapsed.missed(None)) {
            context.client.deliver(missed).await;
        }
    }

    pub(in crate::upstream::modern) fn end(&self) {
        if let Some(listener) = self.listener.lock().take() {
            listener.abort();
        }
        self.heard.send_modify(|(tried, _)| *tried = u64::MAX);
    }
}

/// Has the server listen for all that is wanted, whenever that changes.
async fn listen(session: Arc<Session>) {
    let subscription = session.subscription();
    let mut wanted = subscription.wanted.subscribe();
    let mut streams = Streams::new(Arc::clone(&session));
    loop {
        let (generation, filter) = wanted.borrow_and_update().clone();
        streams.listen_for(filter).await;
        subscription.has_tried(generation, &streams.refused);
        loop {
            let said = tokio::select! {
                changed = wanted.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return,
                },
                said = streams.late() => said,
            };
            streams.take_late(said).await;
            subscription.has_tried(generation, &streams.refused);
            for (uri, failure) in &streams.refused {
                log::warn!("no changes to {uri} are told, though the client counts on it: {}", failure.logged());
            }
        }
    }
}
