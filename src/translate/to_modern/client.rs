//! Who is the client, as every request to a modern server says it, and what of its words goes no further?

use serde_json::json;

use crate::message::{self, Kind, Message};
use crate::message::{Change, Members, quoted};
use crate::translate::{TASKS, code, meta};

/// The levels of log messages ("Logging").
const LEVELS: [&str; 8] = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

/// What a legacy client has said of itself.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    /// The legacy revision that it asked for.
    revision: String,
    /// The modern revision that is spoken for it.
    spoken: &'static str,
    /// JSON text, as are the next two.
    info: Option<Box<str>>,
    capabilities: Box<str>,
    level: Option<Box<str>>,
    tasks: bool,
}

/// A request that the server has no word for.
#[derive(Debug)]
pub(crate) enum LocalAnswer {
    /// Here is its answer.
    Answer(Message),
    /// The client wants to hear of this resource from now on.
    Subscribe(String),
    /// The client wants to hear of this resource no more.
    Unsubscribe(String),
}

impl Client {
    /// Reads the client's `initialize`. `tasks`: its calls may become tasks, which are the bridge's to follow.
    pub(crate) fn of(initialize: &Message, spoken: &'static str, tasks: bool) -> Self {
        let params = Members::of(initialize.as_str()).and_then(|members| members.object("params"));
        let params = params.as_ref();
        Self {
            revision: params.and_then(|params| params.string("protocolVersion")).unwrap_or_default(),
            spoken,
            info: params.and_then(|params| params.object("clientInfo").and(params.get("clientInfo"))).map(Box::from),
            capabilities: capabilities(params.and_then(|params| params.object("capabilities")), tasks).into(),
            level: None,
            tasks,
        }
    }

    /// The legacy revision that it asked for.
    pub(crate) fn revision(&self) -> &str {
        &self.revision
    }

    /// Whether its calls may become tasks.
    pub(crate) fn takes_tasks(&self) -> bool {
        self.tasks
    }

    /// The client's message with the `_meta` that a modern server wants, and `params` changed; what else it says stays
    /// as it is. `raw_id`: another id than its own.
    pub(crate) fn with_meta(&self, message: &Message, raw_id: Option<&str>, changes: &[(&str, Change<'_>)]) -> Message {
        let Some(members) = Members::of(message.as_str()) else { return message.clone() };
        let empty = || Members::of("{}");
        let given = members.get("params").filter(|params| *params != "null");
        // By position: nothing that a server of either era understands.
        let Some(params) = given.map_or_else(empty, Members::of) else { return message.clone() };
        let Some(own) = params.object("_meta").or_else(empty) else { return message.clone() };
        let spoken = quoted(self.spoken);
        let mut said = vec![
            (meta::PROTOCOL_VERSION, Change::Set(&spoken)),
            (meta::CLIENT_CAPABILITIES, Change::Set(&self.capabilities)),
        ];
        said.extend(self.info.iter().map(|info| (meta::CLIENT_INFO, Change::Set(info))));
        said.extend(self.level.iter().map(|level| (meta::LOG_LEVEL, Change::Set(level))));
        let changes = [changes, &[("_meta", Change::Within(&own, &said))]].concat();
        let mut whole = vec![("params", Change::Within(&params, &changes))];
        whole.extend(raw_id.map(|raw_id| ("id", Change::Set(raw_id))));
        Message::parse(members.with(&whole)).unwrap_or_else(|_| message.clone())
    }

    /// A request of the bridge's own in the client's name. `params` is JSON text.
    pub(crate) fn request(&self, raw_id: &str, method: &str, params: &str) -> Option<Message> {
        let bare = message::request_text(raw_id, method, params);
        Some(self.with_meta(&bare, None, &[]))
    }

    /// Whether the client has declared that it can answer this question. `params` are the question's.
    pub(crate) fn can(&self, method: &str, params: Option<&Members<'_>>) -> bool {
        let Some(capabilities) = Members::of(&self.capabilities) else { return false };
        match method {
            "roots/list" => capabilities.get("roots").is_some(),
            "sampling/createMessage" => capabilities.get("sampling").is_some(),
            "elicitation/create" => {
                let Some(modes) = capabilities.object("elicitation") else { return false };
                let mode = params.and_then(|params| params.string("mode"));
                match mode.as_deref() {
                    Some("url") => modes.get("url").is_some(),
                    // Before there were two, none was named.
                    _ => modes.get("form").is_some() || modes.get("url").is_none(),
                }
            }
            _ => false,
        }
    }

    /// Answers what a modern server has no word for. `None`: it has one, so the request is carried.
    pub(crate) fn answers_locally(&mut self, request: &Message) -> Option<LocalAnswer> {
        let Kind::Request { method, .. } = request.kind() else { return None };
        let raw_id = request.raw_id().unwrap_or("null");
        let params = || Members::of(request.as_str())?.object("params");
        let answer = |answer| Some(LocalAnswer::Answer(answer));
        let invalid = |why: &str| answer(message::error(raw_id, code::INVALID_PARAMS, why, None));
        match &**method {
            "ping" => answer(message::result(raw_id, &json!({}))),
            "logging/setLevel" => {
                let level = params().and_then(|params| params.string("level")).unwrap_or_default();
                if !LEVELS.contains(&level.as_str()) {
                    return invalid("params.level is none of the levels of log messages");
                }
                self.level = Some(quoted(&level).into());
                answer(message::result(raw_id, &json!({})))
            }
            "resources/subscribe" | "resources/unsubscribe" => {
                let Some(uri) = params().and_then(|params| params.string("uri")) else {
                    return invalid("params.uri is no string");
                };
                Some(if &**method == "resources/subscribe" {
                    LocalAnswer::Subscribe(uri)
                } else {
                    LocalAnswer::Unsubscribe(uri)
                })
            }
            _ => None,
        }
    }

    /// Whether a notification of the client's has no place in the modern protocol.
    pub(crate) fn keeps_notification(method: &str) -> bool {
        matches!(
            method,
            "notifications/initialized"
                | "notifications/cancelled"
                | "notifications/progress"
                | "notifications/roots/list_changed"
        )
    }
}

/// The tasks of 2025-11-25 are others, and not to be had.
fn capabilities(declared: Option<Members<'_>>, tasks: bool) -> String {
    let Some(declared) = declared.or_else(|| Members::of("{}")) else { return "{}".to_owned() };
    let mut changes = vec![("tasks", Change::Remove)];
    let extended;
    if tasks {
        let extensions = declared.object("extensions").or_else(|| Members::of("{}"));
        extended = extensions.map(|extensions| extensions.with(&[(TASKS, Change::Set("{}"))])).unwrap_or_default();
        changes.push(("extensions", Change::Set(&extended)));
    }
    declared.with(&changes)
}
