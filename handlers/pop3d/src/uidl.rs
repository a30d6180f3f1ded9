//! The unique ids of messages: always legal, never the same for two of them, and by choice those
//! that another server gave, so that nobody downloads everything again after a move.
//!
//! RFC 1939 wants 1 to 70 bytes from 0x21 to 0x7E, unique in the mailbox and lasting. File names are
//! not always so, and a list that another server left may say anything. So every style has its own
//! form, and where that form is not legal or not unique the message gets the **hash form** in its
//! place: `md5-` and the MD5 of the unique name, and for several messages of one name of their
//! content too, so that each keeps its id when another one goes. No other form begins with `md5-`.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::io::Read;

use md5::{Digest, Md5};

use crate::store::Store;

/// The most bytes of an id (RFC 1939 section 7).
const ID_BYTES: usize = 70;

/// What the hash form begins with.
const HASH_FORM: &[u8] = b"md5-";

/// Which ids messages get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// The file name up to the first colon: qmail-pop3d's.
    #[default]
    Name,
    /// The same up to the sizes in it and of 70 bytes at most: mailfront's.
    Mailfront,
    /// The MD5 of the file name up to the first colon.
    Md5,
    /// What courierpop3dsizelist says; the name for what is not in it.
    Courier,
    /// What dovecot-uidlist says; what is not in it is added to it.
    Dovecot,
}

/// A name that is none of a style.
#[derive(Debug, PartialEq, Eq)]
pub struct NoStyle(Vec<u8>);

impl fmt::Display for NoStyle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is none of name, mailfront, md5, courier and dovecot",
            self.0.escape_ascii()
        )
    }
}

impl std::error::Error for NoStyle {}

impl Style {
    /// The style of that name.
    pub fn of(name: &[u8]) -> Result<Style, NoStyle> {
        Ok(match name {
            b"name" => Style::Name,
            b"mailfront" => Style::Mailfront,
            b"md5" => Style::Md5,
            b"courier" => Style::Courier,
            b"dovecot" => Style::Dovecot,
            other => return Err(NoStyle(other.to_vec())),
        })
    }
}

/// A list of ids that another server keeps or left.
pub trait List {
    /// Adds the id of message `n`, whose unique name is given, to `into`; adds nothing and says so
    /// where the list does not have it.
    fn id(&self, n: usize, unique: &[u8], into: &mut Vec<u8>) -> bool;
}

/// The ids of all messages of a session.
pub struct Ids {
    style: Style,
    list: Option<Box<dyn List>>,
    /// Those whose own form cannot be used.
    hashed: BTreeMap<usize, Vec<u8>>,
}

impl fmt::Debug for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ids")
            .field("style", &self.style)
            .field("hashed", &self.hashed)
            .finish_non_exhaustive()
    }
}

impl Ids {
    /// Gives every message of `store` an id. 16 bytes a message meanwhile; what lasts is small.
    pub fn new<S: Store>(style: Style, list: Option<Box<dyn List>>, store: &mut S) -> Ids {
        let mut ids = Ids {
            style,
            list,
            hashed: BTreeMap::new(),
        };
        let unusable = ids.find_unusable(store);
        ids.hash(unusable, store);
        ids
    }

    /// Adds the id of message `n` to `into`.
    pub fn write<S: Store>(&self, n: usize, store: &S, into: &mut Vec<u8>) {
        match self.hashed.get(&n) {
            Some(id) => into.extend_from_slice(id),
            None => self.write_own(n, store.unique(n), into),
        }
    }

    /// The form that the style has for a message, legal or not.
    fn write_own(&self, n: usize, unique: &[u8], into: &mut Vec<u8>) {
        match self.style {
            Style::Name => into.extend_from_slice(unique),
            Style::Mailfront => into.extend_from_slice(as_mailfront(unique)),
            Style::Md5 => into.extend_from_slice(&hex(&[unique])),
            Style::Courier | Style::Dovecot => {
                let list = self.list.as_ref();
                if !list.is_some_and(|list| list.id(n, unique, into)) {
                    into.extend_from_slice(unique);
                }
            }
        }
    }

    /// The messages whose own form is not legal, or the same as that of another.
    fn find_unusable<S: Store>(&self, store: &S) -> Vec<usize> {
        // Equal hashes under a key that nobody knows are taken for equal ids: an error of that
        // kind is less likely than one of the memory.
        let key = RandomState::new();
        let mut unusable = Vec::new();
        let mut seen: Vec<(u64, u32)> = Vec::with_capacity(store.len());
        let mut id = Vec::with_capacity(ID_BYTES);
        for n in 0..store.len() {
            id.clear();
            self.write_own(n, store.unique(n), &mut id);
            match u32::try_from(n) {
                Ok(short) if is_own(&id) && !store.is_twin(n) => {
                    seen.push((key.hash_one(&id), short));
                }
                _ => unusable.push(n),
            }
        }
        seen.sort_unstable();
        let same = seen.chunk_by(|a, b| a.0 == b.0).filter(|run| run.len() > 1);
        unusable.extend(same.flatten().map(|&(_, n)| n as usize));
        unusable.sort_unstable();
        unusable
    }

    /// Gives these messages the hash form.
    fn hash<S: Store>(&mut self, messages: Vec<usize>, store: &mut S) {
        let mut by_name: BTreeMap<Vec<u8>, Vec<usize>> = BTreeMap::new();
        for n in messages {
            by_name.entry(store.unique(n).to_vec()).or_default().push(n);
        }
        let mut taken = HashSet::new();
        for (unique, twins) in by_name {
            let alone = twins.len() == 1;
            for n in twins {
                let mut id = match alone {
                    true => hash_form(&[&unique]),
                    false => hash_form(&[&unique, b"\0", &digest(store, n)]),
                };
                let mut copy: u64 = 0;
                // Copies of one message; which of them is which does not matter to anybody.
                while !taken.insert(id.clone()) {
                    copy += 1;
                    id = hash_form(&[&id, b"\0", &copy.to_be_bytes()]);
                }
                self.hashed.insert(n, id);
            }
        }
    }
}

/// Whether a style's own form can be an id.
fn is_own(id: &[u8]) -> bool {
    (1..=ID_BYTES).contains(&id.len())
        && id.iter().all(|byte| (0x21..=0x7e).contains(byte))
        && !id.starts_with(HASH_FORM)
}

/// As mailfront's pop3front-maildir cuts a name: before the first comma, if that has a size behind
/// it, and at 70 bytes.
fn as_mailfront(unique: &[u8]) -> &[u8] {
    let end = match memchr::memchr(b',', unique) {
        Some(comma) if unique.get(comma + 2) == Some(&b'=') => comma,
        _ => unique.len(),
    };
    &unique[..end.min(ID_BYTES)]
}

/// The MD5 of what is in a message; of nothing where it cannot be read.
fn digest<S: Store>(store: &mut S, n: usize) -> [u8; 16] {
    let mut md5 = Md5::new();
    let mut buffer = vec![0; 16 * 1024];
    if let Ok(mut message) = store.open(n) {
        while let Ok(count @ 1..) = message.read(&mut buffer) {
            md5.update(&buffer[..count]);
        }
    }
    md5.finalize().into()
}

fn hash_form(parts: &[&[u8]]) -> Vec<u8> {
    [HASH_FORM, &hex(parts)].concat()
}

/// The MD5 of the parts one after the other, in lower-case hexadecimal digits.
fn hex(parts: &[&[u8]]) -> [u8; 32] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut md5 = Md5::new();
    for part in parts {
        md5.update(part);
    }
    let mut text = [0; 32];
    for (pair, byte) in text.chunks_exact_mut(2).zip(md5.finalize()) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    text
}

#[cfg(test)]
#[path = "uidl_tests.rs"]
mod tests;
