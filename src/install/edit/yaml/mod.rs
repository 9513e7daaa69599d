//! How does Goose's YAML get an extension, and lose it again? `shape` says where the extensions stand, `entry` which lines
//! of one change, `scalar` what one line says.
//!
//! Only the shape that Goose writes itself is edited: keys at the beginning of lines, one `extensions:` with a block of
//! keys below it, no tabs. There, lines can be put behind the key without a look at what follows. All else is refused.

mod entry;
mod scalar;
mod shape;
#[cfg(test)]
mod tests;

use entry::lines;
use shape::Shape;

use super::change::{Change, apply};
use super::layout::newline;
use super::{Piece, Refusal, Value, gone, uncertain};

type Set = (String, Option<Piece>, Option<String>);

pub(super) fn set(text: &str, section: &[&str], name: &str, entry: &Value) -> Result<Set, Refusal> {
    let section = section_name(section)?;
    let newline = newline(text, text.len());
    let shape = Shape::of(text, section)?;
    let Some(block) = &shape.block else {
        let lead = if text.is_empty() || text.ends_with('\n') { "" } else { newline };
        let inserted = format!("{lead}{section}:{newline}{}", lines("  ", name, entry, newline));
        let piece = Piece { inserted: inserted.clone(), removed: String::new(), sections: 1 };
        return checked(text, [text, &inserted].concat(), section, name, entry, Some(piece), None);
    };
    if let Some((_, range)) = block.entries.iter().find(|(key, _)| key == name) {
        let changes = entry::changes(text, range.clone(), entry, newline)
            .ok_or_else(|| Refusal::at(text, range.start, format!("the extension {name} has more than we can read")))?;
        let (result, before) = (apply(text, &changes), text[range.clone()].to_owned());
        let kept = |text: &str| {
            let range = Shape::of(text, section).ok()?.block?.range(name)?;
            Some(entry::kept(text, range, entry).concat())
        };
        if kept(text) != kept(&result) {
            return Err(uncertain());
        }
        return checked(text, result, section, name, entry, None, Some(before));
    }
    if block.entries.is_empty() {
        // No value, or braces: lines take the place of that.
        let removed = &text[block.key_end..block.start];
        let comment = text[block.braces_end.unwrap_or(block.key_end)..block.start].trim_end_matches(['\n', '\r']);
        let inserted = format!("{comment}{newline}{}", lines("  ", name, entry, newline));
        let result = apply(text, &[Change::replace(block.key_end..block.start, inserted.clone())]);
        let piece = Piece { inserted, removed: removed.to_owned(), sections: 0 };
        return checked(text, result, section, name, entry, Some(piece), None);
    }
    let inserted = lines(&block.indent, name, entry, newline);
    let result = apply(text, &[Change::insert(block.start, inserted.clone())]);
    let piece = Piece { inserted, removed: String::new(), sections: 0 };
    checked(text, result, section, name, entry, Some(piece), None)
}

fn checked(
    old: &str,
    new: String,
    section: &str,
    name: &str,
    entry: &Value,
    piece: Option<Piece>,
    before: Option<String>,
) -> Result<Set, Refusal> {
    let is_there = entries(&new, &[section])?.iter().any(|(key, found)| key == name && entry.is_in(found));
    if is_there && is_same_beside(old, &new, section, name) { Ok((new, piece, before)) } else { Err(uncertain()) }
}

/// Whether two texts differ in the lines of this extension only, or in the section that it is alone in.
fn is_same_beside(old: &str, new: &str, section: &str, name: &str) -> bool {
    let rest = |text: &str| -> Option<String> {
        let shape = Shape::of(text, section).ok()?;
        let Some(block) = shape.block else { return Some(text.trim_end().to_owned()) };
        let is_alone = block.entries.iter().all(|(key, _)| key == name);
        let braces = block.braces_end.map(|end| block.key_end..end);
        let pieces = braces.into_iter().chain(block.range(name));
        let rest = apply(text, &pieces.map(|range| Change::replace(range, "")).collect::<Vec<_>>());
        Some(if is_alone {
            rest.trim_end().trim_end_matches(&format!("{section}:")).trim_end().to_owned()
        } else {
            rest
        })
    };
    rest(old).is_some_and(|old| rest(new).is_some_and(|new| old == new))
}

pub(super) fn remove(text: &str, section: &[&str], name: &str, piece: Option<&Piece>) -> Result<String, Refusal> {
    let section = section_name(section)?;
    let shape = Shape::of(text, section)?;
    let Some(block) = shape.block else { return Err(gone()) };
    let Some(range) = block.range(name) else { return Err(gone()) };
    if let Some(Piece { inserted, removed, .. }) = piece
        && let [start] = text.match_indices(inserted.as_str()).map(|(at, _)| at).collect::<Vec<_>>()[..]
    {
        let result = apply(text, &[Change::replace(start..start + inserted.len(), removed)]);
        let is_gone = entries(&result, &[section]).is_ok_and(|all| all.iter().all(|(key, _)| key != name));
        if is_gone && is_same_beside(&result, text, section, name) {
            return Ok(result);
        }
    }
    // An empty block would be `null`, which is another thing than no extensions.
    let braces = (block.entries.len() == 1).then(|| Change::insert(block.key_end, " {}"));
    let result = apply(text, &braces.into_iter().chain([Change::replace(range, "")]).collect::<Vec<_>>());
    if is_same_beside(&result, text, section, name) { Ok(result) } else { Err(uncertain()) }
}

pub(super) fn restore(text: &str, section: &[&str], name: &str, before: &str) -> Result<String, Refusal> {
    let section = section_name(section)?;
    let block = Shape::of(text, section)?.block;
    let range = block.and_then(|block| block.range(name)).ok_or_else(gone)?;
    let result = apply(text, &[Change::replace(range, before)]);
    if is_same_beside(&result, text, section, name) { Ok(result) } else { Err(uncertain()) }
}

pub(super) fn entries(text: &str, section: &[&str]) -> Result<Vec<(String, Value)>, Refusal> {
    let block = Shape::of(text, section_name(section)?)?.block;
    let entries = block.into_iter().flat_map(|block| block.entries);
    Ok(entries.map(|(name, range)| (name, entry::read(text, range))).collect())
}

pub(super) fn snippet(section: &[&str], name: &str, entry: &Value) -> String {
    format!("{}:\n{}", section.join("."), lines("  ", name, entry, "\n"))
}

fn section_name<'a>(section: &[&'a str]) -> Result<&'a str, Refusal> {
    section.first().copied().ok_or_else(uncertain)
}
