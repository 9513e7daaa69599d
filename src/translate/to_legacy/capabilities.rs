//! May a client be asked this? Only what it has declared that it can be.

use serde_json::Value;

use crate::message::Members;
use crate::message::Message;

/// To be sent to an address.
pub(super) const URL: &str = "elicitation.url";

/// The capability that a client needs to be asked this. `None` for what no client is asked.
pub(super) fn needed(request: &Message) -> Option<&'static str> {
    match request.method()? {
        "sampling/createMessage" => Some("sampling"),
        "roots/list" => Some("roots"),
        "elicitation/create" => {
            let params = Members::of(request.as_str()).and_then(|members| members.object("params"));
            let mode = params.and_then(|params| params.string("mode"));
            Some(if mode.as_deref() == Some("url") { URL } else { "elicitation.form" })
        }
        _ => None,
    }
}

/// What is lacking of a capability that is needed, if anything is: all of it, or one of its modes.
pub(super) fn lacking(declared: &Value, needed: &'static str) -> Option<&'static str> {
    let (whole, mode) = needed.split_once('.').map_or((needed, ""), |(whole, mode)| (whole, mode));
    let Some(declared) = declared.get(whole).and_then(Value::as_object) else { return Some(whole) };
    let has_mode = match mode {
        "" => true,
        // Before there were two, none was named.
        "form" => declared.contains_key("form") || !declared.contains_key("url"),
        mode => declared.get(mode).is_some_and(Value::is_object),
    };
    (!has_mode).then_some(needed)
}
