//! Which texts are secret, and how are they kept out of logs?

use std::fmt;

use parking_lot::RwLock;

/// A shorter value is not redacted: it is hardly a secret, and to redact it would spoil sentences.
const SHORTEST_SECRET: usize = 6;

/// A longer value is kept in pieces of this many bytes. Texts are searched for each piece, so that its length limits
/// the work, and how much of a body must be read for a sentence of it.
const LONGEST_PIECE: usize = 4096;

/// How many pieces and words of one value are kept. Servers choose many of the values: tokens, cookies, addresses.
const MOST_PIECES: usize = 64;
const MOST_WORDS: usize = 16;

/// How many parts of an address are kept.
const MOST_PARTS: usize = 32;

/// How many values are kept. Each text is searched for each of them.
const MOST: usize = 1024;

/// How many of them, the first, are kept for ever: those that the user gave. A server that names very many values of
/// its own pushes out only other values of servers.
const KEPT: usize = 512;

/// A longer text for people is cut. Nobody reads it, and the time for the search grows with it.
const LONGEST_TEXT: usize = 16 * 1024;

/// All values to redact. [`hide`] adds to it, each line of the log and the trace reads it. A static, so that no line can
/// miss a secret.
static SECRETS: RwLock<Secrets> = RwLock::new(Secrets { values: Vec::new(), added: 0 });

/// Values to redact, the longest first, each with its number in the order of their coming.
struct Secrets {
    values: Vec<(u64, String)>,
    added: u64,
}

impl Secrets {
    fn add(&mut self, value: &str) {
        if self.values.iter().any(|(_, known)| known == value) {
            return;
        }
        if self.values.len() == MOST {
            let replaceable = self.values.iter().enumerate().filter(|(_, (number, _))| *number >= KEPT as u64);
            if let Some((place, _)) = replaceable.min_by_key(|(_, (number, _))| *number) {
                self.values.remove(place);
            }
        }
        // A value precedes its parts: otherwise the rest of the value would remain in the text.
        let place = self.values.partition_point(|(_, known)| known.len() >= value.len());
        self.values.insert(place, (self.added, value.to_owned()));
        self.added += 1;
    }
}

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
    let is_secret =
        |part: &&str| part.len() >= SHORTEST_SECRET && !SCHEMES.iter().any(|scheme| part.eq_ignore_ascii_case(scheme));
    let words = value.split_ascii_whitespace().filter(|word| word.len() < value.len() && word.len() <= LONGEST_PIECE);
    let mut secrets = SECRETS.write();
    pieces(value).filter(is_secret).take(MOST_PIECES).for_each(|piece| secrets.add(piece));
    words.filter(is_secret).take(MOST_WORDS).for_each(|word| secrets.add(word));
}

/// A value in pieces that are short enough to be searched for.
fn pieces(value: &str) -> impl Iterator<Item = &str> {
    let mut rest = value;
    std::iter::from_fn(move || {
        let (piece, after) = rest.split_at(floor_char_boundary(rest, LONGEST_PIECE));
        rest = after;
        Some(piece).filter(|piece| !piece.is_empty())
    })
}

/// The last place at which the text can be cut so that at most this many bytes remain.
fn floor_char_boundary(text: &str, most: usize) -> usize {
    (0..=most.min(text.len())).rev().find(|&place| text.is_char_boundary(place)).unwrap_or(0)
}

/// The length of the longest value that is redacted, in bytes.
pub fn longest_secret() -> usize {
    SECRETS.read().values.first().map_or(0, |(_, value)| value.len())
}

/// The text without secrets, and without control characters, which a terminal would interpret. A very long text is cut.
pub fn redact(text: &str) -> String {
    // Not cut within a secret, because the beginning of the secret would remain.
    let start = &text[..floor_char_boundary(text, LONGEST_TEXT + longest_secret())];
    let masked = mask(start);
    let is_cut = start.len() < text.len() || masked.len() > LONGEST_TEXT;
    let shown = if is_cut { &masked[..floor_char_boundary(&masked, LONGEST_TEXT)] } else { &masked };
    shown.chars().map(|c| if c.is_control() { ' ' } else { c }).chain(is_cut.then_some('…')).collect()
}

/// The text without secrets.
pub(super) fn mask(text: &str) -> String {
    let secrets = SECRETS.read();
    let mut text = text.to_owned();
    for (_, secret) in &secrets.values {
        if secret.len() <= text.len() && text.contains(secret) {
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
    let parts = url.path_segments().into_iter().flatten().chain(values).filter(|part| part.len() >= shortest);
    for spelled in parts.take(MOST_PARTS) {
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

    #[test]
    fn a_very_long_secret_is_redacted_in_pieces() {
        let long: String = (0..LONGEST_PIECE).map(|n| format!("{n:04x}")).collect();
        hide(&long);
        let shown = redact(&format!("before {long} after"));
        assert_eq!(shown, format!("before {} after", "***".repeat(4)));
        assert_eq!(longest_secret(), LONGEST_PIECE);
    }

    #[test]
    fn a_secret_at_the_cut_of_a_long_text_is_redacted() {
        hide("marked-at-the-cut");
        for before in LONGEST_TEXT - 20..LONGEST_TEXT + 3 {
            let shown = redact(&format!("{}marked-at-the-cut{}", "x".repeat(before), "y".repeat(LONGEST_TEXT)));
            assert!(!shown.contains("mark") && shown.len() <= LONGEST_TEXT + "…".len(), "{before}");
        }
    }

    #[test]
    fn values_that_servers_choose_push_out_only_each_other() {
        let mut secrets = Secrets { values: Vec::new(), added: 0 };
        secrets.add("the user's");
        (0..3 * MOST).for_each(|n| secrets.add(&format!("a server's {n}")));
        let has = |value: &str| secrets.values.iter().any(|(_, known)| known == value);
        assert!(secrets.values.len() == MOST && has("the user's"));
        assert!(has(&format!("a server's {}", 3 * MOST - 1)) && !has(&format!("a server's {MOST}")));
    }

    #[test]
    fn a_value_with_very_many_words_takes_no_long_time() {
        let words: String = (0..300_000).map(|n| format!("{n:06} ")).collect();
        let start = std::time::Instant::now();
        hide(&words);
        redact(&words);
        assert!(start.elapsed() < std::time::Duration::from_secs(5), "{:?}", start.elapsed());
    }
}
