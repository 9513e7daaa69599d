//! Which top-level members does this JSON text have? It is read once, and no tree is built.

use std::borrow::Cow;

use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::members::{raw_members, unescaped};
use super::scan;

/// The members that routing needs. If a member occurs twice, the last one counts, as in most parsers.
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
            "method" => self.method = unescaped(raw),
            "result" => self.has_result = true,
            // Some servers write `"error": null` beside a result.
            "error" => self.has_error = raw != "null",
            _ => {}
        }
    }
}

/// Peeks at an object. Any other JSON value has no members.
pub(super) fn object(json: &str) -> serde_json::Result<Peeked<'_>> {
    let mut peeked = Peeked::default();
    if scan::members(json, |name, raw| peeked.take(name, raw)).is_some() {
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
