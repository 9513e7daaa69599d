//! How bytes are cut changes nothing, and the lines are those that a reader of the whole input finds.
#![no_main]

mod input;

use std::sync::atomic::Ordering;

use libfuzzer_sys::fuzz_target;
use mcp_ferry::message::Oversize;
use mcp_ferry::stdio::{Line, Lines};

use input::Input;

/// What a reader says: its lines, and whether the client frames.
#[derive(Debug, PartialEq, Eq, Default)]
struct Said {
    lines: Vec<Result<Vec<u8>, Option<String>>>,
    framed: bool,
}

fuzz_target!(|data: &[u8]| {
    let Some(input) = Input::new(data, 0) else { return };
    let expected = Reference { limit: input.limit, said: Said::default() }.read(&input.bytes);
    assert_eq!(split(&[&input.bytes], input.limit), expected, "in one piece");
    assert_eq!(split(&input.pieces(), input.limit), expected, "in pieces");
});

fn split(pieces: &[&[u8]], limit: usize) -> Said {
    let mut said = Said::default();
    let mut lines = Lines::new(limit);
    let framed = lines.framed();
    let mut hand_on = |line| {
        said.lines.push(match line {
            Line::Text(text) => Ok(text),
            Line::TooLong { request_id, .. } => Err(request_id),
        });
        assert!(said.lines.len() == 1 || said.framed == framed.load(Ordering::Acquire), "news comes before lines");
        said.framed = framed.load(Ordering::Acquire);
    };
    for piece in pieces {
        lines.push(piece, &mut hand_on);
    }
    lines.end(&mut hand_on);
    said.framed = framed.load(Ordering::Acquire);
    said
}

/// Has all of the input before it.
struct Reference {
    limit: usize,
    said: Said,
}

impl Reference {
    fn read(mut self, mut bytes: &[u8]) -> Said {
        // Blank lines before the first say nothing about the framing.
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            if end > self.limit || !blank(&bytes[..end]) {
                self.said.framed = end <= self.limit && promised(&bytes[..end]).is_some();
                break;
            }
            bytes = &bytes[end + 1..];
        }
        if self.said.framed {
            self.bodies(bytes);
        } else {
            bytes.split(|&byte| byte == b'\n').for_each(|line| self.line(line));
        }
        self.said
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
                length = promised(header).or(length);
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
            self.said.lines.push(Err(scan.request_id().map(str::to_owned)));
        } else if !blank(line) {
            self.said.lines.push(Ok(line.to_vec()));
        }
    }
}

fn blank(line: &[u8]) -> bool {
    line.trim_ascii().is_empty()
}

fn promised(header: &[u8]) -> Option<usize> {
    let colon = header.iter().position(|&byte| byte == b':')?;
    let (name, value) = (header[..colon].trim_ascii_start(), std::str::from_utf8(header[colon + 1..].trim_ascii_end()));
    if name.eq_ignore_ascii_case(b"content-length") { value.ok()?.trim().parse().ok() } else { None }
}
