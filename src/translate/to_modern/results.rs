//! How is a modern server's response written for a legacy client? `server/discover` becomes `initialize`.

use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::message::{Change, Kind, Members, Message, code, error_code, quoted};
use crate::translate::protocol::{LATEST_LEGACY, LEGACY_REVISIONS, TASKS, meta};

/// The code of a translated error whose own code only modern clients know. It lies outside the ranges of JSON-RPC and
/// MCP.
const MODERN_ERROR: i64 = -31013;

/// Translates the result of `server/discover` into that of an `initialize` that asked for this revision; both are JSON
/// text. `name` stands for a server that does not send its own. `None`: the text is not such a result.
pub(crate) fn initialize_result(discovered: &str, revision: &str, name: &str) -> Option<String> {
    let result = Members::of(discovered)?;
    let capabilities = result.object("capabilities")?;
    let revision = quoted(if LEGACY_REVISIONS.contains(&revision) { revision } else { LATEST_LEGACY });
    let meta = result.object("_meta");
    let server = meta.as_ref().and_then(|meta| meta.object(meta::SERVER_INFO).and(meta.get(meta::SERVER_INFO)));
    // Earlier drafts had it beside the capabilities.
    let server = server.or_else(|| result.object("serverInfo").and(result.get("serverInfo")));
    let server = server.map_or_else(|| json!({ "name": name, "version": "unknown" }).to_string(), str::to_owned);
    // The bridge follows tasks itself, and legacy clients know other ones.
    let (no_tasks, no_info) = ([(TASKS, Change::Remove)], [(meta::SERVER_INFO, Change::Remove)]);
    let extensions = capabilities.object("extensions");
    let extensions = extensions.as_ref().map_or(Change::Remove, |members| members.change_or_remove(&no_tasks));
    let meta = meta.as_ref().map_or(Change::Remove, |members| members.change_or_remove(&no_info));
    Some(result.with(&[
        ("resultType", Change::Remove),
        ("supportedVersions", Change::Remove),
        ("ttlMs", Change::Remove),
        ("cacheScope", Change::Remove),
        ("protocolVersion", Change::Set(&revision)),
        ("capabilities", Change::Within(&capabilities, &[("extensions", extensions)])),
        ("serverInfo", Change::Set(&server)),
        ("_meta", meta),
    ]))
}

/// The final response to a request of this method, with the client's id.
pub(crate) fn legacy_response(method: &str, response: &Message, raw_id: &str) -> Message {
    let translated = match response.kind() {
        Kind::Response { is_error: true, .. } => legacy_error(method, response),
        _ => response.members().and_then(|members| {
            let result = members.object("result")?;
            with_changes(method, &result, |changes| {
                response.edited(&members, &[("result", Change::Within(&result, changes))])
            })
        }),
    };
    let translated = translated.as_ref().unwrap_or(response);
    if translated.raw_id() == Some(raw_id) { translated.clone() } else { translated.with_id(raw_id) }
}

/// A result without what only modern clients know, JSON text. `None`: nothing changes.
pub(super) fn legacy_result(method: &str, result: &str) -> Option<String> {
    let members = Members::of(result)?;
    with_changes(method, &members, |changes| members.with(changes))
}

/// Calls `write` with the changes that make a result a legacy one. `None`: nothing changes.
fn with_changes<T>(method: &str, result: &Members<'_>, write: impl FnOnce(&[(&str, Change<'_>)]) -> T) -> Option<T> {
    let mut changes = vec![("resultType", Change::Remove)];
    let tools;
    match method {
        "tools/list" => {
            tools = result.get("tools").and_then(without_modern_schemas);
            changes.extend(tools.as_deref().map(|tools| ("tools", Change::Set(tools))));
        }
        // Until 2025-11-25 it must be an object. `content` has the same as text.
        "tools/call" if result.get("structuredContent").is_some_and(|content| !content.starts_with('{')) => {
            changes.push(("structuredContent", Change::Remove));
        }
        _ => {}
    }
    let is_changed = changes.iter().any(|(name, _)| result.get(name).is_some());
    is_changed.then(|| write(&changes))
}

/// The tools without modern schemas, because of which a legacy client would refuse the list. `None`: no change.
fn without_modern_schemas(tools: &str) -> Option<String> {
    let tools: Vec<&RawValue> = serde_json::from_str(tools).ok()?;
    let mut is_changed = false;
    let translated: Vec<_> = tools
        .into_iter()
        .map(|tool| {
            let with_modern_schema = Members::of(tool.get()).filter(|tool| {
                let has_type = |schema| Members::of(schema).and_then(|schema| schema.string("type"));
                tool.get("outputSchema").is_some_and(|schema| has_type(schema).as_deref() != Some("object"))
            });
            is_changed |= with_modern_schema.is_some();
            with_modern_schema
                .map_or_else(|| tool.get().to_owned(), |tool| tool.with(&[("outputSchema", Change::Remove)]))
        })
        .collect();
    is_changed.then(|| format!("[{}]", translated.join(",")))
}

/// The error with a code that legacy clients know, and with an explanation. `None`: nothing changes.
fn legacy_error(method: &str, response: &Message) -> Option<Message> {
    let members = response.members()?;
    let error = members.object("error")?;
    let data: Value = error.get("data").and_then(|data| serde_json::from_str(data).ok()).unwrap_or_default();
    let reason = error.string("message").unwrap_or_default();
    let mut code = MODERN_ERROR.to_string();
    let explanation = match error_code(response)? {
        code::INVALID_PARAMS if method == "resources/read" && is_not_found(&reason, &data) => {
            code = code::RESOURCE_NOT_FOUND.to_string();
            None
        }
        code::HEADER_MISMATCH => {
            Some(format!("the server, or a proxy before it, refuses the headers of the request ({reason})"))
        }
        code::MISSING_REQUIRED_CLIENT_CAPABILITY => {
            let needed = data["requiredCapabilities"].as_object().map(capability_names).unwrap_or_default();
            Some(format!("this needs a client that declares {} ({reason})", needed.join(" and ")))
        }
        code::UNSUPPORTED_PROTOCOL_VERSION => {
            let supported = data["supported"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let supported = supported.collect::<Vec<_>>().join(", ");
            Some(format!("the server does not support the bridge's revision of the protocol, only {supported}"))
        }
        _ => return None,
    };
    let explanation = explanation.map(|explanation| quoted(&explanation));
    let mut changes = vec![("code", Change::Set(&code))];
    changes.extend(explanation.iter().map(|explanation| ("message", Change::Set(explanation))));
    Some(response.edited(&members, &[("error", Change::Within(&error, &changes))]))
}

/// Whether the error means that a resource does not exist. In the modern era it has the code of any wrong parameter.
fn is_not_found(reason: &str, data: &Value) -> bool {
    let reason = reason.to_ascii_lowercase();
    data.get("uri").is_some()
        || ["not found", "no such", "unknown resource", "does not exist"].iter().any(|words| reason.contains(words))
}

/// `elicitation.url`, `extensions.io.modelcontextprotocol/tasks`.
fn capability_names(needed: &serde_json::Map<String, Value>) -> Vec<String> {
    let name = |(name, within): (&String, &Value)| match within.as_object().and_then(|within| within.keys().next()) {
        Some(mode) => format!("{name}.{mode}"),
        None => name.clone(),
    };
    needed.iter().map(name).collect()
}
