//! What does a 401 or 403 ask for? Reads `WWW-Authenticate` as RFC 9110 section 11.6.1 defines it and as servers write
//! it.

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;

/// A longer header is not read further than its scheme: no server needs that much, and everything in it goes into
/// requests and sentences.
const LONGEST: usize = 16 * 1024;

/// How many challenge headers of a response are read.
const MOST_HEADERS: usize = 16;

/// All OAuth challenges of one response together. Other schemes (`Basic`, `Negotiate`) are ignored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Challenge {
    /// `Bearer` is among the schemes.
    pub bearer: bool,
    /// `DPoP` is among the schemes (RFC 9449 section 7.1).
    pub dpop: bool,
    /// The URL of the protected resource metadata (RFC 9728 section 5.1).
    pub resource_metadata: Option<String>,
    /// The scope that the refused request needs, space separated.
    pub scope: Option<String>,
    /// `invalid_token`, `insufficient_scope`, `use_dpop_nonce`, …
    pub error: Option<String>,
    /// A text for people.
    pub error_description: Option<String>,
}

impl Challenge {
    /// Reads all `WWW-Authenticate` headers; `None` if they have no OAuth scheme. If a parameter occurs twice, the
    /// first counts.
    pub fn read(headers: &HeaderMap) -> Option<Self> {
        let mut all = Self::default();
        for value in headers.get_all(WWW_AUTHENTICATE).iter().take(MOST_HEADERS) {
            let mut value = value.as_bytes();
            if value.len() > LONGEST {
                value = value.split(u8::is_ascii_whitespace).find(|word| !word.is_empty()).unwrap_or_default();
                value = if value.len() > LONGEST { b"" } else { value };
            }
            all.add(&String::from_utf8_lossy(value));
        }
        (all.bearer || all.dpop).then_some(all)
    }

    /// Whether the token is valid but has too little scope (RFC 6750 section 3.1): such a 403 asks for a step-up.
    pub fn is_insufficient_scope(&self) -> bool {
        self.error.as_deref() == Some("insufficient_scope")
    }

    /// Whether the server asks for the same request with a nonce in its proof (RFC 9449 section 9).
    pub fn wants_nonce(&self) -> bool {
        self.error.as_deref() == Some("use_dpop_nonce")
    }

    fn add(&mut self, header: &str) {
        let mut parser = Parser { rest: header };
        let mut is_oauth = false;
        while let Some((name, value)) = parser.next() {
            match value {
                Some(value) if is_oauth => self.set(name, value),
                Some(_) => {}
                None => {
                    let (bearer, dpop) = (name.eq_ignore_ascii_case("bearer"), name.eq_ignore_ascii_case("dpop"));
                    self.bearer |= bearer;
                    self.dpop |= dpop;
                    is_oauth = bearer || dpop;
                }
            }
        }
    }

    fn set(&mut self, name: &str, value: String) {
        let field = match name.to_ascii_lowercase().as_str() {
            "resource_metadata" => &mut self.resource_metadata,
            "scope" => &mut self.scope,
            "error" => &mut self.error,
            "error_description" => &mut self.error_description,
            _ => return,
        };
        if !value.is_empty() {
            field.get_or_insert(value);
        }
    }
}

/// Reads one header from its beginning to its end.
struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    /// The next scheme, or parameter with its value. Commas separate both, but servers forget them, so that only the
    /// `=` after its name shows that an item is a parameter.
    fn next(&mut self) -> Option<(&'a str, Option<String>)> {
        loop {
            self.rest = self.rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
            let first = self.rest.chars().next()?;
            let end = self.rest.find(|c: char| !is_token(c)).unwrap_or(self.rest.len());
            if end == 0 {
                // A character that no item begins with, such as a stray quote.
                self.rest = &self.rest[first.len_utf8()..];
                continue;
            }
            let (name, rest) = self.rest.split_at(end);
            if let Some(value) = rest.trim_start().strip_prefix('=') {
                self.rest = value.trim_start_matches(' ');
                return Some((name, Some(self.value(name))));
            }
            self.rest = rest;
            return Some((name, None));
        }
    }

    fn value(&mut self, name: &str) -> String {
        if let Some(quoted) = self.rest.strip_prefix('"') {
            return self.quoted(quoted);
        }
        let mut end = self.bare_end(0);
        // A scope without quotes: `scope=a b`. The words after the first belong to it, unless they are the names of
        // known schemes or of parameters.
        while name.eq_ignore_ascii_case("scope") {
            let next = self.rest[end..].trim_start_matches(' ');
            let start = self.rest.len() - next.len();
            let next_end = self.bare_end(start);
            let word = &self.rest[start..next_end];
            if word.is_empty() || start == end || word.contains(['=', '"']) || is_known_scheme(word) {
                break;
            }
            end = next_end;
        }
        let (value, rest) = self.rest.split_at(end);
        self.rest = rest;
        value.to_owned()
    }

    fn bare_end(&self, start: usize) -> usize {
        let rest = &self.rest[start..];
        start + rest.find(|c: char| c.is_whitespace() || c == ',').unwrap_or(rest.len())
    }

    fn quoted(&mut self, text: &'a str) -> String {
        let mut value = String::new();
        let mut chars = text.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = &text[at + 1..];
                    return value;
                }
                '\\' => value.extend(chars.next().map(|(_, escaped)| escaped)),
                c => value.push(c),
            }
        }
        // Without a closing quote, the value is the rest of the header.
        self.rest = "";
        value
    }
}

/// RFC 9110 section 5.6.2.
fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

fn is_known_scheme(word: &str) -> bool {
    ["bearer", "dpop", "basic", "digest", "negotiate", "ntlm"].iter().any(|known| word.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn read(values: &[&str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        Challenge::read(&headers)
    }

    fn parameters(values: &[&str]) -> [Option<String>; 4] {
        let challenge = read(values).unwrap();
        [challenge.resource_metadata, challenge.scope, challenge.error, challenge.error_description]
    }

    #[test]
    fn challenges_are_read_in_the_forms_of_many_servers() {
        let some = |text: &str| Some(text.to_owned());
        for (values, expected) in [
            (&["Bearer"][..], [None, None, None, None]),
            (
                &[r#"bearer resource_metadata="https://h/p?a=b,c", scope="a b""#],
                [some("https://h/p?a=b,c"), some("a b"), None, None],
            ),
            (
                &[r#"Bearer realm="x" error="invalid_token" error_description="no \"commas\", \\ here""#],
                [None, None, some("invalid_token"), some(r#"no "commas", \ here"#)],
            ),
            (&[r#"Basic realm="x", scope="not ours", Bearer scope=a"#], [None, some("a"), None, None]),
            (&[r#"Bearer scope="a", Basic scope="not ours""#], [None, some("a"), None, None]),
            (
                &["Negotiate YII=", r#"Bearer error = "insufficient_scope""#],
                [None, None, some("insufficient_scope"), None],
            ),
            (&["Negotiate abc==, Bearer error=e"], [None, None, some("e"), None]),
            (&["Bearer resource_metadata=https://h/x?y=z"], [some("https://h/x?y=z"), None, None, None]),
            (&["Bearer scope=a b:c error=e"], [None, some("a b:c"), some("e"), None]),
            (&[r#"Bearer error="x", error="y", scope="""#, r#"Bearer scope="z""#], [None, some("z"), some("x"), None]),
            (&[r#"Bearer scope="never closed"#], [None, some("never closed"), None, None]),
        ] {
            assert_eq!(parameters(values), expected, "{values:?}");
        }
    }

    #[test]
    fn a_challenge_that_is_far_too_long_is_only_a_scheme() {
        let scopes = "scope-of-many ".repeat(20_000);
        for header in [
            format!("Bearer scope=\"{scopes}\", error=\"insufficient_scope\""),
            format!("Bearer scope={scopes}"),
            format!("  bearer {scopes}"),
            format!("Bearer error_description=\"{scopes}"),
        ] {
            assert_eq!(parameters(&[&header]), [None, None, None, None]);
        }
        assert_eq!(read(&[&"x".repeat(LONGEST + 1)]), None);
    }

    #[test]
    fn schemes_are_distinguished() {
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[r#"Basic realm="Bearer""#]), None, "a realm is not a scheme");
        let both = read(&[r#"DPoP algs="ES256", error="use_dpop_nonce", Bearer"#]).unwrap();
        assert!(both.dpop && both.bearer && both.wants_nonce() && !both.is_insufficient_scope());
    }

    proptest! {
        #[test]
        fn a_quoted_value_is_read_completely(value in "[ -~]{1,40}", comma in "(, |,| )") {
            let quoted = value.replace('\\', r"\\").replace('"', "\\\"");
            let header = format!("Bearer realm=\"r\"{comma}error_description=\"{quoted}\"{comma}scope=\"s\"");
            let challenge = read(&[&header]).unwrap();
            prop_assert_eq!(challenge.error_description, Some(value));
            prop_assert_eq!(challenge.scope.as_deref(), Some("s"));
        }

        #[test]
        fn no_header_causes_a_panic(text in "[ -~\u{80}-\u{ff}]{0,80}") {
            read(&[&text]);
        }
    }
}
