//! What does a change look like to a person? A unified diff of one piece: changes of ours stand close together.

use crate::log;

/// How many lines are shown around the change.
const CONTEXT: usize = 3;

/// A longer line is cut.
const LONGEST: usize = 200;

/// The difference between two texts, without secrets that are known, nor the values of these variables; empty if there is
/// none.
pub(super) fn unified(name: &str, old: &[u8], new: &[u8], variables: &[(String, String)]) -> String {
    let (old, new) = (String::from_utf8_lossy(old), String::from_utf8_lossy(new));
    let (old, new) = (lines(&old), lines(&new));
    if old == new {
        return String::new();
    }
    let shorter = old.len().min(new.len());
    let start = (0..shorter).find(|&at| old[at] != new[at]).unwrap_or(shorter);
    let most = shorter - start;
    let end = (0..most).find(|&at| old[old.len() - 1 - at] != new[new.len() - 1 - at]).unwrap_or(most);
    let (before, after) = (start.saturating_sub(CONTEXT), end.saturating_sub(CONTEXT));
    let range = |length: usize| match length - after - before {
        0 => format!("{before},0"),
        count => format!("{},{count}", before + 1),
    };
    let mut text = format!("--- {name}\n+++ {name}\n@@ -{} +{} @@\n", range(old.len()), range(new.len()));
    let mut add = |mark: char, lines: &[&str]| {
        for line in lines {
            text.push(mark);
            text.push_str(&shown(&masked(line, variables)));
            text.push('\n');
        }
    };
    add(' ', &old[before..start]);
    add('-', &old[start..old.len() - end]);
    add('+', &new[start..new.len() - end]);
    add(' ', &old[old.len() - end..old.len() - after]);
    text
}

/// The lines with their ends, so that a missing one differs.
fn lines(text: &str) -> Vec<&str> {
    let mut rest = text;
    std::iter::from_fn(|| {
        let end = match rest.find(['\n', '\r'])? {
            at if rest[at..].starts_with("\r\n") => at + 2,
            at => at + 1,
        };
        let (line, after) = rest.split_at(end);
        rest = after;
        Some(line)
    })
    .collect::<Vec<_>>()
    .into_iter()
    .chain(text.rsplit(['\n', '\r']).next().filter(|last| !last.is_empty()))
    .collect()
}

/// A line without the values of variables that it sets. The log knows only those that are long enough to be told from
/// other texts.
pub(super) fn masked(line: &str, variables: &[(String, String)]) -> String {
    let set = variables.iter().filter(|(name, _)| line.contains(name.as_str()));
    set.fold(line.to_owned(), |line, (_, value)| {
        line.replace(&serde_json::Value::from(value.as_str()).to_string(), "\"***\"")
    })
}

fn shown(line: &str) -> String {
    let line = log::redact(line.trim_end_matches(['\n', '\r']));
    match line.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changes_is_shown_with_the_lines_around_it() {
        let old = "1\n2\n3\n4\n5 {\n6\n7\n8\n9\n";
        let new = old.replace("5 {\n", "5, {\nnew\n");
        let diff = "--- f\n+++ f\n@@ -2,7 +2,8 @@\n 2\n 3\n 4\n-5 {\n+5, {\n+new\n 6\n 7\n 8\n";
        assert_eq!(unified("f", old.as_bytes(), new.as_bytes(), &[]), diff);
        assert_eq!(unified("f", b"", b"1\n2\n", &[]), "--- f\n+++ f\n@@ -0,0 +1,2 @@\n+1\n+2\n");
        assert_eq!(unified("f", b"1", b"1\r2", &[]), "--- f\n+++ f\n@@ -1,1 +1,2 @@\n-1\n+1\n+2\n");
        assert_eq!(unified("f", b"1", b"1", &[]), "");
        let (line, pin) = ("{ \"PIN\": \"1\", \"x\": 1 }", [("PIN".to_owned(), "1".to_owned())]);
        assert_eq!(masked(line, &pin), "{ \"PIN\": \"***\", \"x\": 1 }");
    }
}
