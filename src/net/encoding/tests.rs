use std::io::Write;

use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use flate2::{Compression, GzBuilder};
use http::HeaderValue;
use proptest::prelude::*;

use super::*;

const TEXT: &[u8] = b"hello hello hello hello brotli";

/// What Node's zlib makes of `TEXT`.
const BROTLI: &[u8] =
    b"\x1b\x1d\x00\xf8\x8d\x94\x6e\xde\x44\x55\x86\xd6\x6c\x20\x69\x6f\xd3\x10\x49\xe6\xa9\x03\x52\x1a\xf1\x78\xd1\x0c";

/// 16 MiB of `a`, as Node encodes them.
const BROTLI_16_MIB: &[&[u8]] = &[
    b"\xcb\xff\xff\x3f\xf8\x25\xc2\xe2\xb1\x40\x20\xf7\xfe\x2f\xff\xff\xff\xf0\x4b\x00\xc4\x61\x11\x80",
    b"\xee\xfd\x1f",
];

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zlib(text: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn raw_deflate(text: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn of(encoding: &str) -> Option<Vec<Decoder>> {
    decoders(&HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_str(encoding).unwrap())]))
}

/// All that this encoding makes of the chunks, and the length of the longest piece.
fn decode(encoding: &str, chunks: &[&[u8]]) -> Result<(Vec<u8>, usize), String> {
    let mut decoder = of(encoding).unwrap().remove(0);
    let (mut text, mut longest) = (Vec::new(), 0);
    for chunk in chunks {
        decoder.push(Bytes::copy_from_slice(chunk));
        while let Some(piece) = decoder.next() {
            let piece = piece?;
            longest = longest.max(piece.len());
            text.extend_from_slice(&piece);
        }
    }
    Ok((text, longest))
}

#[test]
fn each_encoding_is_decoded_however_it_is_cut() {
    let mut named =
        GzBuilder::new().filename("a").comment("b").extra(b"cd".to_vec()).write(Vec::new(), Compression::fast());
    named.write_all(TEXT).unwrap();
    let two = [gzip(&TEXT[..10]), gzip(&TEXT[10..])].concat();
    let followed = [gzip(TEXT), b"\0\0 what follows".to_vec()].concat();
    for (encoding, bytes) in [
        ("gzip", gzip(TEXT)),
        ("X-GZIP", named.finish().unwrap()),
        ("gzip", two),
        ("gzip", followed),
        ("gzip", TEXT.to_vec()),
        ("deflate", zlib(TEXT)),
        ("deflate", raw_deflate(TEXT)),
        ("br", BROTLI.to_vec()),
    ] {
        for size in [1, 2, 3, 7, bytes.len()] {
            let chunks: Vec<&[u8]> = bytes.chunks(size).collect();
            assert_eq!(decode(encoding, &chunks).unwrap().0, TEXT, "{encoding} by {size}");
        }
    }
}

#[test]
fn what_has_arrived_is_decoded_at_once() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let mut decoder = of("gzip").unwrap().remove(0);
    for word in ["data: one\n\n", "data: two\n\n", "data: three\n\n"] {
        encoder.write_all(word.as_bytes()).unwrap();
        encoder.flush().unwrap();
        decoder.push(std::mem::take(encoder.get_mut()).into());
        let mut text = Vec::new();
        while let Some(piece) = decoder.next() {
            text.extend_from_slice(&piece.unwrap());
        }
        assert_eq!(text, word.as_bytes(), "before the next one is sent");
    }
}

#[test]
fn a_small_body_that_stands_for_a_large_one_comes_in_small_pieces() {
    let large = vec![b'a'; 16 << 20];
    for (encoding, bytes) in [("gzip", gzip(&large)), ("deflate", zlib(&large)), ("br", BROTLI_16_MIB.concat())] {
        assert!(bytes.len() < 200_000, "{encoding}: {}", bytes.len());
        let (text, longest) = decode(encoding, &[&bytes]).unwrap();
        assert!(text == large && longest <= 32 * 1024, "{encoding}: {} in pieces of {longest}", text.len());
    }
}

#[test]
fn broken_data_are_an_error_and_data_that_end_early_are_not() {
    for (encoding, bytes) in [
        ("gzip", b"\x1f\x8b\x07".to_vec()),
        ("gzip", [&gzip(TEXT)[..10], &[0xff; 20]].concat()),
        ("gzip", [&[0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 0][..], &[b'x'; 5000]].concat()),
        ("deflate", b"\x78\x9c\xff\xff\xff".to_vec()),
        ("br", vec![0xff; 40]),
    ] {
        assert!(decode(encoding, &[&bytes]).is_err(), "{encoding} {bytes:02x?}");
        for cut in 0..3 {
            decode(encoding, &[&bytes[..cut.min(bytes.len())]]).ok();
        }
    }
    let whole = gzip(TEXT);
    assert!(decode("gzip", &[&whole[..whole.len() - 4]]).is_ok_and(|(text, _)| text == TEXT));
}

#[test]
fn encodings_are_named_in_the_order_in_which_they_were_applied() {
    assert_eq!(of("gzip, br").unwrap().len(), 2);
    assert_eq!(of("identity").unwrap().len(), 0);
    assert_eq!(of("UTF-8").unwrap().len(), 0);
    assert!(of("zstd").is_none() && of("gzip, zstd").is_none() && of("br, br, br, br").is_none());
}

proptest! {
    #[test]
    fn no_bytes_are_too_strange(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        cut in 0..300usize,
        encoding in prop_oneof![Just("gzip"), Just("deflate"), Just("br")],
    ) {
        let (first, second) = bytes.split_at(cut.min(bytes.len()));
        decode(encoding, &[first, second]).ok();
        decode(encoding, &[&[&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0], first].concat(), second]).ok();
    }

    #[test]
    fn what_was_encoded_is_decoded(text in proptest::collection::vec(any::<u8>(), 0..3000), size in 1..500usize) {
        for (encoding, bytes) in [("gzip", gzip(&text)), ("deflate", zlib(&text))] {
            let chunks: Vec<&[u8]> = bytes.chunks(size).collect();
            prop_assert_eq!(&decode(encoding, &chunks).unwrap().0, &text);
        }
    }
}
