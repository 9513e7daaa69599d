//! MD5 (RFC 1321), for nothing but finding files that another program has named by it. A few lines of ours rather than
//! a crate in every build: nothing here is to be kept from anybody.

use super::super::store::hex;

const BLOCK: usize = 64;

/// How far each step of a round turns its word.
const TURNS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];

/// The digest in lower-case hexadecimal.
pub(super) fn md5_hex(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let bits = (bytes.len() as u64).wrapping_mul(8);
    bytes.push(0x80);
    // Room for the length at the end of the last block.
    let padded = (bytes.len() + 8).next_multiple_of(BLOCK);
    bytes.resize(padded - 8, 0);
    bytes.extend(bits.to_le_bytes());
    // The whole part of what is below 2³².
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let sines: Vec<u32> = (1..=64).map(|i| (f64::from(i).sin().abs() * 4_294_967_296.0) as u32).collect();
    let mut state: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    for block in bytes.chunks_exact(BLOCK) {
        let words: Vec<u32> =
            block.chunks_exact(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]])).collect();
        let [mut a, mut b, mut c, mut d] = state;
        for i in 0..64 {
            let (mixed, word) = match i / 16 {
                0 => ((b & c) | (!b & d), i),
                1 => ((d & b) | (!d & c), 5 * i + 1),
                2 => (b ^ c ^ d, 3 * i + 5),
                _ => (c ^ (b | !d), 7 * i),
            };
            let sum = a.wrapping_add(mixed).wrapping_add(sines[i]).wrapping_add(words[word % 16]);
            (a, d, c) = (d, c, b);
            b = b.wrapping_add(sum.rotate_left(TURNS[i / 16][i % 4]));
        }
        for (kept, new) in state.iter_mut().zip([a, b, c, d]) {
            *kept = kept.wrapping_add(new);
        }
    }
    hex(&state.map(u32::to_le_bytes).concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digests_of_the_rfc() {
        for (text, digest) in [
            ("", "d41d8cd98f00b204e9800998ecf8427e"),
            ("abc", "900150983cd24fb0d6963f7d28e17f72"),
            ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
            (
                "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
                "57edf4a22be3c955ac49da2e2107b67a",
            ),
        ] {
            assert_eq!(md5_hex(text), digest, "{text}");
        }
    }

    #[test]
    fn every_length_has_its_padding() {
        // Around the ends of blocks, where padding goes wrong.
        let digests: Vec<String> = (50..70).map(|length| md5_hex(&"a".repeat(length))).collect();
        assert_eq!(digests[5], "ef1772b6dff9a122358552954ad0df65");
        assert_eq!(digests[6], "3b0c8ac703f828b04c6c197006d17218");
        assert_eq!(digests[14], "014842d480b571495a4a0363793f7367");
    }
}
