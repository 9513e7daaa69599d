//! Which top-level members has this JSON text? One pass, nothing built.

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::scan;

/// The members that routing needs. Of members given twice the last counts, as in most parsers.
#[derive(Default)]
pub(super) struct Peeked<'a> {
    pub(super) id: Option<&'a str>,
    pub(super) method: Option<Cow<'a, str>>,
    pub(super) has_result: bool,
    pub(super) has_error: bool,
}

impl<'a> Peeked<'a> {
    fn take(&mut self, name: &str, raw: &'a str) {
        match name {
            "id" => self.id = Some(raw),
            "method" => self.method = string(raw),
            "result" => self.has_result = true,
            // Some servers write `"error": null` beside a result.
            "error" => self.has_error = raw != "null",
            _ => {}
        }
    }
}

/// Peeks at an object; any other JSON value has no members.
pub(super) fn object(json: &str) -> serde_json::Result<Peeked<'_>> {
    let mut peeked = Peeked::default();
    if scan::members(json, |name, raw| peeked.take(name, raw)).is_some() {
        return Ok(peeked);
    }
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let peeked = if json.starts_with('{') {
        deserializer.deserialize_map(Members)?
    } else {
        serde::Deserialize::deserialize(&mut deserializer).map(|IgnoredAny| Peeked::default())?
    };
    deserializer.end()?;
    Ok(peeked)
}

/// The texts of an array's elements.
pub(crate) fn elements(json: &str) -> serde_json::Result<Vec<&str>> {
    let elements: Vec<&RawValue> = serde_json::from_str(json)?;
    Ok(elements.into_iter().map(RawValue::get).collect())
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Peeked<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON-RPC message")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut peeked = Peeked::default();
        while let Some((name, raw)) = map.next_entry::<String, &RawValue>()? {
            peeked.take(&name, raw.get());
        }
        Ok(peeked)
    }
}

fn string(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') { serde_json::from_str(raw).ok().map(Cow::Owned) } else { Some(Cow::Borrowed(inner)) }
}
