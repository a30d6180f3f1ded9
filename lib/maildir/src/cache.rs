//! The mailbox index as a file: believing what it says of messages that are there, and writing it.
//!
//! It is a cache and nothing more. It may be deleted or corrupted at any time, and of two sessions
//! that write it at once the last one wins: either has found out the truth.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

use crate::folder::{Folder, Message, mark};
use crate::index::{self, RECORD_BYTES, Record};
use crate::name::{Host, Names};
use crate::sizes::agree;

/// Its name in the Maildir.
pub(crate) const FILE: &str = "superd-index";

/// A file that was written to within so many nanoseconds before the mailbox was opened may still
/// be growing: somebody copies into `cur` by hand. What was found out about it is not kept.
const SETTLING: i64 = 5_000_000_000;

/// What an index was good for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Loaded {
    /// Messages that it knew.
    pub(crate) matched: usize,
    /// Records that it has.
    pub(crate) records: u64,
    /// Whether its records have columns that this program does not know and would lose.
    pub(crate) is_wider: bool,
}

impl Loaded {
    /// Whether most of its records are of messages that are gone.
    pub(crate) fn is_stale(&self) -> bool {
        self.records / 2 > self.matched as u64
    }
}

/// Tells the messages, which must be sorted by key, what the index knows of them. Without an index
/// that can be believed none of them is known.
pub(crate) fn load(folder: &mut Folder) -> Loaded {
    try_load(folder).unwrap_or_else(|_| {
        for message in &mut folder.messages {
            message.clear(mark::KNOWN);
        }
        Loaded::default()
    })
}

fn try_load(folder: &mut Folder) -> io::Result<Loaded> {
    let file = os::file::open_unfollowed(&folder.names.dir().join(FILE))?;
    let meta = file.metadata()?;
    let is_believable = meta.is_file()
        && (meta.uid() == os::identity::effective_uid()
            || meta.uid() == fs::metadata(folder.names.dir())?.uid());
    if !is_believable {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let messages = &mut folder.messages;
    let (mut at, mut matched) = (0, 0);
    let header = index::read(file, meta.len(), |record| {
        while messages
            .get(at)
            .is_some_and(|message| message.key() < record.key())
        {
            at += 1;
        }
        let has_key = |message: &Message| message.key() == record.key();
        // Two messages of one key (links to one file; a file system without inodes) cannot be told
        // apart here: both are read.
        if messages.get(at).is_some_and(has_key)
            && !messages.get(at + 1).is_some_and(has_key)
            && !messages[at].is(mark::MISSING)
            // Whoever writes a checksum that fits can write anything.
            && agree(record.size, record.wire)
        {
            let message = &mut messages[at];
            (message.modified, message.size, message.wire) =
                (record.modified, record.size, record.wire);
            message.set(mark::KNOWN);
            matched += 1;
        }
    })?;
    Ok(Loaded {
        matched,
        records: header.count,
        is_wider: header.record_bytes > RECORD_BYTES,
    })
}

/// Whether what is known of a message is worth keeping, for a mailbox that was opened at this time.
pub(crate) fn is_worth_keeping(message: &Message, opened_at: i64) -> bool {
    let may_grow = message.modified > opened_at.saturating_sub(SETTLING)
        && message.modified < opened_at.saturating_add(SETTLING);
    message.is(mark::KNOWN) && !message.is(mark::GUESSED) && !message.is(mark::GONE) && !may_grow
}

/// Writes the index anew: a file in `tmp` of a name that nobody has, which then takes the place of
/// the old index. It is not synced: what a crash leaves of it will not fit its checksum.
///
/// Only the owner of the Maildir writes one; for anybody else this does nothing.
pub(crate) fn save(
    folder: &Folder,
    corrections: &BTreeMap<usize, u64>,
    opened_at: i64,
) -> io::Result<()> {
    let dir = folder.names.dir();
    if fs::metadata(dir)?.uid() != os::identity::effective_uid() {
        return Ok(());
    }
    let mut order: Vec<u32> = (0..folder.messages.len())
        .filter(|&at| is_worth_keeping(&folder.messages[at], opened_at))
        .filter_map(|at| u32::try_from(at).ok())
        .collect();
    let key = |at: &u32| folder.messages[*at as usize].key();
    order.sort_unstable_by_key(key);
    let singles = || {
        order
            .chunk_by(|a, b| key(a) == key(b))
            .filter(|same| same.len() == 1)
            .map(|same| same[0] as usize)
    };
    let record = |at: usize| {
        let message = &folder.messages[at];
        Record {
            hash: message.hash,
            inode: message.inode,
            modified: message.modified,
            size: message.size,
            wire: corrections.get(&at).copied().unwrap_or(message.wire),
        }
    };
    let host = Host::new(FILE.as_bytes());
    let name = Names::new(host, std::process::id(), os::process::random).next(SystemTime::now())?;
    let temporary = dir.join("tmp").join(name);
    let file = os::file::create_exclusive(&temporary, 0o600)?;
    let count = singles().count() as u64;
    let result = index::write(file, count, singles().map(record))
        .and_then(|()| fs::rename(&temporary, dir.join(FILE)));
    if result.is_err() {
        // Left behind, it would go with a sweep of `tmp`.
        let _ = fs::remove_file(&temporary);
    }
    result
}

/// One sentence for whoever logs that the index could not be written.
pub(crate) fn unwritten(dir: &Path, error: &io::Error) -> String {
    let reason = os::reason(error);
    format!("unable to write {}: {reason}", dir.join(FILE).display())
}
