//! Which capability must a client declare before a server may send it a request?

use serde_json::Value;

use crate::message::Members;

/// Elicitation that sends the user to a URL.
pub(super) const URL: &str = "elicitation.url";

/// The capability that a request needs: `sampling`, `elicitation.form`. `None`: no client can answer it.
pub(super) fn needed(method: &str, params: Option<&Members<'_>>) -> Option<&'static str> {
    match method {
        "sampling/createMessage" => Some("sampling"),
        "roots/list" => Some("roots"),
        "elicitation/create" => {
            let mode = params.and_then(|params| params.string("mode"));
            Some(if mode.as_deref() == Some("url") { URL } else { "elicitation.form" })
        }
        _ => None,
    }
}

/// Whether a client that declares this may be sent requests, other than pings, by a legacy server.
pub(crate) fn takes_requests(declared: &Value) -> bool {
    let has = |declared: &Value| {
        ["sampling", "elicitation", "roots"].iter().any(|name| declared.get(name).is_some_and(|value| !value.is_null()))
    };
    // Requests that the client carries out as tasks are declared there, too.
    has(declared) || declared.get("tasks").and_then(|tasks| tasks.get("requests")).is_some_and(has)
}

/// The part of a needed capability that the client does not declare: the whole capability, or one of its modes.
pub(super) fn missing(declared: &Value, needed: &'static str) -> Option<&'static str> {
    let (capability, mode) = needed.split_once('.').unwrap_or((needed, ""));
    let declared = declared.get(capability).filter(|declared| !declared.is_null());
    let Some(declared) = declared else { return Some(capability) };
    if mode.is_empty() {
        return None;
    }
    let Some(modes) = declared.as_object() else { return Some(capability) };
    let has = |mode: &str| modes.get(mode).is_some_and(|mode| !mode.is_null());
    // Older revisions have only forms, without a name for this mode.
    let has_mode = has(mode) || (mode == "form" && !has("url"));
    (!has_mode).then_some(needed)
}
