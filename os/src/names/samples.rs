//! The usual kind of hash in a file of passwords.
//!
//! Somebody who has no hash to compare with is to take as long as somebody who has one. How long that is
//! the others tell: their scheme and its cost, by the most frequent of them. A file that has grown old with
//! its system has several, and the first line, root's, is seldom like the rest.

use super::shadow::Hash;

/// How many kinds are told apart; hashes of further ones are not counted.
const KINDS: usize = 16;

/// Hashes of a file, counted by kind. Of each kind one is kept, which overwrites itself.
#[derive(Debug, Default)]
pub struct Samples(Vec<(u64, Hash)>);

impl Samples {
    /// Counts one; what does not begin as a hash of crypt(5) does is none.
    pub fn add(&mut self, hash: &[u8]) {
        let Some(kind) = kind(hash) else { return };
        let known = self.0.iter_mut();
        let mut same = known.filter(|(_, sample)| self::kind(sample.expose()) == Some(kind));
        if let Some((count, _)) = same.next() {
            *count += 1;
        } else if self.0.len() < KINDS {
            self.0.push((1, Hash::new(hash)));
        }
    }

    /// One of the most frequent kind, of several such the first. It must never let anybody in.
    pub fn usual(self) -> Option<Hash> {
        // Of equals max_by_key takes the last.
        let most = self.0.into_iter().rev().max_by_key(|(count, _)| *count);
        most.map(|(_, sample)| sample)
    }
}

/// What decides how much work a hash makes: its scheme and, where it names them, its parameters.
fn kind(hash: &[u8]) -> Option<&[u8]> {
    let mut ends = hash.iter().enumerate().filter(|(_, byte)| **byte == b'$');
    let (0, _) = ends.next()? else { return None };
    let (scheme, _) = ends.next()?;
    let parameters = ends.next().map_or(hash.len(), |(end, _)| end);
    let has_parameters = match &hash[1..scheme] {
        b"y" | b"gy" | b"7" | b"2a" | b"2b" | b"2x" | b"2y" => true,
        _ => hash[scheme + 1..].starts_with(b"rounds="),
    };
    Some(&hash[..if has_parameters { parameters } else { scheme }])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usual(hashes: &[&str]) -> Option<Vec<u8>> {
        let mut samples = Samples::default();
        for hash in hashes {
            samples.add(hash.as_bytes());
        }
        samples.usual().map(|sample| sample.expose().to_vec())
    }

    #[test]
    fn the_most_frequent_scheme_and_cost_counts_and_the_first_of_equals() {
        let old = "$6$root$h";
        for (hashes, expected) in [
            (&[old, "$y$j9T$a$h", "$y$j9T$b$h"][..], "$y$j9T$a$h"),
            (&[old, "$y$j9T$a$h", "$y$jAT$b$h"], old),
            (&[old, "$2b$05$a", "$2b$05$b", "$2y$05$c"], "$2b$05$a"),
            (&["$6$rounds=9000$a$h", old, "$6$b$h"], old),
            (&["*", "!", "", "x", "!$y$j9T$a$h", old], old),
        ] {
            assert_eq!(usual(hashes).as_deref(), Some(expected.as_bytes()));
        }
        assert_eq!(usual(&["*", "$", "", "sekrit", "$x"]), None);
    }

    #[test]
    fn a_file_of_many_kinds_takes_no_memory_without_end() {
        let many: Vec<String> = (0..1000).map(|at| format!("$s{at}$a$h")).collect();
        let mut samples = Samples::default();
        for hash in &many {
            samples.add(hash.as_bytes());
        }
        assert_eq!(samples.0.len(), KINDS);
    }
}
