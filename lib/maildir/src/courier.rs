//! `courierpop3dsizelist`: what Courier's POP3 server calls the messages of a Maildir, so that
//! clients who come from there need not download everything again. It is read and never written.
//!
//! The first line is `/VERSION NEXTUID [UIDVALIDITY]`; every other one a file name, a size and an
//! identifier, with a space before each: `UID:UIDVALIDITY:UTF8` in version 3, `UID:UIDVALIDITY` in
//! version 2, `UID` in version 1. The oldest lists have no first line and no identifier. (Seen in
//! the sources of Courier-IMAP from 0.x to 5; since its list of version 3 Courier reads only 2
//! and 3.)

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::PathBuf;

use crate::folder::unique_of;
use crate::lines::next_line;
use crate::mailbox::Mailbox;
use crate::sizes::number;
use crate::uidlist::{Fault, ListError};

/// Its name in the Maildir.
pub const FILE: &str = "courierpop3dsizelist";

/// What the first line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// 0 where there is no such line.
    pub version: u8,
    /// The UID of the next new message.
    pub next: u64,
    /// What new messages get as their UIDVALIDITY; 0 where none is told.
    pub validity: u64,
}

/// What the list says of one message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its UID; 0 in lists of version 0.
    pub uid: u64,
    /// The UIDVALIDITY when it got that; 0 in lists of versions 0 and 1.
    pub validity: u64,
    /// Its size as Courier counts: every LF for two octets, also where a CR precedes it.
    pub size: u64,
}

impl Entry {
    /// What Courier answers to UIDL for a message of this unique name: `UID5-1234`, `UID5`, or the
    /// name with what is not printable, quotation marks and `+` as `+XX`.
    pub fn uidl(&self, unique: &[u8]) -> String {
        let mut text = String::new();
        match (self.uid, self.validity) {
            (0, _) => {
                for &byte in unique {
                    let _ = match byte {
                        b'\'' | b'"' | b'+' => write!(text, "+{byte:02X}"),
                        b'!'..=b'~' => text.write_char(char::from(byte)),
                        _ => write!(text, "+{byte:02X}"),
                    };
                }
            }
            (uid, 0) => _ = write!(text, "UID{uid}"),
            (uid, validity) => _ = write!(text, "UID{uid}-{validity}"),
        }
        text
    }
}

/// Reads a list and gives each file name in it (without flags) and what is said of it to `each`.
/// Lines that are no entries are passed over, as Courier does.
pub fn read(mut file: impl BufRead, mut each: impl FnMut(&[u8], Entry)) -> Result<Header, Fault> {
    let mut line = Vec::new();
    if !next_line(&mut file, &mut line)? {
        return Err(Fault::Header);
    }
    let header = match line.strip_prefix(b"/") {
        Some(words) => header_of(words).ok_or(Fault::Header)?,
        None => Header {
            version: 0,
            next: 1,
            validity: 0,
        },
    };
    let mut has_line = header.version == 0 || next_line(&mut file, &mut line)?;
    while has_line {
        if let Some((name, entry)) = entry_of(&line, header.version) {
            each(unique_of(name), entry);
        }
        has_line = next_line(&mut file, &mut line)?;
    }
    Ok(header)
}

fn header_of(words: &[u8]) -> Option<Header> {
    let mut words = words
        .split(|&byte| byte == b' ')
        .filter(|word| !word.is_empty());
    let version = u8::try_from(number(words.next()?)?).ok()?;
    let next = number(words.next()?)?;
    let validity = words.next().map_or(Some(0), number)?;
    (1..=3).contains(&version).then_some(Header {
        version,
        next,
        validity,
    })
}

fn entry_of(line: &[u8], version: u8) -> Option<(&[u8], Entry)> {
    let (rest, id) = match version {
        0 => (line, &b"0"[..]),
        _ => split_last(line)?,
    };
    let (name, size) = split_last(rest)?;
    let mut ids = id.split(|&byte| byte == b':').map(number);
    let uid = ids.next()??;
    let validity = match ids.next() {
        Some(validity) => validity?,
        None => 0,
    };
    let size = number(size)?;
    (!name.is_empty()).then_some((
        name,
        Entry {
            uid,
            validity,
            size,
        },
    ))
}

fn split_last(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = memchr::memrchr(b' ', text)?;
    Some((&text[..space], &text[space + 1..]))
}

/// What Courier's list says of the messages of a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sizelist {
    /// Its first line.
    pub header: Header,
    entries: Vec<Option<Entry>>,
}

impl Sizelist {
    /// Reads the list of an open mailbox. None if it has none. Of twins the first is meant.
    pub fn load(mailbox: &Mailbox) -> Result<Option<Sizelist>, ListError> {
        let path: PathBuf = mailbox.dir().join(FILE);
        let file = match os::file::open_unfollowed(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(ListError::new(&path, error.into())),
        };
        let finder = mailbox.finder();
        let mut entries = vec![None; mailbox.len()];
        let header = read(BufReader::new(file), |unique, entry| {
            if let Some(n) = finder.find(&mailbox.folder, unique).min() {
                entries[n] = Some(entry);
            }
        })
        .map_err(|fault| ListError::new(&path, fault))?;
        Ok(Some(Sizelist { header, entries }))
    }

    /// What it says of message `n`.
    pub fn entry(&self, n: usize) -> Option<Entry> {
        self.entries.get(n).copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Named = (Vec<u8>, Entry);

    fn all(text: &[u8]) -> Result<(Header, Vec<Named>), Fault> {
        let mut entries = Vec::new();
        let header = read(text, |name, entry| entries.push((name.to_vec(), entry)))?;
        Ok((header, entries))
    }

    fn entry(uid: u64, validity: u64, size: u64) -> Entry {
        Entry {
            uid,
            validity,
            size,
        }
    }

    #[test]
    fn lists_of_all_versions_are_read() {
        for (text, header, expected) in [
            (
                &b"/3 8 1500000000\n1.a.h:2,S 100 5:1400000000:0\n2.b h 7 6:1:1\n"[..],
                (3, 8, 1_500_000_000),
                vec![
                    (&b"1.a.h"[..], entry(5, 1_400_000_000, 100)),
                    (b"2.b h", entry(6, 1, 7)),
                ],
            ),
            (
                b"/2 8 9\n1.a.h 100 5:14\n",
                (2, 8, 9),
                vec![(b"1.a.h", entry(5, 14, 100))],
            ),
            (
                b"/1 8\n1.a.h 100 5\n",
                (1, 8, 0),
                vec![(b"1.a.h", entry(5, 0, 100))],
            ),
            (
                b"1.a.h 100\n2.b.h 7\n",
                (0, 1, 0),
                vec![(b"1.a.h", entry(0, 0, 100)), (b"2.b.h", entry(0, 0, 7))],
            ),
        ] {
            let (read, entries) = all(text).expect("a list");
            assert_eq!((read.version, read.next, read.validity), header);
            let expected: Vec<_> = expected
                .into_iter()
                .map(|(name, entry)| (name.to_vec(), entry))
                .collect();
            assert_eq!(entries, expected);
        }
    }

    #[test]
    fn lines_that_are_no_entries_are_passed_over() {
        let text = b"/3 8 9\nx\n\n a 1:1:0\n1.a x 1:1:0\n1.a 5 x:1:0\n1.a 5 1:x:0\n 5 1:1:0\n2.b 5 1:1:0\nunfinished 5 1:1:0";
        let (_, entries) = all(text).expect("a list");
        assert_eq!(entries, [(b"2.b".to_vec(), entry(1, 1, 5))]);
    }

    #[test]
    fn a_list_of_an_unknown_version_or_without_a_first_line_is_refused() {
        for text in [
            &b""[..],
            b"/4 1 1\n",
            b"/0 1 1\n",
            b"/3\n",
            b"/3 x\n",
            b"/3 1 x\n",
        ] {
            assert!(matches!(all(text), Err(Fault::Header)), "{text:?}");
        }
    }

    #[test]
    fn the_uidl_is_the_one_that_couriers_server_gives() {
        assert_eq!(entry(5, 1_400_000_000, 1).uidl(b"1.a"), "UID5-1400000000");
        assert_eq!(entry(5, 0, 1).uidl(b"1.a"), "UID5");
        assert_eq!(entry(0, 0, 1).uidl(b"1.a"), "1.a");
        assert_eq!(
            entry(0, 0, 1).uidl(b"1 a'\"+~!\x7f\x80\xff"),
            "1+20a+27+22+2B~!+7F+80+FF"
        );
    }

    #[test]
    fn messages_are_found_by_their_names() {
        let test = crate::test_support::TestBox::with(2);
        let mailbox = test.open(&crate::test_support::NO_INDEX);
        assert_eq!(Sizelist::load(&mailbox).expect("read"), None);
        let text = "/3 8 9\n2.m.h:2,S 11 5:14:0\ngone 1 1:1:0\n";
        std::fs::write(test.path(FILE), text).expect("written");
        let list = Sizelist::load(&mailbox).expect("read").expect("there");
        assert_eq!(
            [0, 1, 2].map(|n| list.entry(n)),
            [None, Some(entry(5, 14, 11)), None]
        );
        std::fs::write(test.path(FILE), "/9 8 9\n").expect("written");
        let error = Sizelist::load(&mailbox).expect_err("unknown").to_string();
        assert!(error.ends_with("its first line cannot be read"), "{error}");
    }
}
