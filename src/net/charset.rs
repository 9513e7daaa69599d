//! Which text is in a body that is not UTF-8?
//!
//! JSON is UTF-8 (RFC 8259, section 8.1), and whatever else a server says is believed only where the bytes are not. What
//! cannot be decoded becomes U+FFFD, as in event streams: one bad byte must not cost the response.

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http::header::CONTENT_TYPE;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The characters that Windows-1252 has in the place of control characters (0x80 to 0x9F). Of ISO 8859-1, which browsers
/// read as Windows-1252 too, no text has those.
const WINDOWS_1252: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘', '’',
    '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

/// A body as UTF-8 without a byte order mark.
pub fn to_utf8(headers: &HeaderMap, bytes: impl Into<Bytes>) -> Bytes {
    let mut text = from_utf16(bytes.into());
    if std::str::from_utf8(&text).is_err() {
        text = from_other(headers, &text).into();
    }
    if text.starts_with(BYTE_ORDER_MARK) {
        text.advance(BYTE_ORDER_MARK.len());
    }
    text
}

/// A body in UTF-16 as UTF-8; any other body as it is. Looks at two bytes only.
pub fn from_utf16(bytes: Bytes) -> Bytes {
    let is_little = match bytes.get(..2) {
        Some([0xff, 0xfe]) => true,
        Some([0xfe, 0xff]) => false,
        // JSON begins with an ASCII character.
        Some([0, second]) if *second != 0 => false,
        Some([first, 0]) if *first != 0 => true,
        _ => return bytes,
    };
    let unit = |pair: &[u8]| match *pair {
        [first, second] if is_little => u16::from_le_bytes([first, second]),
        [first, second] => u16::from_be_bytes([first, second]),
        // Half a character at the end.
        _ => 0xfffd,
    };
    // The mark of the byte order stays, in UTF-8: whoever reads JSON here takes it.
    let text: String = char::decode_utf16(bytes.chunks(2).map(unit)).map(|c| c.unwrap_or('\u{fffd}')).collect();
    text.into()
}

/// Text that is not UTF-8: in the charset of the content type if that is a Western one, or else with U+FFFD for what
/// cannot be read.
pub fn from_other(headers: &HeaderMap, bytes: &[u8]) -> Vec<u8> {
    if !is_western(headers) {
        return String::from_utf8_lossy(bytes).into_owned().into_bytes();
    }
    let character = |byte: u8| match byte {
        0x80..=0x9f => WINDOWS_1252[usize::from(byte - 0x80)],
        byte => char::from(byte),
    };
    bytes.iter().map(|byte| character(*byte)).collect::<String>().into_bytes()
}

fn is_western(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default().to_ascii_lowercase();
    let charset = kind.split(';').skip(1).find_map(|parameter| parameter.trim().strip_prefix("charset="));
    let charset = charset.unwrap_or_default().trim_matches([' ', '"', '\'']);
    matches!(
        charset,
        "iso-8859-1" | "iso8859-1" | "iso_8859-1" | "latin1" | "l1" | "us-ascii" | "ascii" | "windows-1252" | "cp1252"
    )
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(kind: &'static str, bytes: &[u8]) -> String {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
        String::from_utf8(to_utf8(&headers, bytes.to_vec()).to_vec()).unwrap()
    }

    fn utf16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(to_bytes).collect()
    }

    #[test]
    fn text_is_read_in_its_charset() {
        let json = "application/json";
        let latin = "application/json; charset=ISO-8859-1";
        for (kind, bytes, text) in [
            (json, &b"{\"a\":\"caf\xc3\xa9\"}"[..], r#"{"a":"café"}"#),
            (json, b"\xef\xbb\xbf{}", "{}"),
            (json, b"{\"a\":\"\xff\"}", "{\"a\":\"\u{fffd}\"}"),
            (latin, b"{\"a\":\"caf\xe9\"}", r#"{"a":"café"}"#),
            (latin, b"{\"a\":\"caf\xc3\xa9\"}", r#"{"a":"café"}"#),
            ("text/plain;charset=\"windows-1252\"; x=y", b"\x80 5 \x96 6", "€ 5 – 6"),
            ("application/json; charset=unknown", b"\xe9", "\u{fffd}"),
            (json, b"", ""),
            (json, b"{", "{"),
        ] {
            assert_eq!(read(kind, bytes), text, "{kind}");
        }
        for text in ["{\"a\":\"é𝄞\"}", "\u{feff}{\"a\":\"é𝄞\"}"] {
            for bytes in [utf16(text, u16::to_le_bytes), utf16(text, u16::to_be_bytes)] {
                assert_eq!(read("application/json; charset=utf-16", &bytes), "{\"a\":\"é𝄞\"}");
            }
        }
        let half = [&utf16("{}", u16::to_le_bytes)[..], &[0xd8]].concat();
        assert_eq!(read(json, &half), "{}\u{fffd}", "half a character");
    }
}
