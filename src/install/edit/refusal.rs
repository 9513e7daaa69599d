//! Why is a file left as it is, and where is the place that stands in the way?

use std::ops::Range;

use crate::log;

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
            text: crate::log::foreign(&excerpt(&text[start..end], at - start)),
        }
    }
}

/// How many bytes are shown before and behind a place.
const AROUND: usize = 24;

/// A few characters of a line around a place, without values: nobody knows which of them are secrets in a text that
/// cannot be read.
fn excerpt(line: &str, at: usize) -> String {
    let pieces = pieces(line);
    // Then nobody knows what is within quotes.
    let touches = |pair: &[LinePiece]| {
        let is_string = |piece: &LinePiece| matches!(piece.kind, Kind::Text | Kind::Open);
        let is_mark = |piece: &LinePiece| piece.kind == Kind::Mark;
        !is_mark(&pair[0]) && !is_mark(&pair[1]) && (is_string(&pair[0]) || is_string(&pair[1]))
    };
    let is_uneven = pieces.iter().any(|piece| piece.kind == Kind::Open) || pieces.windows(2).any(touches);
    let is_secret = |name: &str| log::is_secret(name, "");
    let mut shown = String::new();
    let (mut name, mut end) = ("", 0);
    for (nth, piece) in pieces.iter().enumerate() {
        let text = &line[piece.range.clone()];
        let mut behind = pieces[nth + 1..].iter().map(|piece| &line[piece.range.clone()]);
        let is_name = behind.find(|text| !text.trim().is_empty()).is_some_and(|text| [":", "="].contains(&text));
        let masked = match piece.kind {
            Kind::Mark => text,
            Kind::Text | Kind::Word if is_name && !is_uneven => {
                name = text.trim_matches(['"', '\'']);
                text
            }
            Kind::Text => "\"***\"",
            Kind::Open => "\"***",
            Kind::Word if is_uneven || is_secret(name) || log::is_secret("", text) => "***",
            Kind::Word => text,
        };
        if [",", "{", "["].contains(&text) {
            name = "";
        }
        if piece.range.end + AROUND >= at && piece.range.start <= at + AROUND {
            if shown.is_empty() && piece.range.start > 0 {
                shown.push('…');
            }
            // A long run of words is cut too.
            let near = masked.char_indices().map(|(at, _)| at).nth(2 * AROUND).unwrap_or(masked.len());
            shown.push_str(&masked[..near]);
            end = piece.range.end;
        }
    }
    if end < line.len() {
        shown.push('…');
    }
    shown
}

/// What a piece of a line is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// A string in quotes.
    Text,
    /// A string whose end is not in this line.
    Open,
    /// Letters and digits, and what may be within a secret.
    Word,
    /// One other character.
    Mark,
}

#[derive(Debug)]
struct LinePiece {
    kind: Kind,
    range: Range<usize>,
}

fn pieces(line: &str) -> Vec<LinePiece> {
    let mut pieces = Vec::new();
    let mut at = 0;
    let is_word = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || "_-./+~$%".contains(c);
    while let Some(first) = line[at..].chars().next() {
        let rest = &line[at..];
        let (kind, length) = if first == '"' || first == '\'' {
            let mut is_escaped = false;
            let end = rest.char_indices().skip(1).find(|(_, c)| {
                let is_end = *c == first && !is_escaped;
                is_escaped = *c == '\\' && !is_escaped;
                is_end
            });
            end.map_or((Kind::Open, rest.len()), |(end, _)| (Kind::Text, end + 1))
        } else if is_word(first) {
            (Kind::Word, rest.find(|c| !is_word(c)).unwrap_or(rest.len()))
        } else {
            (Kind::Mark, first.len_utf8())
        };
        pieces.push(LinePiece { kind, range: at..at + length });
        at += length;
    }
    pieces
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

    #[test]
    fn a_line_is_shown_around_the_place_and_without_values() {
        for (line, at, shown) in [
            (r#"{"primaryKey": "abc12345", x"#, 27, r#"…"primaryKey": "***", x"#),
            (r#"{"a": "one" "token": 'two'"#, 12, r#"{"a": "***" "token": "***""#),
            (r#"{"a: "one", "token": "two"#, 12, r#"{"***"***"***"***"***"***"#),
            ("token = hunter2", 8, "token = ***"),
            ("model = ", 8, "model = "),
            ("Authorization: Bearer abc", 3, "Authorization: *** ***"),
            ("a: 8f14e45fceea167a5a36dedd4bea2543", 3, "a: ***"),
            ("\"servers\": [ 1, 2 }", 18, "\"servers\": [ 1, 2 }"),
        ] {
            assert_eq!(excerpt(line, at), shown, "{line}");
        }
        let long = format!("{{{}x{}", "\"a\": 1, ".repeat(50), ", \"b\": 2".repeat(50));
        let shown = excerpt(&long, 401);
        assert!(shown.len() < 90 && shown.starts_with('…') && shown.ends_with('…') && shown.contains('x'), "{shown}");
    }
}
