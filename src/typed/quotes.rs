//! Which quotes around a text belong to the text? None: a shell would have removed them, and so does this.

/// How quotes begin and end: those of shells and JSON, and those that word processors make of them.
const QUOTES: [(char, char); 4] = [('"', '"'), ('\'', '\''), ('“', '”'), ('‘', '’')];

/// The text without white space and quotes around it.
pub(crate) fn unquoted(text: &str) -> &str {
    let text = text.trim();
    let inside = |(open, close): (char, char)| {
        let inside = text.strip_prefix(open)?.strip_suffix(close)?;
        (!inside.contains([open, close])).then_some(inside.trim())
    };
    QUOTES.into_iter().find_map(inside).unwrap_or(text)
}

/// A key or certificate, with its lines: as a value of JSON or of an environment file it is quoted, on one line.
pub(crate) fn pem(text: &str) -> String {
    let text = unquoted(text);
    if text.contains('\n') { text.to_owned() } else { text.replace("\\r", "").replace("\\n", "\n") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_quotes_around_the_whole_text_are_removed() {
        for (text, bare) in [
            (" \"a b\"\r\n", "a b"),
            ("'a'", "a"),
            ("“a”", "a"),
            ("\"a\" or \"b\"", "\"a\" or \"b\""),
            ("\"a", "\"a"),
            ("\"", "\""),
            ("", ""),
        ] {
            assert_eq!(unquoted(text), bare, "{text}");
        }
        assert_eq!(pem("\"-----BEGIN X-----\\nAA==\\n-----END X-----\""), "-----BEGIN X-----\nAA==\n-----END X-----");
    }
}
