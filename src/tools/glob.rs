//! Does a tool's name match a pattern?

use std::fmt;

/// A pattern for a tool's whole name. `*` matches any number of characters; case is ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    typed: String,
    /// The texts between the stars, in lower case. There is at least one.
    parts: Vec<String>,
}

impl Glob {
    /// Reads what was typed.
    pub fn parse(typed: &str) -> Result<Self, String> {
        if typed.trim().is_empty() {
            return Err("a pattern for tools is empty; `*` matches all tools".to_owned());
        }
        let parts = typed.trim().to_lowercase().split('*').map(str::to_owned).collect();
        Ok(Self { typed: typed.trim().to_owned(), parts })
    }

    /// Whether the pattern matches the whole name.
    pub fn matches(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        let Some((first, others)) = self.parts.split_first() else { return false };
        let Some((last, between)) = others.split_last() else { return name == *first };
        let Some(mut rest) = name.strip_prefix(first.as_str()).and_then(|rest| rest.strip_suffix(last.as_str())) else {
            return false;
        };
        // The first match of each part leaves the most text for the parts after it.
        between.iter().all(|part| match rest.split_once(part.as_str()) {
            Some((_, after)) => {
                rest = after;
                true
            }
            None => false,
        })
    }
}

/// As it was typed.
impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.typed)
    }
}
