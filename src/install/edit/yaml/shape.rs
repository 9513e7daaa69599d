//! Where do the extensions stand in a text, as far as it has the shape that Goose writes?

use std::ops::Range;

use super::super::Refusal;
use super::scalar::{key_and_rest, token};

/// Where the extensions stand.
pub(super) struct Shape {
    pub(super) block: Option<Block>,
}

pub(super) struct Block {
    /// Behind `extensions:`.
    pub(super) key_end: usize,
    /// Behind the braces of `extensions: {}`, if there are such.
    pub(super) braces_end: Option<usize>,
    /// Where the line below begins.
    pub(super) start: usize,
    pub(super) indent: String,
    /// Their names and lines. Comments at the left of what an extension says are none of its lines.
    pub(super) entries: Vec<(String, Range<usize>)>,
}

impl Shape {
    pub(super) fn of(text: &str, section: &str) -> Result<Self, Refusal> {
        let mut block: Option<Block> = None;
        let mut is_inside = false;
        // Whether the lines so far are those of the last extension, so that a comment may be one too.
        let mut is_open = false;
        // Whether a list at the left edge may be the value of the last key there.
        let mut may_be_list = false;
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
            if rest.trim().is_empty() {
                continue;
            }
            if rest.starts_with('#') && (indent.is_empty() || !is_inside) {
                is_open = false;
                continue;
            }
            if indent.is_empty() {
                is_inside = false;
                if rest == "---" && text[..start].lines().all(|line| line.trim().is_empty() || line.starts_with('#')) {
                    continue;
                }
                if may_be_list && (rest == "-" || rest.starts_with("- ")) {
                    continue;
                }
                let Some((key, behind)) = key_and_rest(rest) else {
                    return fail("not the shape that Goose writes: a key is expected here");
                };
                may_be_list = key != section && token(rest[behind..].trim()) == Some("");
                let value = rest[behind..].trim();
                if !is_closed(value) {
                    return fail("not the shape that Goose writes: this value goes on in other lines");
                }
                if key == section {
                    if block.is_some() {
                        return fail(&format!("the key \"{section}\" occurs twice"));
                    }
                    let spaces = rest[behind..].len() - rest[behind..].trim_start().len();
                    let braces_end = match token(value) {
                        Some("") => None,
                        Some("{}") => Some(start + behind + spaces + "{}".len()),
                        _ => return fail("the extensions are not a block of lines"),
                    };
                    let (indent, entries) = (String::new(), Vec::new());
                    block = Some(Block { key_end: start + behind, braces_end, start: at, indent, entries });
                    (is_inside, is_open) = (true, false);
                }
            } else if let Some(block) = block.as_mut().filter(|_| is_inside) {
                let is_comment = rest.starts_with('#');
                if block.braces_end.is_some() && !is_comment {
                    return fail("the extensions are not a block of lines");
                }
                if block.indent.is_empty() && !is_comment {
                    indent.clone_into(&mut block.indent);
                }
                if indent == block.indent && !is_comment {
                    let Some((key, _)) = key_and_rest(rest) else {
                        return fail("not the shape that Goose writes: the name of an extension is expected here");
                    };
                    if block.entries.iter().any(|(other, _)| *other == key) {
                        return fail("an extension of this name stands there twice");
                    }
                    block.entries.push((key, start..at));
                    is_open = true;
                } else if indent.len() <= block.indent.len() {
                    if !is_comment {
                        return fail("not the shape that Goose writes: a line that is indented less than the first");
                    }
                    is_open = false;
                } else if let Some((_, range)) = block.entries.last_mut().filter(|_| is_open || !is_comment) {
                    range.end = at;
                    is_open = true;
                }
            }
        }
        let entries = block.as_ref().map(|block| block.entries.as_slice()).unwrap_or_default();
        if entries.iter().any(|(_, range)| !text[range.clone()].ends_with('\n')) {
            return Err(Refusal::at(text, text.len(), "the last line has no end"));
        }
        Ok(Self { block })
    }
}

impl Block {
    /// The lines of an extension.
    pub(super) fn range(&self, name: &str) -> Option<Range<usize>> {
        self.entries.iter().find(|(key, _)| key == name).map(|(_, range)| range.clone())
    }
}

/// Whether a value at the left edge ends on its line, or in lines that are indented.
fn is_closed(value: &str) -> bool {
    let ends =
        |close: &str| value.len() > 1 && value.split(" #").next().is_some_and(|value| value.trim().ends_with(close));
    match value.chars().next() {
        Some('"' | '\'') => token(value).is_some(),
        Some('{') => ends("}") && value.matches('{').count() == value.matches('}').count(),
        Some('[') => ends("]") && value.matches('[').count() == value.matches(']').count(),
        Some('&' | '*' | '!' | '?') => false,
        _ => true,
    }
}
