//! One fuzzer input: a limit, bytes, and a way to cut the bytes into pieces.

/// These two bytes mean that the next byte is repeated many times, because a fuzzer does not write long runs itself.
const MANY: [u8; 2] = [0x01, 0x02];
const TIMES: usize = 17 * 1024;
const MOST: usize = 2;

/// The bytes of an input with its repetitions expanded.
pub fn stretched(mut bytes: &[u8]) -> Vec<u8> {
    let mut left = MOST;
    let mut stretched = Vec::with_capacity(bytes.len());
    while let [first, rest @ ..] = bytes {
        match bytes {
            [one, two, repeated, after @ ..] if [*one, *two] == MANY && left > 0 => {
                left -= 1;
                stretched.extend(std::iter::repeat_n(*repeated, TIMES));
                bytes = after;
            }
            _ => {
                stretched.push(*first);
                bytes = rest;
            }
        }
    }
    stretched
}

/// The first three bytes of an input are settings; the rest is parsed.
#[allow(dead_code, reason = "not every target cuts")]
pub struct Input {
    pub limit: usize,
    pub bytes: Vec<u8>,
    longest: usize,
    seed: u8,
}

#[allow(dead_code, reason = "not every target cuts")]
impl Input {
    /// `None` if there are too few bytes. The limit is at least `least`; the highest setting means no limit.
    pub fn new(data: &[u8], least: usize) -> Option<Self> {
        let (&[limit, longest, seed], bytes) = data.split_first_chunk()?;
        let limit = if limit == u8::MAX { 1 << 30 } else { least + usize::from(limit) };
        Some(Self { limit, bytes: stretched(bytes), longest: usize::from(longest % 64), seed })
    }

    /// The pieces, which may be empty. Long inputs get longer pieces to save time.
    pub fn pieces(&self) -> Vec<&[u8]> {
        let scale = if self.bytes.len() < TIMES { 1 } else { 128 };
        let mut state = u32::from(self.seed) + 1;
        let mut pieces = Vec::new();
        let mut bytes = &self.bytes[..];
        while !bytes.is_empty() {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let size = if self.longest == 0 { scale } else { (state >> 16) as usize % (self.longest * scale + 1) };
            let (piece, rest) = bytes.split_at(size.min(bytes.len()));
            pieces.push(piece);
            bytes = rest;
        }
        pieces
    }
}
