//! Which members of a message are mirrored in its headers ("Request Metadata" of Streamable HTTP, 2026-07-28)?

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::param_headers::ParamHeader;
use crate::message::Message;
use crate::translate::meta;
use crate::upstream::exchange::post_headers;

const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");

/// The headers of the POST that carries this message. `mirrored`: the arguments that its tool wants mirrored.
pub(super) fn of(message: &Message, mirrored: &[ParamHeader]) -> HeaderMap {
    let mut headers = post_headers();
    let method = message.method().unwrap_or_default();
    headers.extend(value(method).map(|value| (METHOD, value)));
    let Some(params) = message.params() else {
        return headers;
    };
    let revision = params.object("_meta").and_then(|own| own.string(meta::PROTOCOL_VERSION));
    headers.extend(revision.and_then(|revision| value(&revision)).map(|value| (PROTOCOL_VERSION, value)));
    let name = name_member(method).and_then(|member| params.string(member));
    headers.extend(name.and_then(|name| value(&name)).map(|value| (NAME, value)));
    if !mirrored.is_empty() {
        let arguments = params.get("arguments").unwrap_or_default();
        headers.extend(mirrored.iter().filter_map(|one| Some((one.header.clone(), value(&one.argument(arguments)?)?))));
    }
    headers
}

/// The same for a message that is no call of a tool.
pub(crate) fn headers_of(message: &Message) -> HeaderMap {
    of(message, &[])
}

/// The member of `params` that names what a request of this method is about.
fn name_member(method: &str) -> Option<&'static str> {
    match method {
        "tools/call" | "prompts/get" => Some("name"),
        "resources/read" => Some("uri"),
        "tasks/get" | "tasks/update" | "tasks/cancel" => Some("taskId"),
        _ => None,
    }
}

/// A text as a header's value: as it is, or encoded where it would not arrive as it is, or looks like an encoded one.
fn value(text: &str) -> Option<HeaderValue> {
    let is_plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t'))
        && text.trim_matches([' ', '\t']) == text
        && !(text.starts_with("=?base64?") && text.ends_with("?="));
    if is_plain {
        return HeaderValue::from_str(text).ok();
    }
    HeaderValue::try_from(format!("=?base64?{}?=", STANDARD.encode(text))).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_would_not_arrive_is_encoded() {
        for (text, expected) in [
            ("us-west1", "us-west1"),
            ("", ""),
            ("a b\tc", "a b\tc"),
            ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
            (" padded ", "=?base64?IHBhZGRlZCA=?="),
            ("\ttab", "=?base64?CXRhYg==?="),
            ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
            ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
            ("=?base64?open", "=?base64?open"),
            ("=?BASE64?x?=", "=?BASE64?x?="),
            ("\u{7f}", "=?base64?fw==?="),
        ] {
            assert_eq!(value(text).unwrap(), expected, "{text:?}");
        }
    }

    #[test]
    fn the_name_header_names_what_a_request_is_about() {
        for (method, params, name) in [
            ("tools/call", r#"{"name":"t"}"#, Some("t")),
            ("prompts/get", r#"{"name":"p"}"#, Some("p")),
            ("resources/read", r#"{"uri":"file:///a b"}"#, Some("file:///a b")),
            ("tasks/get", r#"{"taskId":"7"}"#, Some("7")),
            ("completion/complete", r#"{"name":"t","uri":"u"}"#, None),
            ("tools/list", "{}", None),
        ] {
            let request = crate::message::request("1", method, params);
            let headers = of(&request, &[]);
            assert_eq!(headers.get(NAME).map(|name| name.to_str().unwrap()), name);
            assert_eq!(headers[METHOD], method);
            assert!(!headers.contains_key(PROTOCOL_VERSION), "a member that the body lacks has no header");
        }
    }
}
