//! Putting files into a mailbox: APPEND, and the second half of COPY.

use std::path::PathBuf;

use super::error::StoreError;
use super::flags::Flags;
use super::op::{NewOp, Op};
use super::settle::rename;
use super::stage::{Staged, Temporary};
use super::stamps::FileStamp;
use super::state::{FIRST_WORD, Letters};
use super::{Open, Selection, Writing};
use crate::dotlock::Dotlock;
use crate::folder::{NO_FLAGS, Place, join};
use crate::quota::{Account, Change, Usage};
use crate::uidfile::{add_line, append as append_lines};
use crate::uidlist::{self, Fault, Header, ListError};

/// A message that is to be appended.
#[derive(Debug)]
pub struct Appended {
    /// Its text.
    pub staged: Staged,
    /// Its system flags.
    pub flags: Flags,
    /// Its keywords, by name.
    pub keywords: Vec<Vec<u8>>,
    /// When it was received, in seconds since the epoch; now if nobody says.
    pub date: Option<i64>,
}

/// Where messages went to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppendResult {
    /// The UIDVALIDITY of the mailbox.
    pub validity: u32,
    /// Their UIDs, in their order, ascending.
    pub uids: Vec<u32>,
}

/// A file in `tmp` that becomes a message.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) temporary: Temporary,
    /// Its unique name as it will be, with sizes.
    pub(super) unique: Vec<u8>,
    pub(super) flags: Flags,
    pub(super) keywords: Vec<Vec<u8>>,
    /// Its bytes as a file.
    pub(super) bytes: u64,
    /// Its octets on the wire.
    pub(super) size: u64,
    pub(super) date: i64,
}

/// What messages will count for in a quota.
fn usage_of_all(incoming: &[Incoming]) -> Usage {
    let counted = incoming
        .iter()
        .filter(|message| !message.flags.contains(Flags::DELETED));
    counted.fold(Usage::default(), |sum, message| {
        sum.plus(Usage {
            bytes: message.bytes,
            messages: 1,
        })
    })
}

/// The unique name of a message of so many bytes and, if that is known, octets on the wire.
pub(super) fn with_sizes(unique: &[u8], bytes: u64, wire: Option<u64>) -> Vec<u8> {
    let mut name = unique.to_vec();
    name.extend_from_slice(format!(",S={bytes}").as_bytes());
    if let Some(wire) = wire {
        name.extend_from_slice(format!(",W={wire}").as_bytes());
    }
    name
}

/// Puts messages into a mailbox: all of them, or none, as where they are too much for the account's quota.
/// They are on the disk when this returns.
pub fn append(target: &Open<'_>, messages: Vec<Appended>) -> Result<AppendResult, StoreError> {
    let mut incoming = Vec::with_capacity(messages.len());
    for message in messages {
        let Appended {
            staged,
            flags,
            keywords,
            date,
        } = message;
        let path = staged.temporary.path.clone();
        let date = staged
            .set_date(date)
            .map_err(StoreError::at("date", &path))?;
        incoming.push(Incoming {
            unique: with_sizes(&staged.temporary.unique, staged.bytes, Some(staged.wire)),
            bytes: staged.bytes,
            temporary: staged.temporary,
            flags,
            keywords,
            size: staged.wire,
            date,
        });
    }
    let mut mailbox = Selection::open_as(target, false)?;
    let uids = mailbox.add(incoming, true)?;
    mailbox.make_last()?;
    Ok(AppendResult {
        validity: mailbox.validity(),
        uids,
    })
}

impl Selection {
    /// Makes messages of files, all or none, and returns their UIDs. Their names are not on the disk
    /// before [`Selection::make_last`]. If it `counts`, there must be room in the account's quota.
    pub(super) fn add(
        &mut self,
        mut incoming: Vec<Incoming>,
        counts: bool,
    ) -> Result<Vec<u32>, StoreError> {
        let lock = self.lock()?;
        if self.writing != Writing::Works || self.is_private {
            return Err(StoreError::at("add to", &self.dir)(
                std::io::ErrorKind::PermissionDenied.into(),
            ));
        }
        self.sync_locked(false, None)?;
        let mut ids = Vec::with_capacity(incoming.len());
        for message in &incoming {
            ids.push(match message.keywords.is_empty() {
                true => Vec::new(),
                false => self.keyword_ids(&message.keywords, true, self.wait)?,
            });
        }
        let path = self.dir.join(uidlist::FILE);
        let list_lock = Dotlock::take(&path, self.wait).map_err(StoreError::at("lock", &path))?;
        let more = usage_of_all(&incoming);
        // Dropped, it takes back what it has noted.
        let account = self.account.as_ref().filter(|_| counts);
        let mut entry = account.and_then(Account::begin);
        if let Some(entry) = &mut entry
            && more.messages > 0
            && !entry
                .reserve(more)
                .map_err(StoreError::at("count what is in", &self.dir))?
        {
            return Err(StoreError::over_quota(&self.dir));
        }
        let was_same = self.begin_change();
        let mut made: Vec<PathBuf> = Vec::with_capacity(incoming.len());
        let result = self.make_all(&mut incoming, &ids, &list_lock, &mut made);
        if result.is_err() {
            for path in &made {
                // A kill here leaves messages that nobody was told of.
                let _ = std::fs::remove_file(path);
            }
        }
        self.end_change(was_same);
        drop(list_lock);
        let new = result?;
        if let Some(entry) = entry {
            entry.settle(Change::more(more));
        }
        let uids: Vec<u32> = new.iter().map(|new| new.uid).collect();
        let mut ops: Vec<Op> = new.into_iter().map(Op::New).collect();
        ops.push(self.stamps_op(0));
        self.commit(ops);
        self.checkpoint();
        drop(lock);
        Ok(uids)
    }

    /// Renames files into `cur` and gives them UIDs. Both locks must be held.
    fn make_all(
        &mut self,
        incoming: &mut [Incoming],
        ids: &[Vec<u16>],
        lock: &Dotlock,
        made: &mut Vec<PathBuf>,
    ) -> Result<Vec<NewOp>, StoreError> {
        let list = self.dir.join(uidlist::FILE);
        let fault = |fault| StoreError::from(ListError::new(&list, fault));
        let stamp = FileStamp::of(&list).map_err(StoreError::at("read", &list))?;
        // Somebody else has given UIDs since we looked: the next look finds which.
        let is_known = stamp == self.view.summary.stamps.list;
        let mut header = match is_known {
            true => Header {
                version: 3,
                validity: self.view.summary.validity,
                next: self.view.summary.next,
                pop3_format: None,
                complete: self.view.summary.stamps.list_complete,
                others: Vec::new(),
            },
            false => os::file::open_unfollowed(&list)
                .map_err(Fault::Io)
                .and_then(|file| uidlist::read(std::io::BufReader::new(file), |_| {}))
                .map_err(fault)?,
        };
        if header.validity != self.view.summary.validity {
            return Err(StoreError::replaced(&self.dir));
        }
        header.next = header.next.max(self.view.summary.next);
        let modseq = self.next_modseq();
        let mut new = Vec::with_capacity(incoming.len());
        let mut lines = Vec::new();
        let mut path = PathBuf::new();
        for (message, ids) in incoming.iter_mut().zip(ids) {
            if header.next == u32::MAX {
                return Err(fault(Fault::Full));
            }
            let letters = ids.iter().filter(|&&id| id < FIRST_WORD);
            let letters = Letters {
                flags: message.flags,
                keywords: letters.fold(0, |all, id| all | 1 << id),
            };
            let suffix = letters.suffix(NO_FLAGS);
            join(
                &mut path,
                &self.dir,
                Place::Cur,
                &[&message.unique, &suffix],
            );
            rename(&message.temporary.path, &path).map_err(StoreError::at("create", &path))?;
            message.temporary.keep();
            made.push(path.clone());
            add_line(&mut lines, header.next, &message.unique);
            new.push(NewOp {
                uid: header.next,
                modseq,
                size: message.size,
                date: message.date,
                place: Place::Cur,
                unique: message.unique.clone(),
                suffix,
                words: ids.iter().copied().filter(|&id| id >= FIRST_WORD).collect(),
            });
            header.next += 1;
        }
        if !lock.is_held() {
            return Err(fault(Fault::LockLost));
        }
        append_lines(&list, &lines, &mut header).map_err(|error| fault(Fault::Io(error)))?;
        if is_known {
            let stamps = &mut self.view.summary.stamps;
            stamps.list = FileStamp::of(&list).map_err(StoreError::at("read", &list))?;
            stamps.list_complete = header.complete;
            let count = u32::try_from(new.len()).unwrap_or(u32::MAX);
            stamps.list_lines = stamps.list_lines.saturating_add(count);
        }
        Ok(new)
    }

    /// Brings the names in `cur` to the disk.
    pub(super) fn make_last(&self) -> Result<(), StoreError> {
        let cur = self.dir.join("cur");
        os::file::sync_dir(&cur).map_err(StoreError::at("sync", &cur))
    }
}
