//! Which values are kept to be redacted, and where do they stand in a text? Servers choose many of them, so that their
//! number and length have limits.

use std::collections::BTreeMap;
use std::sync::Arc;

/// A longer value is kept in pieces of this many bytes. Texts are searched for each piece, so that its length limits
/// the work, and how much of a body must be read for a sentence of it.
pub(super) const LONGEST_PIECE: usize = 4096;

/// How many pieces of one value are kept. Servers choose many of the values: tokens, cookies, addresses.
const MOST_PIECES: usize = 64;

/// How many values are kept.
const MOST: usize = 1024;

/// How many of them, the first, are kept for ever: those that the user gave. A server that names very many values of
/// its own pushes out only other values of servers.
const KEPT: usize = 512;

/// A shorter value is not redacted: it is hardly a secret, and to redact it would spoil sentences.
const SHORTEST: usize = 6;

/// The beginning of a value, by which it is found.
type Start = [u8; SHORTEST];

/// How many pairs of bytes there are, in words of 64 bits.
const PAIRS: usize = 65_536 / 64;

/// Values to redact. A text is searched for all of them at once, so that the work grows with the text alone.
pub(super) struct KnownSecrets {
    /// The longest first, each with its number in the order of their coming.
    values: Vec<(u64, Arc<str>)>,
    by_start: BTreeMap<Start, Vec<Arc<str>>>,
    /// The first two bytes of all values so far: at most places of a text no value can begin.
    pairs: [u64; PAIRS],
    added: u64,
}

impl KnownSecrets {
    pub(super) const fn new() -> Self {
        Self { values: Vec::new(), by_start: BTreeMap::new(), pairs: [0; PAIRS], added: 0 }
    }

    /// Keeps a value, in pieces. A short one is not kept.
    pub(super) fn add(&mut self, value: &str) {
        for piece in pieces(value).take(MOST_PIECES) {
            if let Some(start) = piece.as_bytes().first_chunk() {
                self.add_piece(piece, *start);
            }
        }
    }

    fn add_piece(&mut self, value: &str, start: Start) {
        if self.by_start.get(&start).is_some_and(|known| known.iter().any(|known| &**known == value)) {
            return;
        }
        if self.values.len() == MOST {
            let replaceable = self.values.iter().enumerate().filter(|(_, (number, _))| *number >= KEPT as u64);
            if let Some((place, _)) = replaceable.min_by_key(|(_, (number, _))| *number) {
                let (_, removed) = self.values.remove(place);
                self.by_start.retain(|_, known| {
                    known.retain(|known| *known != removed);
                    !known.is_empty()
                });
            }
        }
        let value: Arc<str> = value.into();
        let place = self.values.partition_point(|(_, known)| known.len() >= value.len());
        let (word, bit) = pair(start);
        self.pairs[word] |= bit;
        self.values.insert(place, (self.added, Arc::clone(&value)));
        self.by_start.entry(start).or_default().push(value);
        self.added += 1;
    }

    /// Whether a text is one of the values, or a part of one.
    pub(super) fn holds(&self, text: &str) -> bool {
        text.len() >= SHORTEST && self.values.iter().any(|(_, value)| value.contains(text))
    }

    /// The length of the longest value, in bytes.
    pub(super) fn longest(&self) -> usize {
        self.values.first().map_or(0, |(_, value)| value.len())
    }

    /// Calls `found` with the start and the end of each value in the text.
    pub(super) fn find(&self, text: &[u8], mut found: impl FnMut(usize, usize)) {
        for at in 0..text.len() {
            let Some(start) = text[at..].first_chunk::<SHORTEST>() else { return };
            let (word, bit) = pair(*start);
            if self.pairs[word] & bit == 0 {
                continue;
            }
            for value in self.by_start.get(start).into_iter().flatten() {
                if text[at..].starts_with(value.as_bytes()) {
                    found(at, at + value.len());
                }
            }
        }
    }
}

/// Where the mark of the first two bytes stands.
fn pair(start: Start) -> (usize, u64) {
    let pair = usize::from(u16::from_be_bytes([start[0], start[1]]));
    (pair / 64, 1 << (pair % 64))
}

/// A value in pieces that are short enough to be searched for.
fn pieces(value: &str) -> impl Iterator<Item = &str> {
    let mut rest = value;
    std::iter::from_fn(move || {
        let (piece, after) = rest.split_at(floor_char_boundary(rest, LONGEST_PIECE));
        rest = after;
        Some(piece).filter(|piece| !piece.is_empty())
    })
}

/// The last place at which the text can be cut so that at most this many bytes remain.
pub(super) fn floor_char_boundary(text: &str, most: usize) -> usize {
    (0..=most.min(text.len())).rev().find(|&place| text.is_char_boundary(place)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_servers_choose_push_out_only_each_other() {
        let mut secrets = KnownSecrets::new();
        secrets.add("the user's");
        (0..3 * MOST).for_each(|n| secrets.add(&format!("a server's {n}")));
        let has = |value: &str| {
            let mut has = false;
            secrets.find(value.as_bytes(), |start, end| has |= (start, end) == (0, value.len()));
            has
        };
        assert!(secrets.values.len() == MOST && has("the user's"));
        assert!(has(&format!("a server's {}", 3 * MOST - 1)) && !has(&format!("a server's {MOST}")));
    }
}
