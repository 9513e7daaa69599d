//! Which results does the bridge write itself while a login is missing, in the words of the client's era?

use serde_json::{Map, Value, json};

use super::state::LoginState;
use crate::message::{self, Message};
use crate::translate::{CACHEABLE, MODERN_REVISIONS, meta, to_legacy};
use crate::upstream::Failure;
use crate::upstream::exchange::Outcome;
use crate::upstream::session::placeholder::{every_list, promise};

/// Whether this client is of the era in which each request stands alone.
fn is_modern(request: &Message) -> bool {
    request.method() == Some("server/discover") || to_legacy::is_modern(request)
}

/// A response with this result.
pub(super) fn answer(state: &LoginState, request: &Message, mut result: Value) -> Message {
    if is_modern(request) {
        add_modern_members(state, request, &mut result);
    }
    message::result(request.raw_id().unwrap_or("null"), &result)
}

/// The response to a request that needs a login and did not get one. JSON-RPC errors are often not shown to the person;
/// what a tool says in its text is.
pub(super) fn not_logged_in(state: &LoginState, request: &Message, failure: Failure) -> Result<Outcome, Failure> {
    if request.method() != Some("tools/call") {
        return Err(failure);
    }
    let result = json!({ "content": [{ "type": "text", "text": text(&failure) }], "isError": true });
    Ok(Outcome::Answer(answer(state, request, result)))
}

/// A failure with its hint, for a person.
pub(super) fn text(failure: &Failure) -> String {
    let text = failure.for_client();
    match failure.hint() {
        Some(hint) => format!("{text}\n{hint}"),
        None => text,
    }
}

/// The result of `server/discover` in the place of the server's: the last real one, what is known of the server from a
/// legacy client, or a promise.
pub(super) fn discover_result(state: &LoginState) -> Value {
    let memory = &state.session.era.memory;
    let known =
        memory.recall(|record| record.discover.clone().or_else(|| record.initialize.clone().map(of_initialize)));
    let mut result = known.unwrap_or_default();
    let host = &state.sender().host;
    result.entry("capabilities").or_insert_with(every_list);
    let meta = result.entry("_meta").or_insert_with(|| json!({}));
    if let Some(meta) = meta.as_object_mut() {
        meta.entry(meta::SERVER_INFO).or_insert_with(|| json!({ "name": host, "version": "unknown" }));
    }
    result.entry("supportedVersions").or_insert_with(|| json!(MODERN_REVISIONS));
    let mut result = Value::Object(result);
    promise(&state.session.link, &mut result);
    result
}

/// The result of `initialize` as one of `server/discover`.
fn of_initialize(mut initialize: Map<String, Value>) -> Map<String, Value> {
    initialize.remove("protocolVersion");
    if let Some(info) = initialize.remove("serverInfo") {
        initialize.insert("_meta".to_owned(), json!({ meta::SERVER_INFO: info }));
    }
    if let Some(capabilities) = initialize.get_mut("capabilities").and_then(Value::as_object_mut) {
        // The tasks of 2025-11-25 are others than the modern era's.
        capabilities.remove("tasks");
    }
    initialize
}

fn add_modern_members(state: &LoginState, request: &Message, result: &mut Value) {
    if result["resultType"].is_null() {
        result["resultType"] = "complete".into();
    }
    if request.method().is_some_and(|method| CACHEABLE.contains(&method)) {
        result["ttlMs"] = 0.into();
        result["cacheScope"] = "private".into();
    }
    if result["_meta"][meta::SERVER_INFO].is_null() {
        result["_meta"][meta::SERVER_INFO] = discover_result(state)["_meta"][meta::SERVER_INFO].clone();
    }
}
