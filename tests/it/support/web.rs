//! Queries, forms, and the encodings and hashes of logins.

use url::form_urlencoded;

use super::records::Parameters;

/// The parameters of a path or URL.
pub(crate) fn query(url: &str) -> Parameters {
    form(url.split_once('?').map_or("", |(_, query)| query).as_bytes())
}

pub(crate) fn form(body: &[u8]) -> Parameters {
    form_urlencoded::parse(body).into_owned().collect()
}

pub(crate) fn parameter(parameters: &Parameters, name: &str) -> Option<String> {
    parameters.iter().find(|(have, _)| have == name).map(|(_, value)| value.clone())
}

pub(crate) fn with_parameters(url: &str, parameters: &Parameters) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    format!("{url}{}{query}", if url.contains('?') { '&' } else { '?' })
}

const BASE64URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The client id and secret of a `Basic` header.
pub(super) fn credentials(basic: &str) -> (String, String) {
    let digits = basic.trim_end_matches('=').bytes().map(|letter| match letter {
        b'+' => 62,
        b'/' => 63,
        _ => BASE64URL.iter().position(|digit| *digit == letter).expect("base64"),
    });
    let digits: Vec<_> = digits.collect();
    let bytes = digits.chunks(4).flat_map(|four| {
        let bits = four.iter().fold(0, |bits, digit| bits << 6 | digit) << (6 * (4 - four.len()));
        (1..four.len()).map(move |place| u8::try_from(bits >> (24 - 8 * place) & 255).unwrap())
    });
    let text = String::from_utf8(bytes.collect()).expect("text");
    let (id, secret) = text.split_once(':').expect("id and secret");
    let plain = |part: &str| form(format!("p={part}").as_bytes()).remove(0).1;
    (plain(id), plain(secret))
}

/// RFC 7636 section 4.2, S256.
pub(super) fn pkce_challenge(verifier: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, verifier.as_bytes());
    let mut text = String::new();
    for three in digest.as_ref().chunks(3) {
        let bits = three.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..=three.len() {
            text.push(char::from(BASE64URL[(bits >> (18 - 6 * place) & 63) as usize]));
        }
    }
    text
}

/// RFC 1321, in hexadecimal: mcp-remote names its files by this hash.
pub(crate) fn md5(text: &str) -> String {
    const SHIFTS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
    let mut state = [0x6745_2301_u32, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0x80);
    bytes.resize(bytes.len().next_multiple_of(64) + if bytes.len() % 64 > 56 { 64 } else { 0 } - 8, 0);
    bytes.extend((text.len() as u64 * 8).to_le_bytes());
    for block in bytes.chunks(64) {
        let words: Vec<_> = block.chunks(4).map(|four| u32::from_le_bytes(four.try_into().unwrap())).collect();
        let [mut a, mut b, mut c, mut d] = state;
        for step in 0..64_usize {
            let (mixed, word) = match step / 16 {
                0 => (b & c | !b & d, step),
                1 => (d & b | !d & c, 5 * step + 1),
                2 => (b ^ c ^ d, 3 * step + 5),
                _ => (c ^ (b | !d), 7 * step),
            };
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
            let constant = (((step + 1) as f64).sin().abs() * 4_294_967_296.0) as u32;
            let sum = a.wrapping_add(mixed).wrapping_add(constant).wrapping_add(words[word % 16]);
            (a, d, c, b) = (d, c, b, b.wrapping_add(sum.rotate_left(SHIFTS[step / 16][step % 4])));
        }
        for (sum, value) in state.iter_mut().zip([a, b, c, d]) {
            *sum = sum.wrapping_add(value);
        }
    }
    let digits = state.iter().flat_map(|word| word.to_le_bytes()).flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}
