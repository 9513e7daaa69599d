//! Which notifications has a client subscribed to, and which of them does the server send?

use std::collections::{BTreeMap, BTreeSet};

use super::outbox::{Action, OWN_REQUEST, Outbox, Timer};
use super::requests::with_subscription_id;
use super::sessions::Sessions;
use crate::message::{self, Id, Message, quoted};
use crate::translate::protocol::{LISTS, meta};

#[derive(Default)]
pub(super) struct Subscriptions(BTreeMap<u64, Subscription>);

/// One `subscriptions/listen`.
#[derive(Debug)]
struct Subscription {
    session: u64,
    raw_id: Box<str>,
    /// The capabilities whose lists it is about.
    lists: Vec<&'static str>,
    /// The requested resources, until the session is open.
    requested: Vec<String>,
    /// The resources for which the server has yet to answer `resources/subscribe`.
    pending: Vec<String>,
    /// The resources of which the server announces updates.
    agreed: Vec<String>,
    is_acknowledged: bool,
}

impl Subscriptions {
    pub(super) fn is_in(&self, session: u64) -> bool {
        self.0.values().any(|subscription| subscription.session == session)
    }

    /// Takes a `subscriptions/listen`. `None`: it has no filter.
    pub(super) fn add(&mut self, number: u64, message: &Message, session: u64, is_acknowledged: bool) -> Option<()> {
        let filter = message.params()?.object("notifications")?;
        let lists = LISTS.iter().filter(|(_, member)| filter.get(member) == Some("true")).map(|(list, _)| *list);
        let resources = filter.get("resourceSubscriptions").and_then(|raw| serde_json::from_str(raw).ok());
        let subscription = Subscription {
            session,
            raw_id: message.raw_id().unwrap_or("null").into(),
            lists: lists.collect(),
            requested: resources.unwrap_or_default(),
            pending: Vec::new(),
            agreed: Vec::new(),
            is_acknowledged,
        };
        self.0.insert(number, subscription);
        Some(())
    }

    /// The session is open: asks the server for the resources.
    pub(super) fn start(&mut self, number: u64, sessions: &mut Sessions, out: &mut Outbox) {
        let Some(subscription) = self.0.get_mut(&number) else { return };
        let Some(session) = sessions.get(subscription.session) else { return };
        subscription.lists.retain(|list| session.server.can(list, Some("listChanged")));
        let mut resources = std::mem::take(&mut subscription.requested);
        if !session.server.can("resources", Some("subscribe")) {
            resources.clear();
        }
        resources.sort_unstable();
        resources.dedup();
        (subscription.agreed, subscription.pending) =
            resources.into_iter().partition(|uri| session.resources.is_subscribed(uri));
        let (session, pending) = (subscription.session, subscription.pending.clone());
        if pending.is_empty() {
            return self.acknowledge(number, out);
        }
        out.set_timer(out.now + OWN_REQUEST, Timer::Acknowledge(number));
        for uri in pending {
            self.update_resource(session, &uri, sessions, out);
        }
    }

    /// Subscribes to a resource at the server, or unsubscribes, as the client's subscriptions need it.
    fn update_resource(&self, number: u64, uri: &str, sessions: &mut Sessions, out: &mut Outbox) {
        let Some(session) = sessions.get_mut(number) else { return };
        let is_wanted = self.0.values().any(|subscription| subscription.session == number && subscription.wants(uri));
        session.resources.update(number, uri, is_wanted, out);
    }

    pub(super) fn resource_answered(
        &mut self,
        number: u64,
        uri: &str,
        is_error: bool,
        sessions: &mut Sessions,
        out: &mut Outbox,
    ) {
        let Some(session) = sessions.get_mut(number) else { return };
        let is_subscribed = session.resources.answered(uri, is_error);
        if let Some(is_subscribed) = is_subscribed {
            if !is_subscribed {
                out.warn(format!("the server refuses to announce updates of {uri}"));
            }
            self.settle_resource(number, uri, is_subscribed, out);
        }
        if is_subscribed != Some(false) {
            self.update_resource(number, uri, sessions, out);
        }
    }

    /// It is known now whether the server announces updates of this resource.
    fn settle_resource(&mut self, session: u64, uri: &str, is_subscribed: bool, out: &mut Outbox) {
        let mut settled = Vec::new();
        for (number, subscription) in self.0.iter_mut().filter(|(_, subscription)| subscription.session == session) {
            let Some(place) = subscription.pending.iter().position(|pending| pending == uri) else { continue };
            let uri = subscription.pending.remove(place);
            if is_subscribed {
                subscription.agreed.push(uri);
            }
            if subscription.pending.is_empty() {
                settled.push(*number);
            }
        }
        for number in settled {
            self.acknowledge(number, out);
        }
    }

    /// The server has not answered in time. Resources that it agrees to later are announced all the same.
    pub(super) fn acknowledge_late(&mut self, number: u64, sessions: &mut Sessions, out: &mut Outbox) {
        let Some(subscription) = self.0.get(&number) else { return };
        let session_number = subscription.session;
        for uri in &subscription.pending {
            let session = sessions.get_mut(session_number);
            if session.is_some_and(|session| session.resources.cancel_unsubscribe(session_number, uri, out)) {
                self.update_resource(session_number, uri, sessions, out);
            }
        }
        self.acknowledge(number, out);
    }

    /// Sends the client the acknowledgement, which comes before all notifications of a subscription.
    fn acknowledge(&mut self, number: u64, out: &mut Outbox) {
        let subscription = self.0.get_mut(&number).filter(|subscription| !subscription.is_acknowledged);
        let Some(subscription) = subscription else { return };
        subscription.is_acknowledged = true;
        let lists = LISTS.iter().filter(|(list, _)| subscription.lists.contains(list));
        let mut agreed: Vec<_> = lists.map(|(_, member)| format!(r#""{member}":true"#)).collect();
        if !subscription.agreed.is_empty() {
            let uris: Vec<_> = subscription.agreed.iter().map(|uri| quoted(uri)).collect();
            agreed.push(format!(r#""resourceSubscriptions":[{}]"#, uris.join(",")));
        }
        let params = format!(
            r#"{{"_meta":{{"{}":{}}},"notifications":{{{}}}}}"#,
            meta::SUBSCRIPTION_ID,
            subscription.raw_id,
            agreed.join(",")
        );
        let acknowledged = message::notification("notifications/subscriptions/acknowledged", &params);
        out.push(Action::Deliver(acknowledged));
    }

    /// A list or a resource has changed: the client gets the notification once for each subscription that is about it.
    pub(super) fn deliver_change(&self, session: u64, message: &Message, out: &mut Outbox) {
        let method = message.method().unwrap_or_default();
        let list = method.strip_prefix("notifications/").and_then(|rest| rest.strip_suffix("/list_changed"));
        let uri = message.params().and_then(|params| params.string("uri"));
        let is_about = |subscription: &&Subscription| match (list, &uri) {
            (Some(list), _) => subscription.lists.contains(&list),
            // A server may announce an update of a part of the resource.
            (None, Some(uri)) => subscription.agreed.iter().any(|agreed| uri.starts_with(agreed.as_str())),
            (None, None) => false,
        };
        let subscriptions = self.0.values().filter(|one| one.session == session && one.is_acknowledged);
        for subscription in subscriptions.filter(is_about) {
            if let Some(message) = with_subscription_id(message, &subscription.raw_id) {
                out.push(Action::Deliver(message));
            }
        }
    }

    /// The client has cancelled a subscription. Resources that no other needs are unsubscribed.
    pub(super) fn cancel(&mut self, number: u64, sessions: &mut Sessions, out: &mut Outbox) {
        let Some(subscription) = self.0.remove(&number) else { return };
        for uri in subscription.resources() {
            self.update_resource(subscription.session, uri, sessions, out);
        }
    }

    /// The session was lost and opened again: the server is asked again for the resources.
    pub(super) fn session_reopened(&self, session: u64, sessions: &mut Sessions, out: &mut Outbox) {
        let subscriptions = self.0.values().filter(|subscription| subscription.session == session);
        let wanted: BTreeSet<_> = subscriptions.flat_map(Subscription::resources).collect();
        for uri in wanted {
            self.update_resource(session, uri, sessions, out);
        }
    }

    /// The client's input has ended: each subscription gets its result.
    pub(super) fn end(&mut self, sessions: &Sessions, out: &mut Outbox) {
        for subscription in std::mem::take(&mut self.0).into_values() {
            if out.client_requests.contains_key(&Id::from_json(&subscription.raw_id))
                && let Some(session) = sessions.get(subscription.session)
            {
                let result = session.server.listen_result(&subscription.raw_id);
                out.answer(message::result(&subscription.raw_id, &result));
            }
        }
    }
}

impl Subscription {
    /// The resources for which the server has been asked because of this subscription.
    fn resources(&self) -> impl Iterator<Item = &String> {
        self.pending.iter().chain(&self.agreed)
    }

    fn wants(&self, uri: &str) -> bool {
        self.resources().any(|wanted| wanted == uri)
    }
}
