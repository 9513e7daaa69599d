//! What does a modern request ask for, and how is it said to a legacy server?

use serde_json::json;

use crate::message::{self, Id, Kind, Message};
use crate::message::{Change, Members};
use crate::translate::{MODERN_REVISIONS, code, meta};

/// The levels of log messages, the most talkative first ("Logging").
const LEVELS: [&str; 8] = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

/// The methods that the modern era has done away with. A server that still has them is not asked.
const GONE: [&str; 5] = ["initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"];

/// The place of a level among all; higher is graver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Level(usize);

impl Level {
    pub(super) fn named(name: &str) -> Option<Self> {
        LEVELS.iter().position(|level| *level == name).map(Self)
    }

    pub(super) fn name(self) -> &'static str {
        LEVELS[self.0]
    }
}

/// A request's own words, as far as they matter here.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) id: Id,
    pub(super) raw_id: Box<str>,
    pub(super) method: Box<str>,
    /// The tool, prompt or resource, for the methods that may be answered with a question.
    pub(super) subject: Option<String>,
    /// JSON text, as is every member below that is no [`Level`].
    pub(super) client_info: Option<Box<str>>,
    pub(super) capabilities: Box<str>,
    pub(super) level: Option<Level>,
    pub(super) progress_token: Option<Box<str>>,
    /// What the client was given to come back with; unquoted.
    pub(super) state: Option<String>,
    pub(super) responses: Option<Box<str>>,
}

/// Whether this is a request of the modern era, which says its revision in `_meta`.
pub fn is_modern(message: &Message) -> bool {
    // Cheap for the many that are not.
    message.as_str().contains(meta::PROTOCOL_VERSION) && says(message, &[meta::PROTOCOL_VERSION])
}

/// Whether it says all that the modern era wants of a request, so that an error shows something of the server.
pub fn is_complete(message: &Message) -> bool {
    says(message, &[meta::PROTOCOL_VERSION, meta::CLIENT_CAPABILITIES])
}

fn says(message: &Message, names: &[&str]) -> bool {
    let Kind::Request { .. } = message.kind() else { return false };
    Members::of(message.as_str())
        .and_then(|members| members.object("params")?.object("_meta"))
        .is_some_and(|meta| names.iter().all(|name| meta.get(name).is_some()))
}

impl Asked {
    /// Reads a request; `Err` is the error it is to be answered with.
    pub(super) fn read(message: &Message) -> Result<Self, Message> {
        let raw_id = message.raw_id().unwrap_or("null");
        let invalid = |why: &str| message::error(raw_id, code::INVALID_PARAMS, why, None);
        let Kind::Request { id, method } = message.kind() else { return Err(invalid("not a request")) };
        let members = Members::of(message.as_str());
        let params = members.and_then(|members| members.object("params"));
        let meta = params.as_ref().and_then(|params| params.object("_meta"));
        let (Some(params), Some(meta)) = (params, meta) else {
            return Err(invalid(
                "the request has no _meta, which says its protocol version and the client's capabilities",
            ));
        };
        let Some(revision) = meta.string(meta::PROTOCOL_VERSION) else {
            return Err(invalid("_meta says no protocol version"));
        };
        if !MODERN_REVISIONS.contains(&revision.as_str()) {
            let data = json!({ "supported": MODERN_REVISIONS, "requested": revision });
            let why = "unsupported protocol version";
            return Err(message::error(raw_id, code::UNSUPPORTED_PROTOCOL_VERSION, why, Some(&data)));
        }
        let Some(capabilities) = meta.object(meta::CLIENT_CAPABILITIES).and(meta.get(meta::CLIENT_CAPABILITIES)) else {
            return Err(invalid("_meta says no client capabilities"));
        };
        if GONE.contains(&&**method) {
            let why = format!("there is no {method} in the revision {revision}");
            return Err(message::error(raw_id, code::METHOD_NOT_FOUND, &why, None));
        }
        let level = level(&meta).map_err(invalid)?;
        let state = state(&params).map_err(invalid)?;
        Ok(Self {
            id: id.clone(),
            raw_id: raw_id.into(),
            method: method.clone(),
            subject: subject(method, &params),
            client_info: meta.get(meta::CLIENT_INFO).map(Into::into),
            capabilities: capabilities.into(),
            level,
            progress_token: meta.get("progressToken").map(Into::into),
            state,
            responses: params.get("inputResponses").map(Into::into),
        })
    }
}

fn level(meta: &Members<'_>) -> Result<Option<Level>, &'static str> {
    if meta.get(meta::LOG_LEVEL).is_none() {
        return Ok(None);
    }
    let level = meta.string(meta::LOG_LEVEL).as_deref().and_then(Level::named);
    level.map(Some).ok_or("_meta says a log level that there is not")
}

fn state(params: &Members<'_>) -> Result<Option<String>, &'static str> {
    match params.get("requestState") {
        None | Some("null") => Ok(None),
        // To go on without it would be to begin anew what may be half done.
        Some(_) => params.string("requestState").map(Some).ok_or("the requestState is no string"),
    }
}

fn subject(method: &str, params: &Members<'_>) -> Option<String> {
    match method {
        "tools/call" | "prompts/get" => Some(params.string("name").unwrap_or_default()),
        "resources/read" => Some(params.string("uri").unwrap_or_default()),
        _ => None,
    }
}

/// The same in legacy words: with this id and progress token, without what only the modern era knows. Every other byte
/// stays.
pub(super) fn legacy(message: &Message, raw_id: &str, token: Option<&str>) -> Option<Message> {
    let token = token.map(|token| ("progressToken", Change::Set(token)));
    without_modern(message, ("id", Change::Set(raw_id)), None, token)
}

/// A client's notification in legacy words, with another request's id where it names one.
pub(super) fn legacy_notification(message: &Message, request_id: Option<&str>) -> Option<Message> {
    // A notification has no id to lose.
    without_modern(message, ("id", Change::Remove), request_id.map(|raw_id| ("requestId", Change::Set(raw_id))), None)
}

/// The message with changes of its own, of its params and of their `_meta`.
fn without_modern(
    message: &Message,
    own: (&str, Change<'_>),
    of_params: Option<(&str, Change<'_>)>,
    of_meta: Option<(&str, Change<'_>)>,
) -> Option<Message> {
    let members = Members::of(message.as_str())?;
    let Some(params) = members.object("params") else { return Message::parse(members.with(&[own])).ok() };
    let reserved = [meta::PROTOCOL_VERSION, meta::CLIENT_INFO, meta::CLIENT_CAPABILITIES, meta::LOG_LEVEL];
    let of_meta: Vec<_> = reserved.iter().map(|name| (*name, Change::Remove)).chain(of_meta).collect();
    let meta = params.object("_meta");
    let mut changes = vec![("requestState", Change::Remove), ("inputResponses", Change::Remove)];
    changes.extend(of_params);
    changes.extend(meta.as_ref().map(|meta| {
        // An object of which nothing is left but its braces.
        let is_left = Members::of(&meta.with(&of_meta)).is_some_and(|left| !left.is_empty());
        ("_meta", if is_left { Change::Within(meta, &of_meta) } else { Change::Remove })
    }));
    Message::parse(members.with(&[own, ("params", Change::Within(&params, &changes))])).ok()
}
