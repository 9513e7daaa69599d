//! What must not be shown, and how is it kept from being shown?

use parking_lot::RwLock;
use std::fmt;

/// Values too short to be a secret; redacting them would only garble sentences.
const SHORTEST_SECRET: usize = 6;

static SECRETS: RwLock<Vec<String>> = RwLock::new(Vec::new());

/// A value that is not to be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Also has it redacted from whatever is said from now on.
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

/// Only for files that are the user's alone: what is known of a login.
impl serde::Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Words that stand before a secret and are none.
const SCHEMES: [&str; 3] = ["bearer", "digest", "apikey"];

/// Has a value, and each long word of it, redacted from whatever is said from now on.
pub fn hide(value: &str) {
    let mut secrets = SECRETS.write();
    for part in std::iter::once(value).chain(value.split_ascii_whitespace()) {
        let is_word = SCHEMES.iter().any(|scheme| part.eq_ignore_ascii_case(scheme));
        if part.len() >= SHORTEST_SECRET && !is_word && !secrets.iter().any(|known| known == part) {
            // The whole before its parts, or the rest of it would stand there.
            let place = secrets.partition_point(|known| known.len() >= part.len());
            secrets.insert(place, part.to_owned());
        }
    }
}

/// The length of the longest value that is redacted, in bytes.
pub fn longest_secret() -> usize {
    SECRETS.read().first().map_or(0, String::len)
}

/// The text without secrets and without control characters, which a terminal would obey.
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

/// Has the parts of an address redacted that may be secret: segments of the path and values of the query of at least
/// `shortest` bytes, and a password. Some servers take their token there, and quote the path in their errors.
pub fn hide_url(url: &url::Url, shortest: usize) {
    let values = url.query().into_iter().flat_map(|query| query.split('&'));
    let values = values.map(|pair| pair.split_once('=').map_or(pair, |(_, value)| value));
    // As they are spelled, and as a server reads them. A short one is a word of the path.
    for spelled in url.path_segments().into_iter().flatten().chain(values).filter(|part| part.len() >= shortest) {
        hide(spelled);
        // A plus is a space in a query and itself in a path.
        for decodable in [spelled.replace('=', "%3D"), spelled.replace('=', "%3D").replace('+', "%2B")] {
            url::form_urlencoded::parse(decodable.as_bytes()).for_each(|(read, _)| hide(&read));
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
