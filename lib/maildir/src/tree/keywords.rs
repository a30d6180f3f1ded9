//! `dovecot-keywords`: which letter in the file names of a mailbox means which keyword.
//!
//! A line is `<0..25> <name>`; 0 is the letter a. It is protected by the lock of `dovecot-uidlist` and
//! replaced by renaming, so that readers need no lock. A letter once given keeps its keyword, for it
//! is in file names. (Seen in files that Dovecot wrote.)

use std::io;
use std::path::Path;
use std::time::Duration;

use super::rewrite;
use crate::dotlock::Dotlock;
use crate::sizes::number;
use crate::uidlist;

const FILE: &str = "dovecot-keywords";

/// Dovecot's name for it.
const TEMPORARY: &str = "dovecot-keywords.tmp";

const LETTERS: usize = 26;

/// The keywords of one mailbox that have letters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keywords {
    names: [Option<Vec<u8>>; LETTERS],
    /// Lines that say nothing to us, or what an earlier one has said.
    odd: Vec<Vec<u8>>,
}

/// Reads the text of such a file. Of two lines for one letter, or with one name, the first counts.
pub fn read(text: &[u8]) -> Keywords {
    let mut keywords = Keywords::default();
    for line in rewrite::lines(text) {
        let free = keyword(line).filter(|(index, name)| {
            keywords.names[*index].is_none() && keywords.letter(name).is_none()
        });
        match free {
            Some((index, name)) => keywords.names[index] = Some(name.to_vec()),
            None => keywords.odd.push(line.to_vec()),
        }
    }
    keywords
}

fn keyword(line: &[u8]) -> Option<(usize, &[u8])> {
    let space = memchr::memchr(b' ', line)?;
    let index = usize::try_from(number(&line[..space])?).ok()?;
    let name = &line[space + 1..];
    (index < LETTERS && is_name(name)).then_some((index, name))
}

/// What a keyword may be made of: an atom of IMAP (RFC 3501 section 9), in UTF-8 perhaps.
pub(super) fn is_name(name: &[u8]) -> bool {
    let is_special = |byte: &u8| byte.is_ascii_control() || b" (){%*\"\\]".contains(byte);
    !name.is_empty() && !name.iter().any(is_special)
}

impl Keywords {
    /// Those of the mailbox at `dir`; none if it has no such file.
    pub fn load(dir: &Path) -> io::Result<Keywords> {
        let text = rewrite::read(&dir.join(FILE))?;
        Ok(text.map_or_else(Keywords::default, |text| read(&text)))
    }

    /// The keyword behind a letter from a to z.
    pub fn name(&self, letter: u8) -> Option<&[u8]> {
        let index = usize::from(letter.checked_sub(b'a')?);
        self.names.get(index)?.as_deref()
    }

    /// The letter of a keyword, whose case does not matter.
    pub fn letter(&self, name: &[u8]) -> Option<u8> {
        let mut all = self.iter();
        all.find(|(_, other)| other.eq_ignore_ascii_case(name))
            .map(|(letter, _)| letter)
    }

    /// All that have letters, in the order of those.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &[u8])> {
        (b'a'..=b'z').filter_map(|letter| Some((letter, self.name(letter)?)))
    }

    /// Gives letters to those of `names` that have none, as far as there are any, in the mailbox at
    /// `dir`, and returns the keywords as they are then. Waits for the lock for as long as `wait`.
    /// What no keyword can be called gets none.
    pub fn add(dir: &Path, names: &[&[u8]], wait: Duration) -> io::Result<Keywords> {
        let keywords = Keywords::load(dir)?;
        if !keywords.lacks(names) {
            return Ok(keywords);
        }
        let lock = Dotlock::take(&dir.join(uidlist::FILE), wait)?;
        Keywords::add_locked(dir, names, &lock)
    }

    /// [`Keywords::add`] for one who holds the lock of the mailbox's `dovecot-uidlist`.
    pub(crate) fn add_locked(dir: &Path, names: &[&[u8]], lock: &Dotlock) -> io::Result<Keywords> {
        let mut keywords = Keywords::load(dir)?;
        if !keywords.give_letters(names) {
            return Ok(keywords);
        }
        if !lock.is_held() {
            return Err(io::Error::other("its lock was taken away"));
        }
        rewrite::replace(&dir.join(FILE), &dir.join(TEMPORARY), &keywords.to_text())?;
        Ok(keywords)
    }

    fn lacks(&self, names: &[&[u8]]) -> bool {
        names.iter().any(|name| self.letter(name).is_none())
    }

    /// Whether there was one to give.
    fn give_letters(&mut self, names: &[&[u8]]) -> bool {
        let mut has_given = false;
        for name in names {
            if !is_name(name) || self.letter(name).is_some() {
                continue;
            }
            if let Some(index) = self.free() {
                self.names[index] = Some(name.to_vec());
                has_given = true;
            }
        }
        has_given
    }

    /// Behind all that are given, and only then between them: a letter whose line was lost may
    /// still be in file names.
    fn free(&self) -> Option<usize> {
        let next = self
            .names
            .iter()
            .rposition(Option::is_some)
            .map_or(0, |last| last + 1);
        match next < LETTERS {
            true => Some(next),
            false => self.names.iter().position(Option::is_none),
        }
    }

    /// The file's text.
    pub fn to_text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        for (letter, name) in self.iter() {
            text.extend_from_slice(format!("{} ", letter - b'a').as_bytes());
            text.extend_from_slice(name);
            text.push(b'\n');
        }
        for line in &self.odd {
            text.extend_from_slice(line);
            text.push(b'\n');
        }
        text
    }
}

#[cfg(test)]
#[path = "keywords_tests.rs"]
mod tests;
