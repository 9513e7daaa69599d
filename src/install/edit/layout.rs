//! How are the lines of a text laid out: where do they begin, how are they indented, how do they end?

/// Where the line with this byte begins.
pub(super) fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind(['\n', '\r']).map_or(0, |end| end + 1)
}

/// Where the next line begins after this byte, or the text ends.
pub(super) fn next_line(text: &str, at: usize) -> usize {
    match text[at..].find(['\n', '\r']).map(|length| at + length) {
        Some(end) if text[end..].starts_with("\r\n") => end + 2,
        Some(end) => end + 1,
        None => text.len(),
    }
}

/// The white space that the line with this byte begins with.
pub(super) fn indent(text: &str, at: usize) -> &str {
    let start = line_start(text, at);
    let length = text[start..].find(|c| c != ' ' && c != '\t').unwrap_or(text.len() - start);
    &text[start..start + length]
}

/// Whether nothing but white space stands on its line before this byte.
pub(super) fn is_first_on_line(text: &str, at: usize) -> bool {
    text[line_start(text, at)..at].chars().all(|c| c == ' ' || c == '\t')
}

/// How the lines around this byte end.
pub(super) fn newline(text: &str, near: usize) -> &'static str {
    let before = text[..near].rfind(['\n', '\r']);
    let Some(at) = before.or_else(|| text.find(['\n', '\r'])) else { return "\n" };
    let is_pair = text[at..].starts_with("\r\n") || (at > 0 && text[at - 1..].starts_with("\r\n"));
    match &text[at..=at] {
        _ if is_pair => "\r\n",
        "\r" => "\r",
        _ => "\n",
    }
}
