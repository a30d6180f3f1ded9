//! The boundaries that may come next, and which of them a line begins with (RFC 2046 section 5.1.1).

use std::cmp::Ordering;

/// How much of a boundary is compared. The RFC allows 70 characters.
const MOST: usize = 256;

/// The boundaries of the multiparts that are open.
///
/// A line need only begin with a boundary. Where it begins with several, the longest counts, and of
/// equal ones that of the innermost multipart: Dovecot's rule, which tells apart what no good mail
/// has to. The search does not slow down when a message opens a hundred multiparts with boundaries
/// that begin alike and then has a million lines that begin like them.
#[derive(Debug, Default)]
pub(crate) struct Boundaries {
    /// In the order in which they were opened.
    open: Vec<Boundary>,
    /// The same, sorted; of equal ones the innermost last.
    sorted: Vec<Sorted>,
    /// The bytes that one of them begins with: most lines that look like a boundary are none.
    first: [u64; 4],
}

#[derive(Debug)]
struct Boundary {
    /// The first [`MOST`] bytes.
    text: Vec<u8>,
    /// How long it really is.
    length: usize,
    /// What the caller knows it by.
    level: usize,
}

#[derive(Debug)]
struct Sorted {
    /// Its index in `open`.
    of: usize,
    /// The boundaries that this one begins with, by their indices in `open`, from the shortest;
    /// the last is this one itself.
    chain: Vec<usize>,
}

/// A line with a boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    /// Whose it is.
    pub(crate) level: usize,
    /// Whether it says that no part follows.
    pub(crate) last: bool,
}

impl Boundaries {
    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Adds a boundary, which is not empty. Levels ascend.
    pub(crate) fn open(&mut self, text: &[u8], level: usize) {
        self.open.push(Boundary {
            text: text[..text.len().min(MOST)].to_vec(),
            length: text.len(),
            level,
        });
        self.sort();
    }

    /// Takes away all boundaries from this level on.
    pub(crate) fn close_from(&mut self, level: usize) {
        let before = self.open.len();
        self.open.retain(|boundary| boundary.level < level);
        if self.open.len() != before {
            self.sort();
        }
    }

    fn sort(&mut self) {
        let mut order: Vec<usize> = (0..self.open.len()).collect();
        order.sort_by(|&a, &b| self.open[a].text.cmp(&self.open[b].text));
        self.sorted.clear();
        self.first = [0; 4];
        for of in order {
            if let Some(&byte) = self.open[of].text.first() {
                self.first[usize::from(byte / 64)] |= 1 << (byte % 64);
            }
            // Whatever this one begins with is what the one before it begins with, or that itself.
            let mut chain = self.sorted.last().map_or_else(Vec::new, |before: &Sorted| {
                let mut chain = before.chain.clone();
                while let Some(&last) = chain.last()
                    && !self.open[of].text.starts_with(&self.open[last].text)
                {
                    chain.pop();
                }
                chain
            });
            chain.push(of);
            self.sorted.push(Sorted { of, chain });
        }
    }

    /// The boundary that a line begins with. `rest` is the line and whatever follows it.
    pub(crate) fn find(&self, rest: &[u8]) -> Option<Hit> {
        let line = rest.strip_prefix(b"--")?;
        let &first = line.first()?;
        if self.first[usize::from(first / 64)] >> (first % 64) & 1 == 0 {
            return None;
        }
        let key = &line[..line.len().min(MOST)];
        let behind = self.sorted.partition_point(|sorted| {
            self.open[sorted.of].text.as_slice().cmp(key) != Ordering::Greater
        });
        // All boundaries that the line begins with are in the chain of the last one not behind it.
        let nearest = &self.sorted[behind.checked_sub(1)?];
        let common = self.open[nearest.of]
            .text
            .iter()
            .zip(key)
            .take_while(|(a, b)| a == b)
            .count();
        let short_enough = nearest
            .chain
            .partition_point(|&of| self.open[of].text.len() <= common);
        let found = &self.open[nearest.chain[short_enough.checked_sub(1)?]];
        Some(Hit {
            level: found.level,
            last: line
                .get(found.length..)
                .is_some_and(|behind| behind.starts_with(b"--")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rule by itself.
    fn plainly(open: &[&[u8]], line: &[u8]) -> Option<Hit> {
        let line = line.strip_prefix(b"--")?;
        let (level, text) = open
            .iter()
            .enumerate()
            .filter(|(_, text)| line.starts_with(text))
            .max_by_key(|(level, text)| (text.len(), *level))?;
        let last = line[text.len()..].starts_with(b"--");
        Some(Hit { level, last })
    }

    #[test]
    fn the_longest_boundary_counts_and_of_equal_ones_the_innermost() {
        let open: [&[u8]; 9] = [
            b"ab", b"a", b"abc", b"b", b"ab", b"abd", b"abcde", b"z", b"abb",
        ];
        let mut boundaries = Boundaries::default();
        for (level, text) in open.iter().enumerate() {
            boundaries.open(text, level);
        }
        let lines = [
            "",
            "-",
            "--",
            "--a",
            "--ab",
            "--ab--",
            "--abc",
            "--abcd",
            "--abcde--",
            "--abce",
            "--abe",
            "--abz",
            "--aa",
            "--b",
            "--bb--",
            "--c",
            "--zz",
            "--y",
            "--ab\n--abc",
            "a",
            "--abcd--",
        ];
        for end in (1..=open.len()).rev() {
            boundaries.close_from(end);
            for line in lines {
                let line = line.as_bytes();
                assert_eq!(
                    boundaries.find(line),
                    plainly(&open[..end], line),
                    "{end} {line:?}"
                );
            }
        }
    }

    #[test]
    fn the_end_of_a_very_long_boundary_is_seen() {
        let mut boundaries = Boundaries::default();
        let long = [b'x'; MOST + 1];
        boundaries.open(&long, 0);
        let line = |tail: &str| [b"--", &long[..], tail.as_bytes()].concat();
        let hit = |last| Some(Hit { level: 0, last });
        assert_eq!(boundaries.find(&line("")), hit(false));
        assert_eq!(boundaries.find(&line("--")), hit(true));
        assert_eq!(boundaries.find(&line("")[..MOST]), None);
    }
}
