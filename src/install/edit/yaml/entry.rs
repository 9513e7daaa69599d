//! What do the lines of an extension say, and which of them change so that it says something else?

use std::ops::Range;

use super::super::Value;
use super::super::change::Change;
use super::scalar::{key, key_and_rest, scalar, spelled, token};

/// A key of an extension.
struct Member {
    key: String,
    value: Value,
    /// Its lines.
    lines: Range<usize>,
    /// What stands on the line of the key; an empty range behind the colon if nothing does. `None` if it does not end there.
    token: Option<Range<usize>>,
    /// Where the line below the key begins.
    below: usize,
    /// How far its other lines are indented, if there are any.
    depth: Option<usize>,
    /// Whether comments stand between its lines.
    has_comments: bool,
}

/// What the lines of an extension say, as far as they are as simple as ours.
pub(super) fn read(text: &str, range: Range<usize>) -> Value {
    let members = members(text, range).0;
    Value::Table(members.into_iter().map(|member| (member.key, member.value)).collect())
}

/// The lines of the keys that a value does not have.
pub(super) fn kept<'t>(text: &'t str, range: Range<usize>, value: &Value) -> Vec<&'t str> {
    let kept = members(text, range).0.into_iter().filter(|member| value.get(&member.key).is_none());
    kept.map(|member| &text[member.lines]).collect()
}

/// The lines of an extension.
pub(super) fn lines(indent: &str, name: &str, entry: &Value, newline: &str) -> String {
    let entry = entry.without_gone();
    let members =
        entry.members().iter().map(|(name, value)| member_lines(&format!("{indent}  "), name, value, newline));
    format!("{indent}{}:{newline}{}", key(name), members.collect::<String>())
}

fn member_lines(indent: &str, name: &str, value: &Value, newline: &str) -> String {
    let below = below(indent, indent, value, newline);
    if below.is_empty() {
        format!("{indent}{}: {}{newline}", key(name), spelled(value))
    } else {
        format!("{indent}{}:{newline}{below}", key(name))
    }
}

/// The lines below the key of a list or a table.
fn below(indent: &str, of_items: &str, value: &Value, newline: &str) -> String {
    let lines: Vec<_> = match value {
        Value::List(items) => items.iter().map(|item| format!("{of_items}- {}{newline}", spelled(item))).collect(),
        Value::Table(members) => {
            let line =
                |(name, value): &(String, Value)| format!("{indent}  {}: {}{newline}", key(name), spelled(value));
            members.iter().map(line).collect()
        }
        _ => Vec::new(),
    };
    lines.concat()
}

/// What changes so that an extension has all of this; `None` if that is not certain.
pub(super) fn changes(text: &str, range: Range<usize>, wanted: &Value, newline: &str) -> Option<Vec<Change>> {
    let (members, true) = members(text, range.clone()) else { return None };
    let header = &text[range.start..];
    let outer = header.len() - header.trim_start_matches(' ').len();
    let depth = |member: &Member| {
        let line = &text[member.lines.clone()];
        line.len() - line.trim_start_matches(' ').len()
    };
    let indent = " ".repeat(members.first().map_or(outer + 2, depth));
    let behind = range.start + text[range].find('\n')? + 1;
    let (mut changes, mut missing) = (Vec::new(), String::new());
    for (name, value) in wanted.members() {
        let Some(member) = members.iter().find(|member| member.key == *name) else {
            if *value != Value::Gone && !value.is_nothing() {
                missing += &member_lines(&indent, name, &value.without_gone(), newline);
            }
            continue;
        };
        if *value == Value::Gone {
            changes.push(Change::replace(member.lines.clone(), ""));
        } else if !value.is_in(&member.value) {
            changes.extend(member.becomes(text, value, &indent, newline)?);
        }
    }
    changes.extend((!missing.is_empty()).then(|| Change::insert(behind, missing)));
    changes.sort_by_key(|change| (change.range.start, change.range.end));
    Some(changes)
}

impl Member {
    /// What changes so that it has this value. Its comment stays.
    fn becomes(&self, text: &str, value: &Value, indent: &str, newline: &str) -> Option<Vec<Change>> {
        let token = self.token.clone()?;
        let old = &text[token.clone()];
        let is_list = matches!(value, Value::List(_));
        // What has an anchor may be meant elsewhere too.
        if self.has_comments || old.starts_with(['&', '!', '|', '>', '*']) {
            return None;
        }
        if let Some(depth) = self.depth {
            return match (value, &self.value) {
                (Value::Table(wanted), Value::Table(there)) => {
                    let goes = |(name, _): &(String, Value)| value.get(name) == Some(&Value::Gone);
                    if there.iter().all(goes) && wanted.iter().all(|(_, value)| *value == Value::Gone) {
                        // Without a line below it, the key would have no value.
                        let braces = Change::replace(token, " {}");
                        return Some(vec![braces, Change::replace(self.below..self.lines.end, "")]);
                    }
                    changes(text, self.lines.clone(), value, newline)
                }
                (Value::List(items), Value::List(_)) if !items.is_empty() => {
                    let lines = below(indent, &" ".repeat(depth), value, newline);
                    Some(vec![Change::replace(self.below..self.lines.end, lines)])
                }
                _ => None,
            };
        }
        if matches!(self.value, Value::Table(ref members) if !members.is_empty()) || old.starts_with('{') && old != "{}"
        {
            return None;
        }
        let lines = below(indent, indent, value, newline);
        if lines.is_empty() || (is_list && old.starts_with('[')) {
            let space = if token.is_empty() { " " } else { "" };
            return Some(vec![Change::replace(token, format!("{space}{}", spelled(value)))]);
        }
        // The lines below take the place of what stands behind the colon.
        let colon = text[..token.start].trim_end_matches(' ').len();
        Some(vec![Change::replace(colon..token.end, ""), Change::insert(self.below, lines)])
    }
}

/// The keys of an extension, and whether all of its lines were understood.
fn members(text: &str, range: Range<usize>) -> (Vec<Member>, bool) {
    let mut found: Vec<Member> = Vec::new();
    let (mut own, mut is_sure, mut has_comments, mut at) = (None, true, false, range.start);
    for (count, line) in text[range].split_inclusive('\n').enumerate() {
        let start = at;
        at += line.len();
        let content = line.trim_end();
        let body = content.trim_start_matches(' ');
        let depth = content.len() - body.len();
        let key = key_and_rest(body);
        if count == 0 {
            is_sure &= key.is_some_and(|(_, behind)| token(body[behind..].trim_start()) == Some(""));
            continue;
        }
        if body.is_empty() {
            continue;
        }
        if let Some(last) = found.last_mut().filter(|last| last.is_folded(text) && own.is_some_and(|own| depth > own)) {
            last.lines.end = at;
            last.depth = Some(depth);
            continue;
        }
        if body.starts_with('#') {
            has_comments = true;
            continue;
        }
        let own = *own.get_or_insert(depth);
        let is_item = body == "-" || body.starts_with("- ");
        match (found.last_mut(), key) {
            (_, Some((key, behind))) if depth == own && !is_item => {
                is_sure &= found.iter().all(|other| other.key != key);
                let rest = &body[behind..];
                let colon = start + depth + behind;
                let first = colon + rest.len() - rest.trim_start().len();
                let token = token(rest.trim_start()).map(|token| match token.len() {
                    0 => colon..colon,
                    length => first..first + length,
                });
                let value = Value::Other(String::new());
                let lines = start..at;
                found.push(Member { key, value, lines, token, below: at, depth: None, has_comments: false });
            }
            (Some(last), _) if depth > own || (depth == own && is_item) => {
                last.lines.end = at;
                last.depth.get_or_insert(depth);
                last.has_comments |= has_comments;
            }
            _ => is_sure = false,
        }
        has_comments = false;
    }
    for member in &mut found {
        member.value = member.read(text);
    }
    (found, is_sure)
}

impl Member {
    /// Whether its text stands in the lines below, as it is.
    fn is_folded(&self, text: &str) -> bool {
        self.token.as_ref().is_some_and(|token| text[token.clone()].starts_with(['|', '>']))
    }

    fn read(&self, text: &str) -> Value {
        let other = || Value::Other(text[self.lines.clone()].to_owned());
        let Some(token) = &self.token else { return other() };
        let on_line = &text[token.clone()];
        let Some(depth) = self.depth else { return scalar(on_line) };
        if !on_line.is_empty() {
            return other();
        }
        let lines = text[self.below..self.lines.end].lines().map(str::trim_end);
        let lines = lines.filter(|line| !line.is_empty() && !line.trim_start().starts_with('#'));
        let bodies = lines.map(|line| {
            let body = line.trim_start_matches(' ');
            (line.len() - body.len() == depth).then_some(body)
        });
        let Some(bodies) = bodies.collect::<Option<Vec<_>>>() else { return other() };
        let item = |body: &&str| Some(scalar(self::token(body.strip_prefix("- ")?.trim_start())?));
        let pair = |body: &&str| {
            let (key, behind) = key_and_rest(body)?;
            Some((key, scalar(self::token(body[behind..].trim_start())?)))
        };
        let list = bodies.iter().map(item).collect::<Option<Vec<_>>>().map(Value::List);
        list.or_else(|| bodies.iter().map(pair).collect::<Option<Vec<_>>>().map(Value::Table)).unwrap_or_else(other)
    }
}
