//! How is a modern server's answer told to a legacy client?

use serde_json::Value;

use crate::message::{Change, Members, quoted};
use crate::message::{Kind, Message};
use crate::translate::code;

/// The code of errors that a legacy client has never heard of, told in words; outside what JSON-RPC and MCP reserve.
const UNHEARD_OF: i64 = -31013;

/// The final answer to a request of this method, under the client's id.
pub(crate) fn settle(method: &str, answer: &Message, raw_id: &str) -> Message {
    let settled = match answer.kind() {
        Kind::Response { is_error: true, .. } => error(method, answer),
        _ => Members::of(answer.as_str()).and_then(|members| {
            let result = members.object("result")?;
            told(method, &result, |changes| members.with(&[("result", Change::Within(&result, changes))]))
                .and_then(|told| Message::parse(told).ok())
        }),
    };
    let settled = settled.as_ref().unwrap_or(answer);
    if settled.raw_id() == Some(raw_id) { settled.clone() } else { settled.with_id(raw_id) }
}

/// A result's JSON text without what only modern clients know; `None` if there is nothing of it.
pub(crate) fn result(method: &str, result: &str) -> Option<String> {
    let members = Members::of(result)?;
    told(method, &members, |changes| members.with(changes))
}

/// The text that is written with what changes in a result.
fn told(method: &str, result: &Members<'_>, write: impl FnOnce(&[(&str, Change<'_>)]) -> String) -> Option<String> {
    let mut changes = vec![("resultType", Change::Remove)];
    let tools;
    match method {
        "tools/list" => {
            tools = result.get("tools").and_then(without_odd_schemas);
            changes.extend(tools.as_deref().map(|tools| ("tools", Change::Set(tools))));
        }
        // An object until 2025-11-25; the same stands in `content` as text.
        "tools/call" if result.get("structuredContent").is_some_and(|content| !content.starts_with('{')) => {
            changes.push(("structuredContent", Change::Remove));
        }
        _ => {}
    }
    let is_changed = changes.iter().any(|(name, _)| result.get(name).is_some());
    is_changed.then(|| write(&changes))
}

/// Tools may promise more than objects since 2026-07-28; a legacy client would refuse the whole list for one of them.
/// `None`: they are as they always were.
fn without_odd_schemas(tools: &str) -> Option<String> {
    let elements: Vec<&serde_json::value::RawValue> = serde_json::from_str(tools).ok()?;
    let mut changed = false;
    let told: Vec<_> = elements
        .iter()
        .map(|tool| {
            let odd = Members::of(tool.get()).filter(|tool| {
                let schema = tool.get("outputSchema");
                schema.is_some()
                    && Members::of(schema.unwrap_or_default()).and_then(|schema| schema.string("type")).as_deref()
                        != Some("object")
            });
            changed |= odd.is_some();
            odd.map_or_else(|| tool.get().to_owned(), |tool| tool.with(&[("outputSchema", Change::Remove)]))
        })
        .collect();
    changed.then(|| format!("[{}]", told.join(",")))
}

fn error(method: &str, answer: &Message) -> Option<Message> {
    let members = Members::of(answer.as_str())?;
    let error = members.object("error")?;
    let data: Value = error.get("data").and_then(|data| serde_json::from_str(data).ok()).unwrap_or_default();
    let said = error.string("message").unwrap_or_default();
    let (told, sentence) = match error.get("code")?.parse().ok()? {
        code::INVALID_PARAMS if method == "resources/read" && is_not_found(&said, &data) => {
            (code::RESOURCE_NOT_FOUND, None)
        }
        code::HEADER_MISMATCH => (
            UNHEARD_OF,
            Some(format!("the server, or a proxy before it, takes the request's headers for wrong ({said})")),
        ),
        code::MISSING_REQUIRED_CLIENT_CAPABILITY => {
            let needed = data["requiredCapabilities"].as_object().map(capabilities).unwrap_or_default();
            (
                UNHEARD_OF,
                Some(format!("this needs a client with {}, which this one is not ({said})", needed.join(" and "))),
            )
        }
        code::UNSUPPORTED_PROTOCOL_VERSION => {
            let theirs: Vec<_> = data["supported"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            (
                UNHEARD_OF,
                Some(format!(
                    "the server refuses the bridge's revision of the protocol, and names {}",
                    theirs.join(", ")
                )),
            )
        }
        _ => return None,
    };
    let told = told.to_string();
    let sentence = sentence.map(|sentence| quoted(&sentence));
    let mut changes = vec![("code", Change::Set(&told))];
    changes.extend(sentence.iter().map(|sentence| ("message", Change::Set(sentence))));
    let error = error.with(&changes);
    Message::parse(members.with(&[("error", Change::Set(&error))])).ok()
}

/// The modern revision says "not found" with the code for any wrong parameter.
fn is_not_found(said: &str, data: &Value) -> bool {
    let said = said.to_ascii_lowercase();
    data.get("uri").is_some()
        || ["not found", "no such", "unknown resource", "does not exist"].iter().any(|words| said.contains(words))
}

/// `elicitation.url`, `extensions.io.modelcontextprotocol/tasks`.
fn capabilities(needed: &serde_json::Map<String, Value>) -> Vec<String> {
    needed
        .iter()
        .map(|(name, within)| match within.as_object().and_then(|within| within.keys().next()) {
            Some(more) => format!("{name}.{more}"),
            None => name.clone(),
        })
        .collect()
}
