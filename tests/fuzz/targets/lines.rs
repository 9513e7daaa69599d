//! The lines do not depend on how the bytes are cut, and are those that a reader of the whole input finds.
#![no_main]

mod input;

use std::sync::atomic::Ordering;

use libfuzzer_sys::fuzz_target;
use mcp_ferry::message::Oversize;
use mcp_ferry::stdio::{Line, Lines};

use input::Input;

/// What is read: the lines, and whether the client frames its messages.
#[derive(Debug, PartialEq, Eq, Default)]
struct Read {
    lines: Vec<Result<Vec<u8>, Option<String>>>,
    framed: bool,
}

fuzz_target!(|data: &[u8]| {
    let Some(input) = Input::new(data, 0) else { return };
    let expected = Reference { limit: input.limit, read: Read::default() }.read(&input.bytes);
    assert_eq!(split(&[&input.bytes], input.limit), expected, "in one piece");
    assert_eq!(split(&input.pieces(), input.limit), expected, "in pieces");
});

fn split(pieces: &[&[u8]], limit: usize) -> Read {
    let mut read = Read::default();
    let mut lines = Lines::new(limit);
    let framed = lines.framed();
    let mut emit = |line| {
        read.lines.push(match line {
            Line::Text(text) => Ok(text),
            Line::TooLong { request_id, .. } => Err(request_id),
        });
        assert!(read.lines.len() == 1 || read.framed == framed.load(Ordering::Acquire), "the framing is known before the first line");
        read.framed = framed.load(Ordering::Acquire);
    };
    for piece in pieces {
        lines.push(piece, &mut emit);
    }
    lines.end(&mut emit);
    read.framed = framed.load(Ordering::Acquire);
    read
}

/// A reader that has the whole input.
struct Reference {
    limit: usize,
    read: Read,
}

impl Reference {
    fn read(mut self, mut bytes: &[u8]) -> Read {
        // Blank lines before the first message do not decide the framing.
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            if end > self.limit || !blank(&bytes[..end]) {
                self.read.framed = end <= self.limit && announced(&bytes[..end]).is_some();
                break;
            }
            bytes = &bytes[end + 1..];
        }
        if self.read.framed {
            self.bodies(bytes);
        } else {
            bytes.split(|&byte| byte == b'\n').for_each(|line| self.line(line));
        }
        self.read
    }

    fn bodies(&mut self, mut bytes: &[u8]) {
        let mut length = None;
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            let header = &bytes[..end];
            bytes = &bytes[end + 1..];
            if header.len() > self.limit {
                continue;
            }
            if !blank(header) {
                length = announced(header).or(length);
            } else if let Some(length) = length.take() {
                let (body, rest) = bytes.split_at(bytes.len().min(length));
                self.line(body);
                bytes = rest;
            }
        }
    }

    fn line(&mut self, line: &[u8]) {
        if line.len() > self.limit {
            let mut scan = Oversize::default();
            scan.push(line);
            self.read.lines.push(Err(scan.request_id().map(str::to_owned)));
        } else if !blank(line) {
            self.read.lines.push(Ok(line.to_vec()));
        }
    }
}

fn blank(line: &[u8]) -> bool {
    line.trim_ascii().is_empty()
}

fn announced(header: &[u8]) -> Option<usize> {
    let colon = header.iter().position(|&byte| byte == b':')?;
    let (name, value) = (header[..colon].trim_ascii_start(), std::str::from_utf8(header[colon + 1..].trim_ascii_end()));
    if name.eq_ignore_ascii_case(b"content-length") { value.ok()?.trim().parse().ok() } else { None }
}
