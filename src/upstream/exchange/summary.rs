//! What does a body say, in one line for people?

use serde_json::Value;

use crate::log;

/// How much of a body is looked at, in bytes.
const START: usize = 1024;

/// How many bytes of a body are needed for its summary: the secrets in them are replaced before the text is cut.
pub(super) fn needed_bytes() -> usize {
    START + log::longest_secret()
}

/// The message of a JSON error if the body is one, else the text without its tags.
pub(super) fn summary(body: &[u8]) -> String {
    // Redacted before it is cut anywhere, or the beginning of a secret could stand at the cut.
    let text = log::redact_start(&String::from_utf8_lossy(&body[..body.len().min(needed_bytes())]), START);
    let message = serde_json::from_str::<Value>(&text).ok().and_then(|value| error_message(&value));
    log::foreign(&message.unwrap_or_else(|| without_tags(&text)))
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

fn without_tags(html: &str) -> String {
    let mut text = String::new();
    let mut depth = 0usize;
    for c in html.chars() {
        match c {
            '<' => depth += 1,
            '>' if depth > 0 => {
                depth -= 1;
                text.push(' ');
            }
            c if depth == 0 => text.push(c),
            _ => {}
        }
    }
    text
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
            ("", ""),
        ] {
            assert_eq!(summary(body.as_bytes()), line);
        }
    }
}
