//! Whether a file is still the one that was read.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The coarsest clock of a file system: whoever edits a file twice within it may leave the same times.
pub(crate) const REST: Duration = Duration::from_secs(2);

/// How many bytes [`Identity::bytes`] has.
pub(crate) const BYTES: usize = 48;

/// What an edit or a replacement of a file changes. The device is no part of it: some have another
/// number after each start of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Identity {
    pub(crate) fn of(meta: &Metadata) -> Identity {
        Identity {
            inode: meta.ino(),
            size: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }

    /// Whether the last change is so long ago that the next one will be seen. (A time that is yet to
    /// come says nothing.)
    pub(crate) fn is_at_rest(&self, now: SystemTime) -> bool {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let (seconds, rest) = self.modified.max(self.changed);
        let changed = Duration::new(
            u64::try_from(seconds).unwrap_or(0),
            u32::try_from(rest).unwrap_or(0),
        );
        now.checked_sub(changed).is_some_and(|age| age >= REST)
    }

    /// As a database keeps it.
    pub(crate) fn bytes(&self) -> [u8; BYTES] {
        let words = [
            self.inode,
            self.size,
            self.modified.0.cast_unsigned(),
            self.modified.1.cast_unsigned(),
            self.changed.0.cast_unsigned(),
            self.changed.1.cast_unsigned(),
        ];
        let mut bytes = [0; BYTES];
        for (place, word) in bytes.as_chunks_mut().0.iter_mut().zip(words) {
            *place = word.to_be_bytes();
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_and_a_replacement_change_it_and_nothing_else_does() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("f");
        let of = || Identity::of(&std::fs::metadata(&path).expect("there"));
        std::fs::write(&path, "one").expect("written");
        let first = of();
        assert_eq!(std::fs::read(&path).expect("read"), b"one");
        assert_eq!(of(), first);
        // The same size, and times that an editor may set back.
        std::fs::write(folder.path().join("g"), "two").expect("written");
        std::fs::rename(folder.path().join("g"), &path).expect("moved");
        let second = of();
        assert_ne!(second, first);
        std::fs::write(&path, "three").expect("written");
        assert_ne!(of(), second);
        assert_ne!(of().bytes(), second.bytes());
    }

    #[test]
    fn what_was_changed_two_seconds_ago_is_at_rest_and_what_comes_from_the_future_is_not() {
        let at = |seconds, rest| Identity {
            inode: 1,
            size: 1,
            modified: (900, 0),
            changed: (seconds, rest),
        };
        let now = UNIX_EPOCH + Duration::from_secs(1000);
        assert!(at(998, 0).is_at_rest(now));
        assert!(!at(998, 1).is_at_rest(now));
        assert!(!at(1001, 0).is_at_rest(now));
        assert!(at(-5, 0).is_at_rest(now));
    }
}
