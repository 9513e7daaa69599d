//! Where does one message end and the next begin?

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::message::Oversize;

/// What stands between two line ends, or what one `Content-Length` header promised.
#[derive(Debug)]
pub enum Line {
    /// Its bytes without the line end; never only white space.
    Text(Vec<u8>),
    /// It was longer than the limit and is gone.
    TooLong {
        /// The id of the request it was, as spelled, if it was one.
        request_id: Option<String>,
        /// The id of the answer it was, as spelled, if it was one.
        answer_id: Option<String>,
    },
}

/// Splits bytes that arrive in pieces of any size. A client that opens with a `Content-Length` header (as language
/// servers do) is understood as such from then on.
#[derive(Debug)]
pub struct Lines {
    limit: usize,
    partial: Vec<u8>,
    /// Stands in for `partial` once that passed the limit.
    oversize: Option<Box<Oversize>>,
    framing: Framing,
    framed: Arc<AtomicBool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// Nothing but white space so far.
    Unknown,
    Newline,
    /// Among header lines, with what they promised.
    Header(Option<usize>),
    /// In a body, with so many bytes to come.
    Body(usize),
}

const CONTENT_LENGTH: &[u8] = b"content-length:";

impl Lines {
    /// `limit` is the longest line, in bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, partial: Vec::new(), oversize: None, framing: Framing::Unknown, framed: Arc::default() }
    }

    /// Whether the client frames by `Content-Length` and so wants to be answered in kind. Told before its first message
    /// is handed on, or the answer could overtake the news.
    pub fn framed(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.framed)
    }

    /// Takes the next piece and hands on each line that it completes.
    pub fn push(&mut self, mut piece: &[u8], hand_on: &mut impl FnMut(Line)) {
        while !piece.is_empty() {
            if let Framing::Body(missing) = self.framing {
                let (body, rest) = piece.split_at(missing.min(piece.len()));
                self.keep(body);
                piece = rest;
                self.framing = Framing::Body(missing - body.len());
                if missing == body.len() {
                    self.complete(hand_on);
                    self.framing = Framing::Header(None);
                }
            } else if let Some(end) = memchr::memchr(b'\n', piece) {
                self.keep(&piece[..end]);
                piece = &piece[end + 1..];
                self.line(hand_on);
            } else {
                self.keep(piece);
                return;
            }
        }
    }

    /// The input has ended: what has no line end yet is the last line.
    pub fn end(&mut self, hand_on: &mut impl FnMut(Line)) {
        if !matches!(self.framing, Framing::Header(_)) {
            self.complete(hand_on);
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        if let Some(oversize) = &mut self.oversize {
            oversize.push(bytes);
        } else if self.partial.len() + bytes.len() > self.limit {
            let mut oversize = Box::new(Oversize::default());
            oversize.push(&std::mem::take(&mut self.partial));
            oversize.push(bytes);
            self.oversize = Some(oversize);
        } else {
            self.partial.extend_from_slice(bytes);
        }
    }

    fn line(&mut self, hand_on: &mut impl FnMut(Line)) {
        let blank = self.oversize.is_none() && self.partial.iter().all(u8::is_ascii_whitespace);
        match self.framing {
            Framing::Unknown if blank => self.partial.clear(),
            Framing::Unknown if content_length(&self.partial).is_some() => {
                self.framing = Framing::Header(None);
                self.framed.store(true, Ordering::Release);
                self.line(hand_on);
            }
            Framing::Unknown | Framing::Newline => {
                self.framing = Framing::Newline;
                self.complete(hand_on);
            }
            Framing::Header(Some(length)) if blank => {
                self.partial.clear();
                self.framing = Framing::Body(length);
                if length == 0 {
                    self.framing = Framing::Header(None);
                }
            }
            Framing::Header(length) => {
                // Other headers mean nothing here; a second length replaces the first.
                self.framing = Framing::Header(content_length(&self.partial).or(length));
                self.partial.clear();
                self.oversize = None;
            }
            Framing::Body(_) => {}
        }
    }

    fn complete(&mut self, hand_on: &mut impl FnMut(Line)) {
        let text = std::mem::take(&mut self.partial);
        if let Some(oversize) = self.oversize.take() {
            hand_on(Line::TooLong {
                request_id: oversize.request_id().map(str::to_owned),
                answer_id: oversize.answer_id().map(str::to_owned),
            });
        } else if !text.iter().all(u8::is_ascii_whitespace) {
            hand_on(Line::Text(text));
        }
    }
}

/// The length that a header line promises.
fn content_length(line: &[u8]) -> Option<usize> {
    let line = line.trim_ascii();
    let (name, value) = line.split_at_checked(CONTENT_LENGTH.len())?;
    if !name.eq_ignore_ascii_case(CONTENT_LENGTH) {
        return None;
    }
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The lines as text, `!ID` for one that was too long.
    fn split(pieces: &[&[u8]], limit: usize) -> Vec<String> {
        let mut found = Vec::new();
        let mut lines = Lines::new(limit);
        let mut hand_on = |line| {
            found.push(match line {
                Line::Text(text) => String::from_utf8_lossy(&text).into_owned(),
                Line::TooLong { request_id, .. } => format!("!{}", request_id.unwrap_or_default()),
            });
        };
        for piece in pieces {
            lines.push(piece, &mut hand_on);
        }
        lines.end(&mut hand_on);
        found
    }

    #[test]
    fn lines_end_at_newlines_and_at_the_end_of_input() {
        assert_eq!(split(&[b"\n  \r\n{1}\r\n\n{2}\n{3}"], 100), ["{1}\r", "{2}", "{3}"]);
    }

    #[test]
    fn a_line_over_the_limit_is_one_loss_and_names_its_request() {
        let long =
            format!("{{\"a\":1}}\n{{\"method\":\"m\",\"params\":\"{}\",\"id\":5}}\n{{\"b\":2}}\n", "x".repeat(100));
        assert_eq!(split(&[long.as_bytes()], 50), ["{\"a\":1}", "!5", "{\"b\":2}"]);
    }

    #[test]
    fn content_length_framing_is_understood() {
        let framed = b"Content-Length: 7\r\nContent-Type: x\r\n\r\n{\"a\":1}content-length:8\r\n\r\n{\"b\":\n2}";
        assert_eq!(split(&[framed], 100), ["{\"a\":1}", "{\"b\":\n2}"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn how_the_bytes_are_cut_changes_nothing(
            text in "(Content-Length: ?[0-9]{1,2}\r?\n)?(\r?\n)?([a-z\"{}:,]{0,12}\r?\n){0,5}[a-z]{0,3}",
            cuts in proptest::collection::vec(0..80usize, 0..6),
            limit in 5..40usize,
        ) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|&cut| cut <= bytes.len()).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(split(&pieces, limit), split(&[bytes], limit));
        }
    }
}
