//! A Maildir as its readers see it: a numbered list of messages with exact sizes, fixed for the
//! session, over files that others may rename or remove at any time.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::cache;
use crate::folder::{Folder, Message, Place, mark};
use crate::relocate::{Finder, relocate};
use crate::scan::{Stamps, Unreadable, now, scan};
use crate::sizes::{Measured, measure, measure_one, note};

/// When so much was found out, the index is written at once and not at the end of the session,
/// which may never come.
const SAVE_AT_ONCE: usize = 128;

/// What is read at once where a file is looked at out of turn.
const READ_BYTES: usize = 16 * 1024;

/// How a mailbox is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many threads read files whose size is not known. At least one does.
    pub threads: usize,
    /// Whether the mailbox index is used and written.
    pub index: bool,
}

impl Default for Options {
    /// A thread a processor, and the index.
    fn default() -> Options {
        Options {
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            index: true,
        }
    }
}

/// Why a mailbox could not be opened.
#[derive(Debug)]
pub enum MailboxError {
    /// The Maildir is not there, is no directory, or may not be entered.
    NoMaildir(PathBuf, io::Error),
    /// This directory of it, `new` or `cur`, cannot be read.
    Scan(PathBuf, io::Error),
}

impl fmt::Display for MailboxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (verb, path, error) = match self {
            MailboxError::NoMaildir(path, error) => ("enter", path, error),
            MailboxError::Scan(path, error) => ("scan", path, error),
        };
        let reason = os::reason(error);
        write!(f, "unable to {verb} {}: {reason}", path.display())
    }
}

impl std::error::Error for MailboxError {}

impl From<Unreadable> for MailboxError {
    fn from(unreadable: Unreadable) -> MailboxError {
        MailboxError::Scan(unreadable.path, unreadable.error)
    }
}

/// An open mailbox. Messages are numbered from 0, in the order of their times of modification and
/// then of their unique names.
#[derive(Debug)]
pub struct Mailbox {
    pub(crate) folder: Folder,
    opened_at: i64,
    /// Whether the index lacks something that is known, and may be written.
    unsaved: bool,
    may_save: bool,
    corrections: BTreeMap<usize, u64>,
    /// The directories' stamps when all names were last compared with them at rest.
    compared: Option<Stamps>,
    warning: Option<String>,
}

impl Mailbox {
    /// Reads `new` and `cur` of the Maildir `dir` and finds out every message's size: from the
    /// index, from `,S=` and `,W=` in the name, or by reading the file. Writes the index where it
    /// found out much; what little it found out is written by [`Mailbox::commit`] or at the end.
    ///
    /// Dot files are no messages, nor are directories, symbolic links, fifos or other special
    /// files. (qmail-pop3d counts them; it also hides messages whose time of modification is not
    /// in the past, which are shown here.) A file that may not be read is listed with the size of
    /// the file.
    pub fn open(dir: &Path, options: &Options) -> Result<Mailbox, MailboxError> {
        let opened_at = now();
        let mut folder = scan(dir).map_err(|unreadable| match fs::metadata(dir.join(".")) {
            Ok(_) => unreadable.into(),
            Err(error) => MailboxError::NoMaildir(dir.to_owned(), error),
        })?;
        let loaded = match options.index {
            true => cache::load(&mut folder),
            false => cache::Loaded::default(),
        };
        measure(&folder.names, &mut folder.messages, options.threads);
        find_missing(&mut folder)?;
        folder.drop_gone();
        folder.sort_by_time();
        let worth = folder
            .messages
            .iter()
            .filter(|message| cache::is_worth_keeping(message, opened_at))
            .count();
        let learnt = worth.saturating_sub(loaded.matched);
        let mut mailbox = Mailbox {
            folder,
            opened_at,
            unsaved: learnt > 0 || loaded.is_stale(),
            may_save: options.index && !loaded.is_wider,
            corrections: BTreeMap::new(),
            compared: None,
            warning: None,
        };
        if learnt >= SAVE_AT_ONCE {
            mailbox.save();
        }
        Ok(mailbox)
    }

    /// The Maildir.
    pub fn dir(&self) -> &Path {
        self.folder.names.dir()
    }

    /// The number of messages.
    pub fn len(&self) -> usize {
        self.folder.messages.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.folder.messages.is_empty()
    }

    /// The unique name of message `n`: its file name up to the first colon. Empty for a number
    /// that no message has.
    pub fn unique(&self, n: usize) -> &[u8] {
        let message = self.folder.messages.get(n);
        message.map_or(b"", |message| self.folder.names.unique(message))
    }

    /// Its octets with CRLF line ends ([`crate::WireSize`]): what is sent of it, before
    /// dot-stuffing and without the final dot.
    pub fn wire_size(&self, n: usize) -> u64 {
        self.folder
            .messages
            .get(n)
            .map_or(0, |message| message.wire)
    }

    /// Whether it is in `new`.
    pub fn is_new(&self, n: usize) -> bool {
        let message = self.folder.messages.get(n);
        message.is_some_and(|message| message.place() == Place::New)
    }

    /// Whether another message has the same unique name, as no two should have. [`Mailbox::inode`]
    /// tells them apart for as long as both live.
    pub fn is_twin(&self, n: usize) -> bool {
        let message = self.folder.messages.get(n);
        message.is_some_and(|message| message.is(mark::TWIN))
    }

    /// The inode of its file.
    pub fn inode(&self, n: usize) -> u64 {
        self.folder
            .messages
            .get(n)
            .map_or(0, |message| message.inode)
    }

    /// When its file was last modified, in nanoseconds since the epoch.
    pub fn modified(&self, n: usize) -> i64 {
        let message = self.folder.messages.get(n);
        message.map_or(0, |message| message.modified)
    }

    /// Opens the file of message `n` under the name that it has now: if somebody has renamed it,
    /// it is looked for. `ErrorKind::NotFound` if it is gone. Opens regular files only, follows no
    /// symbolic link and waits for no fifo.
    pub fn open_message(&mut self, n: usize) -> io::Result<File> {
        let Some(message) = self.folder.messages.get(n) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let mut path = PathBuf::new();
        self.folder.names.path(message, &mut path);
        match open_regular(&path, message) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => return result,
        }
        let unchanged = Stamps::of(self.folder.names.dir()).ok();
        if self.compared.is_some() && self.compared == unchanged {
            return Err(io::ErrorKind::NotFound.into());
        }
        let mut opened = Err(io::ErrorKind::NotFound.into());
        let finder = self.finder();
        let mut sought = BTreeSet::from([n]);
        let stamps = relocate(&mut self.folder, &finder, &mut sought, |folder, n, path| {
            opened = open_regular(path, &folder.messages[n]);
            !matches!(&opened, Err(error) if error.kind() == io::ErrorKind::NotFound)
        });
        self.compared = stamps.map_err(|unreadable| unreadable.error)?;
        opened
    }

    /// Where messages are, by their unique names.
    pub(crate) fn finder(&self) -> Finder {
        let is_there = |&at: &usize| !self.folder.messages[at].is(mark::GONE);
        Finder::new(&self.folder, (0..self.len()).filter(is_there))
    }

    /// Tells that the whole of message `n` was read and has `wire` octets, which its name denied.
    /// The size goes into the index; in this session a message keeps the size that it had.
    pub fn correct_size(&mut self, n: usize, wire: u64) {
        if n < self.len() && wire != self.wire_size(n) {
            self.corrections.insert(n, wire);
            self.unsaved = true;
        }
    }

    /// Writes the index if there is something new to write. Failures are nobody's trouble, but see
    /// [`Mailbox::take_warning`].
    pub fn save(&mut self) {
        if !(self.unsaved && self.may_save) {
            return;
        }
        self.unsaved = false;
        if let Err(error) = cache::save(&self.folder, &self.corrections, self.opened_at) {
            // Whatever it was will be there the next time, too.
            self.may_save = false;
            self.warning = Some(cache::unwritten(self.folder.names.dir(), &error));
        }
    }

    /// Why the index could not be written, once, for the log.
    pub fn take_warning(&mut self) -> Option<String> {
        self.warning.take()
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.save();
    }
}

/// Opens the file of `message`, which is thought to be at `path`.
fn open_regular(path: &Path, message: &Message) -> io::Result<File> {
    let file = os::file::open_unfollowed(path)?;
    let meta = file.metadata()?;
    match meta.is_file() {
        true if message.can_be(meta.ino()) => Ok(file),
        true => Err(io::ErrorKind::NotFound.into()),
        false => Err(io::ErrorKind::InvalidInput.into()),
    }
}

/// Looks for the messages that were not where they had been seen, and takes their sizes.
fn find_missing(folder: &mut Folder) -> Result<(), MailboxError> {
    let missing = |folder: &Folder| -> BTreeSet<usize> {
        (0..folder.messages.len())
            .filter(|&at| folder.messages[at].is(mark::MISSING))
            .collect()
    };
    let mut sought = missing(folder);
    if sought.is_empty() {
        return Ok(());
    }
    let finder = Finder::new(folder, sought.iter().copied());
    let mut buffer = vec![0; READ_BYTES];
    relocate(folder, &finder, &mut sought, |folder, at, path| {
        let name = folder.names.name(&folder.messages[at]);
        let measured = measure_one(path, name, &mut buffer);
        note(&mut folder.messages[at], measured);
        measured != Measured::Missing
    })?;
    for at in sought {
        let message = &mut folder.messages[at];
        // Seen each time and renamed before it could be opened: it is a message nonetheless.
        let mark = match message.is(mark::FOUND) {
            true => mark::KNOWN | mark::GUESSED,
            false => mark::GONE,
        };
        message.set(mark);
    }
    Ok(())
}

#[cfg(test)]
#[path = "mailbox_tests.rs"]
mod tests;
