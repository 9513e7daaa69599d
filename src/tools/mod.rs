//! Which of the server's tools may the client see and call? No I/O.
//!
//! The [`Rules`] are what the user said; the [`Filter`] applies them to messages in both directions. Names stand in
//! JSON, which has many spellings for one name and lets a member be given twice, so a call is judged by every name that
//! some server could read in it, and refused where those differ.

mod call;
mod filter;
mod glob;
mod list;
mod members;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use filter::{Asked, Filter, OwnList, Verdict};
pub use glob::Glob;

/// What `--allow-tool`, `--ignore-tool` and `--read-only` say together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// If there are any, a tool's name must match one of them.
    pub allow: Vec<Glob>,
    /// A tool's name must match none of them.
    pub ignore: Vec<Glob>,
    /// Only tools whose `annotations.readOnlyHint` is `true`.
    pub read_only: bool,
}

impl Rules {
    /// The rules, if there are any. Wrong is only an empty pattern: it would match nothing, which nobody means.
    pub fn parse(allow: &[String], ignore: &[String], read_only: bool) -> Result<Option<Self>, String> {
        let globs = |typed: &[String]| typed.iter().map(|text| Glob::parse(text)).collect::<Result<Vec<_>, _>>();
        let rules = Self { allow: globs(allow)?, ignore: globs(ignore)?, read_only };
        Ok((rules != Self::default()).then_some(rules))
    }

    /// Why no tool of this name may be used, whatever its annotations say.
    fn against(&self, name: &str) -> Option<String> {
        if let Some(glob) = self.ignore.iter().find(|glob| glob.matches(name)) {
            return Some(format!("--ignore-tool {glob} hides it"));
        }
        let unlisted = !self.allow.is_empty() && !self.allow.iter().any(|glob| glob.matches(name));
        unlisted.then(|| "no --allow-tool allows it".to_owned())
    }
}

/// Counts how often the server's tools may have changed: what was learned of them before counts no more. Shared by
/// whoever hears of a change and the [`Filter`]. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Changes(Arc<AtomicU64>);

impl Changes {
    /// `notifications/tools/list_changed` came, or the session is another.
    pub fn note(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests;
