//! What stands where in a text of JSON with comments? Values with their places; numbers and strings as they are spelled.

use std::fmt::Write as _;
use std::ops::Range;

use crate::install::edit::Grammar;

/// Deeper values are refused, because reading them takes the stack.
const DEEPEST: usize = 200;

/// A text of JSON.
#[derive(Debug)]
pub(super) struct Document {
    /// `None` if there are only white space and comments.
    pub(super) root: Option<Node>,
    pub(super) comments: Vec<Comment>,
}

#[derive(Debug)]
pub(super) struct Comment {
    pub(super) span: Range<usize>,
    /// From `//` to the end of the line.
    pub(super) is_line: bool,
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) span: Range<usize>,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Object(Vec<Member>),
    Array(Vec<Node>),
    /// A string without its escapes.
    Text(String),
    /// A number, `true`, `false`, `null`.
    Plain,
}

#[derive(Debug)]
pub(super) struct Member {
    /// The key without its escapes.
    pub(super) name: String,
    pub(super) key: Range<usize>,
    pub(super) value: Node,
    /// Where the comma behind it is.
    pub(super) comma: Option<usize>,
}

/// What is wrong, and where.
#[derive(Debug)]
pub(super) struct Syntax {
    pub(super) at: usize,
    pub(super) reason: String,
}

pub(super) fn parse(text: &str, grammar: Grammar) -> Result<Document, Syntax> {
    let mut parser = Parser { text, at: 0, grammar, comments: Vec::new(), depth: 0 };
    parser.skip()?;
    let root = if parser.peek().is_some() { Some(parser.value()?) } else { None };
    parser.skip()?;
    match parser.peek() {
        Some(_) => parser.fail("there is more behind the end of the JSON"),
        None => Ok(Document { root, comments: parser.comments }),
    }
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    grammar: Grammar,
    comments: Vec<Comment>,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn fail<T>(&self, reason: impl Into<String>) -> Result<T, Syntax> {
        Err(Syntax { at: self.at, reason: reason.into() })
    }

    fn fail_expecting<T>(&self, expected: &str) -> Result<T, Syntax> {
        match self.peek() {
            None => self.fail(format!("the file ends where {expected} is expected")),
            Some(_) => self.fail(format!("not valid: {expected} is expected here")),
        }
    }

    /// White space and comments.
    fn skip(&mut self) -> Result<(), Syntax> {
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.at += 1,
                Some(b'/') => self.comment()?,
                _ => return Ok(()),
            }
        }
    }

    fn comment(&mut self) -> Result<(), Syntax> {
        let rest = &self.text[self.at..];
        let is_line = rest.starts_with("//");
        if !self.grammar.comments {
            return self.fail("a comment, which this client does not read");
        }
        let length = if is_line {
            rest.find(['\n', '\r']).unwrap_or(rest.len())
        } else if let Some(body) = rest.strip_prefix("/*") {
            let Some(end) = body.find("*/") else { return self.fail("a comment without an end") };
            end + 4
        } else {
            return self.fail_expecting("a value or a comment");
        };
        // Some programs see the end of the comment there.
        if is_line && rest[..length].contains(['\u{2028}', '\u{2029}']) {
            return self.fail("a comment with a line separator, which programs read differently");
        }
        self.comments.push(Comment { span: self.at..self.at + length, is_line });
        self.at += length;
        Ok(())
    }

    fn value(&mut self) -> Result<Node, Syntax> {
        let start = self.at;
        self.depth += 1;
        if self.depth > DEEPEST {
            return self.fail(format!("values are nested more than {DEEPEST} deep"));
        }
        let kind = match self.peek() {
            Some(b'{') => self.object()?,
            Some(b'[') => self.array()?,
            Some(b'"') => Kind::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => self.word()?,
        };
        self.depth -= 1;
        Ok(Node { span: start..self.at, kind })
    }

    fn object(&mut self) -> Result<Kind, Syntax> {
        self.at += 1;
        let mut members: Vec<Member> = Vec::new();
        loop {
            self.skip()?;
            let may_end = self.grammar.trailing_commas || members.is_empty();
            match self.peek() {
                Some(b'}') if may_end => break,
                Some(b'}') => return self.fail("a comma behind the last member, which this client does not read"),
                Some(b'"') => {}
                _ => return self.fail_expecting("a key in quotes"),
            }
            let start = self.at;
            let name = self.string()?;
            let key = start..self.at;
            self.skip()?;
            if self.peek() != Some(b':') {
                return self.fail_expecting("a colon");
            }
            self.at += 1;
            self.skip()?;
            let value = self.value()?;
            self.skip()?;
            let comma = (self.peek() == Some(b',')).then_some(self.at);
            members.push(Member { name, key, value, comma });
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return self.fail_expecting("a comma or a closing brace"),
            }
        }
        self.at += 1;
        Ok(Kind::Object(members))
    }

    fn array(&mut self) -> Result<Kind, Syntax> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.skip()?;
            match self.peek() {
                Some(b']') if self.grammar.trailing_commas || items.is_empty() => break,
                Some(b']') => return self.fail("a comma behind the last value, which this client does not read"),
                _ => items.push(self.value()?),
            }
            self.skip()?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return self.fail_expecting("a comma or a closing bracket"),
            }
        }
        self.at += 1;
        Ok(Kind::Array(items))
    }

    /// A half of a surrogate pair that stands alone becomes its escape: such a key is none of ours.
    fn string(&mut self) -> Result<String, Syntax> {
        let start = self.at;
        self.at += 1;
        let mut units: Vec<u16> = Vec::new();
        let mut plain = self.at;
        loop {
            let rest = &self.text.as_bytes()[self.at..];
            let Some(length) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..b' ')) else {
                self.at = start;
                return self.fail("a string without an end");
            };
            self.at += length;
            match rest[length] {
                b'"' => break,
                b'\\' => {
                    units.extend(self.text[plain..self.at].encode_utf16());
                    units.push(self.escape()?);
                    plain = self.at;
                }
                _ => return self.fail("a string with a line end or a control character"),
            }
        }
        let rest = &self.text[plain..self.at];
        self.at += 1;
        if plain == start + 1 {
            return Ok(rest.to_owned());
        }
        units.extend(rest.encode_utf16());
        let chars = char::decode_utf16(units);
        Ok(chars.fold(String::new(), |mut text, unit| {
            match unit {
                Ok(c) => text.push(c),
                Err(lone) => write!(text, "\\u{:04x}", lone.unpaired_surrogate()).unwrap_or_default(),
            }
            text
        }))
    }

    fn escape(&mut self) -> Result<u16, Syntax> {
        let rest = &self.text[self.at + 1..];
        let plain = match rest.bytes().next() {
            Some(byte @ (b'"' | b'\\' | b'/')) => byte,
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => {
                let digits = rest.get(1..5).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
                let Some(unit) = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok()) else {
                    return self.fail("not valid: \\u needs four hexadecimal digits");
                };
                self.at += 6;
                return Ok(unit);
            }
            _ => return self.fail("not valid: no such escape exists"),
        };
        self.at += 2;
        Ok(plain.into())
    }

    fn number(&mut self) -> Result<Kind, Syntax> {
        let rest = &self.text[self.at..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c)).unwrap_or(rest.len());
        if !is_number(&rest[..end]) {
            return self.fail("not valid: a number is expected here");
        }
        self.at += end;
        Ok(Kind::Plain)
    }

    fn word(&mut self) -> Result<Kind, Syntax> {
        let rest = &self.text[self.at..];
        let word = rest.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        if !["true", "false", "null"].contains(&word) {
            return self.fail_expecting("a value");
        }
        self.at += word.len();
        Ok(Kind::Plain)
    }
}

fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let whole = whole.strip_prefix('-').unwrap_or(whole);
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|exponent| digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)))
}
