//! How much memory may bodies and events hold that have not gone on to the client? All of them together, in the whole
//! process: a limit for each alone would be no limit, because a server may leave very many unfinished.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

/// A smaller text is not counted: the number of requests in flight limits how many there are.
const SMALL: usize = 64 * 1024;

/// The least bound, in bytes.
const LEAST: usize = 64 * 1024 * 1024;

/// What all texts hold together, in bytes. Each text adds what it receives, and subtracts all of it when it is dropped.
static HELD: AtomicUsize = AtomicUsize::new(0);

/// The part of one text, which may still grow.
#[derive(Debug)]
pub(super) struct Held {
    /// The size of the text.
    size: usize,
    /// How much of it is counted in [`HELD`].
    counted: usize,
    /// The bound for all texts together.
    most: usize,
    /// [`HELD`]; tests count for themselves.
    together: &'static AtomicUsize,
}

/// All texts together hold as much as they may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

impl Held {
    /// For a text of at most `limit` bytes. Two such texts always have room.
    pub(super) fn new(limit: usize) -> Self {
        Self { size: 0, counted: 0, most: bound(limit), together: &HELD }
    }

    /// The text grows by so many bytes.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), Full> {
        self.size += bytes;
        if self.size <= SMALL {
            return Ok(());
        }
        let more = self.size - self.counted;
        if self.together.fetch_add(more, Ordering::Relaxed) + more > self.most {
            self.together.fetch_sub(more, Ordering::Relaxed);
            return Err(Full);
        }
        self.counted = self.size;
        Ok(())
    }

    /// The text is complete. It is counted until its last part is dropped: until the client has it.
    pub(super) fn complete(&mut self, text: Vec<u8>) -> Bytes {
        let held = std::mem::replace(self, Self { size: 0, counted: 0, ..*self });
        if held.counted == 0 { text.into() } else { Bytes::from_owner(Counted { text, _held: held }) }
    }

    /// The text is dropped.
    pub(super) fn clear(&mut self) {
        drop(self.complete(Vec::new()));
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.together.fetch_sub(self.counted, Ordering::Relaxed);
    }
}

struct Counted {
    text: Vec<u8>,
    _held: Held,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

/// What all texts may hold together, where one may have `limit` bytes.
pub(super) fn bound(limit: usize) -> usize {
    limit.saturating_mul(2).max(LEAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_texts_together_have_a_bound_until_the_last_part_is_dropped() {
        static TOGETHER: AtomicUsize = AtomicUsize::new(0);
        let text = || Held { together: &TOGETHER, ..*std::mem::ManuallyDrop::new(Held::new(LEAST)) };
        let (mut first, mut second, mut third, mut fourth) = (text(), text(), text(), text());
        assert_eq!((first.grow(LEAST), second.grow(LEAST)), (Ok(()), Ok(())), "two of the longest texts have room");
        assert_eq!(third.grow(SMALL + 1), Err(Full));
        assert_eq!(fourth.grow(SMALL), Ok(()), "a small text always has room");
        let part = first.complete(b"some text".to_vec()).slice(5..);
        second.clear();
        assert_eq!((third.grow(0), &part[..]), (Ok(()), &b"text"[..]));
        assert_eq!(fourth.grow(LEAST), Err(Full), "a part of the first text is still in use");
        drop(part);
        assert_eq!(fourth.grow(0), Ok(()));
        drop((first, second, third, fourth));
        assert_eq!(TOGETHER.load(Ordering::Relaxed), 0);
    }
}
