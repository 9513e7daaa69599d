//! Which texts are secret, and how are they kept out of logs?

use std::fmt;

use parking_lot::RwLock;

/// A shorter value is not redacted: it is hardly a secret, and to redact it would spoil sentences.
const SHORTEST_SECRET: usize = 6;

/// All values to redact, the longest first. [`hide`] adds to it, each line of the log and the trace reads it. A static,
/// so that no line can miss a secret.
static SECRETS: RwLock<Vec<String>> = RwLock::new(Vec::new());

/// A value that must not be shown. It is serialized only for private files: the records of logins.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(from = "String")]
pub struct Secret(String);

impl Secret {
    /// Makes a secret. From now on the value is redacted from logs.
    pub fn new(value: impl Into<String>) -> Self {
        let value = value.into();
        hide(&value);
        Self(value)
    }

    /// The value, for sending.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self::new(value)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Words before a secret that are not secret themselves.
const SCHEMES: [&str; 3] = ["bearer", "digest", "apikey"];

/// Redacts a value, and each long word of it, from logs from now on.
pub fn hide(value: &str) {
    let mut secrets = SECRETS.write();
    for part in std::iter::once(value).chain(value.split_ascii_whitespace()) {
        let is_word = SCHEMES.iter().any(|scheme| part.eq_ignore_ascii_case(scheme));
        if part.len() >= SHORTEST_SECRET && !is_word && !secrets.iter().any(|known| known == part) {
            // A value precedes its parts: otherwise the rest of the value would remain in the text.
            let place = secrets.partition_point(|known| known.len() >= part.len());
            secrets.insert(place, part.to_owned());
        }
    }
}

/// The length of the longest value that is redacted, in bytes.
pub fn longest_secret() -> usize {
    SECRETS.read().first().map_or(0, String::len)
}

/// The text without secrets, and without control characters, which a terminal would interpret.
pub fn redact(text: &str) -> String {
    mask(text).chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The text without secrets.
pub(super) fn mask(text: &str) -> String {
    let secrets = SECRETS.read();
    let mut text = text.to_owned();
    for secret in secrets.iter() {
        if text.contains(secret) {
            text = text.replace(secret, "***");
        }
    }
    text
}

/// Redacts the parts of an address that may be secret: segments of the path and values of the query of at least
/// `shortest` bytes, and a password. Some servers expect a token there, and quote the path in their errors.
pub fn hide_url(url: &url::Url, shortest: usize) {
    let values = url.query().into_iter().flat_map(|query| query.split('&'));
    let values = values.map(|pair| pair.split_once('=').map_or(pair, |(_, value)| value));
    // As they are spelled, and as a server reads them. A short part is an ordinary word.
    for spelled in url.path_segments().into_iter().flatten().chain(values).filter(|part| part.len() >= shortest) {
        hide(spelled);
        // A plus means a space in a query, but a plus in a path.
        for decodable in [spelled.replace('=', "%3D"), spelled.replace('=', "%3D").replace('+', "%2B")] {
            url::form_urlencoded::parse(decodable.as_bytes()).for_each(|(decoded, _)| hide(&decoded));
        }
    }
    url.query().filter(|query| query.len() >= shortest).into_iter().for_each(hide);
    url.password().into_iter().for_each(hide);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_redacted_whole_and_in_parts() {
        let secret = Secret::new("Bearer sk-marked-secret");
        assert_eq!(redact("got 'Bearer sk-marked-secret'\n"), "got '***' ");
        assert_eq!(redact("token sk-marked-secret\u{1b}[2J"), "token *** [2J");
        assert_eq!(format!("{secret:?}"), "(secret)");
    }
}
