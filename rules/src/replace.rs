//! The guard around the change of a file: the old content or the whole new one, never a part.
//!
//! The new content is written to a temporary file beside it, which nobody else had open, synced,
//! and moved over the old name. Until then the old file is untouched; whatever fails on the way,
//! the temporary file is removed. (tcprules leaves it behind, truncates whatever has its name, and
//! two runs at once write into one file.)
//!
//! Of two runs with one temporary file the second waits for the first: the file is locked
//! (flock(2)) by whoever writes it, and a name is only ever removed by who holds the lock of the
//! file behind it.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use os::file::{create_exclusive_readable, dir_of, sync_dir};

/// How often another run's lock is looked at again, and how long after each time.
const PATIENCE: u32 = 100;
const PAUSE: Duration = Duration::from_millis(50);

/// The mode of a file that has no predecessor, less the umask.
const MODE: u32 = 0o644;

/// A new content on its way to replace a file.
#[derive(Debug)]
pub struct Replacement {
    target: PathBuf,
    temporary: PathBuf,
    file: File,
}

/// What went wrong when the new content was to take the old one's place.
#[derive(Debug)]
pub enum CommitError {
    /// It did not: the old content is still there.
    Move(io::Error),
    /// It did, but may be undone by a crash: the directory could not be synced.
    Sync(io::Error),
}

impl Replacement {
    /// Creates the file `temporary`, empty, readable and writable, to take the place of `target`.
    ///
    /// An old regular file of that name is removed; anything else of that name is an error. Where
    /// `temporary` means the file `target` itself, a name beside `target` is used in its stead.
    /// The new file gets mode, owner and group of a regular file `target`; where owner or group
    /// cannot be given, and where there is no such file, it is created with mode 0644 less the
    /// umask.
    pub fn create(target: &Path, temporary: &Path) -> io::Result<Replacement> {
        Replacement::create_patiently(target, temporary, PATIENCE)
    }

    fn create_patiently(target: &Path, temporary: &Path, rounds: u32) -> io::Result<Replacement> {
        let temporary = if is_same(target, temporary) {
            beside(target)
        } else {
            temporary.to_owned()
        };
        for round in 0..rounds {
            if round > 0 {
                std::thread::sleep(PAUSE);
            }
            if !make_way(&temporary)? {
                continue;
            }
            let file = match create_exclusive_readable(&temporary, MODE) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                other => other?,
            };
            // Between the creation and the lock another run may have taken the file for a left-over.
            if lock(&file)? && is_behind(&file, &temporary) {
                let new = Replacement {
                    target: target.to_owned(),
                    temporary,
                    file,
                };
                new.take_after_old()?;
                return Ok(new);
            }
        }
        Err(io::Error::other("another process is writing it"))
    }

    /// The file to be filled.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Puts the new content in the old one's place and makes that last. The content itself must
    /// have been synced before.
    pub fn commit(self) -> Result<(), CommitError> {
        if !is_behind(&self.file, &self.temporary) {
            let gone = io::Error::other("another process has replaced it");
            return Err(CommitError::Move(gone));
        }
        fs::rename(&self.temporary, &self.target).map_err(CommitError::Move)?;
        sync_dir(dir_of(&self.target)).map_err(CommitError::Sync)
    }

    fn take_after_old(&self) -> io::Result<()> {
        let Ok(old) = fs::symlink_metadata(&self.target) else {
            return Ok(());
        };
        let new = self.file.metadata()?;
        if !old.is_file() {
            return Ok(());
        }
        if (new.uid(), new.gid()) != (old.uid(), old.gid())
            && fchown(&self.file, Some(old.uid()), Some(old.gid())).is_err()
        {
            // The old mode may be meant for the old owner alone: under another one it would shut
            // everybody out.
            return Ok(());
        }
        self.file
            .set_permissions(Permissions::from_mode(old.mode() & 0o777))
    }
}

impl Drop for Replacement {
    /// Removes the temporary file; after a [`Replacement::commit`] its name is gone or another's.
    fn drop(&mut self) {
        if is_behind(&self.file, &self.temporary) {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Removes an old regular file; `false` where another run is writing it.
fn make_way(path: &Path) -> io::Result<bool> {
    let old = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        other => other?,
    };
    if old.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !old.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        other => other?,
    };
    if lock(&file)? && is_behind(&file, path) {
        fs::remove_file(path)?;
        return Ok(true);
    }
    Ok(false)
}

/// Locks `file` without waiting; `false` where another process has it. A file system without
/// locks is none to be refused: there two runs at once are told apart by the name alone.
fn lock(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => match error.kind() {
            io::ErrorKind::Interrupted => Ok(false),
            io::ErrorKind::Unsupported => Ok(true),
            _ => Err(error),
        },
    }
}

fn same_file(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Whether `path` is a name of the open `file`.
fn is_behind(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(open), Ok(named)) => same_file(&open, &named),
        _ => false,
    }
}

/// Whether writing to `temporary` would be writing to `target`: one name, or one file.
fn is_same(target: &Path, temporary: &Path) -> bool {
    if let (Ok(one), Ok(other)) = (fs::metadata(target), fs::symlink_metadata(temporary))
        && same_file(&one, &other)
    {
        return true;
    }
    target.file_name() == temporary.file_name()
        && match (
            fs::metadata(dir_of(target)),
            fs::metadata(dir_of(temporary)),
        ) {
            (Ok(one), Ok(other)) => same_file(&one, &other),
            _ => target == temporary,
        }
}

/// A name in the same directory that two processes will not both use.
fn beside(target: &Path) -> PathBuf {
    let mut name = target.file_name().map(OsString::from).unwrap_or_default();
    name.push(format!(".{}.tmp", std::process::id()));
    target.with_file_name(name)
}

#[cfg(test)]
mod tests;
