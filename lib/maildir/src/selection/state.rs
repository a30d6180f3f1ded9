//! What a message's place and the end of its file name say, once for all messages of which it is
//! the same: most of a mailbox share a handful of such states.

use std::collections::HashMap;

use super::flags::Flags;
use crate::folder::{NO_FLAGS, Place};

/// The number of the first keyword that has no letter.
pub(super) const FIRST_WORD: u16 = 26;

/// What several messages have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) place: Place,
    /// What stands behind the unique part of the file name: nothing, or a colon and more.
    pub(super) suffix: Box<[u8]>,
    /// The keywords that no letter says, ascending, all from [`FIRST_WORD`] on.
    pub(super) words: Box<[u16]>,
    /// What the suffix says.
    pub(super) flags: Flags,
    /// All keywords, ascending: those of letters from 0, and `words`.
    pub(super) keywords: Box<[u16]>,
}

/// The states that there are, by number. A number keeps its meaning.
#[derive(Clone, Debug, Default)]
pub(super) struct States {
    all: Vec<State>,
    by_key: HashMap<Box<[u8]>, u32>,
    /// A bit for each letter that is in use, from a.
    letters: u32,
}

impl States {
    /// The number of a state. None where there are more than can be counted.
    pub(super) fn number(&mut self, place: Place, suffix: &[u8], words: &[u16]) -> Option<u32> {
        let key = key(place, suffix, words);
        if let Some(&number) = self.by_key.get(key.as_slice()) {
            return Some(number);
        }
        let number = u32::try_from(self.all.len()).ok()?;
        let letters = Letters::of(suffix);
        self.letters |= letters.keywords;
        let of_letters = (0..FIRST_WORD).filter(|bit| letters.keywords & (1 << bit) != 0);
        self.all.push(State {
            place,
            suffix: suffix.into(),
            words: words.into(),
            flags: letters.flags,
            keywords: of_letters.chain(words.iter().copied()).collect(),
        });
        self.by_key.insert(key.into(), number);
        Some(number)
    }

    pub(super) fn get(&self, number: u32) -> &State {
        &self.all[number as usize]
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether some are of this place.
    pub(super) fn any(&self, place: Place) -> bool {
        self.all.iter().any(|state| state.place == place)
    }

    /// A bit for each letter that is or was in use.
    pub(super) fn letters_in_use(&self) -> u32 {
        self.letters
    }
}

fn key(place: Place, suffix: &[u8], words: &[u16]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + 8 + 2 * words.len() + suffix.len());
    key.push(place as u8);
    key.extend_from_slice(&words.len().to_le_bytes());
    for word in words {
        key.extend_from_slice(&word.to_le_bytes());
    }
    key.extend_from_slice(suffix);
    key
}

/// What the end of a file name says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Letters {
    pub(super) flags: Flags,
    /// A bit for each keyword letter, from a.
    pub(super) keywords: u32,
}

impl Letters {
    /// Those of a suffix. One that does not begin with `:2,` says nothing.
    pub(super) fn of(suffix: &[u8]) -> Letters {
        let (letters, _) = split(suffix);
        let keywords = letters.iter().filter(|letter| letter.is_ascii_lowercase());
        Letters {
            flags: Flags::from_letters(letters),
            keywords: keywords.fold(0, |all, letter| all | 1 << (letter - b'a')),
        }
    }

    /// The suffix that says this, in place of `old`, whose unknown letters and what follows a second
    /// comma it keeps. In the order of ASCII, as maildir(5) wants it.
    pub(super) fn suffix(self, old: &[u8]) -> Vec<u8> {
        let (letters, rest) = split(old);
        let is_unknown = |letter: &&u8| {
            !letter.is_ascii_lowercase() && Flags::from_letters(&[**letter]).is_empty()
        };
        let mut all: Vec<u8> = letters.iter().filter(is_unknown).copied().collect();
        all.extend(self.flags.letters());
        all.extend((0..26).filter_map(|bit| {
            let has = self.keywords & (1 << bit) != 0;
            has.then_some(b'a' + bit)
        }));
        all.sort_unstable();
        all.dedup();
        [NO_FLAGS, &all, rest].concat()
    }
}

/// The letters of a suffix, and what follows them.
fn split(suffix: &[u8]) -> (&[u8], &[u8]) {
    let Some(letters) = suffix.strip_prefix(NO_FLAGS) else {
        return (b"", b"");
    };
    letters.split_at(memchr::memchr(b',', letters).unwrap_or(letters.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suffix_says_flags_and_keywords() {
        for (suffix, flags, keywords) in [
            (&b""[..], &b""[..], 0),
            (b":2,", b"", 0),
            (b":2,FSac", b"FS", 0b101),
            (b":2,zTX", b"T", 1 << 25),
            (b":2,S,Fa", b"S", 0),
            (b":1,S", b"", 0),
            (b":", b"", 0),
        ] {
            let letters = Letters::of(suffix);
            assert_eq!(letters.flags, Flags::from_letters(flags), "{suffix:?}");
            assert_eq!(letters.keywords, keywords, "{suffix:?}");
        }
    }

    #[test]
    fn a_new_suffix_keeps_what_nobody_knows() {
        for (old, flags, keywords, new) in [
            (&b""[..], &b"S"[..], 0, &b":2,S"[..]),
            (b":2,XPS", b"TF", 0b11, b":2,FPTXab"),
            (b":2,Sq,etc", b"", 0, b":2,,etc"),
            (b":1,odd", b"S", 0, b":2,S"),
            (b":2,9SS", b"S", 0, b":2,9S"),
        ] {
            let flags = Flags::from_letters(flags);
            let letters = Letters { flags, keywords };
            assert_eq!(letters.suffix(old), new, "{old:?}");
            assert_eq!(Letters::of(&letters.suffix(old)), letters, "{old:?}");
        }
    }

    #[test]
    fn states_are_counted_once() {
        let mut states = States::default();
        let number = |states: &mut States, place, suffix: &[u8], words: &[u16]| {
            states.number(place, suffix, words).expect("counted")
        };
        let first = number(&mut states, Place::Cur, b":2,Sb", &[30, 31]);
        for (place, suffix, words) in [
            (Place::New, &b":2,Sb"[..], &[30, 31][..]),
            (Place::Cur, b":2,S", &[30, 31]),
            (Place::Cur, b":2,Sb", &[30]),
        ] {
            assert_ne!(number(&mut states, place, suffix, words), first);
        }
        let again = number(&mut states, Place::Cur, b":2,Sb", &[30, 31]);
        assert_eq!(again, first);
        assert_eq!(states.len(), 4);
        let state = states.get(first);
        assert_eq!(&state.keywords[..], [1, 30, 31]);
        assert_eq!(state.flags, Flags::SEEN);
        assert_eq!(states.letters_in_use(), 2);
    }
}
