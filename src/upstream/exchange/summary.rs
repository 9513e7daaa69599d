//! What does a body say, in one line for people?

use serde_json::Value;

use super::page::page_text;
use crate::log;

/// How much of a body is looked at, in bytes.
const START: usize = 1024;

/// How much of a page is looked at, in bytes: its text stands behind its styles.
const START_OF_PAGE: usize = 64 * 1024;

/// How many bytes of a body are needed for its summary: the secrets in them are replaced before the text is cut.
pub(super) fn needed_bytes(body: &[u8]) -> usize {
    let start = if is_page(body) { START_OF_PAGE } else { START };
    start + log::longest_secret()
}

/// The message of a JSON error if the body is one, the title and the text of a page, or else the text.
pub(crate) fn summary(body: &[u8]) -> String {
    // Redacted before it is cut anywhere, or the beginning of a secret could stand at the cut.
    let longest = if is_page(body) { START_OF_PAGE } else { START };
    let text = log::redact_start(&String::from_utf8_lossy(&body[..body.len().min(needed_bytes(body))]), longest);
    if is_page(body) {
        return log::foreign(&page_text(&text));
    }
    let message = serde_json::from_str::<Value>(&text).ok().and_then(|value| error_message(&value));
    log::foreign(message.as_deref().unwrap_or(&text))
}

/// Whether the body is HTML or XML.
fn is_page(body: &[u8]) -> bool {
    body.trim_ascii_start().first() == Some(&b'<')
}

/// The human part of the error shapes in use: `{error: {message}}`, `{message}`, `{error, error_description}`,
/// `{detail}`, with the machine's word for it where there is one.
fn error_message(value: &Value) -> Option<String> {
    let word = ["code", "error"].iter().find_map(|name| value.get(name)?.as_str());
    if let Some(inner) = value.get("error").filter(|inner| inner.is_object()) {
        return error_message(inner);
    }
    let text =
        ["message", "error_description", "detail", "title", "reason"].iter().find_map(|name| value.get(name)?.as_str());
    match (word, text) {
        (Some(word), Some(text)) => Some(format!("{word}: {text}")),
        (word, text) => text.or(word).map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_body_is_summarised_in_one_line() {
        for (body, line) in [
            (r#"{"code":"UNAUTHENTICATED","message":"key expired"}"#, "UNAUTHENTICATED: key expired"),
            (r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"No session"},"id":null}"#, "No session"),
            (r#"{"error":"invalid_token","error_description":"gone"}"#, "invalid_token: gone"),
            ("<html><title>Not here</title>\n<p>x</html>", "Not here x"),
            ("plain\ntext", "plain text"),
            ("a < b and c > d", "a < b and c > d"),
            ("", ""),
        ] {
            assert_eq!(summary(body.as_bytes()), line);
        }
    }
}
