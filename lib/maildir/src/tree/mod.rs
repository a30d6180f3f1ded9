//! The mailboxes of one user: a Maildir++.
//!
//! The Maildir itself is INBOX; mailbox A/B is the directory `.A.B` in it, with `tmp`, `new`, `cur`
//! and an empty file `maildirfolder`. The levels of a name stand there in modified UTF-7 (RFC 3501
//! section 5.1.3), and a dot is between them, whatever the separator on the wire.
//!
//! - [`utf7`] and [`Name`]: names, as values; [`Wire`]: what clients call them;
//! - [`Pattern`]: the patterns of LIST;
//! - [`Tree`]: what is there, and making, removing and renaming it;
//! - `subscriptions`, `superd-special-use`, `dovecot-uidvalidity`: what is kept about all of them;
//! - [`Keywords`]: which letter in a mailbox means which keyword; [`CourierKeywords`].
//!
//! What is no mailbox for us (a directory with two dots in a row, one whose name is not modified
//! UTF-7) is left alone. No name can leave the directory: a level holds neither dots nor slashes.

mod courier_keywords;
mod create;
mod keywords;
mod list;
mod name;
mod pattern;
mod rename;
mod rewrite;
mod special;
mod subscriptions;
pub mod utf7;
mod validity;
mod wire;

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use courier_keywords::{CourierKeywords, read as read_courier_keywords};
pub use keywords::{Keywords, read as read_keywords};
pub use list::Listed;
pub use name::{BadName, Name};
pub use pattern::Pattern;
pub use special::Use;
pub use subscriptions::{Subscriptions, parse as parse_subscriptions};
pub use wire::Wire;

/// How long the locks of the files in the root are waited for: others hold them for moments.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// Why something could not be done with a mailbox.
#[derive(Debug)]
pub enum TreeError {
    /// There is such a mailbox (or, of a renaming, one of a name that would be needed).
    Exists(Name),
    /// There is no such mailbox.
    Missing(Name),
    /// It cannot be done with this mailbox, ever; the reason is a sentence.
    Refused(String),
    /// The system said no, at this file or directory.
    Io(PathBuf, io::Error),
}

impl TreeError {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> TreeError {
        let path = path.to_owned();
        |error| TreeError::Io(path, error)
    }

    /// Whether rights are what is missing.
    pub fn is_permission(&self) -> bool {
        match self {
            TreeError::Io(_, error) => matches!(
                error.kind(),
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
            ),
            _ => false,
        }
    }
}

impl fmt::Display for TreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TreeError::Exists(name) => write!(f, "there is a mailbox {name}"),
            TreeError::Missing(name) => write!(f, "there is no mailbox {name}"),
            TreeError::Refused(reason) => f.write_str(reason),
            TreeError::Io(path, error) if error.kind() == io::ErrorKind::WouldBlock => {
                write!(f, "unable to change {}: it is locked", path.display())
            }
            TreeError::Io(path, error) => {
                let reason = os::reason(error);
                write!(f, "unable to use {}: {reason}", path.display())
            }
        }
    }
}

impl std::error::Error for TreeError {}

/// The mailboxes below one Maildir.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    root: PathBuf,
}

impl Tree {
    /// Those of the Maildir at `root`, which is INBOX.
    pub fn new(root: PathBuf) -> Tree {
        Tree { root }
    }

    /// Where INBOX is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a mailbox is, or would be.
    pub fn path(&self, name: &Name) -> PathBuf {
        match name.dir_name() {
            Some(dir) => self.root.join(dir),
            None => self.root.clone(),
        }
    }

    /// Whether its messages count for a quota (Maildir++).
    pub fn counts(&self, name: &Name) -> bool {
        name.dir_name().is_none_or(|dir| dir != crate::quota::TRASH)
    }

    /// Whether there is such a mailbox. INBOX always is.
    pub fn exists(&self, name: &Name) -> bool {
        name.is_inbox() || fs::metadata(self.path(name)).is_ok_and(|meta| meta.is_dir())
    }
}

#[cfg(test)]
mod test_support;
