//! What does a modern request contain, and how are requests and notifications written for the other side?

use serde_json::json;

use super::log_level::Level;
use crate::message::{self, Change, Id, Kind, Members, Message, code};
use crate::translate::protocol::{MODERN_REVISIONS, meta};

/// The methods that the modern era does not have any more. They are refused even if the server has them.
const REMOVED: [&str; 5] = ["initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"];

/// The parts of a request that the translator needs.
#[derive(Debug)]
pub(super) struct ModernRequest {
    pub(super) id: Id,
    pub(super) raw_id: Box<str>,
    pub(super) method: Box<str>,
    /// The tool, prompt or resource, for the methods that may be answered with input requests.
    pub(super) subject: Option<String>,
    /// JSON text, as are `capabilities`, `progress_token` and `input_responses`.
    pub(super) client_info: Option<Box<str>>,
    pub(super) capabilities: Box<str>,
    pub(super) log_level: Option<Level>,
    pub(super) progress_token: Option<Box<str>>,
    pub(super) state: Option<String>,
    pub(super) input_responses: Option<Box<str>>,
}

/// Whether this is a modern request: one that names its revision in `_meta`.
pub(crate) fn is_modern(message: &Message) -> bool {
    // A cheap test for the many that are not.
    message.as_str().contains(meta::PROTOCOL_VERSION) && has_meta(message, &[meta::PROTOCOL_VERSION])
}

/// Whether it has all that the modern era requires of a request, so that an error tells something about the server.
pub(crate) fn is_complete(message: &Message) -> bool {
    has_meta(message, &[meta::PROTOCOL_VERSION, meta::CLIENT_CAPABILITIES])
}

fn has_meta(message: &Message, names: &[&str]) -> bool {
    let Kind::Request { .. } = message.kind() else { return false };
    let meta = message.params().and_then(|params| params.object("_meta"));
    meta.is_some_and(|meta| names.iter().all(|name| meta.get(name).is_some()))
}

impl ModernRequest {
    /// Reads a request; `Err` is the error response for an invalid one.
    pub(super) fn read(message: &Message) -> Result<Self, Message> {
        let raw_id = message.raw_id().unwrap_or("null");
        let invalid = |why: &str| message::error(raw_id, code::INVALID_PARAMS, why, None);
        let Kind::Request { id, method } = message.kind() else { return Err(invalid("not a request")) };
        let params = message.params();
        let meta = params.as_ref().and_then(|params| params.object("_meta"));
        let (Some(params), Some(meta)) = (params, meta) else {
            return Err(invalid("the request has no _meta with its protocol version and the client's capabilities"));
        };
        let Some(revision) = meta.string(meta::PROTOCOL_VERSION) else {
            return Err(invalid("_meta has no protocol version"));
        };
        if !MODERN_REVISIONS.contains(&revision.as_str()) {
            let data = json!({ "supported": MODERN_REVISIONS, "requested": revision });
            let why = "unsupported protocol version";
            return Err(message::error(raw_id, code::UNSUPPORTED_PROTOCOL_VERSION, why, Some(&data)));
        }
        let Some(capabilities) = meta.object(meta::CLIENT_CAPABILITIES).and(meta.get(meta::CLIENT_CAPABILITIES)) else {
            return Err(invalid("_meta has no client capabilities"));
        };
        if REMOVED.contains(&&**method) {
            let why = format!("the revision {revision} has no method {method}");
            return Err(message::error(raw_id, code::METHOD_NOT_FOUND, &why, None));
        }
        let log_level = log_level(&meta).map_err(invalid)?;
        let state = state(&params).map_err(invalid)?;
        Ok(Self {
            id: id.clone(),
            raw_id: raw_id.into(),
            method: method.clone(),
            subject: subject(method, &params),
            client_info: meta.get(meta::CLIENT_INFO).map(Into::into),
            capabilities: capabilities.into(),
            log_level,
            progress_token: meta.get("progressToken").map(Into::into),
            state,
            input_responses: params.get("inputResponses").map(Into::into),
        })
    }
}

fn log_level(meta: &Members<'_>) -> Result<Option<Level>, &'static str> {
    if meta.get(meta::LOG_LEVEL).is_none() {
        return Ok(None);
    }
    let level = meta.string(meta::LOG_LEVEL).as_deref().and_then(Level::named);
    level.map(Some).ok_or("_meta has an unknown log level")
}

fn state(params: &Members<'_>) -> Result<Option<String>, &'static str> {
    match params.get("requestState") {
        None | Some("null") => Ok(None),
        // Without the state the server would begin again with a request that it may have half done.
        Some(_) => params.string("requestState").map(Some).ok_or("the requestState is not a string"),
    }
}

fn subject(method: &str, params: &Members<'_>) -> Option<String> {
    match method {
        "tools/call" | "prompts/get" => Some(params.string("name").unwrap_or_default()),
        "resources/read" => Some(params.string("uri").unwrap_or_default()),
        _ => None,
    }
}

/// The request for a legacy server, with this id and progress token. Every byte that is not modern stays.
pub(super) fn legacy_request(message: &Message, raw_id: &str, token: Option<&str>) -> Option<Message> {
    let token = token.map(|token| ("progressToken", Change::Set(token)));
    without_modern_members(message, Some(("id", Change::Set(raw_id))), None, token)
}

/// The client's notification for a legacy server, with this `requestId` if it has one.
pub(super) fn legacy_notification(message: &Message, request_id: Option<&str>) -> Option<Message> {
    without_modern_members(message, None, request_id.map(|raw_id| ("requestId", Change::Set(raw_id))), None)
}

/// The message with a change of its own members, one of its `params` and one of their `_meta`.
fn without_modern_members(
    message: &Message,
    own: Option<(&str, Change<'_>)>,
    of_params: Option<(&str, Change<'_>)>,
    of_meta: Option<(&str, Change<'_>)>,
) -> Option<Message> {
    let members = message.members()?;
    let mut changes = Vec::from_iter(own);
    let Some(params) = members.object("params") else { return Some(message.edited(&members, &changes)) };
    let reserved = [meta::PROTOCOL_VERSION, meta::CLIENT_INFO, meta::CLIENT_CAPABILITIES, meta::LOG_LEVEL];
    let of_meta: Vec<_> = reserved.iter().map(|name| (*name, Change::Remove)).chain(of_meta).collect();
    let meta = params.object("_meta");
    let mut param_changes = vec![("requestState", Change::Remove), ("inputResponses", Change::Remove)];
    param_changes.extend(of_params);
    param_changes.extend(meta.as_ref().map(|meta| ("_meta", meta.change_or_remove(&of_meta))));
    changes.push(("params", Change::Within(&params, &param_changes)));
    Some(message.edited(&members, &changes))
}

/// `notifications/cancelled` for a request to the server: the client's own, if it sent one.
pub(super) fn cancelled(by_client: Option<&Message>, raw_id: &str, reason: &str) -> Message {
    let translated = by_client.and_then(|message| legacy_notification(message, Some(raw_id)));
    translated.unwrap_or_else(|| message::cancelled(raw_id, reason))
}

pub(super) fn with_progress_token(message: &Message, token: &str) -> Option<Message> {
    let members = message.members()?;
    let params = members.object("params")?;
    Some(message.edited(&members, &[("params", Change::Within(&params, &[("progressToken", Change::Set(token))]))]))
}

pub(super) fn with_subscription_id(message: &Message, raw_id: &str) -> Option<Message> {
    let (members, empty) = (message.members()?, Members::of("{}")?);
    let params = Members::of(members.get("params").unwrap_or("{}"))?;
    let meta = params.object("_meta").unwrap_or(empty);
    let of_meta = [(meta::SUBSCRIPTION_ID, Change::Set(raw_id))];
    let of_params = [("_meta", Change::Within(&meta, &of_meta))];
    Some(message.edited(&members, &[("params", Change::Within(&params, &of_params))]))
}
