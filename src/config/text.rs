//! How are typed texts read: values that were not filled in, commands, and the variables and files that options name?

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::typed::{expand_path, fill_in, has_place, is_unset, is_variable_name, read_text, unquoted};

/// The value of an option, unless it counts as not given.
pub(super) fn given(typed: Option<&String>) -> Option<&str> {
    typed.map(String::as_str).filter(|typed| !is_unset(typed))
}

/// The file that an option names, unless it counts as not given.
pub(super) fn given_path(typed: Option<&PathBuf>) -> Option<&Path> {
    typed.map(PathBuf::as_path).filter(|typed| !typed.to_str().is_some_and(is_unset))
}

/// The files that a repeatable option names.
pub(super) fn each_given_path(typed: &[PathBuf]) -> impl Iterator<Item = &Path> {
    typed.iter().filter_map(|typed| given_path(Some(typed)))
}

/// The values of a repeatable option, without those that count as not given.
pub(super) fn each_given(typed: &[String]) -> impl Iterator<Item = &str> {
    typed.iter().filter_map(|typed| given(Some(typed)))
}

/// The name of a variable, which people also type as hosts and shells write the variable's value: `${env:NAME}`.
pub(crate) fn variable_name(typed: &str) -> &str {
    let typed = unquoted(typed);
    let inside = |open: &str, close: &str| {
        let name = typed.strip_prefix(open)?.strip_suffix(close)?;
        is_variable_name(name).then_some(name)
    };
    let spellings = [("${env:", "}"), ("${", "}"), ("{env:", "}"), ("$", ""), ("%", "%")];
    spellings.iter().find_map(|(open, close)| inside(open, close)).unwrap_or(typed)
}

/// Whether a text is the name of an environment variable, and not a token that was typed in its place: names are short,
/// or in upper case.
pub(crate) fn names_a_variable(text: &str) -> bool {
    let has = |kind: fn(&u8) -> bool| text.bytes().any(|byte| kind(&byte));
    let is_token = text.len() > 64 || (text.len() > 20 && has(u8::is_ascii_lowercase) && has(u8::is_ascii_digit));
    is_variable_name(text) && !is_token
}

/// The value of an environment variable, unless it is empty or has a place that nothing filled in.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !is_unset(value) && !has_place(value))
}

/// The text of the file at the path that was typed.
pub(super) fn named_file(path: Option<&PathBuf>) -> Result<Option<String>, Error> {
    given_path(path).map(read_file).transpose()
}

/// JSON as it was typed, or the text of the file whose path follows an `@`; with the values of its variables.
pub(super) fn document(typed: Option<&String>) -> Result<Option<String>, Error> {
    let Some(typed) = given(typed) else { return Ok(None) };
    let read;
    let json = match typed.trim().strip_prefix('@') {
        Some(path) => {
            let path = expand_path(Path::new(path));
            let path = path.map_err(|why| Error::Usage(format!("the file of the client's JSON: {why}")))?;
            read = text_of(&path)?;
            // Metadata of a client are no secret.
            if read.contains("client_secret") {
                crate::files::warn_if_readable(&path);
            }
            &read
        }
        None => typed,
    };
    let filled =
        fill_in(json).map_err(|unfilled| Error::Usage(format!("the client's JSON cannot be used: {unfilled}")));
    filled.map(Some)
}

/// The text of a file with secrets.
pub(super) fn read_file(path: &Path) -> Result<String, Error> {
    crate::files::warn_if_readable(path);
    text_of(path)
}

fn text_of(path: &Path) -> Result<String, Error> {
    read_text(path).map_err(|error| Error::File(path.display().to_string(), error.to_string()))
}

/// The words of a command. The program's path and the arguments may begin with `~`; variables in the arguments are left
/// to the program, which may be a shell, unless they are spelled as no shell does it.
pub(super) fn command(typed: &str) -> Result<Vec<String>, String> {
    let words = split_command(typed).into_iter().enumerate().map(|(nth, word)| {
        let is_ours = nth == 0 || word == "~" || word.starts_with("~/") || word.contains("${env:");
        if !is_ours {
            return Ok(word);
        }
        if word.contains("${env:") && nth > 0 {
            return fill_in(&word).map_err(|unfilled| unfilled.to_string());
        }
        expand_path(Path::new(&word)).map(|path| path.to_string_lossy().into_owned())
    });
    words.collect()
}

/// Splits a command into program and arguments: at white space, but not within quotes. A backslash escapes the next
/// character; on Windows, where it belongs to paths, only a quote. The result is empty if a quote stays open.
fn split_command(command: &str) -> Vec<String> {
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
    fn a_variable_is_named_in_every_spelling() {
        for typed in ["TOKEN", "${TOKEN}", "${env:TOKEN}", "{env:TOKEN}", "$TOKEN", "%TOKEN%", "\"TOKEN\""] {
            assert_eq!(variable_name(typed), "TOKEN", "{typed}");
        }
        assert_eq!(variable_name("${input:token}"), "${input:token}");
    }

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
