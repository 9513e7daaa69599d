//! Whole lines, in UTF-8, and no event above its limit.

use bytes::{Buf, Bytes};

use crate::message::Oversize;

/// What the bytes say next.
#[derive(Debug)]
pub(super) enum Item {
    /// A line without its end, never empty. A slice of the chunk it came in, if it came in one.
    Line(Bytes),
    /// The end of an event.
    Blank,
    /// The end of an event that was skipped.
    TooLong {
        /// As in [`super::SseError::TooLong`].
        answer_id: Option<String>,
    },
}

pub(super) struct Guard {
    chunk: Bytes,
    /// The beginning of a line whose end has not come.
    partial: Vec<u8>,
    /// Bytes of the event under way.
    size: usize,
    limit: usize,
    /// Stands in for the rest of an event that passed the limit.
    skipping: Option<Skipping>,
    /// The event under way has had a `data:` line.
    has_data: bool,
    at_start: bool,
    /// The last line ended in CR: a LF that follows belongs to it. Not waited for, or the last event would be withheld.
    after_cr: bool,
}

/// What is left of an event that passed the limit.
struct Skipping {
    /// Looks for its id, if it is an answer on one `data:` line: only there is the top level known.
    answer: Option<Box<Oversize>>,
    /// That line has ended.
    at_end: bool,
}

impl Guard {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            chunk: Bytes::new(),
            partial: Vec::new(),
            size: 0,
            limit,
            skipping: None,
            has_data: false,
            at_start: true,
            after_cr: false,
        }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Takes the next chunk, once `next` has no more to say of the last.
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
                Bytes::from(std::mem::take(&mut self.partial))
            };
            if let Some(item) = self.whole(line) {
                return Some(item);
            }
        }
        None
    }

    /// Counts bytes of the event; above the limit only an answer's id is looked for in them.
    fn count(&mut self, bytes: &[u8]) {
        self.size += bytes.len();
        if self.size > self.limit && self.skipping.is_none() {
            let mut line = self.partial.iter().chain(bytes);
            let only = !self.has_data && b"data:".iter().all(|byte| line.next() == Some(byte));
            let mut answer = Box::new(Oversize::default());
            answer.push(&self.partial);
            self.skipping = Some(Skipping { answer: only.then_some(answer), at_end: false });
        }
        if let Some(Skipping { answer: Some(answer), at_end: false }) = &mut self.skipping {
            answer.push(bytes);
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.skipping.is_none() {
            self.partial.extend_from_slice(bytes);
        } else {
            // Only whether the line is empty matters now.
            self.partial.truncate(1);
            if self.partial.is_empty() {
                self.partial.extend(bytes.first());
            }
        }
    }

    fn whole(&mut self, mut line: Bytes) -> Option<Item> {
        if std::mem::take(&mut self.at_start) && line.starts_with(b"\xEF\xBB\xBF") {
            line.advance(3);
        }
        if line.is_empty() {
            self.size = 0;
            self.has_data = false;
            return Some(match self.skipping.take() {
                Some(skipped) => {
                    let answer = skipped.answer.filter(|answer| answer.is_whole());
                    Item::TooLong { answer_id: answer.and_then(|answer| answer.answer_id().map(str::to_owned)) }
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
            // As the HTML standard decodes event streams.
            line = String::from_utf8_lossy(&line).into_owned().into();
        }
        Some(Item::Line(line))
    }
}
