//! How are typed texts read: values that were not filled in, names of variables, commands?

use crate::cli::{is_unset, is_variable_name};

/// The value of an option, unless it counts as not given.
pub(super) fn given(typed: Option<&String>) -> Option<&str> {
    typed.map(String::as_str).filter(|typed| !is_unset(typed))
}

/// The values of a repeatable option, without those that count as not given.
pub(super) fn each_given(typed: &[String]) -> impl Iterator<Item = &str> {
    typed.iter().filter_map(|typed| given(Some(typed)))
}

/// Whether a text is the name of an environment variable, and not a token that was typed in its place: names are short,
/// or in upper case.
pub(super) fn names_a_variable(text: &str) -> bool {
    let has = |kind: fn(&u8) -> bool| text.bytes().any(|byte| kind(&byte));
    let is_token = text.len() > 64 || (text.len() > 20 && has(u8::is_ascii_lowercase) && has(u8::is_ascii_digit));
    is_variable_name(text) && !is_token
}

/// Splits a command into program and arguments: at white space, but not within quotes. A backslash escapes the next
/// character; on Windows, where it belongs to paths, only a quote. The result is empty if a quote stays open.
pub(super) fn split_command(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = command.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', None | Some('"')) if escapes(quote, chars.peek().copied()) => {
                word.get_or_insert_default().extend(chars.next());
            }
            (c, Some(open)) if c == open => quote = None,
            (c, Some(_)) => word.get_or_insert_default().push(c),
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, None) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    if quote.is_some() { Vec::new() } else { words }
}

fn escapes(quote: Option<char>, next: Option<char>) -> bool {
    match next {
        Some('"') => true,
        Some('\\') => !cfg!(windows),
        Some(_) => !cfg!(windows) && quote.is_none(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_split_without_a_shell() {
        for (command, words) in [
            ("get-token", &["get-token"][..]),
            ("  a  'b c' \"d e\" '' ", &["a", "b c", "d e", ""]),
            ("a 'open", &[]),
            ("a;b | c $(d)", &["a;b", "|", "c", "$(d)"]),
            ("say \"a \\\" b\"", &["say", "a \" b"]),
        ] {
            assert_eq!(split_command(command), words, "{command}");
        }
        if cfg!(windows) {
            assert_eq!(split_command(r"C:\bin\x.exe y"), [r"C:\bin\x.exe", "y"]);
        } else {
            assert_eq!(split_command(r"a\ b c"), ["a b", "c"]);
        }
    }
}
