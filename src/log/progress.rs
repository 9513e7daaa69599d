//! Which line of progress stands below the log on a terminal? The next one replaces it, and lines of the log go above it.

use std::io::Write;

use parking_lot::Mutex;

/// The line that is shown, or nothing. Commands set it; the thread that writes the log to stderr moves it. A static, as
/// a process has one stderr.
static SHOWN: Mutex<String> = Mutex::new(String::new());

/// A line that would be broken by a narrow terminal could not be replaced.
const MOST_COLUMNS: usize = 78;

/// Shows this line on stderr in the place of the last one; nothing with an empty text. The caller knows that stderr is a
/// terminal, and that the text is neutral.
pub fn show_progress(text: &str) {
    let line = cut(text);
    let mut shown = SHOWN.lock();
    if *shown != line {
        let erased = erasure(&shown);
        write(&[erased.as_bytes(), line.as_bytes()]);
        *shown = line;
    }
}

/// Writes a line of the log.
pub(super) fn write_above(line: &[u8]) {
    let shown = SHOWN.lock();
    if shown.is_empty() {
        write(&[line]);
    } else {
        write(&[erasure(&shown).as_bytes(), line, shown.as_bytes()]);
    }
}

fn write(parts: &[&[u8]]) {
    let mut stderr = std::io::stderr();
    stderr.write_all(&parts.concat()).and_then(|()| stderr.flush()).ok();
}

/// What removes a line from a terminal, also from one that knows no escape sequences.
fn erasure(line: &str) -> String {
    if line.is_empty() { String::new() } else { format!("\r{}\r", " ".repeat(line.chars().map(columns).sum())) }
}

fn cut(text: &str) -> String {
    let mut left = MOST_COLUMNS;
    let fits = |c: &char| {
        let is_room = columns(*c) <= left;
        left = left.saturating_sub(columns(*c));
        is_room
    };
    text.chars().take_while(fits).collect()
}

/// Some letters are two columns wide.
fn columns(c: char) -> usize {
    if c.is_ascii() { 1 } else { 2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_as_short_as_a_terminal_and_wholly_erased() {
        assert_eq!(cut(&"x".repeat(500)).len(), MOST_COLUMNS);
        assert_eq!(cut(&"日".repeat(500)).chars().count(), MOST_COLUMNS / 2);
        assert_eq!(erasure("日x"), "\r   \r");
        assert_eq!(erasure(""), "");
    }
}
