//! Why is a file left as it is, and where is the place that stands in the way?

/// Why a file cannot be edited with certainty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The reason, as a sentence without its full stop.
    pub reason: String,
    /// Where in the file.
    pub place: Option<Place>,
    /// What a person can add by hand, and where.
    pub snippet: Option<String>,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The line, counted from one.
    pub line: usize,
    /// The character in the line, counted from one.
    pub column: usize,
    /// The text of the line, shortened, safe to show.
    pub text: String,
}

impl Refusal {
    /// A refusal without a place.
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), place: None, snippet: None }
    }

    /// A refusal because of what stands at this byte of a text.
    pub(super) fn at(text: &str, at: usize, reason: impl Into<String>) -> Self {
        Self { place: Some(Place::of(text, at)), ..Self::new(reason) }
    }
}

/// The refusal to change an entry that is not there.
pub(super) fn gone() -> Refusal {
    Refusal::new("the entry is not there any more")
}

/// The refusal of a change whose result is not what it should be.
pub(super) fn uncertain() -> Refusal {
    Refusal::new("the change would not leave the rest of the file as it is")
}

impl Place {
    fn of(text: &str, at: usize) -> Self {
        let mut at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        let before = &text[..at];
        let breaks = before.match_indices(['\n', '\r']).filter(|(at, _)| !text[*at..].starts_with("\r\n"));
        let start = super::layout::line_start(text, at);
        let end = text[at..].find(['\n', '\r']).map_or(text.len(), |length| at + length);
        Self {
            line: breaks.count() + 1,
            column: text[start..at].chars().count() + 1,
            text: crate::log::foreign(&text[start..end]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_lines_of_every_kind_and_characters() {
        let text = "a\r\nb\rc\nä→x";
        let place = Refusal::at(text, text.len() - 1, "why").place.unwrap();
        assert_eq!((place.line, place.column, place.text.as_str()), (4, 3, "ä→x"));
        assert_eq!(Refusal::at("", 5, "why").place.map(|place| (place.line, place.column)), Some((1, 1)));
        assert_eq!(Refusal::at("ä", 1, "why").place.map(|place| place.column), Some(1), "inside of a character");
    }
}
