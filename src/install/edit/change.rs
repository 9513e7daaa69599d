//! Which pieces of a text change? All others stay as they are, to the byte.

use std::ops::Range;

/// One piece of a text that another one takes the place of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    /// What goes.
    pub(super) range: Range<usize>,
    /// What comes.
    pub(super) text: String,
}

impl Change {
    pub(super) fn insert(at: usize, text: impl Into<String>) -> Self {
        Self { range: at..at, text: text.into() }
    }

    pub(super) fn replace(range: Range<usize>, text: impl Into<String>) -> Self {
        Self { range, text: text.into() }
    }
}

/// The text with these changes, which are in the order of the text and do not overlap.
pub(super) fn apply(text: &str, changes: &[Change]) -> String {
    let mut result = String::with_capacity(text.len() + changes.iter().map(|change| change.text.len()).sum::<usize>());
    let mut done = 0;
    for Change { range, text: new } in changes {
        result.push_str(&text[done..range.start]);
        result.push_str(new);
        done = range.end;
    }
    result.push_str(&text[done..]);
    result
}
