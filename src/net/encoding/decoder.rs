//! Which bytes does a compressed body stand for?
//!
//! What has arrived is decoded at once, because an event stream may then be silent for hours; and in small pieces, because
//! a kilobyte can stand for a gigabyte: the reader counts what it gets, and stops.

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use bytes::{Buf, Bytes};
use flate2::{Decompress, FlushDecompress, Status};

/// The most bytes that are decoded before the reader gets them.
const PIECE: usize = 32 * 1024;

/// The longest header of gzip data: one with a file name and a comment is far shorter.
const LONGEST_GZIP_HEADER: usize = 4096;

/// Decodes one encoding of one body.
pub(super) struct Decoder {
    state: State,
    /// What has arrived and is not decoded.
    input: Bytes,
    /// The state may hold more that it has decoded.
    is_full: bool,
}

enum State {
    /// Before the first byte, which shows what the data are.
    Gzip,
    /// The same: some servers send `deflate` without the format of zlib around it.
    Deflate,
    /// The header of gzip data as far as it has arrived.
    GzipHeader(Vec<u8>),
    Inflate {
        state: Box<Decompress>,
        is_gzip: bool,
    },
    /// How many bytes of the checksum and size are still to come; then another gzip header may follow.
    GzipEnd(usize),
    Brotli(Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>),
    /// The body is not encoded, whatever its header says.
    NotEncoded,
    /// All is decoded; what follows is ignored.
    Ended,
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Decoder")
    }
}

impl Decoder {
    pub(super) fn gzip() -> Self {
        Self::new(State::Gzip)
    }

    pub(super) fn deflate() -> Self {
        Self::new(State::Deflate)
    }

    pub(super) fn brotli() -> Self {
        let alloc = StandardAlloc::default;
        Self::new(State::Brotli(Box::new(BrotliState::new(alloc(), alloc(), alloc()))))
    }

    fn new(state: State) -> Self {
        Self { state, input: Bytes::new(), is_full: false }
    }

    /// Takes the next bytes of the body. Call this only after `next` has returned `None`.
    pub(super) fn push(&mut self, input: Bytes) {
        self.input = input;
    }

    /// The next piece, never empty; `None` when more input is needed.
    pub(super) fn next(&mut self) -> Option<Result<Bytes, String>> {
        while self.is_full || !self.input.is_empty() {
            match self.decode() {
                Ok(piece) if piece.is_empty() => {}
                Ok(piece) => return Some(Ok(piece)),
                Err(error) => {
                    *self = Self::new(State::Ended);
                    return Some(Err(error));
                }
            }
        }
        None
    }

    /// Decodes some of the input. Each call takes something of it, or returns a piece, or clears `is_full`.
    fn decode(&mut self) -> Result<Bytes, String> {
        match &mut self.state {
            State::Gzip => {
                let is_gzip = self.input.first() == Some(&0x1f);
                self.state = if is_gzip { State::GzipHeader(Vec::new()) } else { State::NotEncoded };
            }
            State::Deflate => {
                // The first byte of zlib's format names the method 8.
                let is_zlib = self.input.first().is_some_and(|byte| byte & 0x0f == 8);
                self.state = State::Inflate { state: Box::new(Decompress::new(is_zlib)), is_gzip: false };
            }
            State::GzipHeader(head) => {
                head.extend_from_slice(&self.input);
                self.input.clear();
                if let Some(length) = gzip_header(head)? {
                    self.input = std::mem::take(head).into();
                    self.input.advance(length);
                    self.state = State::Inflate { state: Box::new(Decompress::new(false)), is_gzip: true };
                } else if head.len() > LONGEST_GZIP_HEADER {
                    return Err("the gzip data of the response have too long a header".to_owned());
                }
            }
            State::GzipEnd(0) => {
                let has_more = self.input.first() == Some(&0x1f);
                self.state = if has_more { State::GzipHeader(Vec::new()) } else { State::Ended };
            }
            State::GzipEnd(left) => {
                let skipped = self.input.len().min(*left);
                self.input.advance(skipped);
                *left -= skipped;
            }
            State::Inflate { state, is_gzip } => {
                let (mut piece, before) = (vec![0; PIECE], (state.total_in(), state.total_out()));
                let status = state.decompress(&self.input, &mut piece, FlushDecompress::None);
                let status = status.map_err(|_| "the response is not valid gzip or deflate data".to_owned())?;
                let count = |now: u64, before: u64| usize::try_from(now - before).unwrap_or(PIECE);
                let (taken, given) = (count(state.total_in(), before.0), count(state.total_out(), before.1));
                let is_gzip = *is_gzip;
                self.took(taken, given, &mut piece);
                if status == Status::StreamEnd {
                    self.state = if is_gzip { State::GzipEnd(8) } else { State::Ended };
                    self.is_full = false;
                } else if taken == 0 && given == 0 && !self.input.is_empty() {
                    return Err("the gzip or deflate data of the response lead nowhere".to_owned());
                }
                return Ok(piece.into());
            }
            State::Brotli(state) => {
                let mut piece = vec![0; PIECE];
                let (mut left, mut taken, mut room, mut given, mut total) = (self.input.len(), 0, PIECE, 0, 0);
                let result = BrotliDecompressStream(
                    &mut left,
                    &mut taken,
                    &self.input,
                    &mut room,
                    &mut given,
                    &mut piece,
                    &mut total,
                    state,
                );
                self.took(taken, given, &mut piece);
                match result {
                    BrotliResult::ResultFailure => {
                        return Err("the response is not valid brotli data".to_owned());
                    }
                    BrotliResult::ResultSuccess => (self.state, self.is_full) = (State::Ended, false),
                    BrotliResult::NeedsMoreOutput => self.is_full = true,
                    BrotliResult::NeedsMoreInput if taken == 0 && given == 0 && !self.input.is_empty() => {
                        return Err("the brotli data of the response lead nowhere".to_owned());
                    }
                    BrotliResult::NeedsMoreInput => {}
                }
                return Ok(piece.into());
            }
            State::NotEncoded => return Ok(std::mem::take(&mut self.input)),
            State::Ended => self.input.clear(),
        }
        Ok(Bytes::new())
    }

    fn took(&mut self, taken: usize, given: usize, piece: &mut Vec<u8>) {
        self.input.advance(taken.min(self.input.len()));
        self.is_full = given == piece.len();
        piece.truncate(given);
    }
}

/// The length of the header at the beginning of gzip data (RFC 1952, section 2.3); `None` if it is not whole.
fn gzip_header(bytes: &[u8]) -> Result<Option<usize>, String> {
    if !b"\x1f\x8b\x08".starts_with(&bytes[..bytes.len().min(3)]) {
        return Err("the response is not valid gzip data".to_owned());
    }
    let Some(&flags) = bytes.get(3) else { return Ok(None) };
    let has = |flag: u8| flags & flag != 0;
    let mut at = 10;
    if has(4) {
        let Some(&[low, high]) = bytes.get(at..at + 2) else { return Ok(None) };
        at += 2 + usize::from(u16::from_le_bytes([low, high]));
    }
    // A file name and a comment.
    for flag in [8, 16] {
        if has(flag) {
            let Some(end) = bytes.get(at..).and_then(|rest| memchr::memchr(0, rest)) else { return Ok(None) };
            at += end + 1;
        }
    }
    at += if has(2) { 2 } else { 0 };
    Ok((at <= bytes.len()).then_some(at))
}
