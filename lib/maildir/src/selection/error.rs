//! What can go wrong with a mailbox, as a sentence and as a kind.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::scan::Unreadable;
use crate::uidlist::{Fault, ListError};

/// What a caller may want to tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The mailbox is not there, or no more.
    NotFound,
    /// It was opened for reading only.
    ReadOnly,
    /// The process may not do it.
    NoPermission,
    /// The disk or the quota is full.
    NoSpace,
    /// The account holds as much as it may.
    OverQuota,
    /// Somebody else holds a lock for too long.
    Busy,
    /// It cannot hold more: there are no UIDs left.
    Full,
    /// A file in it that cannot be thrown away cannot be read.
    Corrupt,
    /// Anything else.
    Io,
}

#[derive(Debug)]
enum Reason {
    /// The verb, the file or directory, and what the system said.
    System(&'static str, PathBuf, io::Error),
    List(ListError),
    ReadOnly(PathBuf),
    Full(PathBuf),
    OverQuota(PathBuf),
    Replaced(PathBuf),
}

/// Why something could not be done with a mailbox.
#[derive(Debug)]
pub struct StoreError(Reason);

impl StoreError {
    /// For `map_err`: `unable to <verb> <path>: ...`.
    pub(crate) fn at<'p>(
        verb: &'static str,
        path: &'p Path,
    ) -> impl FnOnce(io::Error) -> StoreError + 'p {
        move |error| StoreError(Reason::System(verb, path.to_owned(), error))
    }

    /// The mailbox at `dir` was opened for reading only.
    pub(crate) fn read_only(dir: &Path) -> StoreError {
        StoreError(Reason::ReadOnly(dir.to_owned()))
    }

    /// The mailbox at `dir` holds as much as can be counted.
    pub(crate) fn full(dir: &Path) -> StoreError {
        StoreError(Reason::Full(dir.to_owned()))
    }

    /// What is to be added to the mailbox at `dir` is too much for its account.
    pub(crate) fn over_quota(dir: &Path) -> StoreError {
        StoreError(Reason::OverQuota(dir.to_owned()))
    }

    /// What is at `dir` now is another mailbox than was opened.
    pub(crate) fn replaced(dir: &Path) -> StoreError {
        StoreError(Reason::Replaced(dir.to_owned()))
    }

    /// Whether it is [`StoreError::replaced`].
    pub(crate) fn is_replaced(&self) -> bool {
        matches!(self.0, Reason::Replaced(_))
    }

    /// What a caller may want to tell apart.
    pub fn kind(&self) -> Kind {
        match &self.0 {
            Reason::ReadOnly(_) => Kind::ReadOnly,
            Reason::Full(_) => Kind::Full,
            Reason::OverQuota(_) => Kind::OverQuota,
            Reason::Replaced(_) => Kind::NotFound,
            Reason::System(_, _, error) => kind_of(error),
            Reason::List(error) => match &error.fault {
                Fault::Io(error) => kind_of(error),
                Fault::Header | Fault::Line(_) => Kind::Corrupt,
                Fault::Full => Kind::Full,
                Fault::LockLost => Kind::Busy,
            },
        }
    }
}

fn kind_of(error: &io::Error) -> Kind {
    use io::ErrorKind as E;
    match error.kind() {
        E::NotFound | E::NotADirectory => Kind::NotFound,
        E::PermissionDenied | E::ReadOnlyFilesystem => Kind::NoPermission,
        E::StorageFull | E::QuotaExceeded | E::FileTooLarge => Kind::NoSpace,
        E::WouldBlock | E::ResourceBusy => Kind::Busy,
        E::InvalidData => Kind::Corrupt,
        _ => Kind::Io,
    }
}

impl From<ListError> for StoreError {
    fn from(error: ListError) -> StoreError {
        StoreError(Reason::List(error))
    }
}

impl From<Unreadable> for StoreError {
    fn from(unreadable: Unreadable) -> StoreError {
        StoreError(Reason::System("scan", unreadable.path, unreadable.error))
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Reason::List(error) => error.fmt(f),
            Reason::ReadOnly(dir) => {
                write!(f, "unable to change {}: it is read-only", dir.display())
            }
            Reason::Full(dir) => {
                write!(f, "unable to add to {}: it holds too much", dir.display())
            }
            Reason::OverQuota(dir) => {
                write!(f, "unable to add to {}: over the quota", dir.display())
            }
            Reason::Replaced(dir) => {
                write!(f, "unable to go on with {}: it was replaced", dir.display())
            }
            Reason::System(verb, path, error) if error.kind() == io::ErrorKind::WouldBlock => {
                write!(f, "unable to {verb} {}: it is locked", path.display())
            }
            Reason::System(verb, path, error) => {
                let reason = os::reason(error);
                write!(f, "unable to {verb} {}: {reason}", path.display())
            }
        }
    }
}

impl std::error::Error for StoreError {}
