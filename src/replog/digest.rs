//! A digest of values, to tell whether two replicas hold the same bytes.
//!
//! 64 bits, the same on every machine, read at memory's speed. It tells accidents apart, not a forger's work: two
//! different values share a digest once in 2^64. Deliberately not a cryptographic one, since every byte of a log goes
//! through it.

/// Odd constants with balanced bits.
const KEYS: [u64; 4] = [0x9e37_79b9_7f4a_7c15, 0xd6e8_feb8_6659_fd93, 0xa076_1d64_78bd_642f, 0xe703_7ed1_a0b4_28db];

/// Both halves of a product of two words.
fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

fn word(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    for (to, from) in word.iter_mut().zip(bytes) {
        *to = *from;
    }
    u64::from_le_bytes(word)
}

/// The digest of bytes. Their length is part of it.
pub(crate) fn digest(bytes: &[u8]) -> u64 {
    let [a, b, c, d] = KEYS;
    let (mut left, mut right) = (a, b);
    let (chunks, rest) = bytes.as_chunks::<32>();
    for chunk in chunks {
        let (words, _) = chunk.as_chunks::<8>();
        if let [first, second, third, fourth] = words {
            left = mix(u64::from_le_bytes(*first) ^ left, u64::from_le_bytes(*second) ^ c);
            right = mix(u64::from_le_bytes(*third) ^ right, u64::from_le_bytes(*fourth) ^ d);
        }
    }
    let mut state = left ^ right.rotate_left(23);
    for piece in rest.chunks(8) {
        state = mix(state ^ word(piece), c);
    }
    mix(state ^ bytes.len() as u64, d)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_and_every_length_count() {
        let base: Vec<u8> = (1..=100_u8).collect();
        let mut seen = std::collections::BTreeSet::from([digest(&base)]);
        for bit in 0..base.len() * 8 {
            let mut changed = base.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(seen.insert(digest(&changed)), "{bit}");
        }
        for len in 0..base.len() {
            assert!(seen.insert(digest(&base[..len])), "{len}");
            assert!(seen.insert(digest(&vec![0; len])) || len == 0, "{len} zeros");
        }
    }
}
