//! One input: a limit, and bytes with a way to cut them.

/// The first three bytes say how; the rest is what is read.
pub struct Input<'a> {
    pub limit: usize,
    pub bytes: &'a [u8],
    longest: usize,
    seed: u8,
}

impl<'a> Input<'a> {
    /// `None` if there are too few bytes. No limit is below `least`, and the highest is none at all.
    pub fn new(data: &'a [u8], least: usize) -> Option<Self> {
        let (&[limit, longest, seed], bytes) = data.split_first_chunk()?;
        let limit = if limit == u8::MAX { 1 << 30 } else { least + usize::from(limit) };
        Some(Self { limit, bytes, longest: usize::from(longest % 64), seed })
    }

    /// Cuts `bytes` into pieces, empty ones among them.
    pub fn cut<'b>(&self, mut bytes: &'b [u8]) -> Vec<&'b [u8]> {
        let mut state = u32::from(self.seed) + 1;
        let mut pieces = Vec::new();
        while !bytes.is_empty() {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let size = if self.longest == 0 { 1 } else { (state >> 16) as usize % (self.longest + 1) };
            let (piece, rest) = bytes.split_at(size.min(bytes.len()));
            pieces.push(piece);
            bytes = rest;
        }
        pieces
    }
}
