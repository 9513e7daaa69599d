//! What does a node say, and are two nodes spelled alike?

use super::parse::{Document, Kind, Member, Node};
use crate::install::edit::Value;

impl Node {
    /// The members of an object.
    pub(super) fn members(&self) -> &[Member] {
        let Kind::Object(members) = &self.kind else { return &[] };
        members
    }

    pub(super) fn value(&self, text: &str) -> Value {
        match &self.kind {
            Kind::Text(text) => Value::Text(text.clone()),
            Kind::Array(items) => Value::List(items.iter().map(|item| item.value(text)).collect()),
            Kind::Object(members) => {
                Value::Table(members.iter().map(|member| (member.name.clone(), member.value.value(text))).collect())
            }
            Kind::Plain => match &text[self.span.clone()] {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                other => Value::Other(other.to_owned()),
            },
        }
    }

    /// What it is, for a sentence.
    pub(super) fn noun(&self, text: &str) -> String {
        match &self.kind {
            Kind::Object(_) => "an object".to_owned(),
            Kind::Array(_) => "an array".to_owned(),
            Kind::Text(_) => "a string".to_owned(),
            Kind::Plain if text[self.span.clone()].starts_with(|c: char| c.is_alphabetic()) => {
                text[self.span.clone()].to_owned()
            }
            Kind::Plain => "a number".to_owned(),
        }
    }
}

/// Whether `new` is `old` with something added or changed at this path, and nothing else: keys in the same order,
/// numbers and strings spelled alike. `None` stands for what is not there yet.
pub(super) fn is_same_beside(old: Option<(&Node, &str)>, new: (&Node, &str), path: &[&str]) -> bool {
    let Some((key, rest)) = path.split_first() else { return true };
    let members = match old {
        Some((Node { kind: Kind::Object(members), .. }, _)) => members.as_slice(),
        Some(_) => return false,
        None => &[],
    };
    let (old_text, (Node { kind: Kind::Object(new_members), .. }, new_text)) = (old.map_or("", |(_, text)| text), new)
    else {
        return false;
    };
    let others = |members: &'_ [Member]| -> Vec<usize> {
        members.iter().enumerate().filter(|(_, member)| member.name != *key).map(|(at, _)| at).collect()
    };
    let (old_others, new_others) = (others(members), others(new_members));
    let are_same = old_others.len() == new_others.len()
        && old_others
            .iter()
            .zip(&new_others)
            .all(|(old, new)| is_same_member((&members[*old], old_text), (&new_members[*new], new_text)));
    let on_path = |members: &'_ [Member]| -> Vec<usize> {
        members.iter().enumerate().filter(|(_, member)| member.name == *key).map(|(at, _)| at).collect()
    };
    are_same
        && match (on_path(members).as_slice(), on_path(new_members).as_slice()) {
            ([], []) => true,
            ([], [new]) => is_same_beside(None, (&new_members[*new].value, new_text), rest),
            ([old], [new]) => {
                is_same_beside(Some((&members[*old].value, old_text)), (&new_members[*new].value, new_text), rest)
            }
            _ => false,
        }
}

fn is_same_member((old, old_text): (&Member, &str), (new, new_text): (&Member, &str)) -> bool {
    old_text[old.key.clone()] == new_text[new.key.clone()] && is_same((&old.value, old_text), (&new.value, new_text))
}

fn is_same((old, old_text): (&Node, &str), (new, new_text): (&Node, &str)) -> bool {
    match (&old.kind, &new.kind) {
        (Kind::Object(old), Kind::Object(new)) => {
            old.len() == new.len()
                && old.iter().zip(new).all(|(old, new)| is_same_member((old, old_text), (new, new_text)))
        }
        (Kind::Array(old), Kind::Array(new)) => {
            old.len() == new.len() && old.iter().zip(new).all(|(old, new)| is_same((old, old_text), (new, new_text)))
        }
        (Kind::Text(_), Kind::Text(_)) | (Kind::Plain, Kind::Plain) => {
            old_text[old.span.clone()] == new_text[new.span.clone()]
        }
        _ => false,
    }
}

/// The comments that do not stand within the member at this path.
pub(super) fn comments_beside<'t>(document: &Document, text: &'t str, path: &[&str]) -> Vec<&'t str> {
    let (mut node, mut found) = (document.root.as_ref(), None);
    for key in path {
        found = node.and_then(|node| node.members().iter().find(|member| member.name == *key));
        node = found.map(|member| &member.value);
    }
    let inner = found.map_or(0..0, |member| member.key.start..member.value.span.end);
    let beside = document.comments.iter().filter(|comment| !inner.contains(&comment.span.start));
    beside.map(|comment| &text[comment.span.clone()]).collect()
}
