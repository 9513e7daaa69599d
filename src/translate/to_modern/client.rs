//! What does every request to a modern server say about the client, and which messages of the client stay with the
//! bridge?

use serde_json::Value;

use crate::message::{self, Change, Kind, Members, Message, OwnRequests, code, quoted};
use crate::translate::capabilities;
use crate::translate::protocol::{LOG_LEVELS, TASKS, meta};

/// What a legacy client sent in `initialize`, and the log level that it set.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    /// The legacy revision that the client asked for.
    pub(crate) revision: String,
    modern_revision: &'static str,
    /// JSON text, as are `capabilities` and `log_level`.
    info: Option<Box<str>>,
    capabilities: Box<str>,
    log_level: Option<Box<str>>,
    /// Whether the server may answer its calls with tasks.
    pub(super) takes_tasks: bool,
}

/// A request that the bridge answers, because a modern server does not have its method.
#[derive(Debug)]
pub(crate) enum LocalAnswer {
    Answer(Message),
    Subscribe(String),
    Unsubscribe(String),
}

/// A client, and the ids for the requests that the bridge sends in its name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientContext<'a> {
    pub(crate) client: &'a Client,
    pub(crate) ids: &'a OwnRequests,
}

impl ClientContext<'_> {
    /// A request of the bridge's own to the server. `params` is JSON text.
    pub(super) fn request(&self, method: &str, params: &str) -> Message {
        self.client.request(&self.ids.next_id(), method, params)
    }
}

impl Client {
    /// Reads the client's `initialize`. `takes_tasks`: the server may answer calls with tasks, which the bridge
    /// follows.
    pub(crate) fn of(initialize: &Message, modern_revision: &'static str, takes_tasks: bool) -> Self {
        let params = initialize.params();
        let params = params.as_ref();
        Self {
            revision: params.and_then(|params| params.string("protocolVersion")).unwrap_or_default(),
            modern_revision,
            info: params.and_then(|params| params.object("clientInfo").and(params.get("clientInfo"))).map(Box::from),
            capabilities: modern_capabilities(params.and_then(|params| params.object("capabilities")), takes_tasks)
                .into(),
            log_level: None,
            takes_tasks,
        }
    }

    /// The message with the `_meta` that a modern server requires, these `params`, and another id if one is given.
    pub(crate) fn with_meta(&self, message: &Message, raw_id: Option<&str>, changes: &[(&str, Change<'_>)]) -> Message {
        let Some(members) = message.members() else { return message.clone() };
        let empty = || Members::of("{}");
        let params = members.get("params").filter(|params| *params != "null");
        // `params` by position do not exist in MCP.
        let Some(params) = params.map_or_else(empty, Members::of) else { return message.clone() };
        let Some(meta) = params.object("_meta").or_else(empty) else { return message.clone() };
        let revision = quoted(self.modern_revision);
        let mut of_meta = vec![
            (meta::PROTOCOL_VERSION, Change::Set(&revision)),
            (meta::CLIENT_CAPABILITIES, Change::Set(&self.capabilities)),
        ];
        of_meta.extend(self.info.iter().map(|info| (meta::CLIENT_INFO, Change::Set(info))));
        of_meta.extend(self.log_level.iter().map(|level| (meta::LOG_LEVEL, Change::Set(level))));
        let of_params = [changes, &[("_meta", Change::Within(&meta, &of_meta))]].concat();
        let mut own = vec![("params", Change::Within(&params, &of_params))];
        own.extend(raw_id.map(|raw_id| ("id", Change::Set(raw_id))));
        message.edited(&members, &own)
    }

    /// A request of the bridge's own in the client's name. `params` is JSON text.
    pub(crate) fn request(&self, raw_id: &str, method: &str, params: &str) -> Message {
        self.with_meta(&message::request(raw_id, method, params), None, &[])
    }

    /// Whether the client declares what this request from the server needs. `params` are those of the request.
    pub(super) fn declares(&self, method: &str, params: Option<&Members<'_>>) -> bool {
        let declared: Value = serde_json::from_str(&self.capabilities).unwrap_or_default();
        capabilities::needed(method, params).is_some_and(|needed| capabilities::missing(&declared, needed).is_none())
    }

    /// Answers a request whose method a modern server does not have. `None`: the request goes to the server.
    pub(crate) fn answers_locally(&mut self, request: &Message) -> Option<LocalAnswer> {
        let Kind::Request { method, .. } = request.kind() else { return None };
        let raw_id = request.raw_id().unwrap_or("null");
        let done = || LocalAnswer::Answer(message::result(raw_id, "{}"));
        let invalid = |why: &str| LocalAnswer::Answer(message::error(raw_id, code::INVALID_PARAMS, why, None));
        let param = |name: &str| request.params().and_then(|params| params.string(name));
        let uri = || param("uri").ok_or_else(|| invalid("params.uri is not a string"));
        Some(match &**method {
            "ping" => done(),
            "logging/setLevel" => {
                let level = param("level").unwrap_or_default();
                if !LOG_LEVELS.contains(&level.as_str()) {
                    return Some(invalid("params.level is not a log level"));
                }
                self.log_level = Some(quoted(&level).into());
                done()
            }
            "resources/subscribe" => uri().map_or_else(|error| error, LocalAnswer::Subscribe),
            "resources/unsubscribe" => uri().map_or_else(|error| error, LocalAnswer::Unsubscribe),
            _ => return None,
        })
    }

    /// Whether the modern protocol does not have this notification of a client.
    pub(crate) fn is_local_notification(method: &str) -> bool {
        matches!(
            method,
            "notifications/initialized"
                | "notifications/cancelled"
                | "notifications/progress"
                | "notifications/roots/list_changed"
        )
    }
}

/// The client's capabilities for a modern server, JSON text. The tasks of 2025-11-25 differ from the modern ones.
fn modern_capabilities(declared: Option<Members<'_>>, takes_tasks: bool) -> String {
    let Some(declared) = declared.or_else(|| Members::of("{}")) else { return "{}".to_owned() };
    let extensions = declared.object("extensions").or_else(|| Members::of("{}"));
    let of_extensions = [(TASKS, Change::Set("{}"))];
    let mut changes = vec![("tasks", Change::Remove)];
    if let Some(extensions) = extensions.as_ref().filter(|_| takes_tasks) {
        changes.push(("extensions", Change::Within(extensions, &of_extensions)));
    }
    declared.with(&changes)
}
