//! What does a text say when its escapes are read? A secret that a server quotes may be percent-encoded, or escaped for
//! HTML or JSON, and that more than once.

/// A reading of a text: its bytes, and where in the text each of them begins.
pub(super) struct Reading {
    pub(super) bytes: Vec<u8>,
    /// One more than there are bytes: the last is the end of the text.
    places: Vec<usize>,
}

impl Reading {
    /// The text with its escapes read once; `None` if it has none.
    pub(super) fn of(text: &[u8]) -> Option<Self> {
        Self::read(text, |at| at)
    }

    /// The reading with its own escapes read.
    pub(super) fn again(&self) -> Option<Self> {
        Self::read(&self.bytes, |at| self.places[at])
    }

    /// The part of the text that these bytes stand for.
    pub(super) fn place(&self, start: usize, end: usize) -> (usize, usize) {
        (self.places[start], self.places[end])
    }

    fn read(text: &[u8], place: impl Fn(usize) -> usize) -> Option<Self> {
        let first = memchr::memchr3(b'%', b'&', b'\\', text)?;
        let mut reading = Self { bytes: text[..first].to_vec(), places: (0..first).map(&place).collect() };
        let mut at = first;
        let mut found = false;
        while at < text.len() {
            let (length, character) = match escape(&text[at..]) {
                Some((length, character)) => {
                    found = true;
                    (length, Ok(character))
                }
                None => (1, Err(text[at])),
            };
            let mut buffer = [0; 4];
            let bytes = match &character {
                // A percent-encoded byte may be a part of a character.
                Ok(Escaped::Byte(byte)) | Err(byte) => std::slice::from_ref(byte),
                Ok(Escaped::Character(c)) => c.encode_utf8(&mut buffer).as_bytes(),
            };
            reading.bytes.extend_from_slice(bytes);
            reading.places.extend(bytes.iter().map(|_| place(at)));
            at += length;
        }
        reading.places.push(place(text.len()));
        found.then_some(reading)
    }
}

enum Escaped {
    Byte(u8),
    Character(char),
}

/// The length of the escape that begins here, and what it stands for.
fn escape(text: &[u8]) -> Option<(usize, Escaped)> {
    match text {
        [b'%', high, low, ..] => Some((3, Escaped::Byte(u8::try_from(hex(&[*high, *low])?).ok()?))),
        [b'\\', b'u', ..] => {
            let unit = hex(text.get(2..6)?)?;
            let pair = match text.get(6..12) {
                Some([b'\\', b'u', low @ ..]) if (0xd800..0xdc00).contains(&unit) => hex(low),
                _ => None,
            };
            match pair.filter(|low| (0xdc00..0xe000).contains(low)) {
                Some(low) => {
                    let c = char::from_u32(0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00))?;
                    Some((12, Escaped::Character(c)))
                }
                None => Some((6, Escaped::Character(char::from_u32(unit)?))),
            }
        }
        [b'\\', b'x', high, low, ..] => Some((4, Escaped::Byte(u8::try_from(hex(&[*high, *low])?).ok()?))),
        [b'\\', c @ (b'/' | b'\\' | b'"' | b'\''), ..] => Some((2, Escaped::Byte(*c))),
        [b'&', rest @ ..] => entity(rest).map(|(length, c)| (1 + length, Escaped::Character(c))),
        _ => None,
    }
}

/// The longest name or number of a character in HTML that is read, with its semicolon.
const LONGEST_ENTITY: usize = 10;

fn entity(text: &[u8]) -> Option<(usize, char)> {
    const NAMES: [(&[u8], char); 10] = [
        (b"amp", '&'),
        (b"lt", '<'),
        (b"gt", '>'),
        (b"quot", '"'),
        (b"apos", '\''),
        (b"sol", '/'),
        (b"plus", '+'),
        (b"equals", '='),
        (b"lowbar", '_'),
        (b"period", '.'),
    ];
    let end = text.iter().take(LONGEST_ENTITY).position(|&byte| byte == b';')?;
    let name = &text[..end];
    let c = match name {
        [b'#', b'x' | b'X', digits @ ..] => char::from_u32(hex(digits)?),
        [b'#', digits @ ..] => char::from_u32(std::str::from_utf8(digits).ok()?.parse().ok()?),
        name => NAMES.iter().find(|(known, _)| *known == name).map(|(_, c)| *c),
    };
    Some((end + 1, c?))
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0u32, |number, digit| Some(number.checked_mul(16)? + char::from(*digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_kind_of_escape_is_read() {
        for (text, read) in [
            ("a%2Fb%2fc%e2%82%ac", "a/b/c€"),
            (r"a\/b\u0022\\\x41 \ud83d\ude00", "a/b\"\\A 😀"),
            ("&amp;&#47;&#x2F;&quot;&sol;", "&//\"/"),
            (r"%2\u00&x;&#xffffffff; \/", r"%2\u00&x;&#xffffffff; /"),
        ] {
            assert_eq!(String::from_utf8(Reading::of(text.as_bytes()).unwrap().bytes).unwrap(), read, "{text}");
        }
        assert!(Reading::of(b"100% \\ a&b").is_none());
        let twice = Reading::of(b"x%252Fy").unwrap().again().unwrap();
        assert_eq!((twice.bytes.as_slice(), twice.place(1, 2)), (b"x/y".as_slice(), (1, 6)));
    }

    proptest! {
        #[test]
        fn places_grow_with_the_bytes(text in "([%&\\\\;#ux0-9a-f]|amp|é)*") {
            let mut reading = Reading::of(text.as_bytes());
            while let Some(read) = reading {
                prop_assert_eq!(read.places.len(), read.bytes.len() + 1);
                prop_assert!(read.places.is_sorted());
                prop_assert_eq!(read.places.last(), Some(&text.len()));
                reading = read.again();
            }
        }
    }
}
