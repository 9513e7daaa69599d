//! Where does a new member of an object go, and what does it look like there?

use super::super::layout::{indent, is_first_on_line, line_start, newline};
use super::parse::{Comment, Document, Member, Node};
use super::write::Style;
use super::{Change, Found, Piece, Value};

/// The changes that give a text this entry, and their main piece. The comma that ends the member before is a change of
/// its own, because comments may stand between the two.
pub(super) fn insert(
    text: &str,
    document: &Document,
    found: &Found<'_>,
    path: &[&str],
    entry: &Value,
) -> (Vec<Change>, Piece) {
    let (object, depth) = match found {
        Found::Part(object, depth) => (*object, *depth),
        Found::Nothing | Found::All(_) => return into_nothing(text, path, entry),
    };
    let (key, value) = (path[depth], nested(&path[depth + 1..], entry));
    let sections = path.len() - depth - 1;
    let style = style(text, document, object);
    let (comma, main) = match object.members().last() {
        None => (None, into_empty(text, document, object, &style, key, &value)),
        Some(last) => behind(text, document, (object, last), &style, key, &value),
    };
    let removed = text[main.range.clone()].to_owned();
    let piece = Piece { inserted: main.text.clone(), removed, sections };
    (comma.into_iter().chain([main]).collect(), piece)
}

/// The entry with the objects around it that this path names.
pub(super) fn nested(path: &[&str], entry: &Value) -> Value {
    path.iter().rev().fold(entry.clone(), |value, key| Value::Table(vec![((*key).to_owned(), value)]))
}

/// A text without a value.
fn into_nothing(text: &str, path: &[&str], entry: &Value) -> (Vec<Change>, Piece) {
    let newline = newline(text, text.len());
    let style = Style { newline, unit: "  ", lines: true, compact: false };
    let lead = if line_start(text, text.len()) == text.len() { "" } else { newline };
    let inserted = format!("{lead}{}{newline}", style.value(&nested(path, entry), ""));
    let piece = Piece { inserted: inserted.clone(), removed: String::new(), sections: path.len() };
    (vec![Change::insert(text.len(), inserted)], piece)
}

/// How the members of this object are written, or would be.
pub(super) fn style<'t>(text: &'t str, document: &Document, object: &Node) -> Style<'t> {
    let root = document.root.as_ref();
    let units = [Some(object), root].into_iter().flatten().find_map(|object| {
        let first = object.members().iter().find(|member| is_first_on_line(text, member.key.start))?;
        let (inner, outer) = (indent(text, first.key.start), indent(text, object.span.start));
        inner.strip_prefix(outer).filter(|unit| !unit.is_empty())
    });
    let is_minified = !text.trim().contains(['\n', '\r']);
    let sibling = object.members().last().or_else(|| root.and_then(|root| root.members().first()));
    Style {
        newline: newline(text, object.span.start),
        unit: units.unwrap_or("  "),
        lines: match object.members() {
            [] => !is_minified || root.is_some_and(|root| root.members().is_empty()),
            members => members.iter().any(|member| starts_line_in(text, object, member)),
        },
        compact: sibling.is_some_and(|member| &text[member.key.end..member.value.span.start] == ":"),
    }
}

/// Whether a member stands on a line of its own, after that on which the object begins.
fn starts_line_in(text: &str, object: &Node, member: &Member) -> bool {
    line_start(text, member.key.start) > object.span.start && is_first_on_line(text, member.key.start)
}

fn into_empty(text: &str, document: &Document, object: &Node, style: &Style<'_>, key: &str, value: &Value) -> Change {
    let inner = object.span.start + 1..object.span.end - 1;
    let last = document.comments.iter().rfind(|comment| inner.contains(&comment.span.start));
    let start = last.map_or(inner.start, |comment| comment.span.end);
    if !style.lines {
        return Change::insert(start, style.member(key, value, ""));
    }
    let outer = indent(text, object.span.start);
    let indent = format!("{outer}{}", style.unit);
    let newline = style.newline;
    let body = format!("{newline}{indent}{}", style.member(key, value, &indent));
    if text[start..inner.end].contains(['\n', '\r']) {
        Change::insert(start, body)
    } else {
        Change::replace(start..inner.end, format!("{body}{newline}{outer}"))
    }
}

/// The comma, if it is missing, and the member.
fn behind(
    text: &str,
    document: &Document,
    (object, last): (&Node, &Member),
    style: &Style<'_>,
    key: &str,
    value: &Value,
) -> (Option<Change>, Change) {
    let is_own = starts_line_in(text, object, last);
    let end = last.comma.map_or(last.value.span.end, |comma| comma + 1);
    let (tail, is_line) = tail(text, &document.comments, end);
    let lines = is_own || is_line;
    let outer = indent(text, object.span.start);
    let indent = if is_own { indent(text, last.key.start).to_owned() } else { format!("{outer}{}", style.unit) };
    let style = Style { lines, ..style.clone() };
    let lead = match (lines, style.compact) {
        (true, _) => format!("{}{indent}", style.newline),
        (false, true) => String::new(),
        (false, false) => " ".to_owned(),
    };
    let trailing = if last.comma.is_some() { "," } else { "" };
    let main = format!("{lead}{}{trailing}", style.member(key, value, &indent));
    let comma = last.comma.is_none().then(|| Change::insert(last.value.span.end, ","));
    (comma, Change::insert(tail, main))
}

/// The end of the comments that follow on the same line, and whether the last of them goes to the end of the line.
fn tail(text: &str, comments: &[Comment], start: usize) -> (usize, bool) {
    let first = comments.partition_point(|comment| comment.span.start < start);
    let (mut end, mut is_line) = (start, false);
    for comment in &comments[first..] {
        let gap = &text[end..comment.span.start];
        if !gap.chars().all(|c| c == ' ' || c == '\t') {
            break;
        }
        (end, is_line) = (comment.span.end, comment.is_line);
    }
    (end, is_line)
}
