//! How is a value of ours spelled in JSON?

use crate::install::edit::Value;

/// How the file at hand is written.
#[derive(Debug, Clone)]
pub(super) struct Style<'t> {
    /// How a line ends.
    pub(super) newline: &'static str,
    /// By how much the members of an object stand further right.
    pub(super) unit: &'t str,
    /// Whether members stand on lines of their own.
    pub(super) lines: bool,
    /// Whether no space stands behind colons and commas.
    pub(super) compact: bool,
}

impl Style<'_> {
    /// The member of an object on a line with this indentation.
    pub(super) fn member(&self, key: &str, value: &Value, indent: &str) -> String {
        format!("{}{}{}", string(key), self.colon(), self.value(value, indent))
    }

    /// A value that begins on a line with this indentation.
    pub(super) fn value(&self, value: &Value, indent: &str) -> String {
        match value {
            Value::Text(text) => string(text),
            Value::Bool(truth) => truth.to_string(),
            Value::Other(spelled) => spelled.clone(),
            Value::Gone => String::new(),
            Value::List(items) => {
                let items: Vec<_> = items.iter().map(|item| self.value(item, indent)).collect();
                format!("[{}]", items.join(self.comma()))
            }
            Value::Table(members) if members.is_empty() => "{}".to_owned(),
            Value::Table(members) => {
                let inner = format!("{indent}{}", self.unit);
                let members = members.iter().map(|(key, value)| self.member(key, value, &inner));
                if self.lines {
                    let newline = self.newline;
                    let members: Vec<_> = members.collect();
                    let body = members.join(&format!(",{newline}{inner}"));
                    format!("{{{newline}{inner}{body}{newline}{indent}}}")
                } else {
                    let (open, close) = if self.compact { ("{", "}") } else { ("{ ", " }") };
                    format!("{open}{}{close}", members.collect::<Vec<_>>().join(self.comma()))
                }
            }
        }
    }

    fn colon(&self) -> &'static str {
        if self.compact { ":" } else { ": " }
    }

    fn comma(&self) -> &'static str {
        if self.compact { "," } else { ", " }
    }
}

/// A text as a JSON string. Characters beyond ASCII stay as they are.
fn string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
