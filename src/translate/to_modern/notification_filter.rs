//! Which notifications does the client get from `subscriptions/listen` ("Subscriptions")?

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::message::{self, Change, Kind, Members, Message};
use crate::translate::protocol::{LISTS, meta};

/// The notifications of a subscription, or of all that the client needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct NotificationFilter {
    lists: Vec<&'static str>,
    /// Whether the client may subscribe to single resources.
    pub(crate) takes_resources: bool,
    resources: BTreeSet<String>,
}

impl NotificationFilter {
    /// All changes of lists that this result of `server/discover` declares: a legacy client gets them all.
    pub(crate) fn of(discovered: &str) -> Self {
        let capabilities = Members::of(discovered).and_then(|result| result.object("capabilities"));
        let declares = |capability: &str, member: &str| {
            capabilities.as_ref().and_then(|all| all.object(capability)?.get(member)) == Some("true")
        };
        Self {
            lists: lists(|capability, _| declares(capability, "listChanged")),
            takes_resources: declares("resources", "subscribe"),
            resources: BTreeSet::new(),
        }
    }

    /// Reads the filter that a server has acknowledged, JSON text.
    pub(crate) fn acknowledged(filter: Option<&str>) -> Self {
        let filter = filter.and_then(Members::of);
        let member = |name: &str| filter.as_ref().and_then(|filter| filter.get(name));
        Self {
            lists: lists(|_, name| member(name) == Some("true")),
            takes_resources: true,
            resources: member("resourceSubscriptions")
                .and_then(|uris| serde_json::from_str(uris).ok())
                .unwrap_or_default(),
        }
    }

    /// The part of this filter that a server with these capabilities supports.
    pub(crate) fn within(mut self, capabilities: &Value) -> Self {
        self.lists.retain(|list| capabilities[list]["listChanged"] == true);
        if capabilities["resources"]["subscribe"] != true {
            self.resources.clear();
        }
        self
    }

    /// The acknowledgement for the `subscriptions/listen` with this id.
    pub(crate) fn acknowledgement(&self, raw_id: &str) -> Message {
        let meta = format!(r#"{{"{}":{raw_id}}}"#, meta::SUBSCRIPTION_ID);
        let params = self.params();
        let params =
            Members::of(&params).map(|params| params.with(&[("_meta", Change::Set(&meta))])).unwrap_or_default();
        message::notification("notifications/subscriptions/acknowledged", &params)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lists.is_empty() && self.resources.is_empty()
    }

    /// Adds a resource. Returns whether it was not in the filter.
    pub(crate) fn subscribe(&mut self, uri: String) -> bool {
        self.resources.insert(uri)
    }

    /// Removes a resource. Returns whether it was in the filter.
    pub(crate) fn unsubscribe(&mut self, uri: &str) -> bool {
        self.resources.remove(uri)
    }

    /// The resources that are not in the other filter.
    pub(crate) fn resources_beyond(&self, other: Option<&Self>) -> Vec<String> {
        self.resources.iter().filter(|uri| other.is_none_or(|other| !other.resources.contains(*uri))).cloned().collect()
    }

    /// The `params` of a `subscriptions/listen` with this filter, JSON text.
    pub(crate) fn params(&self) -> String {
        let lists = LISTS.iter().filter(|(list, _)| self.lists.contains(list));
        let mut filter: Map<String, Value> = lists.map(|(_, member)| ((*member).to_owned(), true.into())).collect();
        if !self.resources.is_empty() {
            filter.insert("resourceSubscriptions".to_owned(), json!(self.resources));
        }
        json!({ "notifications": filter }).to_string()
    }

    /// Notifications for all that may have changed meanwhile, with this subscription id if the client subscribed.
    pub(crate) fn missed(&self, subscription: Option<&str>) -> Vec<Message> {
        let meta = subscription.map(|raw_id| format!(r#""_meta":{{"{}":{raw_id}}}"#, meta::SUBSCRIPTION_ID));
        let params =
            |uri: Option<String>| format!("{{{}}}", meta.iter().cloned().chain(uri).collect::<Vec<_>>().join(","));
        let lists = self
            .lists
            .iter()
            .map(|list| message::notification(&format!("notifications/{list}/list_changed"), &params(None)));
        let resources = self.resources.iter().map(|uri| {
            let uri = format!(r#""uri":{}"#, json!(uri));
            message::notification("notifications/resources/updated", &params(Some(uri)))
        });
        lists.chain(resources).collect()
    }
}

/// The lists of which this is true, by capability and member of the filter.
fn lists(is_in: impl Fn(&str, &str) -> bool) -> Vec<&'static str> {
    LISTS.iter().filter(|(capability, member)| is_in(capability, member)).map(|(capability, _)| *capability).collect()
}

/// A message on the stream of a `subscriptions/listen`.
#[derive(Debug)]
pub(crate) enum SubscriptionEvent {
    /// The server has acknowledged this filter, JSON text.
    Acknowledged(Option<String>),
    /// A notification, without its subscription id, for a legacy client.
    Notification(Message),
    Ended,
    /// A message that has no place there.
    Other,
}

impl SubscriptionEvent {
    pub(crate) fn of(message: &Message) -> Self {
        match message.kind() {
            Kind::Response { .. } => Self::Ended,
            Kind::Notification { method } => match &**method {
                "notifications/subscriptions/acknowledged" => {
                    let filter = message.params().and_then(|params| params.get("notifications").map(str::to_owned));
                    Self::Acknowledged(filter)
                }
                // It names the `subscriptions/listen` that ends.
                "notifications/cancelled" => Self::Other,
                _ => Self::Notification(with_subscription_id(message, None).unwrap_or_else(|| message.clone())),
            },
            _ => Self::Other,
        }
    }
}

/// The notification with another subscription id, or without it. `None`: it has no subscription id.
pub(crate) fn with_subscription_id(message: &Message, raw_id: Option<&str>) -> Option<Message> {
    with_id_within(message, "params", raw_id)
}

/// The result of a `subscriptions/listen` with another subscription id. `None`: it has no subscription id.
pub(crate) fn result_with_subscription_id(message: &Message, raw_id: &str) -> Option<Message> {
    with_id_within(message, "result", Some(raw_id))
}

fn with_id_within(message: &Message, member: &str, raw_id: Option<&str>) -> Option<Message> {
    let members = message.members()?;
    let within = members.object(member)?;
    let meta = within.object("_meta")?;
    meta.get(meta::SUBSCRIPTION_ID)?;
    let of_meta = [(meta::SUBSCRIPTION_ID, raw_id.map_or(Change::Remove, Change::Set))];
    let of_member = [("_meta", meta.change_or_remove(&of_meta))];
    Some(message.edited(&members, &[(member, Change::Within(&within, &of_member))]))
}
