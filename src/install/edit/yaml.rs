//! How does Goose's YAML get an extension, and lose it again?
//!
//! Only the shape that Goose writes itself is edited: keys at the beginning of lines, one `extensions:` with a block of
//! keys below it, no tabs. There, lines can be put behind the key without a look at what follows. All else is refused.

use std::fmt::Write as _;
use std::ops::Range;

use super::change::{Change, apply};
use super::layout::newline;
use super::{Piece, Refusal, Value};

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
        let before = &text[range.clone()];
        let kept = read_entry(before);
        let kept = kept.members().iter().filter(|(name, _)| entry.get(name).is_none());
        let both = Value::Table(entry.members().iter().chain(kept).cloned().collect());
        if lines_in(before) != read_lines(&read_entry(before)) {
            return Err(Refusal::at(text, range.start, format!("the extension {name} has more than we can read")));
        }
        let result = apply(text, &[Change::replace(range.clone(), lines(&block.indent, name, &both, newline))]);
        return checked(text, result, section, name, entry, None, Some(before.to_owned()));
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
        let range = block.entries.iter().find(|(key, _)| key == name).map(|(_, range)| range.clone());
        let rest = apply(text, &range.into_iter().map(|range| Change::replace(range, "")).collect::<Vec<_>>());
        let is_alone = block.entries.iter().all(|(key, _)| key == name);
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
    let Some((_, range)) = block.entries.iter().find(|(key, _)| key == name) else { return Err(gone()) };
    let is_alone = block.entries.len() == 1;
    if let Some(Piece { inserted, .. }) = piece
        && let [start] = text.match_indices(inserted.as_str()).map(|(at, _)| at).collect::<Vec<_>>()[..]
    {
        let result = apply(text, &[Change::replace(start..start + inserted.len(), "")]);
        let is_gone = entries(&result, &[section]).is_ok_and(|all| all.iter().all(|(key, _)| key != name));
        if is_gone && is_same_beside(&result, text, section, name) {
            return Ok(result);
        }
    }
    let change = if is_alone {
        // An empty block would be `null`, which is another thing than no extensions.
        Change::replace(block.key_end..range.end, format!(" {{}}{}", newline(text, range.start)))
    } else {
        Change::replace(range.clone(), "")
    };
    let result = apply(text, &[change]);
    if is_alone || is_same_beside(&result, text, section, name) { Ok(result) } else { Err(uncertain()) }
}

pub(super) fn restore(text: &str, section: &[&str], name: &str, before: &str) -> Result<String, Refusal> {
    let section = section_name(section)?;
    let block = Shape::of(text, section)?.block;
    let range = block.and_then(|block| block.entries.into_iter().find(|(key, _)| key == name)).ok_or_else(gone)?.1;
    let result = apply(text, &[Change::replace(range, before)]);
    if is_same_beside(&result, text, section, name) { Ok(result) } else { Err(uncertain()) }
}

pub(super) fn entries(text: &str, section: &[&str]) -> Result<Vec<(String, Value)>, Refusal> {
    let block = Shape::of(text, section_name(section)?)?.block;
    let entries = block.into_iter().flat_map(|block| block.entries);
    Ok(entries.map(|(name, range)| (name, read_entry(&text[range]))).collect())
}

pub(super) fn snippet(section: &[&str], name: &str, entry: &Value) -> String {
    format!("{}:\n{}", section.join("."), lines("  ", name, entry, "\n"))
}

fn section_name<'a>(section: &[&'a str]) -> Result<&'a str, Refusal> {
    section.first().copied().ok_or_else(uncertain)
}

/// Where the extensions stand.
struct Shape {
    block: Option<Block>,
}

struct Block {
    /// Behind `extensions:`.
    key_end: usize,
    /// Where the line below begins.
    start: usize,
    indent: String,
    entries: Vec<(String, Range<usize>)>,
}

impl Shape {
    fn of(text: &str, section: &str) -> Result<Self, Refusal> {
        let mut block: Option<Block> = None;
        let mut is_inside = false;
        let mut at = 0;
        for line in text.split_inclusive('\n') {
            let start = at;
            at += line.len();
            let fail = |reason: &str| Err(Refusal::at(text, start, reason));
            let content = line.trim_end_matches(['\n', '\r']);
            if content.contains('\r') {
                return fail("a lone carriage return");
            }
            let indent = &content[..content.len() - content.trim_start_matches(' ').len()];
            let rest = &content[indent.len()..];
            if rest.starts_with('\t') {
                return fail("a tab at the beginning of a line");
            }
            if rest.trim().is_empty() || (rest.starts_with('#') && (indent.is_empty() || !is_inside)) {
                continue;
            }
            if indent.is_empty() {
                is_inside = false;
                if rest == "---" && text[..start].lines().all(|line| line.trim().is_empty() || line.starts_with('#')) {
                    continue;
                }
                let Some((key, value)) = key_and_value(rest) else {
                    return fail("not the shape that Goose writes: a key is expected here");
                };
                if !is_closed(value) {
                    return fail("not the shape that Goose writes: this value goes on in other lines");
                }
                if key == section {
                    if block.is_some() {
                        return fail("the key \"extensions\" occurs twice");
                    }
                    if !value.is_empty() && !value.starts_with('#') {
                        return fail("the extensions are not a block of lines");
                    }
                    let key_end = start + rest.find(':').map_or(0, |colon| colon + 1);
                    block = Some(Block { key_end, start: at, indent: String::new(), entries: Vec::new() });
                    is_inside = true;
                }
            } else if let Some(block) = block.as_mut().filter(|_| is_inside) {
                if block.indent.is_empty() && !rest.starts_with('#') {
                    indent.clone_into(&mut block.indent);
                }
                if indent == block.indent && !rest.starts_with('#') {
                    let Some((key, _)) = key_and_value(rest) else {
                        return fail("not the shape that Goose writes: the name of an extension is expected here");
                    };
                    if block.entries.iter().any(|(other, _)| *other == key) {
                        return fail("an extension of this name stands there twice");
                    }
                    block.entries.push((key, start..at));
                } else if indent.len() < block.indent.len() && !rest.starts_with('#') {
                    return fail("not the shape that Goose writes: a line that is indented less than the first");
                } else if let Some((_, range)) = block.entries.last_mut().filter(|_| indent.len() > block.indent.len())
                {
                    range.end = at;
                }
            }
        }
        if let Some(block) = &block {
            if block.entries.is_empty() {
                return Err(Refusal::at(
                    text,
                    block.key_end,
                    "the extensions are empty, which is not a block of lines",
                ));
            }
            if block.entries.iter().any(|(_, range)| !text[range.clone()].ends_with('\n')) {
                return Err(Refusal::at(text, text.len(), "the last line has no end"));
            }
        }
        Ok(Self { block })
    }
}

/// A line `key: value`, with a plain or quoted key.
fn key_and_value(line: &str) -> Option<(String, &str)> {
    let (key, rest) = match line.chars().next()? {
        quote @ ('"' | '\'') => {
            let (key, rest) = line[1..].split_once(quote)?;
            (Some(key).filter(|key| !key.contains('\\'))?, rest.strip_prefix(':')?)
        }
        c if c.is_alphanumeric() || c == '_' || c == '.' => {
            let end = line.find(": ").or_else(|| line.ends_with(':').then(|| line.len() - 1))?;
            (&line[..end], &line[end + 1..])
        }
        _ => return None,
    };
    let is_plain = !key.contains(['#', '{', '[', '"', '\'']);
    is_plain.then(|| (key.to_owned(), rest.trim()))
}

/// Whether a value at the left edge ends on its line, or in lines that are indented.
fn is_closed(value: &str) -> bool {
    let ends =
        |close: &str| value.len() > 1 && value.split(" #").next().is_some_and(|value| value.trim().ends_with(close));
    match value.chars().next() {
        Some('"') => ends("\"") && value.matches('"').count() == 2,
        Some('\'') => ends("'") && value.matches('\'').count().is_multiple_of(2),
        Some('{') => ends("}") && value.matches('{').count() == value.matches('}').count(),
        Some('[') => ends("]") && value.matches('[').count() == value.matches(']').count(),
        Some('&' | '*' | '!' | '?') => false,
        _ => true,
    }
}

/// The lines of an extension.
fn lines(indent: &str, name: &str, entry: &Value, newline: &str) -> String {
    let mut text = format!("{indent}{}:{newline}", key(name));
    for (name, value) in entry.members() {
        match value {
            Value::List(items) if !items.is_empty() => {
                write!(text, "{indent}  {name}:{newline}").ok();
                text.extend(items.iter().map(|item| format!("{indent}  - {}{newline}", spelled(item))));
            }
            Value::Table(members) if !members.is_empty() => {
                write!(text, "{indent}  {name}:{newline}").ok();
                let members = members.iter();
                text.extend(
                    members.map(|(name, value)| format!("{indent}    {}: {}{newline}", key(name), spelled(value))),
                );
            }
            value => write!(text, "{indent}  {name}: {}{newline}", spelled(value)).unwrap_or_default(),
        }
    }
    text
}

/// A string in double quotes has the escapes of JSON.
fn spelled(value: &Value) -> String {
    match value {
        Value::Text(text) => serde_json::Value::from(text.as_str()).to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Other(spelled) => spelled.clone(),
        Value::Gone => String::new(),
        Value::List(_) => "[]".to_owned(),
        Value::Table(_) => "{}".to_owned(),
    }
}

fn key(name: &str) -> String {
    let is_plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&name.to_ascii_lowercase().as_str());
    if is_plain { name.to_owned() } else { format!("\"{name}\"") }
}

/// What the lines of an extension say, as far as they are as simple as ours.
fn read_entry(lines: &str) -> Value {
    let mut members: Vec<(String, Value)> = Vec::new();
    let mut indent = None;
    for line in lines.lines().skip(1) {
        let content = line.trim_start_matches(' ');
        let depth = line.len() - content.len();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        let own = *indent.get_or_insert(depth);
        if depth >= own
            && let Some(item) = content.strip_prefix("- ")
        {
            match members.last_mut().map(|(_, value)| value) {
                Some(Value::List(items)) => items.push(scalar(item)),
                Some(value) if *value == Value::Other(String::new()) => *value = Value::List(vec![scalar(item)]),
                _ => {}
            }
        } else if let Some((key, value)) = key_and_value(content) {
            if depth == own {
                members.push((key, scalar(value)));
            } else {
                match members.last_mut().map(|(_, value)| value) {
                    Some(Value::Table(inner)) => inner.push((key, scalar(value))),
                    Some(outer) if *outer == Value::Other(String::new()) => {
                        *outer = Value::Table(vec![(key, scalar(value))]);
                    }
                    _ => {}
                }
            }
        }
    }
    Value::Table(members)
}

fn scalar(spelled: &str) -> Value {
    let spelled = spelled.trim();
    match spelled {
        "true" => return Value::Bool(true),
        "false" => return Value::Bool(false),
        "" | "null" | "~" => return Value::Other(spelled.to_owned()),
        "[]" => return Value::List(Vec::new()),
        "{}" => return Value::Table(Vec::new()),
        _ => {}
    }
    if spelled.starts_with('"') {
        return serde_json::from_str(spelled).map_or_else(|_| Value::Other(spelled.to_owned()), Value::Text);
    }
    if let Some(inner) = spelled.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        return Value::Text(inner.replace("''", "'"));
    }
    if spelled.starts_with(|c: char| c.is_ascii_digit() || "-+.[{&*!|>%@`".contains(c)) {
        return Value::Other(spelled.to_owned());
    }
    Value::text(spelled.split(" #").next().unwrap_or_default().trim())
}

/// How many lines say something, and how many of them were read.
fn lines_in(lines: &str) -> usize {
    lines.lines().skip(1).filter(|line| !line.trim().is_empty()).count()
}

fn read_lines(entry: &Value) -> usize {
    entry.members().iter().fold(0, |count, (_, value)| {
        count
            + 1
            + match value {
                Value::List(items) => items.len(),
                Value::Table(members) => members.len(),
                _ => 0,
            }
    })
}

fn gone() -> Refusal {
    Refusal::new("the entry is not there any more")
}

fn uncertain() -> Refusal {
    Refusal::new("the change would not leave the rest of the file as it is")
}
