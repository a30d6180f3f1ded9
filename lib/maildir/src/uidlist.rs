//! `dovecot-uidlist`: the UIDs of a Maildir's messages, as Dovecot 1.1 and later keep them.
//!
//! The first line is `3 V<uidvalidity> N<next uid> G<guid>`, every other one
//! `<uid> [<key><value> ...] :<unique name>` with ascending UIDs; keys are capital letters, of which
//! P (what POP3 clients know the message as, instead of the UID) matters here. Version 1, which
//! Courier-IMAP's `courierimapuiddb` has too, is `1 <uidvalidity> <next uid>` and `<uid> <name>`.
//! Lines of messages that are gone stay until somebody rewrites the file, an unfinished last line
//! is being written. (Seen in Dovecot's sources and in files that it wrote.)
//!
//! This is the format; [`Uids`] is what a session knows by it, and gives new UIDs.

use std::fmt;
use std::io::{self, BufRead, ErrorKind};
use std::path::{Path, PathBuf};

use crate::folder::unique_of;
use crate::lines::next_line;
use crate::sizes::number;
pub use crate::uids::Uids;

/// Its name in the Maildir.
pub const FILE: &str = "dovecot-uidlist";

/// What is wrong with a list.
#[derive(Debug)]
pub enum Fault {
    /// It could not be read or written.
    Io(io::Error),
    /// Its first line is none.
    Header,
    /// This line (the first is 1) is none.
    Line(u64),
    /// There are no UIDs left.
    Full,
    /// Its lock was taken away.
    LockLost,
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Fault {
        Fault::Io(error)
    }
}

/// A list that cannot be used, and why.
#[derive(Debug)]
pub struct ListError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub fault: Fault,
}

impl ListError {
    pub(crate) fn new(path: &Path, fault: Fault) -> ListError {
        ListError {
            path: path.to_owned(),
            fault,
        }
    }
}

impl fmt::Display for ListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unable to use {}: ", self.path.display())?;
        match &self.fault {
            Fault::Io(error) if error.kind() == ErrorKind::WouldBlock => {
                f.write_str("it is locked")
            }
            Fault::Io(error) => f.write_str(&os::reason(error)),
            Fault::Header => f.write_str("its first line cannot be read"),
            Fault::Line(number) => write!(f, "line {number} cannot be read"),
            Fault::Full => f.write_str("there are no UIDs left"),
            Fault::LockLost => f.write_str("its lock was taken away"),
        }
    }
}

impl std::error::Error for ListError {}

/// What the first line says, and what the reading showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// 1 or 3.
    pub version: u8,
    /// The UIDVALIDITY.
    pub validity: u32,
    /// The UID of the next new message: as the first line says, or above all that were read.
    pub next: u32,
    /// The form of POP3 identifiers, where the list has one of its own (key P).
    pub pop3_format: Option<Vec<u8>>,
    /// How long the file is up to its last finished line.
    pub complete: u64,
    /// The other words of a first line of version 3, as they are.
    pub others: Vec<Vec<u8>>,
}

/// One message's line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'l> {
    /// Its UID, never 0.
    pub uid: u32,
    /// The unique name.
    pub unique: &'l [u8],
    fields: &'l [u8],
}

impl Entry<'_> {
    /// The value behind a key, a capital letter.
    pub fn field(&self, key: u8) -> Option<&[u8]> {
        words(self.fields).find_map(|word| word.strip_prefix(&[key]))
    }

    /// All keys and values, with a space before each.
    pub(crate) fn fields(&self) -> &[u8] {
        self.fields
    }

    /// What POP3 clients know it as, if that is not made of the UID.
    pub fn pop3_uidl(&self) -> Option<&[u8]> {
        self.field(b'P')
    }
}

fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&byte| byte == b' ')
        .filter(|word| !word.is_empty())
}

/// A number from 1 up to what a UID can be.
fn uid_of(digits: &[u8]) -> Option<u32> {
    let uid = u32::try_from(number(digits)?).ok()?;
    (1..u32::MAX).contains(&uid).then_some(uid)
}

/// Reads a list and gives each line to `each`.
pub fn read(mut file: impl BufRead, mut each: impl FnMut(Entry<'_>)) -> Result<Header, Fault> {
    let mut line = Vec::new();
    if !next_line(&mut file, &mut line)? {
        return Err(Fault::Header);
    }
    let mut header = header_of(&line).ok_or(Fault::Header)?;
    let mut number = 1;
    let mut last = 0;
    header.complete = line.len() as u64 + 1;
    while next_line(&mut file, &mut line)? {
        number += 1;
        let entry = entry_of(&line, header.version)
            .filter(|entry| entry.uid > last)
            .ok_or(Fault::Line(number))?;
        last = entry.uid;
        header.complete += line.len() as u64 + 1;
        each(entry);
    }
    // Appended lines leave the first one as it is.
    header.next = header.next.max(last.saturating_add(1));
    Ok(header)
}

fn header_of(line: &[u8]) -> Option<Header> {
    let (version, rest) = line.split_first_chunk::<2>()?;
    let mut header = Header {
        version: version[0].wrapping_sub(b'0'),
        validity: 0,
        next: 0,
        pop3_format: None,
        complete: 0,
        others: Vec::new(),
    };
    let value = |digits: &[u8]| u32::try_from(number(digits)?).ok();
    match version {
        b"3 " => {
            for word in words(rest) {
                match word {
                    [b'V', digits @ ..] => header.validity = value(digits)?,
                    [b'N', digits @ ..] => header.next = value(digits)?,
                    [b'P', format @ ..] => header.pop3_format = Some(format.to_vec()),
                    _ => {}
                }
                if !matches!(word[0], b'V' | b'N') {
                    header.others.push(word.to_vec());
                }
            }
        }
        b"1 " => {
            let mut words = words(rest);
            header.validity = value(words.next()?)?;
            header.next = value(words.next()?)?;
        }
        _ => return None,
    }
    (header.validity != 0 && header.next != 0).then_some(header)
}

fn entry_of(line: &[u8], version: u8) -> Option<Entry<'_>> {
    let space = memchr::memchr(b' ', line)?;
    let uid = uid_of(&line[..space])?;
    let rest = &line[space..];
    // A name begins behind the first colon that begins a word; a value may hold colons.
    let (fields, name) = match version {
        3 => {
            let colon = memchr::memmem::find(rest, b" :")?;
            (&rest[..colon], &rest[colon + 2..])
        }
        _ => (&rest[..0], rest.trim_ascii_start()),
    };
    let is_name = !name.is_empty() && !name.contains(&b'/');
    is_name.then_some(Entry {
        uid,
        unique: unique_of(name),
        fields,
    })
}

/// What Dovecot answers to UIDL unless it is told otherwise (`pop3_uidl_format = %08Xu%08Xv`).
pub fn uidl(uid: u32, validity: u32) -> String {
    format!("{uid:08x}{validity:08x}")
}

#[cfg(test)]
#[path = "uidlist_tests.rs"]
mod tests;
