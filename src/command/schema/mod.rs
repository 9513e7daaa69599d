//! What may an argument be, by the JSON Schema that a server gives for it? Values come as people type them, and leave
//! as JSON text.

mod nearest;
mod value;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use serde_json::Value;
use serde_json::value::RawValue;

use crate::log;

pub(super) use nearest::nearest;

/// How many references lead from one schema to another.
const MOST_REFERENCES: usize = 16;

/// How many schemas within schemas lead to the types of a value.
const DEEPEST: usize = 3;

/// How many of them are looked at.
const MOST_PARTS: usize = 1000;

/// How many arguments a signature shows, and how many kinds of value of one argument.
const MOST_ARGUMENTS: usize = 40;
const MOST_WORDS: usize = 6;

/// The longest default value that a signature shows.
const LONGEST_DEFAULT: usize = 24;

/// A schema, or a part of one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schema<'a> {
    root: &'a Value,
    here: &'a Value,
}

impl<'a> Schema<'a> {
    pub(super) fn new(root: &'a Value) -> Self {
        Self { root, here: root }.part(root)
    }

    fn part(self, here: &'a Value) -> Self {
        let mut part = Self { here, ..self };
        for _ in 0..MOST_REFERENCES {
            let target = part.here["$ref"].as_str().and_then(|to| self.root.pointer(to.strip_prefix('#')?));
            match target {
                Some(target) => part.here = target,
                None => break,
            }
        }
        part
    }

    /// A text that the schema has for people, such as its description.
    pub(super) fn text(self, name: &str) -> Option<&'a str> {
        self.here[name].as_str()
    }

    pub(super) fn default(self) -> Option<&'a Value> {
        self.here.get("default")
    }

    /// The schemas that a value must fit all: this one, and those of `allOf`.
    fn all(self) -> Vec<Self> {
        let mut all = vec![self];
        let mut begin = 0;
        for _ in 0..DEEPEST {
            let end = all.len();
            let parts = all[begin..].iter().filter_map(|part| part.here["allOf"].as_array()).flatten();
            let parts: Vec<_> = parts.take(MOST_PARTS).map(|part| self.part(part)).collect();
            all.extend(parts);
            begin = end;
        }
        all.truncate(MOST_PARTS);
        all
    }

    /// The schemas of which a value must fit one; empty if the schema has none.
    fn alternatives(self) -> Vec<Self> {
        let all = self.all();
        let lists = all.iter().flat_map(|part| ["anyOf", "oneOf"].map(|name| part.here[name].as_array()));
        lists.flatten().flatten().take(MOST_PARTS).map(|part| self.part(part)).collect()
    }

    /// The arguments, those that are required first.
    pub(super) fn properties(self) -> Vec<(&'a str, Self)> {
        let mut names = HashSet::new();
        let parts = self.all().into_iter().chain(self.alternatives().into_iter().flat_map(Self::all));
        let all = parts.filter_map(|part| part.here["properties"].as_object()).flatten();
        let all = all.filter(|(name, _)| names.insert(name.as_str()));
        let mut all: Vec<_> = all.map(|(name, schema)| (name.as_str(), self.part(schema))).collect();
        let required: HashMap<&str, usize> = self.required().into_iter().zip(0..).collect();
        all.sort_by_key(|(name, _)| required.get(name).copied().unwrap_or(usize::MAX));
        all
    }

    /// The names of the arguments that must be given.
    pub(super) fn required(self) -> Vec<&'a str> {
        let parts = self.all();
        let names = parts.iter().filter_map(|part| part.here["required"].as_array()).flatten();
        names.filter_map(Value::as_str).take(MOST_ARGUMENTS * 10).collect()
    }

    /// Whether arguments may have other names than those of the schema.
    pub(super) fn takes_others(self) -> bool {
        let all = self.all();
        let has = |name: &str| all.iter().any(|part| part.here[name].as_object().is_some_and(|some| !some.is_empty()));
        let mut others = all.iter().filter_map(|part| part.here.get("additionalProperties"));
        match others.next() {
            Some(Value::Bool(false)) => has("patternProperties"),
            Some(_) => true,
            None => has("patternProperties") || !has("properties"),
        }
    }
}

/// JSON text on one line: line ends stand only between its parts.
pub(super) fn one_line(json: &str) -> Result<String, String> {
    let raw = serde_json::from_str::<&RawValue>(json).map_err(|error| format!("is not JSON: {error}"))?;
    Ok(raw.get().replace(['\n', '\r'], " "))
}

/// The name with the arguments, as a person reads it: `add(a: integer, b?: integer = 1)`.
pub(super) fn signature(name: &str, schema: Schema<'_>) -> String {
    let (all, required) = (schema.properties(), schema.required());
    let mut words: Vec<String> = all
        .iter()
        .take(MOST_ARGUMENTS)
        .map(|(name, schema)| {
            let mark = if required.contains(name) { "" } else { "?" };
            let default = schema.default().map(ToString::to_string).filter(|text| text.len() <= LONGEST_DEFAULT);
            let default = default.map(|text| format!(" = {}", log::foreign_name(&text))).unwrap_or_default();
            format!("{}{mark}: {}{default}", log::foreign_name(name), schema.words())
        })
        .collect();
    words.extend((all.len() > MOST_ARGUMENTS).then(|| "…".to_owned()));
    format!("{}({})", log::foreign_name(name), words.join(", "))
}
