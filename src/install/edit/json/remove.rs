//! Which pieces of a text go with an entry?

use super::super::change::{Change, apply};
use super::parse::{Document, Member, Node};
use super::{Found, Grammar, Piece, Refusal, check, gone, locate, position, read, uncertain};

/// The text without the entry at this path; where the piece of its insertion still stands, without that piece. Sections
/// that were inserted with the entry go too, if there is nothing else in them.
pub(crate) fn remove(text: &str, grammar: Grammar, path: &[&str], piece: Option<&Piece>) -> Result<String, Refusal> {
    let document = read(text, grammar)?;
    if !matches!(locate(&document, text, path)?, Found::All(_)) {
        return Err(gone());
    }
    let root = document.root.as_ref().ok_or_else(uncertain)?;
    if let Some(rest) = piece.and_then(|piece| without_root(text, root, path, piece)) {
        return Ok(rest);
    }
    let sections = piece.map_or(0, |piece| piece.sections.min(path.len() - 1));
    let levels = (0..=sections).rev().map(|sections| &path[..path.len() - sections]);
    for path in levels.filter(|shorter| is_alone(root, shorter, path)) {
        let Some((object, at)) = object_of(root, path) else { continue };
        for changes in candidates(text, &document, object, at, piece) {
            let result = apply(text, &changes);
            if is_right(text, &result, grammar, path) {
                return Ok(result);
            }
        }
    }
    Err(uncertain())
}

/// Whether `old` is `new` with the member at this path.
fn is_right(old: &str, new: &str, grammar: Grammar, path: &[&str]) -> bool {
    let is_gone = read(new, grammar).is_ok_and(
        |new_document| matches!(locate(&new_document, new, path), Ok(Found::Part(_, depth)) if depth == path.len() - 1),
    );
    is_gone && check(new, old, grammar, path, None).is_ok()
}

/// The text that had no value at all before.
fn without_root(text: &str, root: &Node, path: &[&str], piece: &Piece) -> Option<String> {
    let start = text.len().checked_sub(piece.inserted.len())?;
    let is_whole = piece.sections == path.len() && text.is_char_boundary(start) && root.span.start >= start;
    (is_whole && text[start..] == piece.inserted).then(|| text[..start].to_owned())
}

/// Whether the objects below `shorter` have only one member each, on the way to the entry.
fn is_alone(root: &Node, shorter: &[&str], path: &[&str]) -> bool {
    let mut node = root;
    path.iter().enumerate().all(|(depth, key)| {
        let members = node.members();
        let Some(member) = position(members, key).map(|at| &members[at]) else { return false };
        node = &member.value;
        depth < shorter.len() || members.len() == 1
    })
}

/// The object with the last member of a path, and that member's place.
fn object_of<'d>(root: &'d Node, path: &[&str]) -> Option<(&'d Node, usize)> {
    let (last, above) = path.split_last()?;
    let mut node = root;
    for key in above {
        node = &node.members()[position(node.members(), key)?].value;
    }
    Some((node, position(node.members(), last)?))
}

/// The ways to take out a member, the best first: as it was inserted; with the white space before it; alone, where a
/// comment before it needs the end of its line.
fn candidates(text: &str, document: &Document, object: &Node, at: usize, piece: Option<&Piece>) -> Vec<Vec<Change>> {
    let members = object.members();
    let member = &members[at];
    let end = member.value.span.end;
    let comma = comma(members, at);
    let mut candidates = Vec::new();
    if let Some(piece) = piece
        && let Some(start) = start_of(text, member, piece)
    {
        let stop = start + piece.inserted.len();
        let mut changes = vec![Change::replace(start..stop, piece.removed.clone())];
        let has_own = piece.inserted.ends_with(',');
        match comma {
            // A trailing comma that was inserted with the member.
            Some(comma) if (start..stop).contains(&comma) => {}
            Some(comma) if !has_own => changes.push(Change::replace(comma..comma + 1, "")),
            None if members.len() == 1 => {}
            _ => changes.clear(),
        }
        if !changes.is_empty() {
            changes.sort_by_key(|change| change.range.start);
            candidates.push(changes);
        }
    }
    let before = previous_end(document, object, members, at);
    let commas = || comma.map(|comma| Change::replace(comma..comma + 1, ""));
    let with = |range: std::ops::Range<usize>| {
        let mut changes: Vec<_> = [Change::replace(range, "")].into_iter().chain(commas()).collect();
        changes.sort_by_key(|change| change.range.start);
        changes
    };
    let inner_end = object.span.end - 1;
    if members.len() == 1
        && comma.is_none()
        && before == object.span.start + 1
        && text[end..inner_end].trim().is_empty()
    {
        candidates.push(with(before..inner_end));
    }
    candidates.push(with(before..end));
    candidates.push(with(member.key.start..end));
    candidates
}

/// The comma that goes with a member: its own, or for the last one that of the member before.
fn comma(members: &[Member], at: usize) -> Option<usize> {
    members[at].comma.or_else(|| members[at.checked_sub(1)?].comma)
}

/// Where the piece of the insertion begins, if it stands around this member.
fn start_of(text: &str, member: &Member, piece: &Piece) -> Option<usize> {
    let own = &text[member.key.start..member.value.span.end];
    let start = member.key.start.checked_sub(piece.inserted.find(own)?)?;
    text.get(start..)?.starts_with(&piece.inserted).then_some(start)
}

/// Where the white space before a member begins.
fn previous_end(document: &Document, object: &Node, members: &[Member], at: usize) -> usize {
    let before = match at.checked_sub(1).map(|before| &members[before]) {
        Some(before) => before.comma.map_or(before.value.span.end, |comma| comma + 1),
        None => object.span.start + 1,
    };
    let key = members[at].key.start;
    let comments = document.comments.iter().map(|comment| comment.span.end);
    comments.filter(|end| (before..=key).contains(end)).max().unwrap_or(before)
}
