//! Which top-level members has this JSON text? One pass, nothing built.

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The members that routing needs. Of members given twice the last counts, as in most parsers.
#[derive(Default)]
pub(super) struct Peeked<'a> {
    pub(super) id: Option<&'a str>,
    pub(super) method: Option<Cow<'a, str>>,
    pub(super) has_result: bool,
    pub(super) has_error: bool,
}

/// Peeks at an object; any other JSON value has no members.
pub(super) fn object(json: &str) -> serde_json::Result<Peeked<'_>> {
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
pub(super) fn elements(json: &str) -> serde_json::Result<Vec<&str>> {
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
        while let Some(name) = map.next_key::<Name>()? {
            match name {
                Name::Id => peeked.id = Some(map.next_value::<&RawValue>()?.get()),
                Name::Method => {
                    let raw = map.next_value::<&RawValue>()?.get();
                    peeked.method = string(raw);
                }
                Name::Result => {
                    map.next_value::<IgnoredAny>()?;
                    peeked.has_result = true;
                }
                // Some servers write `"error": null` beside a result.
                Name::Error => peeked.has_error = map.next_value::<&RawValue>()?.get() != "null",
                Name::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(peeked)
    }
}

fn string(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') { serde_json::from_str(raw).ok().map(Cow::Owned) } else { Some(Cow::Borrowed(inner)) }
}

enum Name {
    Id,
    Method,
    Result,
    Error,
    Other,
}

impl<'de> serde::Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a member's name")
            }

            fn visit_str<E>(self, name: &str) -> Result<Name, E> {
                Ok(match name {
                    "id" => Name::Id,
                    "method" => Name::Method,
                    "result" => Name::Result,
                    "error" => Name::Error,
                    _ => Name::Other,
                })
            }
        }
        deserializer.deserialize_str(Text)
    }
}
