//! When are two ids equal?

use std::fmt;

/// The longest number that is compared as a double.
const LONGEST_NUMBER: usize = 400;

/// A request id: a string, a number, or another value, which is invalid but may be sent. `1` and `"1"` differ. `1`,
/// `1.0` and `1e0` are equal, and so are two spellings of one string, because servers parse an id and write it again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(Box<str>);

impl Id {
    /// The id `null`, which also stands for a missing id.
    pub fn null() -> Self {
        Self("null".into())
    }

    /// Reads an id from its JSON text.
    pub fn from_json(raw: &str) -> Self {
        let plain = match raw.as_bytes() {
            [b'"', ..] => !raw.contains('\\'),
            // Up to 15 digits are exact in a double, and valid JSON has no leading zeros.
            [b'0'..=b'9', ..] => raw.len() <= 15 && raw.bytes().all(|byte| byte.is_ascii_digit()),
            _ => false,
        };
        if plain {
            return Self(raw.into());
        }
        if raw.starts_with('"') {
            let text: String = serde_json::from_str(raw).unwrap_or_else(|_| raw.to_owned());
            return Self(format!("\"{text}\"").into());
        }
        Self(whole_number(raw).unwrap_or_else(|| raw.to_owned()).into())
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        &*self.0 == "null"
    }

    /// The length of its text, in bytes. A peer chooses it.
    #[allow(clippy::len_without_is_empty, reason = "JSON text is never empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether a server may have made one of the other: it reads a number as a double, or writes it as a string, or the
    /// reverse.
    pub fn resembles(&self, other: &Self) -> bool {
        self.same_as_double(other) || self.is_text_of(other) || other.is_text_of(self)
    }

    /// Whether it is a string that holds the text of this number.
    fn is_text_of(&self, number: &Self) -> bool {
        let text = self.0.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        number.0.starts_with(|c: char| c == '-' || c.is_ascii_digit()) && text == Some(&*number.0)
    }

    /// Whether both are the same number as doubles. A server in JavaScript sends an id back that way.
    pub fn same_as_double(&self, other: &Self) -> bool {
        // It is compared with each request in flight, so a very long text is not parsed for each of them.
        if self.0.len().max(other.0.len()) > LONGEST_NUMBER {
            return false;
        }
        match (self.0.parse::<f64>(), other.0.parse::<f64>()) {
            #[allow(clippy::float_cmp, reason = "only the same double is equal")]
            (Ok(one), Ok(two)) => one == two,
            _ => false,
        }
    }
}

/// The text of a number: of its integer for `1.0`, `10e-1` and `-0`, else of its double. `None` if it is not a number.
fn whole_number(raw: &str) -> Option<String> {
    if let Ok(integer) = raw.parse::<i128>() {
        return Some(integer.to_string());
    }
    let double: f64 = raw.parse().ok()?;
    // Rust prints a whole double without a fraction, as it prints an integer.
    Some(if double == 0.0 { "0".to_owned() } else { double.to_string() })
}

/// As JSON, so that `92` and `"92"` differ in a log.
impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
