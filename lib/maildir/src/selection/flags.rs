//! The system flags of a message, as bits and as letters of a file name.

/// A set of system flags. In a file name they are letters: D(raft) F(lagged) R(eplied) S(een)
/// T(rashed), in the order of ASCII (maildir(5)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(u8);

impl Flags {
    /// \Answered, R.
    pub const ANSWERED: Flags = Flags(1);
    /// \Flagged, F.
    pub const FLAGGED: Flags = Flags(1 << 1);
    /// \Deleted, T.
    pub const DELETED: Flags = Flags(1 << 2);
    /// \Seen, S.
    pub const SEEN: Flags = Flags(1 << 3);
    /// \Draft, D.
    pub const DRAFT: Flags = Flags(1 << 4);

    const LETTERS: [(u8, Flags); 5] = [
        (b'D', Flags::DRAFT),
        (b'F', Flags::FLAGGED),
        (b'R', Flags::ANSWERED),
        (b'S', Flags::SEEN),
        (b'T', Flags::DELETED),
    ];

    /// Whether all of `other` are in it.
    pub fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Adds flags.
    pub fn insert(&mut self, other: Flags) {
        self.0 |= other.0;
    }

    /// Takes flags away.
    pub fn remove(&mut self, other: Flags) {
        self.0 &= !other.0;
    }

    /// Those of both.
    #[must_use]
    pub fn union(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    /// Those that are not in `other`.
    #[must_use]
    pub fn without(self, other: Flags) -> Flags {
        Flags(self.0 & !other.0)
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The flags among the letters of a file name. Other letters are no flags.
    pub fn from_letters(letters: &[u8]) -> Flags {
        let known = |letter| Flags::LETTERS.iter().find(|known| known.0 == letter);
        let flags = letters.iter().filter_map(|&letter| known(letter));
        flags.fold(Flags::default(), |all, known| all.union(known.1))
    }

    /// Their letters, in order.
    pub fn letters(self) -> impl Iterator<Item = u8> {
        let known = Flags::LETTERS.into_iter();
        known
            .filter(move |known| self.contains(known.1))
            .map(|known| known.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_letters_and_letters_are_flags() {
        let flags = Flags::from_letters(b"SPxDT");
        assert!(flags.contains(Flags::SEEN.union(Flags::DRAFT)));
        assert!(flags.contains(Flags::DELETED) && !flags.contains(Flags::ANSWERED));
        assert_eq!(flags.letters().collect::<Vec<_>>(), b"DST");
        assert!(Flags::from_letters(b"").is_empty());
    }

    #[test]
    fn flags_are_added_and_taken_away() {
        let mut flags = Flags::SEEN;
        flags.insert(Flags::FLAGGED);
        flags.remove(Flags::SEEN.union(Flags::DRAFT));
        assert_eq!(flags, Flags::FLAGGED);
        assert_eq!(Flags::SEEN.without(Flags::SEEN), Flags::default());
    }
}
