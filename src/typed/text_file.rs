//! Which text is in a file that an editor or a shell wrote? On Windows both like to write UTF-16, or a byte order mark.

use std::io;
use std::path::Path;

/// Reads a text file in whatever encoding of Unicode.
pub(crate) fn read_text(path: &Path) -> io::Result<String> {
    decode(&std::fs::read(path)?)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the file is not a text in UTF-8 or UTF-16"))
}

/// The text, without a byte order mark. `None` if it is neither UTF-8 nor UTF-16.
pub(crate) fn decode(bytes: &[u8]) -> Option<String> {
    let bytes = match bytes {
        [0xff, 0xfe, rest @ ..] => return utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => return utf16(rest, u16::from_be_bytes),
        // Without a mark, an ASCII character as the first one shows the order.
        [1..=0x7f, 0, ..] => return utf16(bytes, u16::from_le_bytes),
        [0, 1..=0x7f, ..] => return utf16(bytes, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => rest,
        _ => bytes,
    };
    String::from_utf8(bytes.to_vec()).ok()
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<String> {
    let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    char::decode_utf16(units).collect::<Result<_, _>>().ok().filter(|_| bytes.len().is_multiple_of(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_in_each_encoding() {
        let text = "tökén\r\n";
        let units: Vec<u16> = text.encode_utf16().collect();
        let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        for bytes in [
            text.as_bytes().to_vec(),
            [b"\xef\xbb\xbf", text.as_bytes()].concat(),
            [b"\xff\xfe".as_slice(), &little].concat(),
            [b"\xfe\xff".as_slice(), &big].concat(),
            little,
            big,
        ] {
            assert_eq!(decode(&bytes).as_deref(), Some(text), "{bytes:?}");
        }
        assert_eq!(decode(b"\xff\xfea"), None);
        assert_eq!(decode(b"\xe9"), None);
        assert_eq!(decode(b"").as_deref(), Some(""));
    }
}
