//! How does a text of JSON get an entry, and lose it again? `parse` says what stands where, `insert` and `remove` which
//! pieces change, `write` how ours is spelled; `read` compares the result with what was there.

mod insert;
mod parse;
mod read;
mod remove;
#[cfg(test)]
mod tests;
mod write;

use parse::{Document, Kind, Member, Node, Syntax};
use write::Style;

use super::change::{Change, apply};
use super::{Grammar, Piece, Refusal, Value, gone, uncertain};

pub(super) use remove::remove;

/// A text with an entry, the piece that was inserted, the entry that was there before.
type Set = (String, Option<Piece>, Option<String>);

/// The text with this entry at this path. What the entry of now has besides stays.
pub(super) fn set(text: &str, grammar: Grammar, path: &[&str], entry: &Value) -> Result<Set, Refusal> {
    let document = read(text, grammar)?;
    let old = locate(&document, text, path)?;
    let (result, piece, before) = if let Found::All(node) = old {
        let before = &text[node.span.clone()];
        (merge(text, grammar, path, entry)?, None, Some(before.to_owned()))
    } else {
        let (changes, piece) = insert::insert(text, &document, &old, path, entry);
        (apply(text, &changes), Some(piece), None)
    };
    check(text, &result, grammar, path, Some(entry))?;
    Ok((result, piece, before))
}

/// Brings an entry that is there in line with this one, value by value, so that all else in it stays as it is spelled.
fn merge(text: &str, grammar: Grammar, path: &[&str], wanted: &Value) -> Result<String, Refusal> {
    let mut text = text.to_owned();
    let document = read(&text, grammar)?;
    let Found::All(node) = locate(&document, &text, path)? else {
        let wanted = &wanted.without_gone();
        if matches!(wanted, Value::Gone) || matches!(wanted, Value::Table(members) if members.is_empty()) {
            return Ok(text);
        }
        let old = locate(&document, &text, path)?;
        let changes = insert::insert(&text, &document, &old, path, wanted).0;
        return Ok(apply(&text, &changes));
    };
    if *wanted == Value::Gone {
        return remove::remove(&text, grammar, path, None);
    }
    if wanted.is_in(&node.value(&text)) {
        return Ok(text);
    }
    if let (Value::Table(members), Kind::Object(_)) = (wanted, &node.kind) {
        for (key, value) in members {
            let path: Vec<&str> = path.iter().copied().chain([key.as_str()]).collect();
            text = merge(&text, grammar, &path, value)?;
        }
        return Ok(text);
    }
    let spelled = insert::style(&text, &document, node).value(wanted, super::layout::indent(&text, node.span.start));
    Ok(apply(&text, &[Change::replace(node.span.clone(), spelled)]))
}

/// The text with another spelling of the value at this path.
pub(super) fn restore(text: &str, grammar: Grammar, path: &[&str], before: &str) -> Result<String, Refusal> {
    let document = read(text, grammar)?;
    let Found::All(node) = locate(&document, text, path)? else {
        return Err(gone());
    };
    let result = apply(text, &[Change::replace(node.span.clone(), before)]);
    check(text, &result, grammar, path, None)?;
    Ok(result)
}

/// The members of the object at this path.
pub(super) fn entries(text: &str, grammar: Grammar, path: &[&str]) -> Result<Vec<(String, Value)>, Refusal> {
    let document = read(text, grammar)?;
    let Found::All(node) = locate(&document, text, path)? else { return Ok(Vec::new()) };
    let Kind::Object(members) = &node.kind else { return Err(no_object(text, node, path.last())) };
    Ok(members.iter().map(|member| (member.name.clone(), member.value.value(text))).collect())
}

/// A file with this entry and nothing else.
pub(super) fn snippet(path: &[&str], entry: &Value) -> String {
    let style = Style { newline: "\n", unit: "  ", lines: true, compact: false };
    style.value(&insert::nested(path, entry), "")
}

fn read(text: &str, grammar: Grammar) -> Result<Document, Refusal> {
    parse::parse(text, grammar).map_err(|Syntax { at, reason }| Refusal::at(text, at, reason))
}

/// How far a path leads.
enum Found<'d> {
    /// To its end.
    All(&'d Node),
    /// To this object, which so many keys lead to.
    Part(&'d Node, usize),
    /// There is no root.
    Nothing,
}

fn locate<'d>(document: &'d Document, text: &str, path: &[&str]) -> Result<Found<'d>, Refusal> {
    let Some(mut node) = document.root.as_ref() else { return Ok(Found::Nothing) };
    for (depth, key) in path.iter().enumerate() {
        let Kind::Object(members) = &node.kind else {
            return Err(no_object(text, node, depth.checked_sub(1).and_then(|above| path.get(above))));
        };
        let mut found = members.iter().filter(|member| member.name == *key);
        let Some(first) = found.next() else { return Ok(Found::Part(node, depth)) };
        if let Some(again) = found.next() {
            return Err(Refusal::at(text, again.key.start, format!("the key \"{key}\" occurs twice")));
        }
        node = &first.value;
    }
    Ok(Found::All(node))
}

fn no_object(text: &str, node: &Node, key: Option<&&str>) -> Refusal {
    let what = key.map_or("the file".to_owned(), |key| format!("\"{key}\""));
    Refusal::at(text, node.span.start, format!("{what} is not an object but {}", node.noun(text)))
}

/// Whether `new` differs from `old` at this path only, where it has this entry.
fn check(old: &str, new: &str, grammar: Grammar, path: &[&str], entry: Option<&Value>) -> Result<(), Refusal> {
    let (before, after) = (read(old, grammar)?, read(new, grammar)?);
    let Some(root) = &after.root else { return Err(uncertain()) };
    let is_same = read::is_same_beside(before.root.as_ref().map(|root| (root, old)), (root, new), path)
        && read::comments_beside(&before, old, path) == read::comments_beside(&after, new, path);
    let is_there = entry
        .is_none_or(|entry| matches!(locate(&after, new, path), Ok(Found::All(node)) if entry.is_in(&node.value(new))));
    if is_same && is_there { Ok(()) } else { Err(uncertain()) }
}

/// The member with this name in an object.
fn position(members: &[Member], name: &str) -> Option<usize> {
    members.iter().position(|member| member.name == name)
}
