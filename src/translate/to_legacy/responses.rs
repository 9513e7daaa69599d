//! How is a legacy server's response written for a modern client?

use std::fmt::Write;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::message::{self, Change, Members, Message, code, error_code};
use crate::translate::protocol::{CACHEABLE, LEGACY_REVISIONS, MODERN_REVISIONS, meta};

/// The server's result of `initialize`; JSON texts.
#[derive(Debug, Default)]
pub(super) struct Server {
    info: Option<Box<str>>,
    instructions: Option<Box<str>>,
    meta: Option<Box<str>>,
    capabilities: Value,
    raw_capabilities: Option<Box<str>>,
}

impl Server {
    /// Reads the response to `initialize`; `None` if it has no result.
    pub(super) fn of(response: &Message) -> Option<Self> {
        let result = response.members()?.object("result")?;
        let raw = |name: &str| result.get(name).map(Into::into);
        let capabilities = result.object("capabilities").and(result.get("capabilities"));
        Some(Self {
            info: result.object("serverInfo").and(raw("serverInfo")),
            instructions: result.string("instructions").and(raw("instructions")),
            meta: result.object("_meta").and(raw("_meta")),
            capabilities: capabilities.and_then(|raw| serde_json::from_str(raw).ok()).unwrap_or_default(),
            raw_capabilities: capabilities.map(Into::into),
        })
    }

    /// Whether the server declares this capability and, if `member` is given, this member of it as `true`.
    pub(super) fn can(&self, capability: &str, member: Option<&str>) -> bool {
        let declared = self.capabilities.get(capability);
        match member {
            Some(member) => declared.and_then(|declared| declared.get(member)) == Some(&Value::Bool(true)),
            None => declared.is_some_and(Value::is_object),
        }
    }

    /// The `_meta` of a result, with the server's name and version.
    fn meta_with_info(&self, meta: Option<&Members<'_>>) -> Option<String> {
        let info = self.info.as_deref()?;
        let empty = Members::of("{}")?;
        Some(meta.unwrap_or(&empty).with(&[(meta::SERVER_INFO, Change::Default(info))]))
    }

    pub(super) fn discover_result(&self) -> String {
        // The tasks of 2025-11-25 differ from those of the modern era, which are an extension.
        let capabilities = self.raw_capabilities.as_deref().and_then(Members::of);
        let capabilities = capabilities.map_or("{}".to_owned(), |members| members.with(&[("tasks", Change::Remove)]));
        let revisions = json!(MODERN_REVISIONS);
        let mut result = format!(
            r#"{{"resultType":"complete","supportedVersions":{revisions},"capabilities":{capabilities},"ttlMs":0,"cacheScope":"private""#
        );
        if let Some(instructions) = &self.instructions {
            write!(result, r#","instructions":{instructions}"#).ok();
        }
        if let Some(meta) = self.meta_with_info(self.meta.as_deref().and_then(Members::of).as_ref()) {
            write!(result, r#","_meta":{meta}"#).ok();
        }
        result + "}"
    }

    pub(super) fn listen_result(&self, raw_id: &str) -> String {
        let id = format!(r#"{{"{}":{raw_id}}}"#, meta::SUBSCRIPTION_ID);
        let meta = Members::of(&id).and_then(|id| self.meta_with_info(Some(&id))).unwrap_or_else(|| id.clone());
        format!(r#"{{"resultType":"complete","_meta":{meta}}}"#)
    }

    /// The modern response to the request with this method and id.
    pub(super) fn modern_response(&self, response: &Message, method: &str, raw_id: &str) -> Option<Message> {
        let members = response.members()?;
        let mut changes = vec![("id", Change::Set(raw_id))];
        let (result, error) = (members.object("result"), members.object("error"));
        let meta = result.as_ref().and_then(|result| self.meta_with_info(result.object("_meta").as_ref()));
        let mut of_result = vec![("resultType", Change::Default("\"complete\""))];
        if CACHEABLE.contains(&method) {
            of_result.extend([("ttlMs", Change::Default("0")), ("cacheScope", Change::Default("\"private\""))]);
        }
        of_result.extend(meta.as_deref().map(|meta| ("_meta", Change::Set(meta))));
        changes.extend(result.as_ref().map(|result| ("result", Change::Within(result, &of_result))));
        let code = error_code(response).and_then(modern_code).map(|code| code.to_string());
        let of_error = code.as_deref().map(|code| [("code", Change::Set(code))]);
        let error = error.as_ref().zip(of_error.as_ref());
        changes.extend(error.map(|(error, of_error)| ("error", Change::Within(error, of_error))));
        Some(response.edited(&members, &changes))
    }
}

/// The code that replaces one that the modern era forbids ("Error Codes").
fn modern_code(code: i64) -> Option<i64> {
    match code {
        code::RESOURCE_NOT_FOUND => Some(code::INVALID_PARAMS),
        // Its URLs become input requests. This is for an error without URLs, or when the user did not accept them.
        code::URL_ELICITATION_REQUIRED => Some(code::INTERNAL_ERROR),
        _ => None,
    }
}

/// The latest revision that an error names as supported, except the one that was asked for first.
pub(super) fn preferred_revision(error: &Message) -> Option<&'static str> {
    let error = error.members()?.object("error")?;
    let supported = error.object("data")?.get("supported")?;
    let supported: Vec<String> = serde_json::from_str(supported).ok()?;
    LEGACY_REVISIONS.into_iter().skip(1).find(|revision| supported.iter().any(|supported| supported == revision))
}

/// The modern error for a failure without this capability (`elicitation.url`). `None` for a result.
pub(super) fn missing_capability(response: &Message, capability: &str) -> Option<Message> {
    let error = response.members()?.object("error")?;
    let why = error.string("message").unwrap_or_default();
    let why = format!("this needs a client that declares {capability} ({why})");
    let required = capability.rsplit('.').fold(json!({}), |within, name| json!({ name: within }));
    let data = json!({ "requiredCapabilities": required });
    let code = code::MISSING_REQUIRED_CLIENT_CAPABILITY;
    Some(message::error(response.raw_id().unwrap_or("null"), code, &why, Some(&data)))
}

/// The URLs that the user must visit before the server accepts the request, as `inputRequests` has them.
pub(super) fn required_urls(response: &Message) -> Vec<String> {
    if error_code(response) != Some(code::URL_ELICITATION_REQUIRED) {
        return Vec::new();
    }
    let data = response.members().and_then(|members| members.object("error")?.object("data"));
    let elicitations: Vec<&RawValue> =
        data.and_then(|data| serde_json::from_str(data.get("elicitations")?).ok()).unwrap_or_default();
    let requests = elicitations.into_iter().map(|elicitation| {
        let params = Members::of(elicitation.get())?;
        let params = params.with(&[("elicitationId", Change::Remove), ("mode", Change::Default("\"url\""))]);
        Some(format!(r#"{{"method":"elicitation/create","params":{params}}}"#))
    });
    requests.flatten().collect()
}
