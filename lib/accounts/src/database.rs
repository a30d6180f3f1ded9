//! users.cdb and aliases.cdb: the files of that name for looking up, made by `smtpd --make-cdb`.
//!
//! A database is never more than a faster way to the same answer. It holds the identity of the file
//! that it was made of, and is passed over (the file itself is read) unless the file is that one to
//! the nanosecond, and unless the database is a regular file that belongs to root or to the owner of
//! the file, and that nobody else can write to. It has the file's time of last change for its own, so
//! one that was written to later, or copied, is passed over, too; and one that contradicts itself.
//!
//! Keys begin with a letter that says what they are ([`FORMAT`] and those of the two kinds in
//! [`crate::userlist`] and [`crate::aliases`]).

use std::ffi::OsString;
use std::fmt;
use std::fs::{Metadata, Permissions};
use std::io::{self, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rules::cdb::{Cdb, VALUE_LIMIT};
use rules::compile::Failure;
use rules::table::Table;

use crate::home::Home;
use crate::identity::{Identity, REST};
use crate::{aliases, userlist};

/// The key of the identity; its value begins with the number of the format.
const FORMAT: &[u8] = b"i";
const VERSION: u8 = 1;

/// How often a file that is being edited is looked at again before the command gives up.
const PATIENCE: u32 = 5;

/// An open database of the file as it is now.
#[derive(Debug)]
pub(crate) struct Database {
    cdb: Cdb,
    identity: Identity,
}

impl Database {
    /// The database beside `source`, which `meta` is about; `None` where it is missing or not to be
    /// trusted.
    pub(crate) fn open(source: &Path, meta: &Metadata) -> Option<Database> {
        if !meta.is_file() {
            return None;
        }
        let file = os::file::open_unfollowed(&path_of(source)).ok()?;
        let own = file.metadata().ok()?;
        let by_owner = own.uid() == 0 || own.uid() == meta.uid();
        let times = |meta: &Metadata| (meta.mtime(), meta.mtime_nsec());
        let is_untouched = times(&own) == times(meta);
        if !own.is_file() || !by_owner || own.mode() & 0o022 != 0 || !is_untouched {
            return None;
        }
        let cdb = Cdb::open(file).ok()?;
        let identity = Identity::of(meta);
        let made_of = cdb.get(FORMAT).ok()??;
        (made_of == format(&identity)).then_some(Database { cdb, identity })
    }

    /// Whether it was made of the file that `meta` is about.
    pub(crate) fn is_of(&self, meta: &Metadata) -> bool {
        self.identity == Identity::of(meta)
    }

    /// The value of the first record with this key.
    pub(crate) fn get(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        self.cdb.get(key)
    }
}

/// A record that cannot be what it should be.
pub(crate) fn corrupt() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

fn format(identity: &Identity) -> Vec<u8> {
    [&[VERSION][..], &identity.bytes()].concat()
}

fn path_of(source: &Path) -> PathBuf {
    with_ending(source, ".cdb")
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}

/// Whether the file `source` has a database, and if so whether that is used.
pub fn is_in_force(source: &Path) -> Option<bool> {
    let database = path_of(source);
    std::fs::symlink_metadata(database).ok()?;
    let meta = std::fs::metadata(source).ok();
    Some(meta.is_some_and(|meta| Database::open(source, &meta).is_some()))
}

/// A file that can have a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// `users`.
    Users,
    /// `aliases`.
    Aliases,
}

impl List {
    /// The one of that name.
    pub fn named(name: &str) -> Option<List> {
        match name {
            "users" => Some(List::Users),
            "aliases" => Some(List::Aliases),
            _ => None,
        }
    }

    /// Where it is in a home.
    pub fn path(self, home: &Home) -> PathBuf {
        match self {
            List::Users => home.users(),
            List::Aliases => home.aliases(),
        }
    }
}

/// Why there is no new database.
#[derive(Debug)]
pub enum MakeError {
    /// The file cannot be read.
    Read(PathBuf, io::Error),
    /// Somebody keeps writing to it.
    Restless(PathBuf),
    /// The entry that begins in this line is too large for a record.
    TooLarge(PathBuf, u64),
    /// The temporary file, the database, and what is wrong with them.
    Write(PathBuf, PathBuf, Failure),
}

impl MakeError {
    /// Whether the same can work another time, nothing being edited.
    pub fn is_temporary(&self) -> bool {
        !matches!(self, MakeError::TooLarge(..))
    }
}

impl fmt::Display for MakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let about = |f: &mut fmt::Formatter<'_>, what, path: &Path, error: &io::Error| {
            write!(
                f,
                "unable to {what} {}: {}",
                path.display(),
                os::reason(error)
            )
        };
        match self {
            MakeError::Read(path, error) => about(f, "read", path, error),
            MakeError::Restless(path) => {
                let path = path.display();
                write!(f, "unable to read {path}: it keeps changing")
            }
            MakeError::TooLarge(path, line) => {
                let path = path.display();
                write!(
                    f,
                    "unable to use line {line} of {path}: it is too long for a database"
                )
            }
            MakeError::Write(temporary, target, failure) => match failure {
                Failure::Move(error) => about(f, "replace", target, error),
                Failure::Sync(error) => about(f, "sync the directory of the new", target, error),
                Failure::Create(error) | Failure::Read(error) | Failure::Write(error) => {
                    about(f, "write", temporary, error)
                }
                Failure::Faults => about(f, "write", temporary, &corrupt()),
            },
        }
    }
}

impl std::error::Error for MakeError {}

/// Makes the database of a list of `home`; how many names it has. It waits until the file has been
/// at rest for two seconds. The database can be read by whom the file lets, and its owner is that of
/// the file as far as the system allows. On any error but [`Failure::Sync`] the old one is as it was.
pub fn make(home: &Home, list: List) -> Result<u64, MakeError> {
    make_after(home, list, &std::thread::sleep)
}

fn make_after(home: &Home, list: List, sleep: &dyn Fn(Duration)) -> Result<u64, MakeError> {
    let source = list.path(home);
    let unread = |error| MakeError::Read(source.clone(), error);
    for _ in 0..PATIENCE {
        let file = std::fs::File::open(&source).map_err(unread)?;
        let meta = file.metadata().map_err(unread)?;
        if meta.is_dir() {
            return Err(unread(io::ErrorKind::IsADirectory.into()));
        }
        let identity = Identity::of(&meta);
        if !identity.is_at_rest(SystemTime::now()) {
            // Also where its time is yet to come: what counts is that nobody changes it meanwhile.
            sleep(REST);
        }
        let (table, count) = fill(&source, list, &file, &meta)?;
        let now = std::fs::metadata(&source).map_err(unread)?;
        if Identity::of(&now) == identity {
            let failed = |failure| failed(&source, failure);
            let committed = table.commit(meta.modified().ok());
            return committed.map_err(failed).map(|()| count);
        }
    }
    Err(MakeError::Restless(source))
}

fn failed(source: &Path, failure: Failure) -> MakeError {
    MakeError::Write(with_ending(source, ".tmp"), path_of(source), failure)
}

fn fill(
    source: &Path,
    list: List,
    file: &std::fs::File,
    meta: &Metadata,
) -> Result<(Table, u64), MakeError> {
    let broken = |failure| failed(source, failure);
    let temporary = with_ending(source, ".tmp");
    let mut table = Table::create(&path_of(source), &temporary).map_err(broken)?;
    take_after(meta, table.file()).map_err(|error| broken(Failure::Write(error)))?;
    let identity = format(&Identity::of(meta));
    table.add(FORMAT, &identity).map_err(broken)?;
    let mut count = 0;
    let mut refused = None;
    let mut add = |record: Record| {
        if record.value.len() > VALUE_LIMIT as usize {
            refused = Some(MakeError::TooLarge(source.to_owned(), record.line));
        } else if let Err(failure) = table.add(&record.key, &record.value) {
            refused = Some(failed(source, failure));
        }
        count += u64::from(record.is_name);
        refused.is_none()
    };
    let text = BufReader::with_capacity(64 * 1024, file);
    let read = match list {
        List::Users => userlist::records(text, &mut add),
        List::Aliases => aliases::records(text, &mut add),
    };
    read.map_err(|error| MakeError::Read(source.to_owned(), error))?;
    match refused {
        Some(error) => Err(error),
        None => Ok((table, count)),
    }
}

/// One record.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
    /// The line that it is of.
    pub(crate) line: u64,
    /// Whether it is counted: not, if it is a further way to one that is.
    pub(crate) is_name: bool,
}

/// Lets the same people read the empty `file`, and nobody but its owner write to it.
fn take_after(source: &Metadata, file: &std::fs::File) -> io::Result<()> {
    let mut mode = source.mode() & 0o644 | 0o600;
    if fchown(file, Some(source.uid()), Some(source.gid())).is_err()
        && fchown(file, None, Some(source.gid())).is_err()
    {
        // Its group is another one, for which the file is not meant.
        mode &= 0o604;
    }
    file.set_permissions(Permissions::from_mode(mode))
}

#[cfg(test)]
#[path = "database_tests.rs"]
mod tests;
