//! The lock beside a file, as Dovecot takes it: `FILE.lock`, created exclusively, with `pid:host`
//! in it, removed when done.
//!
//! A lock is stale when it names a process of this host that is no more, or, where it names none,
//! when neither it nor the file it protects has changed for 120 s (the time is Dovecot's, for its
//! `dovecot-uidlist`). A stale lock is removed. The lock of a living process is waited for.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::sizes::number;

/// A lock that names nobody is stale after so many seconds.
const STALE: i64 = 120;

/// A lock that is younger is not asked whose it is.
const YOUNG: i64 = 2;

/// The time between two looks: at first, and at most.
const PAUSE: Duration = Duration::from_millis(5);
const PAUSE_MOST: Duration = Duration::from_millis(200);

/// The most bytes that are read of a lock.
const CONTENT_BYTES: u64 = 512;

/// A lock that is held. Dropping it removes the file, if it is still ours.
#[derive(Debug)]
pub(crate) struct Dotlock {
    path: PathBuf,
    identity: (u64, u64),
}

impl Dotlock {
    /// Locks `protected`. `ErrorKind::WouldBlock` if it is held by others for as long as `wait`.
    pub(crate) fn take(protected: &Path, wait: Duration) -> io::Result<Dotlock> {
        let mut path = OsString::from(protected);
        path.push(".lock");
        let path = PathBuf::from(path);
        let deadline = Instant::now() + wait;
        let mut pause = PAUSE;
        loop {
            match create(&path) {
                Ok(identity) => return Ok(Dotlock { path, identity }),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
            let is_same =
                |stale| fs::symlink_metadata(&path).is_ok_and(|meta| identity(&meta) == stale);
            if stale_lock(&path, protected)?.is_some_and(is_same) {
                match fs::remove_file(&path) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
                // Whoever else found it stale must not remove the next one.
                thread::sleep(PAUSE);
                continue;
            }
            if Instant::now() >= deadline {
                return Err(ErrorKind::WouldBlock.into());
            }
            thread::sleep(pause);
            pause = (pause * 3 / 2).min(PAUSE_MOST);
        }
    }

    /// Whether nobody has taken the lock away.
    pub(crate) fn is_held(&self) -> bool {
        fs::symlink_metadata(&self.path).is_ok_and(|meta| identity(&meta) == self.identity)
    }
}

impl Drop for Dotlock {
    fn drop(&mut self) {
        if self.is_held() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Creates a lock with our signature; its identity. Where the file system can do it, no lock is ever seen
/// without one, so that whoever dies leaves a lock that is known to be stale.
fn create(path: &Path) -> io::Result<(u64, u64)> {
    let mut text = format!("{}:", std::process::id()).into_bytes();
    text.extend(os::process::host_name());
    let file = match os::file::create_whole(path, 0o600, &text) {
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            let mut file = os::file::create_exclusive(path, 0o600)?;
            // An empty lock is one, too; half a signature would be somebody else's.
            if file.write_all(&text).is_err() {
                file.set_len(0)?;
            }
            file
        }
        other => other?,
    };
    Ok(identity(&file.metadata()?))
}

fn identity(meta: &Metadata) -> (u64, u64) {
    (meta.dev(), meta.ino())
}

/// The identity of the lock that is there, if it is stale.
fn stale_lock(path: &Path, protected: &Path) -> io::Result<Option<(u64, u64)>> {
    let meta = match fs::symlink_metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs().cast_signed());
    if meta.mtime() >= now - YOUNG {
        return Ok(None);
    }
    let is_stale = match owner(path) {
        Some(pid) => !os::process::exists(pid) || pid.cast_unsigned() == std::process::id(),
        None => {
            let protected = fs::metadata(protected).map_or(0, |meta| changed_at(&meta));
            have_rested(now, changed_at(&meta), protected)
        }
    };
    Ok(is_stale.then(|| identity(&meta)))
}

fn changed_at(meta: &Metadata) -> i64 {
    meta.mtime().max(meta.ctime())
}

/// Whether a lock and the file it protects, which changed at these times, have been left alone.
fn have_rested(now: i64, lock: i64, protected: i64) -> bool {
    now > lock.max(protected) + STALE
}

/// The process of this host that a lock names.
fn owner(path: &Path) -> Option<i32> {
    let file = os::file::open_unfollowed(path).ok()?;
    let mut text = Vec::new();
    file.take(CONTENT_BYTES).read_to_end(&mut text).ok()?;
    let colon = memchr::memchr(b':', &text)?;
    if text[colon + 1..].trim_ascii_end() != os::process::host_name() {
        return None;
    }
    let pid = i32::try_from(number(&text[..colon])?).ok()?;
    (pid > 0).then_some(pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(20);

    fn age(path: &Path, seconds: u64) {
        let file = fs::File::options().write(true).open(path).expect("there");
        let then = SystemTime::now() - Duration::from_secs(seconds);
        file.set_modified(then).expect("aged");
    }

    fn host() -> String {
        String::from_utf8(os::process::host_name()).expect("ASCII")
    }

    #[test]
    fn a_lock_is_signed_held_by_one_and_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("list");
        let path = folder.path().join("list.lock");
        let lock = Dotlock::take(&file, SHORT).expect("locked");
        let text = fs::read_to_string(&path).expect("there");
        assert_eq!(text, format!("{}:{}", std::process::id(), host()));
        let error = Dotlock::take(&file, SHORT).expect_err("held");
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        assert!(lock.is_held());
        drop(lock);
        assert!(!path.exists());
    }

    #[test]
    fn a_lock_that_somebody_took_away_is_not_removed_a_second_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("list.lock");
        let lock = Dotlock::take(&folder.path().join("list"), SHORT).expect("locked");
        fs::write(folder.path().join("other"), "another's").expect("written");
        fs::rename(folder.path().join("other"), &path).expect("taken");
        assert!(!lock.is_held());
        drop(lock);
        assert_eq!(fs::read_to_string(&path).expect("there"), "another's");
    }

    #[test]
    fn the_lock_of_a_dead_process_is_removed_and_that_of_a_living_one_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("list.lock");
        // 1 lives as long as the test; nothing can have the other number.
        for (pid, is_dead) in [(1, false), (os::process::GREATEST_PID + 1, true)] {
            fs::write(&path, format!("{pid}:{}", host())).expect("written");
            age(&path, 3600);
            let lock = Dotlock::take(&folder.path().join("list"), SHORT);
            assert_eq!(lock.is_ok(), is_dead, "{pid}");
        }
        fs::write(
            &path,
            format!("{}:elsewhere.example", os::process::GREATEST_PID + 1),
        )
        .expect("written");
        age(&path, 10);
        Dotlock::take(&folder.path().join("list"), SHORT).expect_err("who knows");
    }

    #[test]
    fn a_lock_of_nobody_is_stale_when_it_and_its_file_have_rested() {
        assert!(!have_rested(1000 + STALE, 1000, 0));
        assert!(have_rested(1001 + STALE, 1000, 0));
        assert!(!have_rested(1001 + STALE, 1000, 1001));
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("list.lock");
        fs::write(&path, "").expect("written");
        age(&path, 3600);
        // Its time of change is now, whatever its time of modification.
        Dotlock::take(&folder.path().join("list"), SHORT).expect_err("changed just now");
    }
}
