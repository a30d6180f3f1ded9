//! One mailbox as an IMAP session sees it: numbered messages with UIDs, flags, keywords and
//! modification sequences, in step with the directory and with all other sessions.
//!
//! What is true is where everybody can see it: which messages there are, and their flags, by the
//! names of their files; UIDs in `dovecot-uidlist`; what the first 26 keywords are called in
//! `dovecot-keywords`. What these cannot hold is in `superd-journal` ([`journal`]): modification
//! sequences, further keywords, which messages were expunged, and what was found out at some cost
//! (sizes, dates). Losing the journal costs that and nothing else.
//!
//! A session reads the journal, and no directory, while nothing else has changed ([`sync`]). Every
//! change is made under the lock of the mailbox, and written into the journal before the lock is
//! released, so that all sessions learn of it, with the same modification sequence.

mod bytes;
mod change;
mod error;
mod facts;
mod find;
mod flags;
mod incoming;
mod journal;
mod keywords;
mod list;
mod lock;
mod look;
mod op;
mod settle;
mod snapshot;
mod stage;
mod stamps;
mod state;
mod status;
mod sync;
#[cfg(test)]
mod tests;
mod transfer;
mod view;

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use change::{Change, How, Stored};
pub use error::{Kind, StoreError};
pub use flags::Flags;
pub use incoming::{AppendResult, Appended, append};
pub use stage::{StageWriter, Staged, stage};
pub use status::{Status, status};
pub use transfer::Copied;

use crate::quota::{Account, Usage, usage_of};
use crate::tree::Keywords;
use journal::Journal;
use stamps::FileStamp;
use view::View;

/// What a session may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everything; messages that it is the first to see go from `new` to `cur`.
    ReadWrite,
    /// Looking (EXAMINE, STATUS). Messages get UIDs nonetheless, where the process may write.
    ReadOnly,
}

/// How a mailbox is opened.
pub struct Open<'a> {
    /// The Maildir, or the folder of a Maildir++.
    pub dir: &'a Path,
    /// What the session may do.
    pub access: Access,
    /// How long the locks of others are waited for.
    pub wait: Duration,
    /// The account whose quota its messages count for; None if they do not count.
    pub account: Option<&'a Account>,
    /// Where a mailbox that has no UIDVALIDITY gets it from: one that no mailbox of this user has had.
    pub new_validity: &'a dyn Fn() -> io::Result<u32>,
}

impl fmt::Debug for Open<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Open")
            .field("dir", &self.dir)
            .field("access", &self.access)
            .field("wait", &self.wait)
            .finish_non_exhaustive()
    }
}

/// What the client has not been told yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// Expunged messages, in the order in which they are to be told: from the last to the first, so
    /// that each number is right when its turn comes.
    pub expunged: Vec<Expunged>,
    /// How many messages there are now, if there are new ones.
    pub exists: Option<usize>,
    /// How many are recent, if that is another number than before.
    pub recent: Option<usize>,
    /// Whose flags others have changed, by their numbers after the expunges.
    pub changed: Vec<usize>,
    /// Whether there are other keywords than before.
    pub keywords_changed: bool,
}

/// An expunged message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expunged {
    /// Its number, from 0.
    pub n: usize,
    /// Its UID.
    pub uid: u32,
}

/// Whether, and how, a mailbox can be written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writing {
    /// As it should be.
    Works,
    /// This process may not. What has no UID gets one for this session, which then has a UIDVALIDITY
    /// of its own.
    Forbidden,
    /// It does not work at the moment (a full disk). What has no UID is not shown.
    Fails,
}

/// An open mailbox. Messages are numbered from 0, in the order of their UIDs.
///
/// The numbers are those of the client: they change with [`Selection::take_news`] alone. A number that
/// no message has is answered with 0 or nothing.
#[derive(Debug)]
pub struct Selection {
    dir: PathBuf,
    account: Option<Account>,
    /// Held open, so that no other directory gets its inode.
    held: File,
    access: Access,
    /// Whether it takes messages from `new` to `cur`.
    claims: bool,
    wait: Duration,
    writing: Writing,
    /// Whether the UIDVALIDITY is of this session alone.
    is_private: bool,
    journal: Option<Journal>,
    /// Whether the journal lacks something that is known, and when it is tried again to write it.
    is_behind: bool,
    next_try: Option<Instant>,
    view: View,
    letters: Keywords,
    letters_stamp: FileStamp,
    /// How long the last full look at the directories took, in nanoseconds.
    look_cost: i64,
    warning: Option<String>,
}

impl Selection {
    /// The UIDVALIDITY.
    pub fn validity(&self) -> u32 {
        self.view.summary.validity
    }

    /// The UID that the next new message will have at least.
    pub fn uid_next(&self) -> u32 {
        self.view.summary.next
    }

    /// The highest modification sequence that was given, whether the client was told of it or not.
    pub fn highest_modseq(&self) -> u64 {
        self.view.summary.highest
    }

    /// Whether nothing can be changed.
    pub fn is_read_only(&self) -> bool {
        self.access == Access::ReadOnly || self.writing == Writing::Forbidden
    }

    /// The number of messages that the client knows of.
    pub fn len(&self) -> usize {
        self.view.told
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.view.told == 0
    }

    fn message(&self, n: usize) -> Option<&view::Message> {
        self.view.told().get(n)
    }

    /// The UID of message `n`.
    pub fn uid(&self, n: usize) -> u32 {
        self.message(n).map_or(0, |message| message.uid)
    }

    /// Its system flags.
    pub fn flags(&self, n: usize) -> Flags {
        let message = self.message(n);
        message.map_or(Flags::default(), |message| self.view.flags(message))
    }

    /// The numbers of its keywords, ascending.
    pub fn keywords(&self, n: usize) -> &[u16] {
        match self.message(n) {
            Some(message) => &self.view.state(message).keywords,
            None => &[],
        }
    }

    /// The modification sequence of its last change.
    pub fn modseq(&self, n: usize) -> u64 {
        self.message(n).map_or(0, |message| message.modseq)
    }

    /// Whether no other session has been told of it.
    pub fn is_recent(&self, n: usize) -> bool {
        self.message(n)
            .is_some_and(|message| self.view.is_recent(message))
    }

    /// What messages count for in a quota.
    fn usage(&self, which: &[usize]) -> io::Result<Usage> {
        let mut sum = Usage::default();
        for &n in which {
            if let Some(message) = self
                .message(n)
                .filter(|message| !message.is(view::mark::GONE))
            {
                sum = sum.plus(self.usage_of(message)?);
            }
        }
        Ok(sum)
    }

    /// What one counts for. One that is not there counts for nothing.
    fn usage_of(&self, message: &view::Message) -> io::Result<Usage> {
        let state = self.view.state(message);
        if state.flags.contains(Flags::DELETED) {
            return Ok(Usage::default());
        }
        let missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        let len = || {
            let mut path = PathBuf::new();
            self.view.path(message, &self.dir, &mut path);
            Ok(std::fs::symlink_metadata(path)?.len())
        };
        match usage_of(self.view.unique(message), len) {
            Err(error) if missing(&error) => Ok(Usage::default()),
            result => result,
        }
    }

    /// Whether it was expunged, which the client has not been told yet.
    pub fn is_gone(&self, n: usize) -> bool {
        self.message(n)
            .is_some_and(|message| message.is(view::mark::GONE))
    }

    /// The number of the message with this UID.
    pub fn position(&self, uid: u32) -> Option<usize> {
        self.view
            .told()
            .binary_search_by_key(&uid, |message| message.uid)
            .ok()
    }

    /// The number of the first message that has this UID or a greater one.
    pub fn lower_bound(&self, uid: u32) -> usize {
        self.view
            .told()
            .partition_point(|message| message.uid < uid)
    }

    /// How many have not been seen.
    pub fn count_unseen(&self) -> usize {
        let told = self.view.told().iter();
        told.filter(|message| !self.view.flags(message).contains(Flags::SEEN))
            .count()
    }

    /// The first that has not been seen.
    pub fn first_unseen(&self) -> Option<usize> {
        let mut told = self.view.told().iter();
        told.position(|message| !self.view.flags(message).contains(Flags::SEEN))
    }

    /// How many are recent.
    pub fn count_recent(&self) -> usize {
        self.view.count_recent()
    }

    /// What the client has to be told. Without `expunges` the expunged stay, and all numbers with
    /// them.
    pub fn take_news(&mut self, expunges: bool) -> News {
        self.view.take_news(expunges)
    }

    /// The modification sequence of the oldest expunge that [`Selection::take_news`] has kept back: a
    /// client that takes a later one for what it knows would never hear of it (RFC 7162).
    pub fn oldest_untold(&self) -> Option<u64> {
        self.view.oldest_untold()
    }

    /// The UIDs that were expunged with a modification sequence greater than this one, ascending.
    /// None if that was so long ago that nobody knows.
    pub fn vanished_since(&self, modseq: u64) -> Option<Vec<(u32, u32)>> {
        self.view.vanished_since(modseq)
    }

    /// Its directory has this name now, and its messages count for this account's quota.
    pub fn was_renamed(&mut self, dir: PathBuf, account: Option<&Account>) {
        self.dir = dir;
        self.account = account.cloned();
    }

    /// The directories in which changes show (inotify(7)).
    pub fn watched(&self) -> Vec<PathBuf> {
        vec![self.dir.join("new"), self.dir.join("cur"), self.dir.clone()]
    }

    /// What did not work and could be done without, once, for the log.
    pub fn take_warning(&mut self) -> Option<String> {
        self.warning.take()
    }
}

impl Drop for Selection {
    fn drop(&mut self) {
        self.save();
    }
}

/// A journal that says the same as these bytes, without a log; None if they are none. For tests of
/// the format.
pub fn check_journal(bytes: &[u8]) -> Option<Vec<u8>> {
    let (mut view, length) = View::of_bytes(bytes)?;
    let generation = view.summary.generation;
    let log = bytes.get(length..)?;
    op::read_frames(log, generation, length as u64, |ops| view.apply(ops, false));
    let _ = view.take_news(true);
    Some(view.snapshot(generation, 0)?.concat())
}
