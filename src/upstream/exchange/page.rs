//! What does an HTML page say? Its title, then its text, without scripts and styles. Error pages of proxies and gateways
//! are read this way; a browser would show more of them.

/// Elements whose content is not text for people.
const SILENT: [&str; 8] = ["script", "style", "head", "svg", "template", "noscript", "iframe", "object"];

/// The most of a title that is used, in characters.
const LONGEST_TITLE: usize = 120;

/// A tag that is longer, in characters, ends at its first `>`, in quotes or not.
const LONGEST_TAG: usize = 2048;

/// The title and the text of a page, the title once.
pub(super) fn page_text(html: &str) -> String {
    let mut page = Page::default();
    page.read(html);
    let words = |text: &str| unescaped(text).split_whitespace().collect::<Vec<_>>().join(" ");
    let (title, text) = (words(&page.title), words(&page.text));
    let title: String = title.chars().take(LONGEST_TITLE).collect();
    match text.strip_prefix(&title) {
        Some(rest) => format!("{title}{rest}"),
        None => format!("{title} {text}"),
    }
}

#[derive(Default)]
struct Page {
    title: String,
    text: String,
}

impl Page {
    /// Reads each character once, whatever is nested or left open.
    fn read(&mut self, html: &str) {
        let mut rest = html;
        while let Some(at) = rest.find('<') {
            self.text.push_str(&rest[..at]);
            rest = &rest[at..];
            rest = self.tag(rest);
        }
        self.text.push_str(rest);
    }

    /// Takes what begins with `<`, and returns what follows it.
    fn tag<'a>(&mut self, html: &'a str) -> &'a str {
        if let Some(comment) = html.strip_prefix("<!--") {
            return after(comment, "-->");
        }
        let name = html[1..].trim_start_matches('/');
        let name = &name[..name.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(name.len())];
        if name.is_empty() && !html.starts_with("<!") && !html.starts_with("<?") {
            // A lone `<` in the text.
            self.text.push('<');
            return &html[1..];
        }
        let name = name.to_ascii_lowercase();
        let is_end = html.starts_with("</");
        let rest = after_tag(html);
        self.text.push(' ');
        if name == "head" && !is_end {
            // Of the head only the title.
            return rest;
        }
        if name == "title" && !is_end {
            let (title, rest) = until_end(rest, "title");
            if self.title.is_empty() {
                title.clone_into(&mut self.title);
            }
            return rest;
        }
        if !is_end && SILENT.contains(&&*name) {
            return until_end(rest, &name).1;
        }
        rest
    }
}

/// What stands before the end tag of this element, and what follows the tag. An element that does not end is the rest of
/// the page.
fn until_end<'a>(html: &'a str, name: &str) -> (&'a str, &'a str) {
    let mut from = 0;
    while let Some(at) = html[from..].find("</").map(|at| from + at) {
        let tag = &html[at + 2..];
        if tag.get(..name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name)) {
            return (&html[..at], after_tag(&html[at..]));
        }
        from = at + 2;
    }
    (html, "")
}

/// What follows a tag. A `>` in quotes is part of a value.
fn after_tag(html: &str) -> &str {
    let mut quote = None;
    for (at, c) in html.char_indices().take(LONGEST_TAG) {
        match (quote, c) {
            (None, '>') => return &html[at + 1..],
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
    }
    // A quote that is left open must not swallow the page.
    after(html, ">")
}

fn after<'a>(html: &'a str, end: &str) -> &'a str {
    html.split_once(end).map_or("", |(_, rest)| rest)
}

/// The text with the usual character references replaced.
fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.bytes().take(10).position(|byte| byte == b';');
        match end.and_then(|end| Some((reference(&rest[1..end])?, end))) {
            Some((c, end)) => {
                plain.push(c);
                rest = &rest[end + 1..];
            }
            None => {
                plain.push('&');
                rest = &rest[1..];
            }
        }
    }
    plain.push_str(rest);
    plain
}

fn reference(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        "copy" => '©',
        "ndash" => '–',
        "mdash" => '—',
        "hellip" => '…',
        "middot" => '·',
        _ => {
            let digits = name.strip_prefix('#')?;
            let code = match digits.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => digits.parse().ok()?,
            };
            char::from_u32(code).filter(|c| !c.is_control())?
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_page_is_its_title_and_its_text() {
        for (html, text) in [
            ("<html><title>Not here</title>\n<p>x</html>", "Not here x"),
            (
                "<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center>\
                 <hr><center>nginx</center></body></html>",
                "502 Bad Gateway nginx",
            ),
            (
                "<!DOCTYPE html><html><head><meta charset=\"utf-8\"><style>body > p { color: red }</style>\
                 <script>if (a < b && c > d) { go('</p>'); }</script><TITLE>Down</TITLE></head>\
                 <body class='a>b'><!-- <p>hidden</p> --><p>We&#39;ll be &quot;back&quot; soon&nbsp;&amp; well.</p>\
                 <script src=x>track()</script><svg><path d=\"M0\"/><text>logo</text></svg></body></html>",
                "Down We'll be \"back\" soon & well.",
            ),
            ("<style>p { }", ""),
            ("<p>1 < 2 & 3 &gt; 2; &unknown; &#0; &#x41;</p>", "1 < 2 & 3 > 2; &unknown; &#0; A"),
            ("<p title=\"open>text", "text"),
            ("<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>", "AccessDenied"),
        ] {
            assert_eq!(page_text(html).trim(), text, "{html}");
        }
    }

    proptest! {
        #[test]
        fn no_page_is_too_strange(html in "(<[a-z!?/]{0,3}|title|script|head|-->|>|&#?x?[0-9a-z]{0,9};?|\"|'|é| ){0,60}") {
            page_text(&html);
        }
    }
}
