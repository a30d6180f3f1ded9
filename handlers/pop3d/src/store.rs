//! What a session needs of a mailbox, and a Maildir as one.

use std::fs::File;
use std::io::{self, Read};
use std::time::Duration;

use maildir::courier::Sizelist;
use maildir::uidlist::{self, ListError, Uids};
use maildir::{Commit, Mailbox};

use crate::uidl::{List, Style};

/// How long the lock on dovecot-uidlist is waited for.
const LIST_TIME: Duration = Duration::from_secs(30);

/// A mailbox, its messages numbered from 0.
pub trait Store {
    /// A message that is being read.
    type Message: Read;

    /// The number of messages.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The octets of a message on the wire: with CRLF line ends, without stuffed dots.
    fn size(&self, n: usize) -> u64;

    /// Tells that a message turned out to have another size.
    fn correct_size(&mut self, n: usize, octets: u64);

    /// The unique part of a message's file name.
    fn unique(&self, n: usize) -> &[u8];

    /// Whether another message has the same.
    fn is_twin(&self, n: usize) -> bool;

    /// Opens a message, under whatever name it has now.
    fn open(&mut self, n: usize) -> io::Result<Self::Message>;

    /// The list that a style of ids is read from; `None` where it needs none, or there is none.
    fn list(&mut self, style: Style) -> Result<Option<Box<dyn List>>, ListError>;

    /// Removes the deleted messages and makes the others old ones.
    fn commit(&mut self, deleted: &dyn Fn(usize) -> bool) -> Committed;
}

/// What became of the messages at the end of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// How many deleted ones are gone.
    pub removed: usize,
    /// How many deleted ones are still there.
    pub failed: usize,
    /// Whether the changes were to last through a crash, and may not.
    pub is_unsynced: bool,
    /// What else the log is to know, a sentence each.
    pub faults: Vec<String>,
}

/// A message of so many bytes. Reading past an end that comes before them is an error: somebody has cut
/// the file off, and what was read is not the message.
#[derive(Debug)]
pub struct Whole<M> {
    message: M,
    left: u64,
}

impl<M: Read> Whole<M> {
    /// `message`, of which `size` bytes are expected.
    pub fn of(message: M, size: u64) -> Whole<M> {
        Whole {
            message,
            left: size,
        }
    }
}

impl<M: Read> Read for Whole<M> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.message.read(buffer)?;
        if count == 0 && !buffer.is_empty() && self.left > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left = self.left.saturating_sub(count as u64);
        Ok(count)
    }
}

/// The messages of a Maildir.
#[derive(Debug)]
pub struct Messages {
    mailbox: Mailbox,
    /// Changes are to last through a crash of the system.
    sync: bool,
}

impl Messages {
    /// Those of an open mailbox.
    pub fn new(mailbox: Mailbox, sync: bool) -> Messages {
        Messages { mailbox, sync }
    }
}

impl Store for Messages {
    type Message = Whole<File>;

    fn len(&self) -> usize {
        self.mailbox.len()
    }

    fn size(&self, n: usize) -> u64 {
        self.mailbox.wire_size(n)
    }

    fn correct_size(&mut self, n: usize, octets: u64) {
        self.mailbox.correct_size(n, octets);
    }

    fn unique(&self, n: usize) -> &[u8] {
        self.mailbox.unique(n)
    }

    fn is_twin(&self, n: usize) -> bool {
        self.mailbox.is_twin(n)
    }

    fn open(&mut self, n: usize) -> io::Result<Whole<File>> {
        let file = self.mailbox.open_message(n)?;
        let size = file.metadata()?.len();
        Ok(Whole::of(file, size))
    }

    fn list(&mut self, style: Style) -> Result<Option<Box<dyn List>>, ListError> {
        Ok(match style {
            Style::Name | Style::Mailfront | Style::Md5 => None,
            Style::Courier => Sizelist::load(&self.mailbox)?.map(|list| {
                let list: Box<dyn List> = Box::new(list);
                list
            }),
            Style::Dovecot => Some(Box::new(Uids::assign(&self.mailbox, LIST_TIME)?)),
        })
    }

    fn commit(&mut self, deleted: &dyn Fn(usize) -> bool) -> Committed {
        let dir = self.mailbox.dir().to_owned();
        let commit = self.mailbox.commit(deleted, self.sync);
        let mut faults = faults(
            &commit,
            |n| self.mailbox.unique(n),
            &dir.display().to_string(),
        );
        faults.extend(self.mailbox.take_warning());
        Committed {
            removed: commit.removed,
            failed: commit.failed.len(),
            is_unsynced: commit.unsynced.is_some(),
            faults,
        }
    }
}

fn faults<'m>(commit: &Commit, unique: impl Fn(usize) -> &'m [u8], dir: &str) -> Vec<String> {
    let mut faults = Vec::new();
    // One message stands for all: they nearly always fail for one reason.
    if let Some((n, error)) = commit.failed.first() {
        let (name, reason) = (unique(*n).escape_ascii(), os::reason(error));
        let count = commit.failed.len();
        faults.push(format!(
            "unable to remove {count} messages from {dir}, the first of them {name}: {reason}"
        ));
    }
    if commit.unmoved > 0 {
        let count = commit.unmoved;
        faults.push(format!(
            "unable to move {count} messages from {dir}/new to {dir}/cur"
        ));
    }
    if let Some(error) = &commit.unsynced {
        let reason = os::reason(error);
        faults.push(format!("unable to sync {dir}: {reason}"));
    }
    faults
}

impl List for Sizelist {
    fn id(&self, n: usize, unique: &[u8], into: &mut Vec<u8>) -> bool {
        let entry = self.entry(n);
        if let Some(entry) = entry {
            into.extend_from_slice(entry.uidl(unique).as_bytes());
        }
        entry.is_some()
    }
}

impl List for Uids {
    fn id(&self, n: usize, _: &[u8], into: &mut Vec<u8>) -> bool {
        if let Some(saved) = self.saved_uidl(n) {
            into.extend_from_slice(saved);
            return true;
        }
        let uid = self.uid(n);
        if let Some(uid) = uid {
            into.extend_from_slice(uidlist::uidl(uid, self.header.validity).as_bytes());
        }
        uid.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_ends_before_its_size_is_an_error_and_a_longer_one_is_none() {
        for (size, is_whole) in [(0, true), (3, true), (4, true), (5, false)] {
            let mut text = Vec::new();
            let result = Whole::of(&b"abc\n"[..], size).read_to_end(&mut text);
            assert_eq!(text, b"abc\n");
            assert_eq!(result.is_ok(), is_whole, "{size}");
        }
    }
}
