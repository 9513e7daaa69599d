//! How are texts of strangers shown: to people in a terminal, in a file or in a browser, and to models? A stranger is
//! whoever wrote what a server, a file or another program sent.

use super::known::floor_char_boundary;
use super::secret::{longest_secret, mask_start};

/// The longest text of a stranger that is shown, in characters.
const LONGEST: usize = 300;

/// The longest name. A sentence may have three.
const LONGEST_NAME: usize = LONGEST / 3;

/// A longer text for people is cut. Nobody reads it, and the time for the search grows with it.
const LONGEST_LINE: usize = 16 * 1024;

/// How much of a text is looked at, in bytes: what follows is not shown.
const START: usize = 2048;

/// What a person or a model may see of a stranger's text: one line, without secrets, without characters that act on a
/// terminal or deceive the eye, and not long. Every such text goes through this function where it becomes a part of an
/// error, a hint, a page or a line.
pub fn foreign(text: &str) -> String {
    shown(text, LONGEST)
}

/// The same for bytes that should be a text.
pub fn foreign_bytes(text: &[u8]) -> String {
    // One character more than is looked at shows that the text goes on.
    let needed = START.saturating_add(longest_secret()).saturating_add(char::MAX.len_utf8()).min(text.len());
    foreign(&String::from_utf8_lossy(&text[..needed]))
}

/// The same for what a stranger calls something, where a sentence has more than one text of a stranger.
pub fn foreign_name(name: &str) -> String {
    shown(name, LONGEST_NAME)
}

fn shown(text: &str, longest: usize) -> String {
    let shown = redact_start(text, START);
    let line = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(longest) {
        // One less than the limit, for the mark that the text goes on.
        Some(_) => line.chars().take(longest - 1).chain(['…']).collect(),
        None => line,
    }
}

/// The same for the beginning of a long text, which a caller is going to read before it shows a part of it.
pub fn redact_start(text: &str, length: usize) -> String {
    let needed = longest_secret();
    let start = &text[..floor_char_boundary(text, length.saturating_add(needed))];
    // First, because a secret may be spelled with invisible characters in it.
    let neutral = neutral(start);
    // The text may be cut within a secret, whose beginning would not be recognized.
    let end = if start.len() < text.len() { neutral.len().saturating_sub(needed) } else { neutral.len() };
    mask_start(&neutral, length.min(end))
}

/// A sentence of this program, which may quote strangers: without secrets, on one line, and without characters that act
/// on a terminal. A very long one is cut.
pub fn redact(text: &str) -> String {
    let mut shown = redact_start(text, LONGEST_LINE);
    if text.len() > LONGEST_LINE {
        shown.truncate(floor_char_boundary(&shown, LONGEST_LINE));
        shown.push('…');
    }
    shown
}

/// The text on one line, without characters that act on a terminal or deceive the eye.
pub fn neutral(text: &str) -> String {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.to_owned();
    }
    text.chars().filter(|c| !is_invisible(*c)).map(|c| if is_break(c) { ' ' } else { c }).collect()
}

/// A text of JSON without these characters: its escapes say the same. Line ends stay, which may stand between its parts.
pub fn neutral_json(text: &str) -> String {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r')) {
        return text.to_owned();
    }
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if (is_invisible(c) || is_break(c)) && !matches!(c, '\t' | '\n' | '\r') {
            let mut units = [0; 2];
            escaped.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// A stranger's word in a command that a person may copy: what a shell would act on is quoted.
pub fn shell_word(word: &str) -> String {
    let word = neutral(word);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@,+=".contains(c);
    if !word.is_empty() && !word.starts_with('-') && word.chars().all(is_plain) {
        return word;
    }
    // No shell of Windows has a quote for each of these.
    if cfg!(windows) {
        format!("\"{}\"", word.replace(['"', '%', '!', '`', '$'], ""))
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Control characters (C0 and C1) and the line and paragraph separators.
fn is_break(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Characters that cannot be seen: those that change the direction of a text or join and part letters, and those in
/// which a text can be hidden. Without the joiners, some scripts cannot be written.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0e}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn invisible_characters_hide_no_secret_from_the_search() {
        crate::log::hide("marked-unseen-0123456789");
        let split = "marked-un\u{200b}seen-01\u{e0041}23456789";
        assert_eq!((foreign(split), redact(split)), ("***".to_owned(), "***".to_owned()));
        // Where a long text is cut, much of it may be invisible.
        for before in 0..200 {
            let text = format!("{}{}", "\u{200b}".repeat(before * 100), "marked-unseen-0123456789 ".repeat(2000));
            for shown in [foreign(&text), redact(&text), foreign_bytes(text.as_bytes())] {
                assert!(!shown.contains("mark"), "{before}: {shown}");
            }
        }
    }

    #[test]
    fn a_strangers_text_is_one_short_line_of_visible_characters() {
        assert_eq!(foreign(" a\r\n\tb\u{1b}[31m\u{9b}2J\u{2028}c\u{202e}d\u{e0041} "), "a b [31m 2J cd");
        assert_eq!(foreign("naïve 日本語 می‌خواهم 👩‍💻"), "naïve 日本語 می‌خواهم 👩‍💻");
        assert_eq!(foreign(&"ä".repeat(5000)).chars().count(), 300);
        assert_eq!(foreign(&"x".repeat(300)), "x".repeat(300));
        assert_eq!(neutral_json("{\"a\":\"\u{202e}\u{9b}\u{e0041}é\"}"), r#"{"a":"\u202e\u009b\udb40\udc41é"}"#);
        assert_eq!(neutral_json("{\"a\":\n\"\u{7f}é\"}\r\n"), "{\"a\":\n\"\\u007fé\"}\r\n");
    }

    #[test]
    fn a_secret_at_the_cut_of_a_long_text_is_redacted() {
        crate::log::hide("marked-at-the-cut");
        for before in LONGEST_LINE - 20..LONGEST_LINE + 3 {
            let shown = redact(&format!("{}marked-at-the-cut{}", "x".repeat(before), "y".repeat(LONGEST_LINE)));
            assert!(!shown.contains("mark") && shown.len() <= LONGEST_LINE + "…".len(), "{before}");
        }
    }

    #[cfg(not(windows))]
    #[test]
    fn a_strangers_word_is_one_word_of_a_command() {
        for (word, quoted) in [
            ("https://h/mcp", "https://h/mcp"),
            ("https://h/mcp?a=b&c=$(d)", "'https://h/mcp?a=b&c=$(d)'"),
            ("a'; rm -rf ~ #", r"'a'\''; rm -rf ~ #'"),
            ("--all", "'--all'"),
            ("", "''"),
        ] {
            assert_eq!(shell_word(word), quoted);
        }
    }

    proptest! {
        #[test]
        fn no_text_is_shown_raw(text in "(\\PC|\\p{Cc}|\\p{Cf}|[a ]{50}){0,40}") {
            let shown = foreign(&text);
            prop_assert!(shown.chars().count() <= LONGEST);
            let is_raw = |c: char| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c) || ('\u{2028}'..='\u{2029}').contains(&c);
            prop_assert!(!shown.contains(is_raw) && !redact(&text).contains(is_raw));
        }
    }
}
