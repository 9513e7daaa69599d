//! What does the client want to hear of unasked ("Subscriptions")?

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::message::{self, Kind, Message};
use crate::message::{Change, Members};
use crate::translate::meta;

/// What changes of a server's, the filter's word for that, and the notification's.
const LISTS: [(&str, &str); 3] =
    [("tools", "toolsListChanged"), ("prompts", "promptsListChanged"), ("resources", "resourcesListChanged")];

/// The union of all that a client is interested in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct NotificationFilter {
    lists: Vec<&'static str>,
    /// Whether it may subscribe to single resources.
    pub(crate) takes_resources: bool,
    resources: BTreeSet<String>,
}

impl NotificationFilter {
    /// A legacy client hears of every change that the server declares. `discovered`: the result of `server/discover`.
    pub(crate) fn of(discovered: &str) -> Self {
        let capabilities = Members::of(discovered).and_then(|result| result.object("capabilities"));
        let declares = |what: &str, which: &str| {
            capabilities.as_ref().and_then(|all| all.object(what)?.get(which)) == Some("true")
        };
        Self {
            lists: LISTS.iter().filter(|(what, _)| declares(what, "listChanged")).map(|(what, _)| *what).collect(),
            takes_resources: declares("resources", "subscribe"),
            resources: BTreeSet::new(),
        }
    }

    /// What a server has said that it listens for: a filter, JSON text.
    pub(crate) fn acknowledged(filter: Option<&str>) -> Self {
        let filter = filter.and_then(Members::of);
        let is_heard = |word: &str| filter.as_ref().and_then(|filter| filter.get(word)) == Some("true");
        let resources =
            filter.as_ref().and_then(|filter| serde_json::from_str(filter.get("resourceSubscriptions")?).ok());
        Self {
            lists: LISTS.iter().filter(|(_, word)| is_heard(word)).map(|(what, _)| *what).collect(),
            takes_resources: true,
            resources: resources.unwrap_or_default(),
        }
    }

    /// What of it a server with these capabilities tells.
    pub(crate) fn within(mut self, capabilities: &Value) -> Self {
        self.lists.retain(|what| capabilities[what]["listChanged"] == true);
        if capabilities["resources"]["subscribe"] != true {
            self.resources.clear();
        }
        self
    }

    /// The first word on the stream of the `subscriptions/listen` with this id.
    pub(crate) fn acknowledgement(&self, raw_id: &str) -> Message {
        let own = format!(r#"{{"{}":{raw_id}}}"#, meta::SUBSCRIPTION_ID);
        let params = self.params();
        let params =
            Members::of(&params).map(|params| params.with(&[("_meta", Change::Set(&own))])).unwrap_or_default();
        message::notification_text("notifications/subscriptions/acknowledged", &params)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lists.is_empty() && self.resources.is_empty()
    }

    /// Whether that is news.
    pub(crate) fn subscribe(&mut self, uri: String) -> bool {
        self.resources.insert(uri)
    }

    /// Whether that is news.
    pub(crate) fn unsubscribe(&mut self, uri: &str) -> bool {
        self.resources.remove(uri)
    }

    /// The resources in it that the other has not.
    pub(crate) fn resources_beyond(&self, other: Option<&Self>) -> Vec<String> {
        self.resources.iter().filter(|uri| other.is_none_or(|other| !other.resources.contains(*uri))).cloned().collect()
    }

    /// The params of the `subscriptions/listen` that asks for it, JSON text.
    pub(crate) fn params(&self) -> String {
        let wanted = LISTS.iter().filter(|(what, _)| self.lists.contains(what));
        let mut filter = Map::new();
        filter.extend(wanted.map(|(_, word)| ((*word).to_owned(), true.into())));
        if !self.resources.is_empty() {
            filter.insert("resourceSubscriptions".to_owned(), json!(self.resources));
        }
        json!({ "notifications": filter }).to_string()
    }

    /// All that may have changed while nobody listened. `tag`: the id of the `subscriptions/listen` for which it is
    /// told, if that is the client's.
    pub(crate) fn missed(&self, tag: Option<&str>) -> Vec<Message> {
        let own = tag.map(|raw_id| format!(r#""_meta":{{"{}":{raw_id}}}"#, meta::SUBSCRIPTION_ID));
        let params =
            |more: Option<String>| format!("{{{}}}", own.iter().cloned().chain(more).collect::<Vec<_>>().join(","));
        let lists = self
            .lists
            .iter()
            .map(|what| message::notification_text(&format!("notifications/{what}/list_changed"), &params(None)));
        let resources = self.resources.iter().map(|uri| {
            message::notification_text(
                "notifications/resources/updated",
                &params(Some(format!(r#""uri":{}"#, json!(uri)))),
            )
        });
        lists.chain(resources).collect()
    }
}

/// What comes on the stream of a `subscriptions/listen`.
#[derive(Debug)]
pub(crate) enum Heard {
    /// The server listens for these, JSON text of its filter.
    Acknowledged(Option<String>),
    /// For the client, as it was without subscriptions.
    News(Message),
    /// The server ends it.
    Ended,
    /// Nothing for anybody.
    Noise,
}

/// Takes a message from that stream.
pub(crate) fn heard(message: &Message) -> Heard {
    match message.kind() {
        Kind::Response { .. } => Heard::Ended,
        Kind::Notification { method } if &**method == "notifications/subscriptions/acknowledged" => {
            let params = Members::of(message.as_str()).and_then(|members| members.object("params"));
            Heard::Acknowledged(params.and_then(|params| params.get("notifications").map(str::to_owned)))
        }
        // It names the `subscriptions/listen` that ends.
        Kind::Notification { method } if &**method == "notifications/cancelled" => Heard::Noise,
        Kind::Notification { .. } => Heard::News(tagged(message, None).unwrap_or_else(|| message.clone())),
        _ => Heard::Noise,
    }
}

/// The same notification with another subscription id, or with none; `None` if it has none to change.
pub(crate) fn tagged(message: &Message, raw_id: Option<&str>) -> Option<Message> {
    tag(message, "params", raw_id)
}

/// The same result of a `subscriptions/listen` with another subscription id.
pub(crate) fn tagged_result(message: &Message, raw_id: &str) -> Option<Message> {
    tag(message, "result", Some(raw_id))
}

fn tag(message: &Message, member: &str, raw_id: Option<&str>) -> Option<Message> {
    let members = Members::of(message.as_str())?;
    let within = members.object(member)?;
    let own = within.object("_meta")?;
    own.get(meta::SUBSCRIPTION_ID)?;
    let own = own.with(&[(meta::SUBSCRIPTION_ID, raw_id.map_or(Change::Remove, Change::Set))]);
    let left = if Members::of(&own)?.is_empty() { Change::Remove } else { Change::Set(&own) };
    let within = within.with(&[("_meta", left)]);
    Message::parse(members.with(&[(member, Change::Set(&within))])).ok()
}
