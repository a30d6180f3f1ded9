//! The UIDs of one mailbox's messages, and giving them.
//!
//! Readers take no lock. New UIDs are given under the list's [`Dotlock`] and appended with one
//! write, as Dovecot does it; a list is written as a whole only where there is none or it is of
//! version 1. Where there is none, Courier-IMAP's is taken over.

use std::io::{BufReader, ErrorKind};
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::dotlock::Dotlock;
use crate::mailbox::Mailbox;
use crate::uidfile::{COURIER, add_line, append, can_have_uid, create};
use crate::uidlist::{FILE, Fault, Header, ListError, read};

/// The UIDs of the messages of a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uids {
    /// What the list says of itself.
    pub header: Header,
    /// 0: none.
    uids: Vec<u32>,
    /// Message, start and end of the saved identifiers, by message, and their text.
    saved: Vec<(u32, u32, u32)>,
    text: Vec<u8>,
}

impl Uids {
    /// Reads the list of an open mailbox. None if it has none. Of twins the first is meant.
    pub fn load(mailbox: &Mailbox) -> Result<Option<Uids>, ListError> {
        let path = mailbox.dir().join(FILE);
        load_from(&path, mailbox).map_err(|fault| ListError::new(&path, fault))
    }

    /// [`Uids::load`], and UIDs for all messages that have none: those of a name that can stand in
    /// the list, in the order of the mailbox, of twins only the first. They are in the list and on
    /// the disk when this returns. Waits for the lock for as long as `wait`.
    pub fn assign(mailbox: &Mailbox, wait: Duration) -> Result<Uids, ListError> {
        let path = mailbox.dir().join(FILE);
        assign_in(&path, mailbox, wait).map_err(|fault| ListError::new(&path, fault))
    }

    /// The UID of message `n`.
    pub fn uid(&self, n: usize) -> Option<u32> {
        self.uids.get(n).copied().filter(|&uid| uid != 0)
    }

    /// What POP3 clients know message `n` as, where the list says so.
    pub fn saved_uidl(&self, n: usize) -> Option<&[u8]> {
        let n = u32::try_from(n).ok()?;
        let at = self.saved.binary_search_by_key(&n, |saved| saved.0).ok()?;
        let (_, start, end) = self.saved[at];
        self.text.get(start as usize..end as usize)
    }
}

fn load_from(path: &Path, mailbox: &Mailbox) -> Result<Option<Uids>, Fault> {
    let file = match os::file::open_unfollowed(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let finder = mailbox.finder();
    let mut uids = vec![0; mailbox.len()];
    let (mut saved, mut text) = (Vec::new(), Vec::new());
    let header = read(BufReader::new(file), |entry| {
        let Some(n) = finder.find(&mailbox.folder, entry.unique).min() else {
            return;
        };
        // A name that stands there twice came back after it was gone: the later UID counts.
        uids[n] = entry.uid;
        let start = text.len();
        text.extend_from_slice(entry.pop3_uidl().unwrap_or_default());
        let range = (u32::try_from(start), u32::try_from(text.len()));
        if let (Ok(n), (Ok(start), Ok(end))) = (u32::try_from(n), range)
            && start < end
        {
            saved.push((n, start, end));
        }
    })?;
    saved.sort_unstable();
    // Of two of one message the one that was read later has its text further behind.
    saved.reverse();
    saved.dedup_by_key(|saved| saved.0);
    saved.reverse();
    Ok(Some(Uids {
        header,
        uids,
        saved,
        text,
    }))
}

fn assign_in(path: &Path, mailbox: &Mailbox, wait: Duration) -> Result<Uids, Fault> {
    if let Some(uids) = load_from(path, mailbox)?
        && without_uid(&uids, mailbox).is_empty()
    {
        return Ok(uids);
    }
    let lock = Dotlock::take(path, wait)?;
    let mut source = Some(path.to_owned());
    let mut there = load_from(path, mailbox)?;
    if there.is_none() {
        let courier = path.with_file_name(COURIER);
        // One that cannot be read is as good as none.
        there = load_from(&courier, mailbox).unwrap_or(None);
        source = there.as_ref().map(|_| courier);
    }
    let is_current = there.as_ref().is_some_and(|uids| uids.header.version == 3);
    let mut uids = there.unwrap_or_else(|| Uids {
        header: Header {
            version: 0,
            validity: clock_validity(),
            next: 1,
            pop3_format: None,
            complete: 0,
            others: Vec::new(),
        },
        uids: vec![0; mailbox.len()],
        saved: Vec::new(),
        text: Vec::new(),
    });
    let new = without_uid(&uids, mailbox);
    let mut lines = Vec::new();
    for n in new {
        let uid = uids.header.next;
        if uid == u32::MAX {
            return Err(Fault::Full);
        }
        uids.uids[n] = uid;
        uids.header.next = uid + 1;
        add_line(&mut lines, uid, mailbox.unique(n));
    }
    if !lock.is_held() {
        return Err(Fault::LockLost);
    }
    match is_current {
        true => append(path, &lines, &mut uids.header)?,
        false => create(path, &lines, &mut uids.header, source.as_deref())?,
    }
    Ok(uids)
}

/// The messages that should have a UID and have none, in order.
fn without_uid(uids: &Uids, mailbox: &Mailbox) -> Vec<usize> {
    let has_none: Vec<usize> = (0..mailbox.len())
        .filter(|&n| uids.uids[n] == 0 && can_have_uid(mailbox.unique(n)))
        .collect();
    if !has_none.iter().any(|&n| mailbox.is_twin(n)) {
        return has_none;
    }
    let finder = mailbox.finder();
    let is_first = |n: usize| {
        let unique = mailbox.unique(n);
        finder.find(&mailbox.folder, unique).min() == Some(n)
    };
    has_none.into_iter().filter(|&n| is_first(n)).collect()
}

/// The clock in seconds, as everybody makes them (RFC 9051 section 2.3.1.1).
pub(crate) fn clock_validity() -> u32 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(1, |since| {
        u32::try_from(since.as_secs()).unwrap_or(1).max(1)
    })
}

#[cfg(test)]
#[path = "uids_tests.rs"]
mod tests;
