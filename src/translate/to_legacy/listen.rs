//! What does a client want to hear of unasked, and what will this server tell?

use std::time::Instant;

use super::asked::Asked;
use super::resources::Resource;
use super::{Action, OWN_REQUEST, Place, Timer, ToLegacy, told};
use crate::message::{self, Id, Message};
use crate::message::{Members, quoted};
use crate::translate::meta;

/// The lists whose changes can be told: the member of the filter, the capability.
const LISTS: [(&str, &str); 3] =
    [("toolsListChanged", "tools"), ("promptsListChanged", "prompts"), ("resourcesListChanged", "resources")];

/// One `subscriptions/listen`.
#[derive(Debug)]
pub(super) struct Listen {
    pub(super) session: u64,
    id: Id,
    pub(super) raw_id: Box<str>,
    /// The capabilities whose lists it is about.
    lists: Vec<&'static str>,
    /// The resources it asks for, until the session is open.
    resources: Vec<String>,
    /// Resources of which the server has not said yet whether it will tell.
    open: Vec<String>,
    /// Resources of which it tells.
    held: Vec<String>,
    acknowledged: bool,
}

impl ToLegacy {
    pub(super) fn listen(&mut self, message: &Message, asked: Asked, session: u64, now: Instant) {
        let params = Members::of(message.as_str()).and_then(|members| members.object("params"));
        let Some(filter) = params.and_then(|params| params.object("notifications")) else {
            return self.invalid(&asked.raw_id, "the subscription does not say of which notifications");
        };
        let lists = LISTS.iter().filter(|(member, _)| filter.get(member) == Some("true")).map(|(_, list)| *list);
        let resources: Vec<String> =
            filter.get("resourceSubscriptions").and_then(|raw| serde_json::from_str(raw).ok()).unwrap_or_default();
        let listen = Listen {
            session,
            id: asked.id.clone(),
            raw_id: asked.raw_id,
            lists: lists.collect(),
            resources,
            open: Vec::new(),
            held: Vec::new(),
            acknowledged: self.acknowledged.as_ref() == Some(&asked.id),
        };
        let number = self.next();
        self.listens.insert(number, listen);
        self.asked.insert(asked.id, Place::Listen(number));
        self.subscribe_when_open(session, number, now);
    }

    /// The session is open: asks the server for what it can tell.
    pub(super) fn subscribe(&mut self, number: u64, now: Instant) {
        let Some(listen) = self.listens.get_mut(&number) else { return };
        let session_number = listen.session;
        let Some(session) = self.sessions.get(&session_number) else { return };
        listen.lists.retain(|list| session.server.can(list, Some("listChanged")));
        let mut resources = std::mem::take(&mut listen.resources);
        if !session.server.can("resources", Some("subscribe")) {
            resources.clear();
        }
        resources.sort_unstable();
        resources.dedup();
        let is_told = |uri: &String| matches!(session.resources.get(uri), Some(Resource::Told));
        (listen.held, listen.open) = resources.into_iter().partition(is_told);
        let open = listen.open.clone();
        if open.is_empty() {
            return self.acknowledge(number);
        }
        self.timers.insert((now + OWN_REQUEST, Timer::Listen(number)));
        for uri in open {
            self.bring_about(session_number, &uri);
        }
    }

    /// The server has said whether it will tell of this resource.
    pub(super) fn agreed(&mut self, session: u64, uri: &str, is_told: bool) {
        let mut settled = Vec::new();
        for (number, listen) in self.listens.iter_mut().filter(|(_, listen)| listen.session == session) {
            let Some(place) = listen.open.iter().position(|open| open == uri) else { continue };
            let uri = listen.open.remove(place);
            if is_told {
                listen.held.push(uri);
            }
            if listen.open.is_empty() {
                settled.push(*number);
            }
        }
        for listen in settled {
            self.acknowledge(listen);
        }
    }

    /// The server takes its time: what it agrees to later is told all the same.
    pub(super) fn wait_no_longer(&mut self, number: u64) {
        let Some(listen) = self.listens.get(&number) else { return };
        let session = listen.session;
        for uri in listen.open.clone() {
            self.leave_at_once(session, &uri);
        }
        self.acknowledge(number);
    }

    /// Says what will be told; only now may anything be.
    pub(super) fn acknowledge(&mut self, number: u64) {
        let Some(listen) = self.listens.get_mut(&number).filter(|listen| !listen.acknowledged) else { return };
        listen.acknowledged = true;
        let agreed = LISTS.iter().filter(|(_, list)| listen.lists.contains(list));
        let mut agreed: Vec<_> = agreed.map(|(member, _)| format!(r#""{member}":true"#)).collect();
        if !listen.held.is_empty() {
            let uris: Vec<_> = listen.held.iter().map(|uri| quoted(uri)).collect();
            agreed.push(format!(r#""resourceSubscriptions":[{}]"#, uris.join(",")));
        }
        let params = format!(
            r#"{{"_meta":{{"{}":{}}},"notifications":{{{}}}}}"#,
            meta::SUBSCRIPTION_ID,
            listen.raw_id,
            agreed.join(",")
        );
        let acknowledged = message::notification_text("notifications/subscriptions/acknowledged", &params);
        self.actions.push(Action::Tell(acknowledged));
    }

    /// Something has changed: each subscription that is about it is told under its own id.
    pub(super) fn changed(&mut self, session: u64, message: &Message) {
        let method = message.method().unwrap_or_default();
        let list = method.strip_prefix("notifications/").and_then(|rest| rest.strip_suffix("/list_changed"));
        let params = Members::of(message.as_str()).and_then(|members| members.object("params"));
        let uri = params.and_then(|params| params.string("uri"));
        let about = |listen: &&Listen| match (list, &uri) {
            (Some(list), _) => listen.lists.contains(&list),
            // A server may tell of a part of what was subscribed to.
            (None, Some(uri)) => listen.held.iter().any(|held| uri.starts_with(held.as_str())),
            (None, None) => false,
        };
        let listens = self.listens.values().filter(|listen| listen.session == session && listen.acknowledged);
        let told = listens.filter(about).filter_map(|listen| told::tagged(message, &listen.raw_id));
        self.actions.extend(told.map(Action::Tell));
    }

    /// The client listens no more: the server need not tell what nobody else wants to hear.
    pub(super) fn unlisten(&mut self, number: u64) {
        let Some(listen) = self.listens.remove(&number) else { return };
        for uri in listen.wanted() {
            self.bring_about(listen.session, uri);
        }
    }

    /// The client has nothing more to say: what it listens to ends in good order.
    pub fn end(&mut self) {
        for listen in std::mem::take(&mut self.listens).into_values() {
            if self.asked.contains_key(&listen.id)
                && let Some(session) = self.sessions.get(&listen.session)
            {
                let result = session.server.unsubscribed(&listen.raw_id);
                self.answer(message::result_text(&listen.raw_id, &result));
            }
        }
    }
}

impl Listen {
    /// The resources that the server has been asked for because of it.
    pub(super) fn wanted(&self) -> impl Iterator<Item = &String> {
        self.open.iter().chain(&self.held)
    }

    pub(super) fn wants(&self, uri: &str) -> bool {
        self.wanted().any(|wanted| wanted == uri)
    }
}
