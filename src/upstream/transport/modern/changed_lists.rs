//! Which subscriptions of a modern client does the bridge itself notify, when a list differs from what it gave?

use std::collections::{BTreeMap, BTreeSet};

use parking_lot::Mutex;

use crate::message;
use crate::translate::to_modern::NotificationFilter;
use crate::upstream::exchange::ToClient;
use crate::upstream::transport::capabilities::List;

/// The subscriptions that the server has acknowledged. Each adds and removes itself; whoever has compared a list reads
/// them.
#[derive(Default)]
pub(super) struct Subscriptions(Mutex<State>);

#[derive(Default)]
struct State {
    /// By their ids, as spelled.
    acknowledged: BTreeMap<String, NotificationFilter>,
    /// The methods of notifications for which there was no subscription yet.
    early: BTreeSet<String>,
}

impl Subscriptions {
    /// Adds a subscription, and notifies it of what came too early for it.
    pub(super) fn add(&self, client: &ToClient, raw_id: &str, filter: &NotificationFilter) {
        let state = &mut *self.0.lock();
        for notification in filter.missed(Some(raw_id)) {
            if notification.method().is_some_and(|method| state.early.remove(method)) {
                client.deliver_own(notification);
            }
        }
        state.acknowledged.insert(raw_id.to_owned(), filter.clone());
    }

    pub(super) fn remove(&self, raw_id: &str) {
        self.0.lock().acknowledged.remove(raw_id);
    }

    /// Notifies each subscription that has this list.
    pub(super) fn list_changed(&self, client: &ToClient, list: &List) {
        let changed = message::list_changed(list.capability);
        let state = &mut *self.0.lock();
        let mut is_delivered = false;
        for (raw_id, filter) in &state.acknowledged {
            let missed = filter.missed(Some(raw_id)).into_iter();
            for notification in missed.filter(|one| one.method() == changed.method()) {
                client.deliver_own(notification);
                is_delivered = true;
            }
        }
        if !is_delivered {
            state.early.extend(changed.method().map(str::to_owned));
        }
    }
}
