//! Delivery into Maildirs: one message into any number of them, all or none.
//!
//! The order is what makes it safe: every copy is written into `tmp` and synced; only then the
//! first one is linked into `new`; then every `new` is synced. Up to the first link a failure (or
//! a kill) leaves nothing that a reader could see. The links are the shortest possible step; if
//! one of them fails nonetheless, those already made are taken back as far as a reader has not
//! moved them away, and the caller reports failure: a message may then come twice, never be lost.
//!
//! The bytes of a message are synced in [`Maildir::stage`], the directory `new` in [`publish_all`].
//!
//! `link` and not `rename`, for it never replaces an existing file. File systems without hard
//! links can therefore hold no Maildir of ours.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::name::{Names, is_ours, second_of, with_size};

/// How often another name is tried where one is taken. Once is already a wonder.
const TRIES: usize = 5;

/// Files in `tmp` that nobody has written to for so long belong to a delivery that died
/// (maildir(5) says 36 hours).
const STALE: Duration = Duration::from_secs(36 * 60 * 60);

/// The most files of `tmp` that one sweep looks at.
const SWEEP_LIMIT: usize = 1000;

/// What was being done when a delivery failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Making the directories of a new Maildir.
    MakeDirectory,
    /// Making a name or the file in `tmp`.
    Create,
    /// Writing the message.
    Write,
    /// Syncing the file.
    Sync,
    /// Linking it into `new`.
    Link,
    /// Syncing a directory.
    SyncDirectory,
}

/// A step that failed, on which file or directory, and why.
#[derive(Debug)]
pub struct Error {
    /// The step.
    pub step: Step,
    /// What it was done to.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl Error {
    pub(crate) fn new(step: Step, path: &Path, source: io::Error) -> Error {
        Error {
            step,
            path: path.to_owned(),
            source,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.step {
            Step::MakeDirectory | Step::Create => "create",
            Step::Write => "write",
            Step::Sync | Step::SyncDirectory => "sync",
            Step::Link => "link",
        };
        let reason = os::reason(&self.source);
        write!(f, "unable to {verb} {}: {reason}", self.path.display())
    }
}

impl std::error::Error for Error {}

/// A Maildir by its path; the directory need not exist yet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Maildir {
    path: PathBuf,
}

impl Maildir {
    /// The Maildir at `path`.
    pub fn at(path: PathBuf) -> Maildir {
        Maildir { path }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether all three of its directories are there.
    pub fn exists(&self) -> bool {
        ["tmp", "new", "cur"]
            .iter()
            .all(|part| self.path.join(part).is_dir())
    }

    /// Whether it and its three directories belong to `uid`, and these are directories and no links:
    /// a link could lead into somebody else's Maildir. The error is the path that is not so.
    pub fn belongs_to(&self, uid: u32) -> Result<(), PathBuf> {
        let is_his = |meta: &fs::Metadata| meta.is_dir() && meta.uid() == uid;
        // The Maildir itself may stand elsewhere, if that is his.
        if !fs::metadata(&self.path).is_ok_and(|meta| is_his(&meta)) {
            return Err(self.path.clone());
        }
        for part in ["tmp", "new", "cur"] {
            let path = self.path.join(part);
            if !fs::symlink_metadata(&path).is_ok_and(|meta| is_his(&meta)) {
                return Err(path);
            }
        }
        Ok(())
    }

    /// Makes what is missing of it, readable by the owner only, and syncs what it made. The
    /// directory that holds it must exist.
    pub fn create(&self) -> Result<(), Error> {
        make_directory(&self.path)?;
        for part in ["tmp", "new", "cur"] {
            make_directory(&self.path.join(part))?;
        }
        for directory in [self.path.as_path(), os::file::dir_of(&self.path)] {
            os::file::sync_dir(directory)
                .map_err(|error| Error::new(Step::SyncDirectory, directory, error))?;
        }
        Ok(())
    }

    /// [`Maildir::create`], and before that what is missing of the directories between `home` and
    /// it. `home` itself must exist.
    pub fn create_below(&self, home: &Path) -> Result<(), Error> {
        let mut at = home.to_owned();
        let between = self.path.parent().and_then(|up| up.strip_prefix(home).ok());
        for part in between.into_iter().flat_map(Path::components) {
            let above = at.clone();
            at.push(part);
            make_directory(&at)?;
            os::file::sync_dir(&above)
                .map_err(|error| Error::new(Step::SyncDirectory, &above, error))?;
        }
        self.create()
    }

    /// Writes a message into `tmp` and syncs it. `write` gets the open file and writes all of it;
    /// what it returns is the size for the name.
    ///
    /// The file is removed when the [`Staged`] value is dropped, and at once on failure.
    pub fn stage(
        &self,
        names: &mut Names,
        clock: fn() -> SystemTime,
        write: impl FnOnce(&mut File) -> io::Result<u64>,
    ) -> Result<Staged, Error> {
        let (name, mut file, tmp) = self.create_in_tmp(names, clock)?;
        let mut staged = Staged {
            tmp,
            new: self.path.join("new"),
            name,
            size: 0,
        };
        staged.size =
            write(&mut file).map_err(|error| Error::new(Step::Write, &staged.tmp, error))?;
        file.sync_all()
            .map_err(|error| Error::new(Step::Sync, &staged.tmp, error))?;
        Ok(staged)
    }

    fn create_in_tmp(
        &self,
        names: &mut Names,
        clock: fn() -> SystemTime,
    ) -> Result<(String, File, PathBuf), Error> {
        let mut tries = 0;
        loop {
            let tmp = self.path.join("tmp");
            let name = names
                .next(clock())
                .map_err(|error| Error::new(Step::Create, &tmp, error))?;
            let tmp = tmp.join(&name);
            match os::file::create_exclusive(&tmp, 0o600) {
                Ok(file) => return Ok((name, file, tmp)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tries < TRIES => {
                    tries += 1;
                }
                Err(error) => return Err(Error::new(Step::Create, &tmp, error)),
            }
        }
    }

    /// Removes files of our own dead deliveries from `tmp`; returns how many. What cannot be looked
    /// at or removed is left: this is housekeeping, not part of any delivery. A `tmp` that is a link
    /// is left alone.
    pub fn sweep(&self, now: SystemTime) -> usize {
        let tmp = self.path.join("tmp");
        if !fs::symlink_metadata(&tmp).is_ok_and(|meta| meta.is_dir()) {
            return 0;
        }
        let Ok(entries) = fs::read_dir(tmp) else {
            return 0;
        };
        let now = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let is_old = |second: u64| now.as_secs().saturating_sub(second) > STALE.as_secs();
        // A message that comes by APPEND or COPY has the date that it had, and one that comes slowly was
        // begun long ago: by its name and by its date it must be old.
        let stale = |name: &[u8], meta: &fs::Metadata| {
            let written = u64::try_from(meta.mtime()).unwrap_or(0);
            meta.is_file() && is_old(written) && is_old(second_of(name))
        };
        entries
            .take(SWEEP_LIMIT)
            .filter_map(Result::ok)
            .filter(|entry| is_ours(entry.file_name().as_encoded_bytes()))
            .filter(|entry| {
                let name = entry.file_name();
                let meta = entry.metadata();
                meta.is_ok_and(|meta| stale(name.as_encoded_bytes(), &meta))
            })
            .filter(|entry| fs::remove_file(entry.path()).is_ok())
            .count()
    }
}

fn make_directory(path: &Path) -> Result<(), Error> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(Error::new(Step::MakeDirectory, path, error)),
    }
}

/// A message in `tmp`, on the disk, not visible yet. Dropping it removes the file.
#[derive(Debug)]
pub struct Staged {
    tmp: PathBuf,
    new: PathBuf,
    name: String,
    size: u64,
}

impl Staged {
    /// How many bytes it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The file, for reading.
    pub fn open(&self) -> Result<File, Error> {
        os::file::open_unfollowed(&self.tmp)
            .map_err(|error| Error::new(Step::Create, &self.tmp, error))
    }

    /// Lets it become visible in another Maildir of the same file system, such as a folder.
    pub fn redirect(&mut self, maildir: &Maildir) {
        self.new = maildir.path.join("new");
    }

    /// Makes the message visible in `new`. Its directory entry is not synced yet.
    fn link(&self, names: &mut Names, clock: fn() -> SystemTime) -> Result<PathBuf, Error> {
        let mut name = self.name.clone();
        let mut tries = 0;
        loop {
            let target = self.new.join(with_size(&name, self.size));
            match fs::hard_link(&self.tmp, &target) {
                Ok(()) => return Ok(target),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tries < TRIES => {
                    tries += 1;
                    name = names
                        .next(clock())
                        .map_err(|error| Error::new(Step::Link, &target, error))?;
                }
                Err(error) => return Err(Error::new(Step::Link, &target, error)),
            }
        }
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // Left behind, it is invisible and goes with a later sweep.
        let _ = fs::remove_file(&self.tmp);
    }
}

/// A delivered message.
#[derive(Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The file in `new`.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: u64,
}

/// Makes all staged messages visible and their names last, or takes back what it did and fails.
///
/// The result is in the order of `staged`.
pub fn publish_all(
    staged: Vec<Staged>,
    names: &mut Names,
    clock: fn() -> SystemTime,
) -> Result<Vec<Delivered>, Error> {
    let mut delivered: Vec<Delivered> = Vec::with_capacity(staged.len());
    match link_and_sync(&staged, names, clock, &mut delivered) {
        Ok(()) => Ok(delivered),
        Err(error) => {
            for message in delivered {
                // A reader may have moved it to cur; then it stays, and comes a second time.
                let _ = fs::remove_file(message.path);
            }
            Err(error)
        }
    }
}

fn link_and_sync(
    staged: &[Staged],
    names: &mut Names,
    clock: fn() -> SystemTime,
    delivered: &mut Vec<Delivered>,
) -> Result<(), Error> {
    for message in staged {
        let path = message.link(names, clock)?;
        let size = message.size;
        delivered.push(Delivered { path, size });
    }
    let directories: BTreeSet<&Path> = staged.iter().map(|m| m.new.as_path()).collect();
    for directory in directories {
        os::file::sync_dir(directory)
            .map_err(|error| Error::new(Step::SyncDirectory, directory, error))?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "deliver_tests.rs"]
mod tests;
