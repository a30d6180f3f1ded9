//! What the keywords of a mailbox are called.
//!
//! Numbers 0 to 25 are the letters of file names, whose meaning is in `dovecot-keywords`; further
//! ones are in the journal alone.

use std::collections::BTreeMap;
use std::time::Duration;

use super::change::{Change, How};
use super::error::StoreError;
use super::flags::Flags;
use super::op::Op;
use super::snapshot::WORDS;
use super::stamps::FileStamp;
use super::state::FIRST_WORD;
use super::{Selection, Writing};
use crate::dotlock::Dotlock;
use crate::tree::{CourierKeywords, Keywords};
use crate::uidlist;

/// The most bytes of a keyword.
const NAME_BYTES: usize = 255;

const LETTERS_FILE: &str = "dovecot-keywords";

/// What letters are called that nobody has named (Dovecot calls them so).
const UNNAMED: [&str; 26] = [
    "unknown-0",
    "unknown-1",
    "unknown-2",
    "unknown-3",
    "unknown-4",
    "unknown-5",
    "unknown-6",
    "unknown-7",
    "unknown-8",
    "unknown-9",
    "unknown-10",
    "unknown-11",
    "unknown-12",
    "unknown-13",
    "unknown-14",
    "unknown-15",
    "unknown-16",
    "unknown-17",
    "unknown-18",
    "unknown-19",
    "unknown-20",
    "unknown-21",
    "unknown-22",
    "unknown-23",
    "unknown-24",
    "unknown-25",
];

impl Selection {
    /// What a keyword is called. Empty for a number that none has.
    pub fn keyword_name(&self, id: u16) -> &[u8] {
        let word = |word: u16| self.view.words.get(usize::from(word)).map(Vec::as_slice);
        let name = match id.checked_sub(FIRST_WORD) {
            Some(at) => word(at),
            None => {
                let at = usize::from(id);
                let name = self.letters.name(b'a' + id as u8);
                Some(name.unwrap_or(UNNAMED[at].as_bytes()))
            }
        };
        name.unwrap_or_default()
    }

    /// All keywords: those that have names, and those that messages have.
    pub fn keyword_names(&self) -> impl Iterator<Item = (u16, &[u8])> {
        let in_use = self.view.states.letters_in_use();
        let letters = (0..FIRST_WORD).filter(move |&id| {
            in_use & (1 << id) != 0 || self.letters.name(b'a' + id as u8).is_some()
        });
        let words = (FIRST_WORD..).take(self.view.words.len());
        letters.chain(words).map(|id| (id, self.keyword_name(id)))
    }

    /// The number of a keyword, whose case does not matter.
    pub fn keyword_id(&self, name: &[u8]) -> Option<u16> {
        let mut all = self.keyword_names();
        all.find(|(_, other)| other.eq_ignore_ascii_case(name))
            .map(|(id, _)| id)
    }

    /// Reads `dovecot-keywords` if it has changed. What cannot be read leaves the letters unnamed.
    pub(super) fn read_letters(&mut self) {
        let path = self.dir.join(LETTERS_FILE);
        let stamp = FileStamp::of(&path).unwrap_or_default();
        if stamp != self.letters_stamp {
            let letters = Keywords::load(&self.dir).unwrap_or_default();
            if letters != self.letters {
                self.letters = letters;
                self.view.keywords_changed();
            }
            self.letters_stamp = stamp;
        }
    }

    /// The numbers of keywords, all that have these names. Those that have none are given one if
    /// `adds`: a letter while there are some, then one of the journal. The lock must be held.
    pub(super) fn keyword_ids(
        &mut self,
        names: &[Vec<u8>],
        adds: bool,
        wait: Duration,
    ) -> Result<Vec<u16>, StoreError> {
        let lacks = |selection: &Selection| {
            let names = names.iter().filter(|name| name.len() <= NAME_BYTES);
            names
                .filter(|name| selection.keyword_id(name).is_none())
                .map(Vec::as_slice)
                .collect::<Vec<&[u8]>>()
        };
        if adds && names.iter().any(|name| name.len() > NAME_BYTES) {
            return Err(StoreError::full(&self.dir));
        }
        self.read_letters();
        let missing = lacks(self);
        if adds && !missing.is_empty() && self.writing == Writing::Works {
            let list = self.dir.join(uidlist::FILE);
            let path = self.dir.join(LETTERS_FILE);
            let lock = Dotlock::take(&list, wait).map_err(StoreError::at("lock", &list))?;
            Keywords::add_locked(&self.dir, &missing, &lock)
                .map_err(StoreError::at("write", &path))?;
            drop(lock);
            self.read_letters();
            let mut ops = Vec::new();
            let mut next = self.view.words.len();
            for name in lacks(self) {
                if next >= WORDS {
                    return Err(StoreError::full(&self.dir));
                }
                let same = |op: &Op| matches!(op, Op::Keyword { name: other, .. } if other.eq_ignore_ascii_case(name));
                if !ops.iter().any(same) {
                    ops.push(Op::Keyword {
                        id: FIRST_WORD + next as u16,
                        name: name.to_vec(),
                    });
                    next += 1;
                }
            }
            if !ops.is_empty() {
                self.commit(ops);
            }
        }
        let is_wanted = |other: &[u8]| names.iter().any(|name| name.eq_ignore_ascii_case(other));
        Ok(self
            .keyword_names()
            .filter(|(_, name)| is_wanted(name))
            .map(|(id, _)| id)
            .collect())
    }

    /// Gives the messages the keywords that Courier-IMAP has given them, once, after its UIDs were
    /// taken over. Where it does not work it is tried again the next time.
    pub(super) fn take_over_courier(&mut self) {
        if !self.view.summary.stamps.wants_courier || !self.claims || self.writing != Writing::Works
        {
            return;
        }
        if let Err(error) = self.try_to_take_over() {
            self.warning = Some(error.to_string());
        }
    }

    fn try_to_take_over(&mut self) -> Result<(), StoreError> {
        let loaded = CourierKeywords::load(&self.dir);
        let loaded = loaded.map_err(StoreError::at("read the keywords of", &self.dir))?;
        let mut by_keywords: BTreeMap<Vec<Vec<u8>>, Vec<usize>> = BTreeMap::new();
        if let Some(loaded) = loaded {
            for (n, message) in self.view.told().iter().enumerate() {
                let names = loaded.of(self.view.unique(message)).map(<[u8]>::to_vec);
                let names: Vec<Vec<u8>> = names.collect();
                if !names.is_empty() {
                    by_keywords.entry(names).or_default().push(n);
                }
            }
        }
        for (keywords, which) in by_keywords {
            let change = Change {
                how: How::Add,
                flags: Flags::default(),
                keywords,
            };
            self.store(&which, &change, None)?;
        }
        let lock = self.lock()?;
        if self.poll()? {
            self.read_the_rest();
            let old = self.view.summary.stamps;
            self.view.summary.stamps.wants_courier = false;
            self.tell_stamps(old);
        }
        drop(lock);
        Ok(())
    }
}
