//! How does an input of the fuzzer become a limit, bytes, and a way to cut the bytes?

/// These two bytes say that the next byte is repeated many times, because a fuzzer does not write long inputs. No text needs
/// the two bytes themselves.
const REPEAT: [u8; 2] = [0x01, 0x02];
const TIMES: usize = 17 * 1024;
const MAX_REPEATS: usize = 2;

/// The bytes with every repetition written out.
pub fn expanded(mut bytes: &[u8]) -> Vec<u8> {
    let mut left = MAX_REPEATS;
    let mut expanded = Vec::with_capacity(bytes.len());
    while let [first, rest @ ..] = bytes {
        match bytes {
            [one, two, repeated, after @ ..] if [*one, *two] == REPEAT && left > 0 => {
                left -= 1;
                expanded.extend(std::iter::repeat_n(*repeated, TIMES));
                bytes = after;
            }
            _ => {
                expanded.push(*first);
                bytes = rest;
            }
        }
    }
    expanded
}

/// The first three bytes are the limit and the way to cut; the rest is the text.
#[allow(dead_code, reason = "not every target cuts")]
pub struct Input {
    pub limit: usize,
    pub bytes: Vec<u8>,
    longest: usize,
    seed: u8,
}

#[allow(dead_code, reason = "not every target cuts")]
impl Input {
    /// `None` if there are too few bytes. The limit is at least `least`; the highest one stands for no limit.
    pub fn new(data: &[u8], least: usize) -> Option<Self> {
        let (&[limit, longest, seed], bytes) = data.split_first_chunk()?;
        let limit = if limit == u8::MAX { 1 << 30 } else { least + usize::from(limit) };
        Some(Self { limit, bytes: expanded(bytes), longest: usize::from(longest % 64), seed })
    }

    /// The pieces; some are empty. A long text gets long pieces, to save time.
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
