//! Finding the rules that stand in the shadow of an earlier line with the same address.
//!
//! A key is remembered as 64 bits of its hash, with its line in 16 bytes, whatever its length: two
//! of a million different keys are taken for one another once in 30 million files, and then the
//! harm is a wrong warning.

/// Keys of one line that stand in the database before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duplicate {
    /// The line that has them again.
    pub line: u64,
    /// The line that decides the first of them.
    pub earlier: u64,
    /// How many they are.
    pub keys: u64,
}

/// Remembers which keys there were.
#[derive(Debug, Default)]
pub(crate) struct Shadows(Vec<u128>);

impl Shadows {
    /// Notes one key, by its hash; `nth` is its place among the keys of its line, lines count from
    /// 1 and come in order.
    pub(crate) fn note(&mut self, hash: u64, line: u64, nth: u8) {
        let place = (line << 8) | u64::from(nth);
        self.0.push((u128::from(hash) << 64) | u128::from(place));
    }

    /// Hands out one [`Duplicate`] for each line that has keys of earlier lines, in the order of
    /// the lines.
    pub(crate) fn each_duplicate(self, mut tell: impl FnMut(Duplicate)) {
        let mut entries = self.0;
        keep_likely_duplicates(&mut entries);
        entries.sort_unstable();
        // The duplicates move to the front, each as its own place and the place of the first.
        let mut found = 0;
        let mut first = None;
        for at in 0..entries.len() {
            let entry = entries[at];
            match first {
                Some(earlier) if earlier >> 64 == entry >> 64 => {
                    entries[found] = (entry << 64) | (earlier & u128::from(u64::MAX));
                    found += 1;
                }
                _ => first = Some(entry),
            }
        }
        entries.truncate(found);
        entries.sort_unstable();
        let line = |place: u128| u64::try_from((place & u128::from(u64::MAX)) >> 8).unwrap_or(0);
        for of_one_line in entries.chunk_by(|one, other| one >> 72 == other >> 72) {
            if let Some(first) = of_one_line.first() {
                let keys = u64::try_from(of_one_line.len()).unwrap_or(u64::MAX);
                tell(Duplicate {
                    line: line(first >> 64),
                    earlier: line(*first),
                    keys,
                });
            }
        }
    }
}

/// Drops most of the entries whose hash is there only once, for sorting them all would cost more
/// than all else that is done for a warning: bits of the hash name a place in two bit maps, of
/// the places taken and of those taken again.
fn keep_likely_duplicates(entries: &mut Vec<u128>) {
    let words = (entries.len() / 4).next_power_of_two();
    let mut taken = vec![0_u64; words];
    let mut again = vec![0_u64; words];
    let place = |entry: u128| {
        let hash = usize::try_from((entry >> 64) & u128::from(u32::MAX)).unwrap_or(0);
        let other = (entry >> 96) & 63;
        (hash & (words - 1), 1_u64 << other)
    };
    for entry in entries.iter() {
        let (word, bit) = place(*entry);
        again[word] |= taken[word] & bit;
        taken[word] |= bit;
    }
    entries.retain(|entry| {
        let (word, bit) = place(*entry);
        again[word] & bit != 0
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest;

    /// The duplicates among lines of keys, as (line, earlier line, number of keys).
    fn duplicates<'a>(lines: impl IntoIterator<Item = &'a [&'a str]>) -> Vec<(u64, u64, u64)> {
        let mut shadows = Shadows::default();
        for (number, keys) in (1..).zip(lines) {
            for (nth, key) in (0..).zip(keys) {
                shadows.note(digest::of(key.as_bytes()), number, nth);
            }
        }
        let mut found = Vec::new();
        shadows.each_duplicate(|one| found.push((one.line, one.earlier, one.keys)));
        found
    }

    #[test]
    fn different_keys_are_no_duplicates() {
        assert_eq!(duplicates([&["1.", "1.2.", "1.2.3.4", "", "="][..]]), []);
        assert_eq!(duplicates([]), []);
    }

    #[test]
    fn each_later_line_is_told_with_the_first_one() {
        let lines = [&["a"][..], &["b"], &["a"], &[], &["a"], &["b"]];
        assert_eq!(duplicates(lines), [(3, 1, 1), (5, 1, 1), (6, 2, 1)]);
    }

    #[test]
    fn a_range_is_told_once_with_the_number_of_its_keys_that_came_before() {
        let lines = [
            &["1.2"][..],
            &["1.4"],
            &["1.1", "1.2", "1.3", "1.4", "1.5"],
            &["1.5", "1.6"],
        ];
        assert_eq!(duplicates(lines), [(3, 1, 2), (4, 3, 1)]);
    }

    #[test]
    fn among_many_keys_exactly_the_duplicates_are_found() {
        let mut shadows = Shadows::default();
        let count = 100_000_u64;
        for line in 1..=count {
            // Each key but the multiples of 1000 is new; those have the key of line 7.
            let key = if line % 1000 == 0 { 7 } else { line };
            shadows.note(digest::of(&key.to_le_bytes()), line, 0);
        }
        let mut found = Vec::new();
        shadows.each_duplicate(|one| found.push(one));
        let expected = (1..=count / 1000).map(|n| Duplicate {
            line: n * 1000,
            earlier: 7,
            keys: 1,
        });
        assert_eq!(found, expected.collect::<Vec<_>>());
    }
}
