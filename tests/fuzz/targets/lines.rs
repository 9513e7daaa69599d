//! Lines are the same in whatever pieces the bytes arrive, and equal to those of a reference parser of the whole input.
#![no_main]

mod input;

use std::sync::atomic::Ordering;

use libfuzzer_sys::fuzz_target;
use mcp_ferry::message::Oversize;
use mcp_ferry::stdio::{Line, Lines};

use input::Input;

/// The result of parsing: the lines, and whether the client uses `Content-Length` framing.
#[derive(Debug, PartialEq, Eq, Default)]
struct Parsed {
    lines: Vec<Result<Vec<u8>, Option<String>>>,
    framed: bool,
}

fuzz_target!(|data: &[u8]| {
    let Some(input) = Input::new(data, 0) else { return };
    let expected = Reference { limit: input.limit, parsed: Parsed::default() }.read(&input.bytes);
    assert_eq!(split(&[&input.bytes], input.limit), expected, "in one piece");
    assert_eq!(split(&input.pieces(), input.limit), expected, "in pieces");
});

fn split(pieces: &[&[u8]], limit: usize) -> Parsed {
    let mut parsed = Parsed::default();
    let mut lines = Lines::new(limit);
    let framed = lines.framed();
    let mut receive = |line| {
        parsed.lines.push(match line {
            Line::Text(text) => Ok(text),
            Line::TooLong { request_id, .. } => Err(request_id),
        });
        assert!(parsed.lines.len() == 1 || parsed.framed == framed.load(Ordering::Acquire), "the framing is known before the first line");
        parsed.framed = framed.load(Ordering::Acquire);
    };
    for piece in pieces {
        lines.push(piece, &mut receive);
    }
    lines.end(&mut receive);
    parsed.framed = framed.load(Ordering::Acquire);
    parsed
}

/// A reference parser of the complete input.
struct Reference {
    limit: usize,
    parsed: Parsed,
}

impl Reference {
    fn read(mut self, mut bytes: &[u8]) -> Parsed {
        // Blank lines before the first message do not decide the framing.
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            if end > self.limit || !blank(&bytes[..end]) {
                self.parsed.framed = end <= self.limit && promised(&bytes[..end]).is_some();
                break;
            }
            bytes = &bytes[end + 1..];
        }
        if self.parsed.framed {
            self.bodies(bytes);
        } else {
            bytes.split(|&byte| byte == b'\n').for_each(|line| self.line(line));
        }
        self.parsed
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
            self.parsed.lines.push(Err(scan.request_id().map(str::to_owned)));
        } else if !blank(line) {
            self.parsed.lines.push(Ok(line.to_vec()));
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
