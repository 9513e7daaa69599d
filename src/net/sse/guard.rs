//! Where do lines and events end? Lines come out whole and in UTF-8, and no event is longer than the limit.

use bytes::{Buf, Bytes};

use crate::message::Oversize;
use crate::net::held::{Held, bound};

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The next item in the stream.
#[derive(Debug)]
pub(super) enum Item {
    /// A line without its line end, never empty. If it arrived in one chunk, it is a slice of that chunk.
    Line(Bytes),
    /// The end of an event.
    Blank,
    /// The end of an event that was skipped.
    TooLong {
        /// As in [`super::SseError::TooLong`].
        answer_id: Option<String>,
        limit: usize,
        together: bool,
    },
}

pub(super) struct Guard {
    chunk: Bytes,
    /// The beginning of a line whose end has not arrived.
    partial: Vec<u8>,
    /// The size of the current event so far, in bytes.
    size: usize,
    /// What the current event holds of the memory of all events and bodies.
    held: Held,
    limit: usize,
    /// Set while the rest of an event over the limit is skipped.
    skipping: Option<Skipping>,
    /// The current event has had a `data:` line.
    has_data: bool,
    /// The last line ended in CR, so an LF that follows belongs to it. The guard does not wait for the LF: the last
    /// event would be delayed.
    after_cr: bool,
}

/// An event over the limit.
struct Skipping {
    /// Finds the id if the event is a JSON-RPC response on one `data:` line; over several lines the id is not searched.
    answer: Option<Box<Oversize>>,
    /// The line has ended.
    at_end: bool,
    /// All events and bodies together are over their limit, not this event alone.
    together: bool,
}

impl Guard {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            chunk: Bytes::new(),
            partial: Vec::new(),
            size: 0,
            held: Held::new(limit),
            limit,
            skipping: None,
            has_data: false,
            after_cr: false,
        }
    }

    /// The event has ended, and these are its lines if it has several.
    pub(super) fn complete(&mut self, joined: Vec<u8>) -> Bytes {
        self.held.complete(joined)
    }

    /// Takes the next chunk. Call this only after `next` has returned `None`.
    pub(super) fn push(&mut self, chunk: Bytes) {
        self.chunk = chunk;
    }

    pub(super) fn next(&mut self) -> Option<Item> {
        while !self.chunk.is_empty() {
            if std::mem::take(&mut self.after_cr) && self.chunk[0] == b'\n' {
                self.chunk.advance(1);
                continue;
            }
            let Some(end) = memchr::memchr2(b'\n', b'\r', &self.chunk) else {
                let rest = std::mem::take(&mut self.chunk);
                self.count(&rest);
                self.keep(&rest);
                return None;
            };
            self.after_cr = self.chunk[end] == b'\r';
            let line = self.chunk.split_to(end);
            self.chunk.advance(1);
            self.count(&line);
            let line = if self.partial.is_empty() {
                line
            } else {
                self.keep(&line);
                let line = std::mem::take(&mut self.partial);
                // Of an event of one line, which nearly all are, that line is all.
                if self.has_data { line.into() } else { self.held.complete(line) }
            };
            if let Some(item) = self.item(line) {
                return Some(item);
            }
        }
        None
    }

    /// The line at the end of the stream that has no line end.
    pub(super) fn unfinished_line(&mut self) -> Option<Bytes> {
        if self.partial.is_empty() || self.skipping.is_some() {
            return None;
        }
        let line = std::mem::take(&mut self.partial);
        match self.item(line.into()) {
            Some(Item::Line(line)) => Some(line),
            _ => None,
        }
    }

    /// Counts bytes of the event. Over the limit, the bytes are only searched for a response's id.
    fn count(&mut self, bytes: &[u8]) {
        self.size += bytes.len();
        let together = self.skipping.is_none() && self.held.grow(bytes.len()).is_err();
        if (self.size > self.limit || together) && self.skipping.is_none() {
            let mut line = self.partial.iter().chain(bytes);
            let only = !self.has_data && b"data:".iter().all(|byte| line.next() == Some(byte));
            let mut answer = Box::new(Oversize::default());
            answer.push(&self.partial);
            self.skipping = Some(Skipping { answer: only.then_some(answer), at_end: false, together });
            self.held.clear();
            self.partial.truncate(BYTE_ORDER_MARK.len() + 1);
            self.partial.shrink_to_fit();
        }
        if let Some(Skipping { answer: Some(answer), at_end: false, .. }) = &mut self.skipping {
            answer.push(bytes);
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.skipping.is_none() {
            self.partial.extend_from_slice(bytes);
        } else {
            // Now it only matters whether the line is empty, perhaps but for a byte order mark.
            let room = (BYTE_ORDER_MARK.len() + 1).saturating_sub(self.partial.len());
            self.partial.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
    }

    fn item(&mut self, mut line: Bytes) -> Option<Item> {
        // The HTML standard removes a byte order mark from the beginning of the stream. Servers on .NET that open a writer
        // for each event begin each with one.
        if line.starts_with(BYTE_ORDER_MARK) {
            line.advance(BYTE_ORDER_MARK.len());
        }
        if line.is_empty() {
            self.size = 0;
            self.has_data = false;
            return Some(match self.skipping.take() {
                Some(Skipping { answer, together, .. }) => {
                    let answer = answer.filter(|answer| answer.is_whole());
                    let answer_id = answer.and_then(|answer| answer.answer_id().map(str::to_owned));
                    let limit = if together { bound(self.limit) } else { self.limit };
                    Item::TooLong { answer_id, limit, together }
                }
                None => Item::Blank,
            });
        }
        if let Some(skipping) = &mut self.skipping {
            skipping.at_end = true;
            return None;
        }
        self.has_data |= line.starts_with(b"data");
        if std::str::from_utf8(&line).is_err() {
            // The HTML standard decodes event streams so.
            line = String::from_utf8_lossy(&line).into_owned().into();
        }
        Some(Item::Line(line))
    }
}
