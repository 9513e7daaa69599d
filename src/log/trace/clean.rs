//! Which parts of a traced text are secret?
//!
//! Every value that was registered with [`hide`](crate::log::hide), and every value whose name is that of a secret: in
//! headers, JSON, forms and addresses. Texts are not parsed, because a malformed text must be cleaned too, and the rest
//! of a text must remain as it is.

use std::borrow::Cow;

use http::{HeaderMap, Uri};

use crate::log::secret::mask;

const HIDDEN: &str = "***";

/// JSON inside a string of JSON is cleaned to this depth; a string at a greater depth is hidden as a whole.
const DEPTH: usize = 4;

/// Names of headers, members and parameters, in lower case and without `-` and `_`.
const SECRET_NAMES: &str = "\
    accesstoken actortoken apikey assertion authorization clientassertion clientsecret code codeverifier \
    cookie devicecode dpop idtoken idtokenhint mcpsessionid password privatekey proxyauthorization \
    refreshtoken registrationaccesstoken secret sessionid setcookie softwarestatement subjecttoken token \
    usercode";

fn is_secret(name: &str) -> bool {
    let plain: String = name.chars().filter(|c| !matches!(c, '-' | '_')).map(|c| c.to_ascii_lowercase()).collect();
    SECRET_NAMES.split(' ').any(|name| name == plain)
}

/// Scheme, host and port, with the path and query without secrets.
pub(super) fn uri(uri: &Uri) -> String {
    let host = uri.authority().map_or("", |authority| authority.host());
    let port = uri.port().map_or(String::new(), |port| format!(":{port}"));
    let rest = uri.path_and_query().map_or("", |rest| rest.as_str());
    mask(&format!("{}://{host}{port}{}", uri.scheme_str().unwrap_or("http"), pairs(rest)))
}

/// Names and values, in their order. The user's own values were marked as sensitive when they were read.
pub(super) fn headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let cleaned = headers.iter().map(|(name, value)| {
        let shown = if value.is_sensitive() || is_secret(name.as_str()) {
            HIDDEN.to_owned()
        } else {
            text(&String::from_utf8_lossy(value.as_bytes()))
        };
        (name.to_string(), shown)
    });
    cleaned.collect()
}

/// Any text: JSON, a form, an address, or something else.
pub(super) fn text(text: &str) -> String {
    text_at(text, 0)
}

fn text_at(text: &str, depth: usize) -> String {
    let is_json = text.trim_start().starts_with(['{', '[', '"']);
    mask(&strings(&if is_json { Cow::Borrowed(text) } else { Cow::Owned(pairs(text)) }, depth))
}

/// Hides the value in each `name=value` whose name is that of a secret.
fn pairs(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('=') {
        let (before, after) = (&rest[..at], &rest[at + 1..]);
        cleaned.push_str(before);
        cleaned.push('=');
        let name = before.rsplit(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_')).next();
        rest = after;
        if name.is_some_and(is_secret) {
            let quoted = after.starts_with('"');
            let end = |c: char| {
                c == '"' || (!quoted && (c.is_whitespace() || matches!(c, '&' | '\'' | '<' | '>' | ';' | ',')))
            };
            let from = usize::from(quoted);
            rest = &after[after[from..].find(end).map_or(after.len(), |end| from + end)..];
            if quoted {
                cleaned.push('"');
            }
            cleaned.push_str(HIDDEN);
        }
    }
    cleaned + rest
}

/// Hides the values of JSON members whose name is that of a secret, and cleans all other strings.
fn strings(json: &str, depth: usize) -> String {
    let mut cleaned = String::with_capacity(json.len());
    let mut rest = json;
    let mut secret = false;
    while let Some(quote) = rest.find('"') {
        // A brace or a bracket between two strings ends the value of the last name.
        secret &= !rest[..quote].contains(['{', '}', ']']);
        cleaned.push_str(&rest[..quote]);
        let body = &rest[quote + 1..];
        let end = end_of_string(body);
        let (string, after) = (&body[..end], &body[(end + 1).min(body.len())..]);
        let is_name = after.trim_start().starts_with(':');
        cleaned.push('"');
        if is_name {
            secret = unescaped(string).is_some_and(|name| is_secret(&name));
        }
        cleaned.push_str(&if secret && !is_name { HIDDEN.to_owned() } else { string_at(string, depth) });
        if end < body.len() {
            cleaned.push('"');
        }
        rest = after;
    }
    cleaned + rest
}

fn string_at(string: &str, depth: usize) -> String {
    if !string.contains('\\') {
        return pairs(string);
    }
    // Truncated, or not JSON.
    let Some(plain) = unescaped(string) else { return pairs(string) };
    if depth == DEPTH {
        return HIDDEN.to_owned();
    }
    let cleaned = text_at(&plain, depth + 1);
    if cleaned == plain {
        return string.to_owned();
    }
    let quoted = serde_json::json!(cleaned).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

fn unescaped(string: &str) -> Option<String> {
    serde_json::from_str(&format!("\"{string}\"")).ok()
}

fn end_of_string(body: &str) -> usize {
    let mut escaped = false;
    let is_end = |byte: u8| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    };
    body.bytes().position(is_end).unwrap_or(body.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_with_the_name_of_a_secret_are_hidden_everywhere() {
        for (given, shown) in [
            (r#"{"access_token": "a" ,"expires_in":1.0}"#, r#"{"access_token": "***" ,"expires_in":1.0}"#),
            (r#"{"a":{"refreshToken":"x\"y"},"b":"c"}"#, r#"{"a":{"refreshToken":"***"},"b":"c"}"#),
            (r#"{"c\u006fde":"x","error":{"code":-32602}}"#, r#"{"c\u006fde":"***","error":{"code":-32602}}"#),
            (r#"{"token":["a","b"],"n":"c"}"#, r#"{"token":["***","***"],"n":"c"}"#),
            (r#"{"client_secret":"never ends"#, r#"{"client_secret":"***"#),
            (r#"{"text":"{\"client_secret\":\"x\"}"}"#, r#"{"text":"{\"client_secret\":\"***\"}"}"#),
            (r#"{"text":"\u0061 \" b"}"#, r#"{"text":"\u0061 \" b"}"#),
            ("grant_type=x&code=abc&code_verifier=d%20e&n=1", "grant_type=x&code=***&code_verifier=***&n=1"),
            ("/messages?sessionId=abc-1&n=2", "/messages?sessionId=***&n=2"),
            (r#"{"url":"https://h/cb?code=abc&state=s"}"#, r#"{"url":"https://h/cb?code=***&state=s"}"#),
            (r#"Bearer realm="x", token="y z", n=1"#, r#"Bearer realm="x", token="***", n=1"#),
            ("no = secret \"at\" all", "no = secret \"at\" all"),
        ] {
            assert_eq!(text(given), shown);
        }
    }

    #[test]
    fn an_address_is_shown_without_its_user_and_secrets() {
        assert_eq!(uri(&Uri::from_static("http://me:pw@h:1/p?token=abc&n=1")), "http://h:1/p?token=***&n=1");
    }

    #[test]
    fn a_registered_secret_is_hidden_in_each_spelling_of_json() {
        crate::log::hide("marked/se\"cret");
        assert_eq!(text(r#"{"a":"x marked\/se\u0022cret y"}"#), r#"{"a":"x *** y"}"#);
        assert_eq!(text(r#"{"a":"{\"b\":\"marked\\/se\\\"cret\"}"}"#), r#"{"a":"{\"b\":\"***\"}"}"#);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_text_causes_a_panic_and_a_text_without_secrets_is_unchanged(given in "[\\PC\\\\\"{}\\[\\]:,=]{0,60}") {
            let cleaned = text(&given);
            let names = given.to_ascii_lowercase().replace(['-', '_'], "");
            if !SECRET_NAMES.split(' ').any(|name| names.contains(name)) && !given.contains('\\') {
                prop_assert_eq!(cleaned, given);
            }
        }
    }
}
