//! Which top-level members does this JSON text have? It is read once, and no tree is built.
//!
//! Every message is scanned here once, so the scan is written for speed: no allocation, eight bytes of a string at a
//! time. It gives up on rare and invalid text. Then `serde_json` reads the text, and explains what is wrong. So the
//! scan may give up on valid JSON, but it must not accept invalid JSON.

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer;
use serde::de::{Error, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::members::{raw_members, unescaped};

/// The lowest bit of each byte of a word, and the highest.
const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// The members that routing needs. If a member occurs twice, the last one counts, as in most parsers.
#[derive(Default)]
pub(super) struct Peeked<'a> {
    pub(super) id: Option<&'a str>,
    pub(super) method: Option<Cow<'a, str>>,
    /// JSON text.
    pub(super) result: Option<&'a str>,
    /// JSON text.
    pub(super) error: Option<&'a str>,
    /// Its `jsonrpc` is what it must be.
    pub(super) has_version: bool,
}

impl<'a> Peeked<'a> {
    fn take(&mut self, name: &str, raw: &'a str) {
        match name {
            "id" => self.id = Some(raw),
            "method" => self.method = unescaped(raw),
            "result" => self.result = Some(raw),
            "error" => self.error = Some(raw),
            "jsonrpc" => self.has_version = raw == "\"2.0\"",
            _ => {}
        }
    }
}

/// Peeks at an object. Any other JSON value has no members.
pub(super) fn object(json: &str) -> serde_json::Result<Peeked<'_>> {
    let mut peeked = Peeked::default();
    if members(json, |name, raw| peeked.take(name, raw)).is_some() {
        return Ok(peeked);
    }
    let mut peeked = Peeked::default();
    if json.starts_with('{') {
        for (name, raw) in raw_members(json)? {
            peeked.take(&serde_json::from_str::<String>(name)?, raw);
        }
    } else {
        serde_json::from_str::<IgnoredAny>(json)?;
    }
    Ok(peeked)
}

/// The texts of an array's elements.
pub(crate) fn elements(json: &str) -> serde_json::Result<Vec<&str>> {
    let elements: Vec<&RawValue> = serde_json::from_str(json)?;
    Ok(elements.into_iter().map(RawValue::get).collect())
}

/// The texts of a batch's elements. More than so many are an error: each element needs far more memory than its text.
pub(super) fn batch(json: &str, most: usize) -> serde_json::Result<Vec<&str>> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let elements = deserializer.deserialize_seq(Batch(most))?;
    deserializer.end()?;
    Ok(elements)
}

struct Batch(usize);

impl<'de> Visitor<'de> for Batch {
    type Value = Vec<&'de str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let mut found = Vec::new();
        while let Some(element) = elements.next_element::<&RawValue>()? {
            if found.len() == self.0 {
                return Err(A::Error::custom(format_args!("a batch of more than {} messages", self.0)));
            }
            found.push(element.get());
        }
        Ok(found)
    }
}

/// Calls `member` with each name and value. `None`: the scan gave up, perhaps after some members.
fn members<'a>(json: &'a str, mut member: impl FnMut(&'a str, &'a str)) -> Option<()> {
    let mut scan = Scan { json, at: 0 };
    scan.token().filter(|byte| *byte == b'{')?;
    let mut first = scan.token()?;
    if first != b'}' {
        loop {
            let name = scan.name(first)?;
            let begin = scan.token()?;
            let start = scan.at - 1;
            scan.value(begin)?;
            member(name, json.get(start..scan.at)?);
            match scan.token()? {
                b',' => first = scan.token()?,
                b'}' => break,
                _ => return None,
            }
        }
    }
    // The text of a message has no white space at its end.
    (scan.at == json.len()).then_some(())
}

struct Scan<'a> {
    json: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    fn rest(&self) -> &'a [u8] {
        self.json.as_bytes().get(self.at..).unwrap_or_default()
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = *self.json.as_bytes().get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    /// The first byte of the next token.
    fn token(&mut self) -> Option<u8> {
        loop {
            let byte = self.byte()?;
            if byte > b' ' || !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(byte);
            }
        }
    }

    /// Reads a member's name, which has no escapes and begins with this byte, and the colon.
    fn name(&mut self, first: u8) -> Option<&'a str> {
        let start = self.at;
        self.at += plain(self.rest());
        let name = self.json.get(start..self.at)?;
        let is_one = first == b'"' && self.byte()? == b'"' && self.token()? == b':';
        is_one.then_some(name)
    }

    /// Reads a value that begins with this byte. Its depth is limited by the bits of a word.
    fn value(&mut self, first: u8) -> Option<()> {
        let mut byte = first;
        // The open brackets: a one for each object, a zero for each array, the innermost lowest, and a one above all.
        let mut open = 1u64;
        loop {
            match byte {
                b'"' => self.string()?,
                b'{' | b'[' if open >> 63 == 0 => {
                    let next = self.token()?;
                    // In ASCII the closing bracket is the opening one plus two.
                    if next != byte + 2 {
                        open = open << 1 | u64::from(byte == b'{');
                        byte = self.item(next, open)?;
                        continue;
                    }
                }
                b'-' => {
                    let digit = self.byte()?;
                    self.number(digit)?;
                }
                b'0'..=b'9' => self.number(byte)?,
                b't' => self.word(b"rue")?,
                b'f' => self.word(b"alse")?,
                b'n' => self.word(b"ull")?,
                _ => return None,
            }
            // After a value: brackets close until another value follows.
            loop {
                if open == 1 {
                    return Some(());
                }
                match (self.token()?, open & 1) {
                    (b',', _) => {
                        let next = self.token()?;
                        byte = self.item(next, open)?;
                        break;
                    }
                    (b'}', 1) | (b']', 0) => open >>= 1,
                    _ => return None,
                }
            }
        }
    }

    /// The first byte of a value in the innermost bracket; in an object the name comes first.
    fn item(&mut self, first: u8, open: u64) -> Option<u8> {
        if open & 1 == 0 {
            return Some(first);
        }
        if first != b'"' {
            return None;
        }
        self.string()?;
        if self.token()? != b':' {
            return None;
        }
        self.token()
    }

    fn string(&mut self) -> Option<()> {
        loop {
            self.at += plain(self.rest());
            match self.byte()? {
                b'"' => return Some(()),
                b'\\' => match self.byte()? {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                    b'u' => {
                        for _ in 0..4 {
                            self.byte().filter(u8::is_ascii_hexdigit)?;
                        }
                    }
                    _ => return None,
                },
                _ => return None,
            }
        }
    }

    /// Reads the rest of a number whose first digit is this byte.
    fn number(&mut self, first: u8) -> Option<()> {
        match first {
            b'0' => {}
            b'1'..=b'9' => self.digits(),
            _ => return None,
        }
        if self.rest().first() == Some(&b'.') {
            self.at += 1;
            self.some_digits()?;
        }
        if let Some(b'e' | b'E') = self.rest().first() {
            self.at += 1;
            self.at += usize::from(matches!(self.rest().first(), Some(b'+' | b'-')));
            self.some_digits()?;
        }
        Some(())
    }

    fn digits(&mut self) {
        while let Some(b'0'..=b'9') = self.json.as_bytes().get(self.at) {
            self.at += 1;
        }
    }

    fn some_digits(&mut self) -> Option<()> {
        self.byte().filter(u8::is_ascii_digit)?;
        self.digits();
        Some(())
    }

    fn word(&mut self, rest: &[u8]) -> Option<()> {
        self.rest().starts_with(rest).then(|| self.at += rest.len())
    }
}

/// The number of bytes before the first quote, backslash or control character.
fn plain(bytes: &[u8]) -> usize {
    let mut count = 0;
    for chunk in bytes.chunks_exact(8) {
        let word = u64::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3], chunk[4], chunk[5], chunk[6], chunk[7]]);
        // The highest bit of a byte is set where the byte is below a space, or zero once `"` or `\` is taken from it.
        // A borrow can set it wrongly, but only above a correct one, and only the lowest counts.
        let (quote, backslash) = (word ^ (LOW * u64::from(b'"')), word ^ (LOW * u64::from(b'\\')));
        let control = word.wrapping_sub(LOW * 0x20) & !word;
        let quote = quote.wrapping_sub(LOW) & !quote;
        let backslash = backslash.wrapping_sub(LOW) & !backslash;
        let ends = (control | quote | backslash) & HIGH;
        if ends != 0 {
            return count + ends.trailing_zeros() as usize / 8;
        }
        count += 8;
    }
    let rest = &bytes[count..];
    count + rest.iter().position(|byte| matches!(byte, 0..0x20 | b'"' | b'\\')).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scanned(json: &str) -> Option<Vec<(&str, &str)>> {
        let mut found = Vec::new();
        members(json, |name, value| found.push((name, value))).map(|()| found)
    }

    #[test]
    fn usual_messages_are_scanned() {
        let json = r#" { "id" : -1.5e+3 , "a":"\"\\\u00e9 ü","b":[],"c":{},"d":[ {"x":[1,{}]},"y", null ],"e":true }"#;
        let expected = [
            ("id", "-1.5e+3"),
            ("a", r#""\"\\\u00e9 ü""#),
            ("b", "[]"),
            ("c", "{}"),
            ("d", r#"[ {"x":[1,{}]},"y", null ]"#),
            ("e", "true"),
        ];
        assert_eq!(scanned(json), Some(expected.to_vec()));
        assert_eq!(scanned("{}"), Some(vec![]));
    }

    #[test]
    fn invalid_json_is_left_to_the_parser() {
        let rows = r#"{ {}} [] {] {"a"} {"a":} {"a":1,} {"a":01} {"a":1.} {"a":-} {"a":1e} {"a":+1} {"a":.1} {"a":tru}
            {"a":truex} {"a":nul {"a":"\x"} {"a":"\u12g4"} {"a":" {"a":[1,]} {"a":[1} {"a":{"b"}} {"a":{"b":1]}
            {"a":{,}} {a:1} {"a":1}x"#;
        let others = ["", "{\"a\":\"\n\"}", "{\"a\":\"1234567\u{1}\"}", "{\"a\":1 2}"];
        for json in rows.split_whitespace().chain(others) {
            assert_eq!(scanned(json), None, "{json}");
            assert!(serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn rare_json_is_left_to_the_parser() {
        let nested = |depth| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(scanned(&nested(63)).is_some());
        assert_eq!(scanned(&nested(64)), None, "as deep as a word has bits, and no deeper");
        assert_eq!(scanned(r#"{"\u0069d":1}"#), None, "an escape in a name");
    }

    proptest! {
        #[test]
        fn the_scan_finds_what_the_parser_finds(pieces in prop::collection::vec(prop::sample::select(vec![
            "{", "}", "[", "]", ",", ":", "\"", "\\", "\"a\":", "\"id\":1,", "1", "0", "-", ".5", "e7", "true", "null",
            "\"text of some length, ü\"", " ", "\\u00e9", "\\n", "\u{1}", "\\\"", "[1,2]", "{\"b\":{}}",
        ]), 0..24)) {
            let json = format!("{{\"a\":{}}}", pieces.concat());
            if let Some(found) = scanned(&json) {
                let parsed: std::collections::BTreeMap<String, Box<serde_json::value::RawValue>> =
                    serde_json::from_str(&json).map_err(|error| TestCaseError::fail(format!("{json}: {error}")))?;
                let found: std::collections::BTreeMap<_, _> = found.into_iter().collect();
                let parsed: std::collections::BTreeMap<_, _> =
                    parsed.iter().map(|(name, value)| (name.as_str(), value.get())).collect();
                prop_assert_eq!(found, parsed);
            }
        }

        #[test]
        fn the_plain_part_of_a_string_ends_at_its_first_special_byte(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let ends = |byte: &u8| matches!(byte, 0..0x20 | b'"' | b'\\');
            prop_assert_eq!(plain(&bytes), bytes.iter().position(ends).unwrap_or(bytes.len()));
        }

        #[test]
        fn any_value_is_scanned(value in json()) {
            let text = serde_json::json!({ "id": 1, "params": value }).to_string();
            let found = scanned(&text);
            let expected = vec![("id".to_owned(), "1".to_owned()), ("params".to_owned(), value.to_string())];
            let found = found.map(|found| found.into_iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect::<Vec<_>>());
            prop_assert_eq!(found, Some(expected));
        }
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            ".{0,20}".prop_map(Into::into),
        ];
        leaf.prop_recursive(5, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                prop::collection::btree_map(".{0,8}", inner, 0..6).prop_map(|map| map.into_iter().collect()),
            ]
        })
    }
}
