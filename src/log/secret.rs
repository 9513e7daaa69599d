//! Which texts are secret, and how are they kept out of logs?

use std::fmt;

use parking_lot::RwLock;
use zeroize::Zeroize;

use super::escapes::Reading;
use super::known::{KnownSecrets, LONGEST_PIECE};
use super::plain::{is_plain, is_secret_name};

/// How often the escapes of a text are read to find secrets: JSON in a string of JSON in HTML has three.
const READINGS: usize = 3;

/// The most bytes that a byte of a secret becomes where it is escaped so often.
const LONGEST_ESCAPE: usize = 8;

/// A value of more words is a sentence, whose plain words are not secret by themselves.
const SENTENCE: usize = 2;

/// How many words of one value are redacted where they stand alone.
const MOST_WORDS: usize = 16;

/// How many parts of an address are redacted.
const MOST_PARTS: usize = 32;

/// All values to redact. [`hide`] adds to it, each line of the log and the trace reads it. A static, so that no line can
/// miss a secret.
static SECRETS: RwLock<KnownSecrets> = RwLock::new(KnownSecrets::new());

/// A value that must not be shown. It is serialized only for private files: the records of logins. Its memory is wiped
/// when it is dropped; what is left is the one copy by which logs are redacted.
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

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Words before a secret that are not secret themselves.
const SCHEMES: [&str; 3] = ["bearer", "digest", "apikey"];

/// Redacts a value, and each word of it that looks like a secret, from logs from now on.
pub fn hide(value: &str) {
    let mut secrets = SECRETS.write();
    let mut add = |value: &str| {
        if !SCHEMES.iter().any(|scheme| value.eq_ignore_ascii_case(scheme)) {
            secrets.add(value);
        }
    };
    add(value);
    if value.len() <= LONGEST_PIECE {
        if value.contains(' ') {
            add(&value.replace(' ', "+"));
        }
        // As another program shows it that has read its escapes.
        if let Some(read) = Reading::of(value.as_bytes()).and_then(|read| String::from_utf8(read.bytes).ok()) {
            add(&read);
        }
    }
    let is_sentence = value.split_ascii_whitespace().nth(SENTENCE).is_some();
    let words = value.split_ascii_whitespace().filter(|word| word.len() < value.len() && word.len() <= LONGEST_PIECE);
    words.filter(|word| !is_sentence || !is_plain(word)).take(MOST_WORDS).for_each(add);
}

/// Redacts the value of a header or parameter, unless neither its name nor its looks tell that it is a secret.
pub fn hide_named(name: &str, value: &str) {
    if is_secret(name, value) {
        hide(value);
    }
}

/// Whether its name or its looks tell that the value of a header or parameter is a secret.
pub fn is_secret(name: &str, value: &str) -> bool {
    is_secret_name(name) || !is_plain(value)
}

/// Whether a text is a secret, or a part of one that is long enough to be one.
pub fn is_part_of_secret(text: &str) -> bool {
    SECRETS.read().holds(text)
}

/// The length of the longest value that is redacted, in bytes, in the longest of its spellings.
pub fn longest_secret() -> usize {
    LONGEST_ESCAPE * SECRETS.read().longest()
}

/// The text without secrets, in whatever spelling.
pub(super) fn mask(text: &str) -> String {
    mask_start(text, text.len())
}

/// The same for the part of the text that begins with its first bytes: secrets at the cut are found too.
pub(super) fn mask_start(text: &str, length: usize) -> String {
    let boundary = |at: usize| (at.min(text.len())..=text.len()).find(|at| text.is_char_boundary(*at));
    let length = boundary(length).unwrap_or(text.len());
    let end = boundary(length.saturating_add(longest_secret())).unwrap_or(text.len());
    let mut found = secrets_in(&text[..end]);
    found.sort_unstable();
    let mut masked = String::with_capacity(length);
    let mut done = 0;
    for (start, end) in found {
        if start >= length {
            break;
        }
        if start >= done {
            masked.push_str(&text[done..start]);
            masked.push_str("***");
        }
        done = done.max(end);
    }
    masked.push_str(text.get(done..length).unwrap_or_default());
    masked
}

/// Where secrets stand in a text, in whatever spelling.
fn secrets_in(text: &str) -> Vec<(usize, usize)> {
    let secrets = SECRETS.read();
    let mut found = Vec::new();
    secrets.find(text.as_bytes(), |start, end| found.push((start, end)));
    let mut reading = Reading::of(text.as_bytes());
    for _ in 0..READINGS {
        let Some(read) = reading else { break };
        secrets.find(&read.bytes, |start, end| found.push(read.place(start, end)));
        reading = read.again();
    }
    found
}

/// Redacts the parts of an address that are secret by their place or looks: segments of the path and values of the
/// query of at least `shortest` bytes, and a password. Some servers expect a token there, and quote the path in their
/// errors.
pub fn hide_url(url: &url::Url, shortest: usize) {
    let mut before = "";
    let segments = url.path_segments().into_iter().flatten();
    let segments = segments.map(|segment| (std::mem::replace(&mut before, segment), segment));
    let pairs = url.query().into_iter().flat_map(|query| query.split('&'));
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or(("", pair)));
    let parts = segments.chain(pairs).filter(|(_, value)| value.len() >= shortest);
    parts.take(MOST_PARTS).for_each(|(name, value)| hide_part(name, value));
    url.password().into_iter().for_each(hide);
}

/// Redacts a part of an address, as it is spelled and as a server reads it.
fn hide_part(name: &str, spelled: &str) {
    hide_named(name, spelled);
    // A plus means a space in a query, but a plus in a path.
    for decodable in [spelled.replace('=', "%3D"), spelled.replace('=', "%3D").replace('+', "%2B")] {
        url::form_urlencoded::parse(decodable.as_bytes()).for_each(|(decoded, _)| hide_named(name, &decoded));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::redact;

    #[test]
    fn a_secret_is_redacted_whole_and_in_parts() {
        let secret = Secret::new("Bearer sk-marked-secret");
        assert_eq!(redact("got 'Bearer sk-marked-secret'\n"), "got '***' ");
        assert_eq!(redact("token sk-marked-secret\u{1b}[2J"), "token *** [2J");
        assert_eq!(format!("{secret:?}"), "(secret)");
    }

    #[test]
    fn a_very_long_secret_is_redacted_in_pieces() {
        let long = (0..LONGEST_PIECE).map(|n| format!("{n:04x}")).collect::<Vec<_>>().concat();
        hide(&long);
        let shown = mask(&format!("before {long} after"));
        assert_eq!(shown, format!("before {} after", "***".repeat(4)));
        assert_eq!(longest_secret(), LONGEST_ESCAPE * LONGEST_PIECE);
    }

    #[test]
    fn a_value_with_very_many_words_takes_no_long_time() {
        let words = (0..300_000).map(|n| format!("{n:06} ")).collect::<Vec<_>>().concat();
        let start = std::time::Instant::now();
        hide(&words);
        redact(&words);
        assert!(start.elapsed() < std::time::Duration::from_secs(5), "{:?}", start.elapsed());
    }

    #[test]
    fn the_work_grows_with_the_length_of_the_text() {
        hide("marked-in-a-long-text");
        for part in ["%2", "%25", "\\u00", "&#x", "&amp;", "marked-in-a-long-tex"] {
            let text = part.repeat(500_000 / part.len());
            let start = std::time::Instant::now();
            mask(&text);
            assert!(start.elapsed() < std::time::Duration::from_secs(10), "{part}: {:?}", start.elapsed());
        }
    }

    #[test]
    fn a_secret_is_redacted_in_every_spelling() {
        hide("marked/spelled+\"secret\"&é");
        for spelled in [
            "marked%2Fspelled%2B%22secret%22%26%C3%A9",
            "marked%2fspelled+%22secret%22&%c3%a9",
            "marked%252Fspelled%252B%2522secret%2522%2526%25C3%25A9",
            r#"marked\/spelled+\"secret\"&\u00e9"#,
            r#"marked\\/spelled\\u002b\\\"secret\\\"&é"#,
            "marked/spelled+&quot;secret&quot;&amp;&#233;",
            "marked&#x2F;spelled&#43;&#34;secret&#34;&#38;&#xE9;",
        ] {
            assert_eq!(redact(&format!("x {spelled} y")), "x *** y", "{spelled}");
        }
    }

    #[test]
    fn no_part_of_a_secret_remains_at_a_cut() {
        let secret = "marked-cut-".to_owned() + &"0123456789".repeat(20);
        hide(&secret);
        let text = [secret.as_str(); 30].join(" ");
        for length in (0..text.len()).step_by(13) {
            let masked = mask_start(&text, length);
            assert!(!masked.contains("mark") && !masked.contains("0123"), "{length}: {masked}");
        }
    }

    #[test]
    fn plain_words_of_an_address_are_shown() {
        let url = "https://h/engineering/production/wrk-9f8e7d6c5b4a/token/markedword?team=marketing&key=markedkey";
        hide_url(&url::Url::parse(url).unwrap(), 8);
        assert_eq!(redact("engineering production marketing"), "engineering production marketing");
        assert_eq!(redact("wrk-9f8e7d6c5b4a markedword markedkey"), "*** *** ***");
    }

    #[test]
    fn the_words_of_a_sentence_are_shown() {
        hide("the marked cluster of gizmos wants sk-0f1e2d3c4b5a");
        assert_eq!(redact("cluster gizmos sk-0f1e2d3c4b5a"), "cluster gizmos ***");
        assert_eq!(redact("the marked cluster of gizmos wants sk-0f1e2d3c4b5a"), "***");
    }
}
