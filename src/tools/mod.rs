//! Which of the server's tools may the client see and call, and which of its calls are safe to repeat? No I/O.
//!
//! The [`Rules`] are what the user wants; the [`Filter`] applies them to messages in both directions. JSON has many
//! spellings for one name, and a member can be given twice. So a call is judged by every name that some server could
//! read in it, and refused where those names differ.

mod call;
mod filter;
mod list;
mod repeat;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use filter::{Filter, ListRequest, OwnList, Verdict, not_available};
pub use list::ListPages;
pub use repeat::SafeTools;

/// What `--allow-tool`, `--ignore-tool` and `--read-only` mean together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// A tool's name must match one of these patterns, if there are any.
    pub allow: Vec<Glob>,
    /// A tool's name must match none of these patterns.
    pub ignore: Vec<Glob>,
    /// Only tools whose `annotations.readOnlyHint` is `true`.
    pub read_only: bool,
}

impl Rules {
    /// The rules; `None` if there are none. An empty pattern is an error: it would match no tool, which is never meant.
    pub fn parse(allow: &[String], ignore: &[String], read_only: bool) -> Result<Option<Self>, String> {
        let globs = |typed: &[String]| typed.iter().map(|text| Glob::parse(text)).collect::<Result<Vec<_>, _>>();
        let rules = Self { allow: globs(allow)?, ignore: globs(ignore)?, read_only };
        Ok((rules != Self::default()).then_some(rules))
    }

    /// Whether a tool is hidden. `is_read_only`: the server declares it so.
    pub fn hide(&self, name: &str, is_read_only: bool) -> bool {
        self.against(name).is_some() || (self.read_only && !is_read_only)
    }

    /// Why no tool of this name may be used, whatever its annotations say.
    fn against(&self, name: &str) -> Option<String> {
        if let Some(glob) = self.ignore.iter().find(|glob| glob.matches(name)) {
            return Some(format!("--ignore-tool {} hides it", glob.typed));
        }
        let unlisted = !self.allow.is_empty() && !self.allow.iter().any(|glob| glob.matches(name));
        unlisted.then(|| "no --allow-tool allows it".to_owned())
    }
}

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

/// Counts how often the server's tools may have changed. The task that reads the server's messages adds to the count;
/// the [`Filter`] reads it, and no longer uses what it learned before the last change. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Changes(Arc<AtomicU64>);

impl Changes {
    /// `notifications/tools/list_changed` came, or a new session began.
    pub fn note(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests;
