//! A 64-bit hash for noticing accidents: a record that was written and reads back otherwise, a
//! key that comes twice. It is fast and no defence against somebody who makes collisions on
//! purpose; the most that gives him is a wrong warning.

const KEY: u64 = 0x9e37_79b9_7f4a_7c15;
const OTHER: u64 = 0xd6e8_feb8_6659_fd93;

/// Spreads the bits of `word`: each bit of the result depends on each bit of it, and no two words
/// give the same result.
pub(crate) fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 32)).wrapping_mul(OTHER);
    let word = (word ^ (word >> 29)).wrapping_mul(KEY);
    word ^ (word >> 32)
}

/// The hash of `bytes`.
pub(crate) fn of(bytes: &[u8]) -> u64 {
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let mut hash = mix(KEY ^ length);
    // The last word may overlap the one before; together they still are all bytes.
    let last = match (bytes.last_chunk(), bytes.first_chunk(), bytes.last_chunk()) {
        (Some(last), _, _) => {
            let (words, _) = bytes[..bytes.len() - 1].as_chunks();
            for word in words {
                hash = fold(hash ^ u64::from_le_bytes(*word));
            }
            u64::from_le_bytes(*last)
        }
        (None, Some(first), Some(last)) => {
            u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last))
        }
        _ => bytes
            .iter()
            .fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    mix(hash ^ last)
}

/// Multiplies to 128 bits and folds the halves together.
fn fold(word: u64) -> u64 {
    let product = u128::from(word ^ OTHER).wrapping_mul(u128::from(KEY));
    (product ^ (product >> 64)) as u64
}

/// The hash of a sequence of records, in which order counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sequence {
    records: u64,
    hash: u64,
}

impl Sequence {
    /// Adds a record whose key hashes to `key`.
    pub(crate) fn add(&mut self, key: u64, value: &[u8]) {
        self.records = self.records.wrapping_add(1);
        self.hash = mix(self.hash ^ key).wrapping_add(of(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_more_or_another_byte_is_another_hash() {
        let text: Vec<u8> = (1..=40).collect();
        for length in 0..text.len() {
            assert_ne!(of(&text[..length]), of(&text[..=length]));
            let mut other = text[..=length].to_vec();
            for bit in 0..8 {
                other[length] ^= 1 << bit;
                assert_ne!(of(&other), of(&text[..=length]), "{length} {bit}");
                other[length] ^= 1 << bit;
            }
        }
        assert_ne!(of(b""), of(b"\0"));
        assert_ne!(of(b"\0"), of(b"\0\0"));
    }

    #[test]
    fn a_million_neighbouring_words_have_different_hashes() {
        let mut seen: Vec<u64> = (0..1_000_000_u32).map(|n| of(&n.to_be_bytes())).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 1_000_000);
    }

    #[test]
    fn in_a_sequence_the_order_and_the_border_of_key_and_value_count() {
        let sequence = |records: &[(&[u8], &[u8])]| {
            let mut sequence = Sequence::default();
            for (key, value) in records {
                sequence.add(of(key), value);
            }
            sequence
        };
        assert_ne!(
            sequence(&[(b"a", b"1"), (b"b", b"2")]),
            sequence(&[(b"b", b"2"), (b"a", b"1")])
        );
        assert_ne!(sequence(&[(b"ab", b"")]), sequence(&[(b"a", b"b")]));
        assert_ne!(
            sequence(&[(b"a", b"")]),
            sequence(&[(b"a", b""), (b"a", b"")])
        );
        assert_eq!(sequence(&[(b"a", b"1")]), sequence(&[(b"a", b"1")]));
    }
}
