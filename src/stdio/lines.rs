//! Where does one message end and the next begin?

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::message::Oversize;

/// One line, or one body that a `Content-Length` header announced.
#[derive(Debug)]
pub enum Line {
    /// Its bytes without the line end. They are never only white space.
    Text(Vec<u8>),
    /// It was longer than the limit and is dropped.
    TooLong {
        /// The id as spelled, if it was a request.
        request_id: Option<String>,
        /// The id as spelled, if it was an answer.
        answer_id: Option<String>,
    },
}

/// Splits bytes that arrive in pieces of any size. If the client's first line is a `Content-Length` header, as in the
/// language server protocol, all its messages are read that way.
#[derive(Debug)]
pub struct Lines {
    limit: usize,
    partial: Vec<u8>,
    /// Takes the place of `partial` when that is longer than the limit.
    oversize: Option<Box<Oversize>>,
    framing: Framing,
    /// Set here by the thread that reads; read by the threads that write, which answer in the same framing.
    framed: Arc<AtomicBool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// Only white space has come so far.
    Unknown,
    Newline,
    /// In the headers of a message, with the length that they announced.
    Header(Option<usize>),
    /// In a body, with this many bytes to come.
    Body(usize),
}

const CONTENT_LENGTH: &[u8] = b"content-length:";

impl Lines {
    /// `limit` is the longest line, in bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, partial: Vec::new(), oversize: None, framing: Framing::Unknown, framed: Arc::default() }
    }

    /// Whether the client frames its messages with `Content-Length`, and expects the same of us. It is set before the
    /// first message is passed on: the answer to that must be framed already.
    pub fn framed(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.framed)
    }

    /// Takes the next piece and passes on each line that it completes.
    pub fn push(&mut self, mut piece: &[u8], emit: &mut impl FnMut(Line)) {
        while !piece.is_empty() {
            if let Framing::Body(missing) = self.framing {
                let (body, rest) = piece.split_at(missing.min(piece.len()));
                self.keep(body);
                piece = rest;
                self.framing = Framing::Body(missing - body.len());
                if missing == body.len() {
                    self.complete(emit);
                    self.framing = Framing::Header(None);
                }
            } else if let Some(end) = memchr::memchr(b'\n', piece) {
                self.keep(&piece[..end]);
                piece = &piece[end + 1..];
                self.end_line(emit);
            } else {
                self.keep(piece);
                return;
            }
        }
    }

    /// The input has ended: the bytes since the last line end are the last line.
    pub fn end(&mut self, emit: &mut impl FnMut(Line)) {
        if !matches!(self.framing, Framing::Header(_)) {
            self.complete(emit);
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

    fn end_line(&mut self, emit: &mut impl FnMut(Line)) {
        let blank = self.oversize.is_none() && self.partial.iter().all(u8::is_ascii_whitespace);
        match self.framing {
            Framing::Unknown if blank => self.partial.clear(),
            Framing::Unknown if content_length(&self.partial).is_some() => {
                self.framing = Framing::Header(None);
                self.framed.store(true, Ordering::Release);
                self.end_line(emit);
            }
            Framing::Unknown | Framing::Newline => {
                self.framing = Framing::Newline;
                self.complete(emit);
            }
            Framing::Header(Some(length)) if blank => {
                self.partial.clear();
                self.framing = Framing::Body(length);
                if length == 0 {
                    self.framing = Framing::Header(None);
                }
            }
            Framing::Header(length) => {
                // Other headers are ignored; a second length replaces the first.
                self.framing = Framing::Header(content_length(&self.partial).or(length));
                self.partial.clear();
                self.oversize = None;
            }
            Framing::Body(_) => {}
        }
    }

    fn complete(&mut self, emit: &mut impl FnMut(Line)) {
        let text = std::mem::take(&mut self.partial);
        if let Some(oversize) = self.oversize.take() {
            emit(Line::TooLong {
                request_id: oversize.request_id().map(str::to_owned),
                answer_id: oversize.answer_id().map(str::to_owned),
            });
        } else if !text.iter().all(u8::is_ascii_whitespace) {
            emit(Line::Text(text));
        }
    }
}

/// The length that a header line announces.
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

    /// The lines as text; `!ID` stands for a line that was too long.
    fn split(pieces: &[&[u8]], limit: usize) -> Vec<String> {
        let mut found = Vec::new();
        let mut lines = Lines::new(limit);
        let mut emit = |line| {
            found.push(match line {
                Line::Text(text) => String::from_utf8_lossy(&text).into_owned(),
                Line::TooLong { request_id, .. } => format!("!{}", request_id.unwrap_or_default()),
            });
        };
        for piece in pieces {
            lines.push(piece, &mut emit);
        }
        lines.end(&mut emit);
        found
    }

    #[test]
    fn lines_end_at_newlines_and_at_the_end_of_input() {
        assert_eq!(split(&[b"\n  \r\n{1}\r\n\n{2}\n{3}"], 100), ["{1}\r", "{2}", "{3}"]);
    }

    #[test]
    fn a_line_over_the_limit_is_dropped_alone_and_its_request_id_is_found() {
        let long =
            format!("{{\"a\":1}}\n{{\"method\":\"m\",\"params\":\"{}\",\"id\":5}}\n{{\"b\":2}}\n", "x".repeat(100));
        assert_eq!(split(&[long.as_bytes()], 50), ["{\"a\":1}", "!5", "{\"b\":2}"]);
    }

    #[test]
    fn messages_framed_with_content_length_are_read() {
        let framed = b"Content-Length: 7\r\nContent-Type: x\r\n\r\n{\"a\":1}content-length:8\r\n\r\n{\"b\":\n2}";
        assert_eq!(split(&[framed], 100), ["{\"a\":1}", "{\"b\":\n2}"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_lines_do_not_depend_on_how_the_bytes_are_cut(
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
