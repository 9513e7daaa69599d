//! How does a text of TOML get a table for a server, and lose it again?
//!
//! The table is appended: a header ends whatever stands before it. The parser only says what stands where, because what
//! it writes loses line ends, the byte order mark and the order of dotted keys.

use std::fmt::Write as _;
use std::ops::Range;

use toml_edit::{Document, Item, Table, TableLike};

use super::change::{Change, apply};
use super::layout::{line_start, newline, next_line};
use super::{Piece, Refusal, Value, gone, uncertain};

type Set = (String, Option<Piece>, Option<String>);

pub(super) fn set(text: &str, section: &[&str], name: &str, entry: &Value) -> Result<Set, Refusal> {
    let document = read(text)?;
    let servers = servers(&document, text, section)?;
    let newline = newline(text, text.len());
    let (result, piece, before) = if let Some(item) = servers.and_then(|servers| servers.get(name)) {
        let (table, blocks) = own_table(text, item, name)?;
        let before: Vec<_> = blocks.iter().map(|block| &text[block.clone()]).collect();
        (merge(text, table, entry, newline), None, Some(before.concat()))
    } else {
        let end = if text.is_empty() || line_start(text, text.len()) == text.len() { "" } else { newline };
        let blank = if text.trim().is_empty() { "" } else { newline };
        let inserted = format!("{end}{blank}{}", block(section, name, entry, newline));
        let piece = Piece { inserted: inserted.clone(), removed: String::new(), sections: 0 };
        ([text, &inserted].concat(), Some(piece), None)
    };
    check(text, &result, section, name)?;
    let is_there = entries(&result, section)?.iter().any(|(key, found)| key == name && entry.is_in(found));
    if is_there { Ok((result, piece, before)) } else { Err(uncertain()) }
}

/// The table of a server, or its entry for a table of servers that is written in one line.
pub(super) fn snippet(text: &str, section: &[&str], name: &str, entry: &Value) -> String {
    let is_inline = |document: &Document<&str>| {
        let mut item = section.first().and_then(|key| document.as_table().get(key));
        for key in section.iter().skip(1) {
            item = item.and_then(|item| item.get(key));
        }
        item.is_some_and(Item::is_inline_table)
    };
    if read(text).is_ok_and(|document| is_inline(&document)) {
        let place = format!("# between the braces of {}, with a comma to what stands there", section.join("."));
        return format!("{place}\n{} = {}\n", key(name), spelled(&entry.without_gone()));
    }
    block(section, name, entry, "\n")
}

/// The table of a server.
fn block(section: &[&str], name: &str, entry: &Value, newline: &str) -> String {
    let path: Vec<_> = section.iter().copied().chain([name]).map(key).collect();
    let members = entry.members().iter().map(|(name, value)| format!("{} = {}{newline}", key(name), spelled(value)));
    format!("[{}]{newline}{}", path.join("."), members.collect::<String>())
}

pub(super) fn remove(text: &str, section: &[&str], name: &str, piece: Option<&Piece>) -> Result<String, Refusal> {
    let document = read(text)?;
    let Some(item) = servers(&document, text, section)?.and_then(|servers| servers.get(name)) else {
        return Err(gone());
    };
    let (_, blocks) = own_table(text, item, name)?;
    let mut results = Vec::new();
    if let Some(Piece { inserted, .. }) = piece
        && let [start] = text.match_indices(inserted.as_str()).map(|(at, _)| at).collect::<Vec<_>>()[..]
    {
        results.push(apply(text, &[Change::replace(start..start + inserted.len(), "")]));
    }
    let mut changes: Vec<_> = blocks.into_iter().map(|block| Change::replace(block, "")).collect();
    results.push(apply(text, &changes));
    // One empty line before the table goes with it, where another one follows or the text ends.
    if let Some(first) = changes.first_mut() {
        let start = first.range.start;
        let above = line_start(text, text[..start].trim_end_matches(['\n', '\r']).len());
        let empty = next_line(text, above)..start;
        let follows = &text[first.range.end..];
        if !empty.is_empty() && (follows.is_empty() || follows.starts_with(['\n', '\r'])) {
            first.range.start = line_start(text, start - 1).max(empty.start);
            results.insert(results.len() - 1, apply(text, &changes));
        }
    }
    let is_gone = |result: &str| entries(result, section).is_ok_and(|all| all.iter().all(|(key, _)| key != name));
    let is_right = |result: &String| is_gone(result) && check(result, text, section, name).is_ok();
    results.into_iter().find(is_right).ok_or_else(uncertain)
}

pub(super) fn restore(text: &str, section: &[&str], name: &str, before: &str) -> Result<String, Refusal> {
    let document = read(text)?;
    let Some(item) = servers(&document, text, section)?.and_then(|servers| servers.get(name)) else {
        return Err(gone());
    };
    let (_, blocks) = own_table(text, item, name)?;
    let changes =
        blocks.into_iter().enumerate().map(|(at, block)| Change::replace(block, if at == 0 { before } else { "" }));
    let result = apply(text, &changes.collect::<Vec<_>>());
    check(text, &result, section, name)?;
    Ok(result)
}

pub(super) fn entries(text: &str, section: &[&str]) -> Result<Vec<(String, Value)>, Refusal> {
    let document = read(text)?;
    let Some(servers) = servers(&document, text, section)? else { return Ok(Vec::new()) };
    Ok(servers.iter().map(|(name, item)| (name.to_owned(), value(text, item))).collect())
}

fn read(text: &str) -> Result<Document<&str>, Refusal> {
    Document::parse(text).map_err(|error| {
        let reason = error.message().lines().next().unwrap_or_default().to_owned();
        Refusal::at(text, error.span().map_or(0, |span| span.start), format!("not valid: {reason}"))
    })
}

/// The table of the servers. Where it is written in one line, no table can be added to it.
fn servers<'d>(document: &'d Document<&str>, text: &str, section: &[&str]) -> Result<Option<&'d Table>, Refusal> {
    let mut table = document.as_table();
    for key in section {
        table = match table.get(key) {
            None => return Ok(None),
            Some(Item::Table(table)) => table,
            Some(item) => {
                let what = match item {
                    Item::ArrayOfTables(_) => "an array of tables",
                    Item::Value(value) if value.is_inline_table() => "a table in one line, which takes no more tables",
                    _ => "not a table",
                };
                return Err(Refusal::at(text, item.span().map_or(0, |span| span.start), format!("{key} is {what}")));
            }
        };
    }
    Ok(Some(table))
}

/// The table of a server with its own header, and the lines of it and of its tables: comments that follow belong to what
/// comes next.
fn own_table<'d>(text: &str, item: &'d Item, name: &str) -> Result<(&'d Table, Vec<Range<usize>>), Refusal> {
    let no_header = || {
        let at = item.span().map_or(0, |span| span.start);
        Refusal::at(text, at, format!("the server {name} has no table of its own, with a header"))
    };
    let Item::Table(table) = item else { return Err(no_header()) };
    if table.is_dotted() || table.is_implicit() {
        return Err(no_header());
    }
    let mut blocks = Vec::new();
    collect(text, table, &mut blocks).ok_or_else(no_header)?;
    blocks.sort_by_key(|block| block.start);
    Ok((table, blocks))
}

fn collect(text: &str, table: &Table, blocks: &mut Vec<Range<usize>>) -> Option<()> {
    let header = table.span();
    let mut end = header.as_ref().map_or(0, |span| span.end);
    for (_, item) in table {
        match item {
            Item::Value(value) => end = end.max(value.span()?.end),
            Item::Table(inner) if inner.is_dotted() => end = end.max(last_end(inner)),
            Item::Table(inner) => collect(text, inner, blocks)?,
            _ => return None,
        }
    }
    if !table.is_implicit() {
        blocks.push(line_start(text, header?.start)..next_line(text, end));
    }
    Some(())
}

/// Where the last value of a table ends that is written with dotted keys.
fn last_end(table: &Table) -> usize {
    let end = |item: &Item| match item {
        Item::Table(inner) => last_end(inner),
        other => other.span().map_or(0, |span| span.end),
    };
    table.iter().map(|(_, item)| end(item)).max().unwrap_or_default()
}

/// The table with the values of an entry; what else it has stays.
fn merge(text: &str, table: &Table, entry: &Value, newline: &str) -> String {
    let mut changes = Vec::new();
    set_members(text, table, entry, newline, &mut changes);
    changes.sort_by_key(|change| (change.range.start, change.range.end));
    apply(text, &changes)
}

fn set_members(text: &str, table: &Table, entry: &Value, newline: &str, changes: &mut Vec<Change>) {
    let mut missing = String::new();
    for (name, wanted) in entry.members() {
        match table.get(name) {
            Some(item) if *wanted == Value::Gone => changes.extend(lines_of(text, table, name, item)),
            Some(Item::Table(inner)) => set_members(text, inner, wanted, newline, changes),
            Some(item) if wanted.is_in(&value(text, item)) => {}
            Some(item) => {
                let kept = value(text, item);
                let kept = kept.members().iter().filter(|(name, _)| wanted.get(name).is_none());
                let both = match wanted {
                    Value::Table(members) => Value::Table(kept.chain(members).cloned().collect()).without_gone(),
                    other => other.clone(),
                };
                changes.extend(item.span().map(|span| Change::replace(span, spelled(&both))));
            }
            None if *wanted == Value::Gone => {}
            None => write!(missing, "{} = {}{newline}", key(name), spelled(wanted)).unwrap_or_default(),
        }
    }
    if let Some(span) = table.span().filter(|_| !missing.is_empty()) {
        let at = next_line(text, span.end);
        let lead = if line_start(text, at) == at { "" } else { newline };
        changes.push(Change::insert(at, format!("{lead}{missing}")));
    }
}

/// The change that takes out a value with its key, which begins a line.
fn lines_of(text: &str, table: &Table, name: &str, item: &Item) -> Option<Change> {
    let start = line_start(text, table.key(name)?.span()?.start);
    Some(Change::replace(start..next_line(text, item.span()?.end), ""))
}

/// Whether `new` is `old` with another table of this name, or with one more.
fn check(old: &str, new: &str, section: &[&str], name: &str) -> Result<(), Refusal> {
    let (before, after) = (read(old)?, read(new)?);
    let path: Vec<&str> = section.iter().copied().chain([name]).collect();
    let is_same = is_same_beside((Some(before.as_table()), old), (after.as_table(), new), &path);
    if is_same { Ok(()) } else { Err(uncertain()) }
}

fn is_same_beside(old: (Option<&Table>, &str), new: (&Table, &str), path: &[&str]) -> bool {
    let [key, rest @ ..] = path else { return true };
    let others = |table: Option<&Table>, text: &str| -> Vec<(String, Value)> {
        let others = table.into_iter().flat_map(Table::iter).filter(|(name, _)| name != key);
        others.map(|(name, item)| (name.to_owned(), raw(text, item))).collect()
    };
    let on_path = |table: Option<&Table>| table.and_then(|table| table.get(key)).is_some();
    if others(old.0, old.1) != others(Some(new.0), new.1) || (rest.is_empty() && !on_path(Some(new.0))) {
        return false;
    }
    match new.0.get(key) {
        _ if rest.is_empty() => true,
        Some(Item::Table(table)) => {
            let inner = old.0.and_then(|old| old.get(key)).and_then(Item::as_table);
            is_same_beside((inner, old.1), (table, new.1), rest)
        }
        _ => false,
    }
}

/// An item with its values as they are spelled.
fn raw(text: &str, item: &Item) -> Value {
    let table = |table: &dyn TableLike| {
        Value::Table(table.iter().map(|(name, item)| (name.to_owned(), raw(text, item))).collect())
    };
    match item {
        Item::Table(inner) => table(inner),
        Item::ArrayOfTables(tables) => Value::List(tables.iter().map(|inner| table(inner)).collect()),
        other => Value::Other(other.span().and_then(|span| text.get(span)).unwrap_or_default().to_owned()),
    }
}

fn value(text: &str, item: &Item) -> Value {
    match item {
        Item::None => Value::Other(String::new()),
        Item::Table(table) => {
            Value::Table(table.iter().map(|(name, item)| (name.to_owned(), value(text, item))).collect())
        }
        Item::ArrayOfTables(_) => raw(text, item),
        Item::Value(plain) => plain_value(text, plain),
    }
}

fn plain_value(text: &str, value: &toml_edit::Value) -> Value {
    match value {
        toml_edit::Value::String(text) => Value::Text(text.value().clone()),
        toml_edit::Value::Boolean(truth) => Value::Bool(*truth.value()),
        toml_edit::Value::Array(items) => Value::List(items.iter().map(|item| plain_value(text, item)).collect()),
        toml_edit::Value::InlineTable(table) => {
            Value::Table(table.iter().map(|(name, value)| (name.to_owned(), plain_value(text, value))).collect())
        }
        other => Value::Other(other.span().and_then(|span| text.get(span)).unwrap_or_default().to_owned()),
    }
}

fn spelled(value: &Value) -> String {
    match value {
        Value::Text(text) => string(text),
        Value::Bool(truth) => truth.to_string(),
        Value::Other(spelled) => spelled.clone(),
        Value::Gone => String::new(),
        Value::List(items) => format!("[{}]", items.iter().map(spelled).collect::<Vec<_>>().join(", ")),
        Value::Table(members) if members.is_empty() => "{}".to_owned(),
        Value::Table(members) => {
            let members = members.iter().map(|(name, value)| format!("{} = {}", key(name), spelled(value)));
            format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
        }
    }
}

fn key(name: &str) -> String {
    let is_bare = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if is_bare { name.to_owned() } else { string(name) }
}

/// TOML's escapes are those of JSON, but that it wants one for DEL too, and knows no `\/`, which we do not write.
fn string(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}
