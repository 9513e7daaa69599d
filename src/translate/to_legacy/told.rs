//! How is what a legacy server says told to a modern client?

use std::fmt::Write;

use serde_json::{Value, json};

use crate::message::{self, Message};
use crate::message::{Change, Members, quoted};
use crate::translate::{LEGACY_REVISIONS, MODERN_REVISIONS, code, meta};

/// "Look at these addresses first" in 2025-11-25, a question like any other since.
const URL_ELICITATION_REQUIRED: i64 = -32042;

/// The methods whose results say for how long they may be kept ("Caching").
const CACHEABLE: [&str; 5] =
    ["tools/list", "prompts/list", "resources/list", "resources/templates/list", "resources/read"];

/// What a server said of itself in its answer to `initialize`; JSON texts.
#[derive(Debug, Default)]
pub(super) struct Server {
    info: Option<Box<str>>,
    instructions: Option<Box<str>>,
    meta: Option<Box<str>>,
    pub(super) capabilities: Value,
    raw_capabilities: Option<Box<str>>,
}

impl Server {
    /// Reads the answer to `initialize`.
    pub(super) fn of(answer: &Message) -> Option<Self> {
        let result = Members::of(answer.as_str())?.object("result")?;
        let raw = |name: &str| result.get(name).map(Into::into);
        let raw_capabilities = result.object("capabilities").and(raw("capabilities"));
        Some(Self {
            info: result.object("serverInfo").and(raw("serverInfo")),
            instructions: result.string("instructions").and(raw("instructions")),
            meta: result.object("_meta").and(raw("_meta")),
            capabilities: raw_capabilities
                .as_deref()
                .and_then(|raw| serde_json::from_str(raw).ok())
                .unwrap_or_default(),
            raw_capabilities,
        })
    }

    /// Whether it declares this, with or without a member in it that is `true`.
    pub(super) fn can(&self, capability: &str, member: Option<&str>) -> bool {
        let declared = self.capabilities.get(capability);
        match member {
            Some(member) => declared.and_then(|declared| declared.get(member)) == Some(&Value::Bool(true)),
            None => declared.is_some_and(Value::is_object),
        }
    }

    /// A result's `_meta`, with who made it.
    fn signed(&self, meta: Option<&Members<'_>>) -> Option<String> {
        let info = self.info.as_deref()?;
        let empty = Members::of("{}")?;
        Some(meta.unwrap_or(&empty).with(&[(meta::SERVER_INFO, Change::Default(info))]))
    }

    /// The result of `server/discover`.
    pub(super) fn discovered(&self) -> String {
        // Tasks as of 2025-11-25 are not those of the modern era, which are an extension.
        let capabilities = self.raw_capabilities.as_deref().and_then(Members::of);
        let capabilities = capabilities.map_or("{}".to_owned(), |members| members.with(&[("tasks", Change::Remove)]));
        let revisions = json!(MODERN_REVISIONS);
        let mut result = format!(
            r#"{{"resultType":"complete","supportedVersions":{revisions},"capabilities":{capabilities},"ttlMs":0,"cacheScope":"private""#
        );
        if let Some(instructions) = &self.instructions {
            write!(result, r#","instructions":{instructions}"#).ok();
        }
        if let Some(meta) = self.signed(self.meta.as_deref().and_then(Members::of).as_ref()) {
            write!(result, r#","_meta":{meta}"#).ok();
        }
        result + "}"
    }

    /// The result that ends a subscription.
    pub(super) fn unsubscribed(&self, raw_id: &str) -> String {
        let id = format!(r#"{{"{}":{raw_id}}}"#, meta::SUBSCRIPTION_ID);
        let meta = Members::of(&id).and_then(|id| self.signed(Some(&id))).unwrap_or_else(|| id.clone());
        format!(r#"{{"resultType":"complete","_meta":{meta}}}"#)
    }

    /// A legacy answer to a request of this method as the modern answer to the request with this id.
    pub(super) fn modern(&self, answer: &Message, method: &str, raw_id: &str) -> Option<Message> {
        let members = Members::of(answer.as_str())?;
        let mut changes = vec![("id", Change::Set(raw_id))];
        let (result, error) = (members.object("result"), members.object("error"));
        let meta = result.as_ref().and_then(|result| self.signed(result.object("_meta").as_ref()));
        let mut of_result = vec![("resultType", Change::Default("\"complete\""))];
        if CACHEABLE.contains(&method) {
            of_result.extend([("ttlMs", Change::Default("0")), ("cacheScope", Change::Default("\"private\""))]);
        }
        of_result.extend(meta.as_deref().map(|meta| ("_meta", Change::Set(meta))));
        changes.extend(result.as_ref().map(|result| ("result", Change::Within(result, &of_result))));
        let successor = error.as_ref().and_then(error_code).and_then(successor).map(|code| code.to_string());
        let of_error = successor.as_deref().map(|code| [("code", Change::Set(code))]);
        let renamed = error.as_ref().zip(of_error.as_ref());
        changes.extend(renamed.map(|(error, of_error)| ("error", Change::Within(error, of_error))));
        Message::parse(members.with(&changes)).ok()
    }
}

/// What the modern era says for a code that it forbids ("Error Codes"), whatever the method.
fn successor(code: i64) -> Option<i64> {
    match code {
        code::RESOURCE_NOT_FOUND => Some(code::INVALID_PARAMS),
        // The addresses are questions there. This is what is left where they came to nothing, or there were none.
        URL_ELICITATION_REQUIRED => Some(message::code::INTERNAL_ERROR),
        _ => None,
    }
}

fn error_code(error: &Members<'_>) -> Option<i64> {
    serde_json::from_str(error.get("code")?).ok()
}

/// The latest legacy revision among those that an error says the server speaks, if it is not the one it was greeted in.
pub(super) fn preferred_revision(answer: &Message) -> Option<&'static str> {
    let error = Members::of(answer.as_str())?.object("error")?;
    let supported = error.object("data")?.get("supported")?;
    let supported: Vec<String> = serde_json::from_str(supported).ok()?;
    LEGACY_REVISIONS.into_iter().skip(1).find(|revision| supported.iter().any(|supported| supported == revision))
}

/// An error that came of it that the client cannot be asked something, in the modern era's word for that. `None` for a
/// result: the server could do without. `capability`: `sampling`, `elicitation.url`.
pub(super) fn missing(answer: &Message, capability: &str) -> Option<Message> {
    let error = Members::of(answer.as_str())?.object("error")?;
    let said = error.string("message").unwrap_or_default();
    let why = format!("this needs a client that declares {capability} ({said})");
    let required = capability.rsplit('.').fold(json!({}), |within, name| json!({ name: within }));
    let data = json!({ "requiredCapabilities": required });
    let code = code::MISSING_REQUIRED_CLIENT_CAPABILITY;
    Some(message::error(answer.raw_id().unwrap_or("null"), code, &why, Some(&data)))
}

/// The questions in an error that refuses a request until its user has been at some addresses: as `inputRequests` has
/// them.
pub(super) fn urls_to_visit(answer: &Message) -> Vec<String> {
    let error = Members::of(answer.as_str()).and_then(|members| members.object("error"));
    let Some(error) = error.filter(|error| error_code(error) == Some(URL_ELICITATION_REQUIRED)) else {
        return Vec::new();
    };
    let raw = error.object("data").and_then(|data| data.get("elicitations"));
    let elicitations: Vec<&serde_json::value::RawValue> =
        raw.and_then(|raw| serde_json::from_str(raw).ok()).unwrap_or_default();
    let questions = elicitations.into_iter().map(|elicitation| {
        let params = Members::of(elicitation.get())?;
        let params = params.with(&[("elicitationId", Change::Remove), ("mode", Change::Default("\"url\""))]);
        Some(format!(r#"{{"method":"elicitation/create","params":{params}}}"#))
    });
    questions.flatten().collect()
}

/// A server's request as `inputRequests` has it.
pub(super) fn question(request: &Message) -> Option<String> {
    let members = Members::of(request.as_str())?;
    let method = quoted(request.method()?);
    let Some(params) = members.object("params") else { return Some(format!(r#"{{"method":{method}}}"#)) };
    // Neither is known any more; tasks were never ours to offer.
    let params = params.with(&[("elicitationId", Change::Remove), ("task", Change::Remove)]);
    Some(format!(r#"{{"method":{method},"params":{params}}}"#))
}

/// A notification with members of its `params` set.
pub(super) fn notification(message: &Message, changes: &[(&str, Change<'_>)]) -> Option<Message> {
    let members = Members::of(message.as_str())?;
    let params = members.get("params").unwrap_or("{}");
    let params = Members::of(params)?.with(changes);
    Message::parse(members.with(&[("params", Change::Set(&params))])).ok()
}

/// A notification that belongs to this subscription.
pub(super) fn tagged(message: &Message, subscription: &str) -> Option<Message> {
    let params = Members::of(message.as_str()).and_then(|members| members.object("params"));
    let meta = params.and_then(|params| params.object("_meta"));
    let empty = Members::of("{}")?;
    let meta = meta.as_ref().unwrap_or(&empty).with(&[(meta::SUBSCRIPTION_ID, Change::Set(subscription))]);
    notification(message, &[("_meta", Change::Set(&meta))])
}
