//! When are two ids the same?

use std::fmt;

/// A request id, opaque: a string, a number, or what a client should not have sent. `1` and `"1"` differ; `1`, `1.0`
/// and `1e0` do not, nor do two spellings of one string, because servers parse an id and write it out again.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(Box<str>);

impl Id {
    /// The id `null`, also that of an answer without one.
    pub fn null() -> Self {
        Self("null".into())
    }

    /// From its JSON text.
    pub fn from_json(raw: &str) -> Self {
        let plain = match raw.as_bytes() {
            [b'"', ..] => !raw.contains('\\'),
            // Up to 15 digits no double is needed to know the value; "-0", "007" cannot occur beside them in valid JSON
            // but "0".
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

    /// `null`.
    pub fn is_null(&self) -> bool {
        &*self.0 == "null"
    }

    /// The same number once both went through a double, as a server in JavaScript sends them back.
    pub fn same_as_double(&self, other: &Self) -> bool {
        match (self.0.parse::<f64>(), other.0.parse::<f64>()) {
            #[allow(clippy::float_cmp, reason = "the very same double is what is asked for")]
            (Ok(one), Ok(two)) => one == two,
            _ => false,
        }
    }
}

/// `1.0`, `10e-1` and `-0` as the integer they are; other numbers as their double prints; `None` for what is no number.
fn whole_number(raw: &str) -> Option<String> {
    if let Ok(integer) = raw.parse::<i128>() {
        return Some(integer.to_string());
    }
    let double: f64 = raw.parse().ok()?;
    // Rust prints a whole double without a fraction, so it meets its integer's spelling.
    Some(if double == 0.0 { "0".to_owned() } else { double.to_string() })
}

/// As in JSON: `92` and `"92"` look different in a log.
impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
