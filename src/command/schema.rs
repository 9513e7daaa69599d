//! What may an argument be, by the JSON Schema that a server gives for it? Values come as people type them, and leave
//! as JSON text.

use std::collections::HashMap;

use serde_json::value::RawValue;
use serde_json::{Number, Value};

use crate::log;
use crate::message::quoted;

/// How many references lead from one schema to another.
const MOST_REFERENCES: usize = 16;

/// How many alternatives within alternatives lead to the types of a schema. Each level may have several.
const DEEPEST: usize = 3;

/// How many arguments a signature shows, and how many values of one argument.
const MOST_ARGUMENTS: usize = 40;
const MOST_VALUES: usize = 6;

/// The longest default value that a signature shows.
const LONGEST_DEFAULT: usize = 24;

/// The longest names that are compared in search of the nearest one, and how many.
const LONGEST_NAME: usize = 64;
const MOST_COMPARED: usize = 10_000;

/// A schema, or a part of one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schema<'a> {
    root: &'a Value,
    here: &'a Value,
}

impl<'a> Schema<'a> {
    pub(super) fn new(root: &'a Value) -> Self {
        Self { root, here: root }
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

    /// The arguments, those that are required first.
    pub(super) fn properties(self) -> Vec<(&'a str, Self)> {
        let all = self.here["properties"].as_object().into_iter().flatten();
        let mut all: Vec<_> = all.map(|(name, schema)| (name.as_str(), self.part(schema))).collect();
        let required: HashMap<&str, usize> = self.required().into_iter().zip(0..).collect();
        all.sort_by_key(|(name, _)| required.get(name).copied().unwrap_or(usize::MAX));
        all
    }

    /// The names of the arguments that must be given.
    pub(super) fn required(self) -> Vec<&'a str> {
        let names = self.here["required"].as_array().into_iter().flatten();
        names.filter_map(Value::as_str).take(MOST_ARGUMENTS * 10).collect()
    }

    /// Whether arguments may have other names than those of the schema.
    pub(super) fn takes_others(self) -> bool {
        let has_none = self.here["properties"].as_object().is_none_or(serde_json::Map::is_empty);
        match &self.here["additionalProperties"] {
            Value::Bool(taken) => *taken,
            Value::Object(_) => true,
            _ => has_none,
        }
    }

    /// The names of the types that a value may have; empty if it may have any.
    fn types(self, depth: usize) -> Vec<&'a str> {
        let mut types: Vec<&str> = match &self.here["type"] {
            Value::String(one) => vec![one],
            Value::Array(several) => several.iter().filter_map(Value::as_str).take(MOST_VALUES).collect(),
            _ => Vec::new(),
        };
        if types.is_empty() && depth > 0 {
            let alternatives = ["anyOf", "oneOf", "allOf"].iter().filter_map(|name| self.here[*name].as_array());
            let alternatives = alternatives.flatten().take(MOST_VALUES);
            for schema in alternatives {
                types.extend(self.part(schema).types(depth - 1));
            }
            for value in self.values() {
                types.push(type_of(value));
            }
        }
        types.sort_unstable();
        types.dedup();
        types
    }

    /// The only values that are allowed; empty if the schema does not list them.
    fn values(self) -> &'a [Value] {
        match (&self.here["enum"], self.here.get("const")) {
            (Value::Array(values), _) => values,
            (_, Some(only)) => std::slice::from_ref(only),
            _ => &[],
        }
    }

    /// The type in words, for a signature.
    pub(super) fn words(self) -> String {
        self.words_to(2)
    }

    fn words_to(self, depth: usize) -> String {
        let values = self.values();
        if !values.is_empty() {
            let mut words: Vec<_> =
                values.iter().take(MOST_VALUES).map(|value| log::foreign_name(&value.to_string())).collect();
            words.extend((values.len() > MOST_VALUES).then(|| "…".to_owned()));
            return words.join(" | ");
        }
        let types = self.types(DEEPEST);
        let word = |name: &&str| match (*name, self.here.get("items")) {
            ("array", Some(items)) if depth > 0 => format!("{}[]", self.part(items).words_to(depth - 1)),
            (name, _) => log::foreign_name(name),
        };
        if types.is_empty() { "any".to_owned() } else { types.iter().map(word).collect::<Vec<_>>().join(" | ") }
    }

    /// The JSON text that a typed value means.
    pub(super) fn read(self, typed: &str) -> Result<String, String> {
        let allowed = self.types(DEEPEST);
        let values = self.values();
        let is_text = allowed.is_empty() || allowed.contains(&"string");
        let read = if is_text {
            Some(quoted(typed))
        } else {
            ["integer", "number", "boolean", "null", "array", "object"]
                .iter()
                .filter(|name| allowed.contains(name))
                .find_map(|name| self.read_as(name, typed))
        };
        let is_listed = |json: &String| {
            values.is_empty() || serde_json::from_str::<Value>(json).is_ok_and(|value| values.contains(&value))
        };
        read.filter(is_listed).ok_or_else(|| format!("must be {}", self.words()))
    }

    fn read_as(self, name: &str, typed: &str) -> Option<String> {
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
                let item = match self.here.get("items") {
                    Some(items) => self.part(items).read(typed).ok()?,
                    None => quoted(typed),
                };
                Some(format!("[{item}]"))
            }
            "object" => one_line(json).ok().filter(|json| json.starts_with('{')),
            _ => None,
        }
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
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

/// The name that is most like a mistyped one, if one is.
pub(super) fn nearest<'a>(typed: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = names.take(MOST_COMPARED).filter(|name| name.len() <= LONGEST_NAME && typed.len() <= LONGEST_NAME);
    let near = near.map(|name| (distance(&typed.to_lowercase(), &name.to_lowercase()), name));
    // A word of one letter is like every other one.
    let is_near = |(distance, name): &(usize, &str)| *distance <= 1 + name.len() / 4 && *distance < name.len();
    near.min().filter(is_near).map(|(_, name)| name)
}

/// How many letters must be changed, added or removed to make one word the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, another) in other.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *another);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn typed_values_have_the_types_of_the_schema() {
        for (schema, typed, read) in [
            (json!({"type": "string"}), "3", Some("\"3\"")),
            (json!({}), "true", Some("\"true\"")),
            (json!({"type": "integer"}), "3", Some("3")),
            (json!({"type": "integer"}), "98765432109876543210", Some("98765432109876543210")),
            (json!({"type": "integer"}), "3.5", None),
            (json!({"type": "integer"}), "three", None),
            (json!({"type": "number"}), "-3.50", Some("-3.50")),
            (json!({"type": "boolean"}), "true", Some("true")),
            (json!({"type": "boolean"}), "yes", None),
            (json!({"type": ["integer", "null"]}), "null", Some("null")),
            (json!({"anyOf": [{"type": "integer"}, {"type": "null"}]}), "4", Some("4")),
            (json!({"type": ["string", "null"]}), "null", Some("\"null\"")),
            (json!({"type": "array", "items": {"type": "integer"}}), "7", Some("[7]")),
            (json!({"type": "array", "items": {"type": "integer"}}), "[7,\n8]", Some("[7, 8]")),
            (json!({"type": "object"}), "{\"a\": 1}", Some("{\"a\": 1}")),
            (json!({"type": "object"}), "a", None),
            (json!({"enum": ["red", "green"]}), "red", Some("\"red\"")),
            (json!({"enum": ["red", "green"]}), "blue", None),
            (json!({"enum": [1, 2]}), "2", Some("2")),
        ] {
            assert_eq!(Schema::new(&schema).read(typed).ok().as_deref(), read, "{typed} as {schema}");
        }
    }

    #[test]
    fn a_signature_has_required_arguments_first() {
        let schema = json!({
            "properties": {
                "b": {"type": "integer", "default": 1},
                "z": {"$ref": "#/$defs/Colour"},
                "a": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["z"],
            "$defs": {"Colour": {"enum": ["red", "green"]}},
        });
        let shown = signature("paint", Schema::new(&schema));
        assert_eq!(shown, r#"paint(z: "red" | "green", a?: string[], b?: integer = 1)"#);
    }

    #[test]
    fn a_schema_that_leads_to_itself_ends() {
        let schema =
            json!({"properties": {"a": {"$ref": "#/properties/a"}, "b": {"anyOf": [{"$ref": "#/properties/b"}]}}});
        assert_eq!(signature("x", Schema::new(&schema)), "x(a?: any, b?: any)");
    }

    #[test]
    fn the_nearest_name_is_one_that_can_be_meant() {
        let names = || ["search", "fetch", "delete"].into_iter();
        assert_eq!(nearest("serach", names()), Some("search"));
        assert_eq!(nearest("Fetch", names()), Some("fetch"));
        assert_eq!(nearest("upload", names()), None);
        assert_eq!(nearest("c", ["a", "b"].into_iter()), None);
    }
}
