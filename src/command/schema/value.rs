//! What does a typed value mean, by the alternatives that its schema has?

use serde_json::value::RawValue;
use serde_json::{Number, Value};

use super::{DEEPEST, MOST_PARTS, MOST_WORDS, Schema, one_line};
use crate::log;
use crate::message::quoted;

/// What a value may be.
#[derive(Debug)]
struct Choice<'a> {
    /// The names of its types; empty if it may have any.
    types: Vec<&'a str>,
    /// The only values that are allowed; empty if any is.
    values: &'a [Value],
    items: Option<Schema<'a>>,
}

impl<'a> Schema<'a> {
    /// The type in words, for a signature.
    pub(crate) fn words(self) -> String {
        self.words_to(2)
    }

    fn words_to(self, depth: usize) -> String {
        let mut words: Vec<String> = Vec::new();
        for choice in self.choices() {
            if choice.values.is_empty() {
                words.extend(choice.types.iter().map(|name| match (*name, choice.items) {
                    ("array", Some(items)) if depth > 0 => match items.words_to(depth - 1) {
                        several if several.contains(" | ") => format!("({several})[]"),
                        one => format!("{one}[]"),
                    },
                    (name, _) => log::foreign_name(name),
                }));
                words.extend(choice.types.is_empty().then(|| "any".to_owned()));
            }
            words.extend(choice.values.iter().take(MOST_WORDS + 1).map(|value| log::foreign_name(&value.to_string())));
        }
        let mut seen = std::collections::HashSet::new();
        words.retain(|word| seen.insert(word.clone()));
        if words.len() > MOST_WORDS {
            words.truncate(MOST_WORDS);
            words.push("…".to_owned());
        }
        words.join(" | ")
    }

    /// The JSON text that a typed value means.
    pub(crate) fn read(self, typed: &str) -> Result<String, String> {
        let choices = self.choices();
        let listed = choices.iter().flat_map(|choice| choice.values).find(|value| is_typed(value, typed));
        if let Some(value) = listed {
            return Ok(value.to_string());
        }
        let free = || choices.iter().filter(|choice| choice.values.is_empty());
        if free().any(|choice| choice.types.is_empty() || choice.types.contains(&"string")) {
            return Ok(quoted(typed));
        }
        let names = ["integer", "number", "boolean", "null", "array", "object"];
        let read = names.iter().find_map(|name| {
            free().filter(|choice| choice.types.contains(name)).find_map(|choice| choice.read_as(name, typed))
        });
        read.ok_or_else(|| format!("must be {}", self.words()))
    }

    fn choices(self) -> Vec<Choice<'a>> {
        let mut choices = Vec::new();
        self.collect(&[], DEEPEST, &mut choices);
        choices
    }

    /// `inherited`: the types that a schema around this one allows.
    fn collect(self, inherited: &[&'a str], depth: usize, choices: &mut Vec<Choice<'a>>) {
        if choices.len() >= MOST_PARTS {
            return;
        }
        let all = self.all();
        let own = all.iter().map(|part| part.types()).find(|types| !types.is_empty());
        let types = own.unwrap_or_else(|| inherited.to_vec());
        let values = all.iter().map(|part| part.values()).find(|values| !values.is_empty()).unwrap_or_default();
        let alternatives = self.alternatives();
        // A schema may lead to itself.
        if depth > 0 && values.is_empty() && !alternatives.is_empty() {
            for schema in alternatives {
                schema.collect(&types, depth - 1, choices);
            }
            return;
        }
        let items = all.iter().find_map(|part| part.here.get("items")).map(|items| self.part(items));
        choices.push(Choice { types, values, items });
    }

    fn types(self) -> Vec<&'a str> {
        match &self.here["type"] {
            Value::String(one) => vec![one],
            Value::Array(several) => several.iter().filter_map(Value::as_str).take(MOST_WORDS).collect(),
            _ => Vec::new(),
        }
    }

    fn values(self) -> &'a [Value] {
        match (&self.here["enum"], self.here.get("const")) {
            (Value::Array(values), _) => values,
            (_, Some(only)) => std::slice::from_ref(only),
            _ => &[],
        }
    }
}

impl Choice<'_> {
    fn read_as(&self, name: &str, typed: &str) -> Option<String> {
        let json = typed.trim();
        match name {
            "integer" => {
                let digits = json.strip_prefix('-').unwrap_or(json);
                let is_integer = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
                (is_integer && serde_json::from_str::<&RawValue>(json).is_ok()).then(|| json.to_owned())
            }
            "number" => serde_json::from_str::<Number>(json).is_ok().then(|| json.to_owned()),
            "boolean" => matches!(json, "true" | "false").then(|| json.to_owned()),
            "null" => (json == "null").then(|| json.to_owned()),
            "array" if json.starts_with('[') => one_line(json).ok(),
            "array" => {
                let item = match self.items {
                    Some(items) => items.read(typed).ok()?,
                    None => quoted(typed),
                };
                Some(format!("[{item}]"))
            }
            "object" => one_line(json).ok().filter(|json| json.starts_with('{')),
            _ => None,
        }
    }
}

/// Whether a listed value is what was typed: a text as it is, anything else as JSON, where 1.0 is 1.
fn is_typed(value: &Value, typed: &str) -> bool {
    match value {
        Value::String(text) => text == typed,
        value => serde_json::from_str::<Value>(typed).is_ok_and(|typed| {
            typed == *value
                || typed.as_f64().zip(value.as_f64()).is_some_and(|(typed, value)| typed.total_cmp(&value).is_eq())
        }),
    }
}
