//! What is known of many names at once: that no entry of a file begins with a name and a hyphen.
//!
//! Whoever writes to joe-1, joe-2 and so on names ever new recipients, and would have the file read for each. The
//! pass for the first of them sees whether any entry begins with `joe-`. Where none does, none of these names is
//! an entry, and each of them belongs to joe, if he is there.

use std::cell::RefCell;
use std::collections::BTreeSet;

/// A name up to its first hyphen, which is part of it; `None` where there is none behind its first byte.
pub(crate) fn stem(name: &[u8]) -> Option<&[u8]> {
    let at = name.iter().skip(1).position(|&byte| byte == b'-')?;
    name.get(..at + 2)
}

/// The stems of names that are looked for; those that no entry has had so far.
#[derive(Debug, Default)]
pub(crate) struct Stems(RefCell<BTreeSet<Vec<u8>>>);

impl Stems {
    pub(crate) fn of<'n>(names: impl Iterator<Item = &'n [u8]>) -> Stems {
        let stems = names.filter_map(stem).map(<[u8]>::to_vec);
        Stems(RefCell::new(stems.collect()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// An entry of that name, in lower case, is there.
    pub(crate) fn see(&self, name: &[u8]) {
        if !self.is_empty()
            && let Some(stem) = stem(name)
        {
            self.0.borrow_mut().remove(stem);
        }
    }

    /// When the pass is over, those that no entry has. (A pass that ends early has seen an entry of each
    /// name that was looked for.)
    pub(crate) fn unseen(self) -> BTreeSet<Vec<u8>> {
        self.0.into_inner()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stem_ends_at_the_first_hyphen_behind_the_first_byte() {
        let pairs = [
            ("joe-a-b", "joe-"),
            ("joe-", "joe-"),
            ("-a-b", "-a-"),
            ("--", "--"),
        ];
        for (name, expected) in pairs {
            assert_eq!(stem(name.as_bytes()), Some(expected.as_bytes()), "{name}");
        }
        for name in ["", "-", "joe", "-joe"] {
            assert_eq!(stem(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn a_stem_that_an_entry_has_is_not_among_the_unseen() {
        let stems = Stems::of([&b"joe-1"[..], b"ann-1", b"bob"].into_iter());
        for entry in [&b"ann-"[..], b"joe", b"joes-x", b"bob-x"] {
            stems.see(entry);
        }
        assert_eq!(stems.unseen(), BTreeSet::from([b"joe-".to_vec()]));
    }
}
