//! The lock of a mailbox among ourselves: flock(2) on `superd-lock`, an empty file that stays.
//!
//! The system releases it when a process dies. It is held for as long as names are changed and the
//! journal is written, and not while a client is talked to or a message's text is written.

use std::fs::{self, File, Metadata, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// Its name in the mailbox.
pub(super) const FILE: &str = "superd-lock";

/// The time between two looks: at first, and at most.
const PAUSE: Duration = Duration::from_micros(200);
const PAUSE_MOST: Duration = Duration::from_millis(20);

/// Held for as long as the value lives.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Locks the mailbox at `dir`. `ErrorKind::WouldBlock` if others hold the lock for as long as
    /// `wait`.
    pub(super) fn take(dir: &Path, wait: Duration) -> io::Result<Lock> {
        let path = dir.join(FILE);
        let deadline = Instant::now() + wait;
        let mut pause = PAUSE;
        loop {
            let file = open(&path)?;
            match file.try_lock() {
                Ok(()) if is_at(&file, &path)? => return Ok(Lock { _file: file }),
                // The mailbox was removed meanwhile, and perhaps made again.
                Ok(()) => continue,
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
            if Instant::now() >= deadline {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            thread::sleep(pause);
            pause = (pause * 3 / 2).min(PAUSE_MOST);
        }
    }
}

/// Opened for reading, so that closing it is no news for those who watch the directory.
fn open(path: &Path) -> io::Result<File> {
    match os::file::open_unfollowed(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        result => return result,
    }
    match os::file::create_exclusive(path, 0o600) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    os::file::open_unfollowed(path)
}

fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let identity = |meta: &Metadata| (meta.dev(), meta.ino());
    match fs::symlink_metadata(path) {
        Ok(there) => Ok(identity(&there) == identity(&file.metadata()?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(20);

    #[test]
    fn one_at_a_time_has_the_lock_and_the_file_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let lock = Lock::take(folder.path(), SHORT).expect("free");
        let error = Lock::take(folder.path(), SHORT).expect_err("held");
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        drop(lock);
        assert!(folder.path().join(FILE).exists());
        Lock::take(folder.path(), SHORT).expect("free again");
    }

    #[test]
    fn the_lock_of_a_file_that_was_replaced_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let _old = Lock::take(folder.path(), SHORT).expect("free");
        fs::remove_file(folder.path().join(FILE)).expect("removed");
        Lock::take(folder.path(), SHORT).expect("another file");
    }

    #[test]
    fn without_the_mailbox_there_is_no_lock() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = Lock::take(&folder.path().join("none"), SHORT).expect_err("none");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
