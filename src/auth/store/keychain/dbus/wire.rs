//! How are values written and read on D-Bus? "Marshaling (Wire Format)" of the D-Bus specification, for the types that the
//! Secret Service has.

use zeroize::Zeroizing;

/// Values that are written one after another, in little-endian order. It may hold a secret.
#[derive(Debug)]
pub(in super::super) struct Writer {
    bytes: Zeroizing<Vec<u8>>,
}

impl Default for Writer {
    /// With room for a whole message: a buffer that grows leaves copies of a secret behind.
    fn default() -> Self {
        Self { bytes: Zeroizing::new(Vec::with_capacity(8192)) }
    }
}

impl Writer {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn align(&mut self, boundary: usize) {
        let missing = self.bytes.len().next_multiple_of(boundary) - self.bytes.len();
        self.append(&[0; 8][..missing]);
    }

    pub(super) fn byte(&mut self, value: u8) {
        self.append(&[value]);
    }

    pub(in super::super) fn number(&mut self, value: u32) {
        self.align(4);
        self.append(&value.to_le_bytes());
    }

    pub(in super::super) fn boolean(&mut self, value: bool) {
        self.number(u32::from(value));
    }

    /// A string or an object's path.
    pub(in super::super) fn text(&mut self, value: &str) {
        self.number(length(value.len()));
        self.append(value.as_bytes());
        self.byte(0);
    }

    pub(super) fn signature(&mut self, value: &str) {
        self.byte(u8::try_from(value.len()).unwrap_or_default());
        self.append(value.as_bytes());
        self.byte(0);
    }

    /// An array of bytes.
    pub(in super::super) fn blob(&mut self, value: &[u8]) {
        self.number(length(value.len()));
        self.append(value);
    }

    /// A string as a variant.
    pub(in super::super) fn text_variant(&mut self, value: &str) {
        self.signature("s");
        self.text(value);
    }

    /// An array; `boundary` is what its elements are aligned to.
    pub(in super::super) fn array(&mut self, boundary: usize, elements: impl FnOnce(&mut Self)) {
        self.number(0);
        let place = self.bytes.len() - 4;
        self.align(boundary);
        let begin = self.bytes.len();
        elements(self);
        let length = length(self.bytes.len() - begin);
        self.bytes[place..place + 4].copy_from_slice(&length.to_le_bytes());
    }

    /// A dictionary of strings.
    pub(in super::super) fn texts(&mut self, pairs: &[(&str, &str)]) {
        self.array(8, |array| {
            for (key, value) in pairs {
                array.structure();
                array.text(key);
                array.text(value);
            }
        });
    }

    /// The beginning of a structure or of an entry of a dictionary.
    pub(in super::super) fn structure(&mut self) {
        self.align(8);
    }

    /// The beginning of a variant that holds a dictionary of strings.
    pub(in super::super) fn texts_variant(&mut self, pairs: &[(&str, &str)]) {
        self.signature("a{ss}");
        self.texts(pairs);
    }
}

/// Messages are far shorter than what does not fit.
fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// Values that are read one after another. `None`: the bytes are no such value.
#[derive(Debug)]
pub(in super::super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    is_big_endian: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8], is_big_endian: bool) -> Self {
        Self { bytes, at: 0, is_big_endian }
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(taken)
    }

    pub(super) fn align(&mut self, boundary: usize) -> Option<()> {
        self.take(self.at.next_multiple_of(boundary) - self.at).map(drop)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|byte| byte[0])
    }

    pub(super) fn skip(&mut self, count: usize) {
        self.at += count;
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(in super::super) fn number(&mut self) -> Option<u32> {
        self.align(4)?;
        let bytes = self.take(4)?.try_into().ok()?;
        Some(if self.is_big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    pub(in super::super) fn boolean(&mut self) -> Option<bool> {
        self.number().map(|number| number != 0)
    }

    /// A string or an object's path.
    pub(in super::super) fn text(&mut self) -> Option<&'a str> {
        let text = self.blob()?;
        self.take(1)?;
        std::str::from_utf8(text).ok()
    }

    pub(in super::super) fn signature(&mut self) -> Option<&'a str> {
        let length = self.byte()?;
        let text = self.take(length.into())?;
        self.take(1)?;
        std::str::from_utf8(text).ok()
    }

    /// An array of bytes.
    pub(in super::super) fn blob(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.take(usize::try_from(length).ok()?)
    }

    /// An array of strings or of objects' paths.
    pub(in super::super) fn list(&mut self) -> Option<Vec<&'a str>> {
        let length = usize::try_from(self.number()?).ok()?;
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len())?;
        let mut found = Vec::new();
        while self.at < end {
            found.push(self.text()?);
        }
        Some(found)
    }

    /// The beginning of a structure.
    pub(in super::super) fn structure(&mut self) -> Option<()> {
        self.align(8)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_aligned_as_the_specification_says() {
        let mut written = Writer::default();
        written.byte(1);
        written.text("ab");
        written.texts(&[("k", "v")]);
        let expected = [
            &[1, 0, 0, 0, 2, 0, 0, 0, b'a', b'b', 0, 0][..],
            &[14, 0, 0, 0, 1, 0, 0, 0, b'k', 0, 0, 0, 1, 0, 0, 0, b'v', 0],
        ];
        assert_eq!(
            written.bytes(),
            expected.concat(),
            "the dictionary begins at 16, where entries are aligned already"
        );
        let mut empty = Writer::default();
        empty.texts(&[]);
        assert_eq!(empty.bytes(), [0; 8], "the gap before the first entry is there without an entry");
    }

    #[test]
    fn what_is_written_is_read() {
        let mut written = Writer::default();
        written.boolean(true);
        written.text("/a/path");
        written.blob(b"secret");
        written.array(4, |array| ["one", "another"].iter().for_each(|text| array.text(text)));
        written.text_variant("in a variant");
        let mut reader = Reader::new(written.bytes(), false);
        assert_eq!(reader.boolean(), Some(true));
        assert_eq!(reader.text(), Some("/a/path"));
        assert_eq!(reader.blob(), Some(&b"secret"[..]));
        assert_eq!(reader.list(), Some(vec!["one", "another"]));
        assert_eq!((reader.signature(), reader.text()), (Some("s"), Some("in a variant")));
        assert_eq!(reader.byte(), None, "nothing is left");
    }

    #[test]
    fn numbers_of_the_other_order_are_read() {
        assert_eq!(Reader::new(&[0, 0, 1, 2], true).number(), Some(258));
        assert_eq!(Reader::new(&[2, 1, 0, 0], false).number(), Some(258));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, is_big_endian: bool) {
            let read = |value: fn(&mut Reader<'_>) -> bool| {
                let mut reader = Reader::new(&bytes, is_big_endian);
                reader.byte();
                value(&mut reader)
            };
            read(|reader| reader.text().is_some());
            read(|reader| reader.list().is_some());
            read(|reader| reader.signature().is_some());
            read(|reader| reader.structure().and_then(|()| reader.blob()).is_some());
        }
    }
}
