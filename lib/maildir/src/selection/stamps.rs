//! What the files of a mailbox looked like when they were last compared with what is known.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::bytes::{Reader, Write};
use crate::folder::{PLACES, Place};
use crate::scan::{Stamps, modified_at};

/// How sure it is that nothing is unknown of a directory that has not changed since.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Trust {
    /// It has to be read.
    #[default]
    None,
    /// All of it was read at rest.
    Complete,
    /// It was, and since then we have changed it ourselves; somebody else's change may have
    /// fallen between our looks at the clock. Since this time, in nanoseconds.
    Since(i64),
}

/// One directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct DirStamp {
    /// Its time of modification in nanoseconds.
    pub(super) stamp: i64,
    pub(super) trust: Trust,
}

impl DirStamp {
    /// Whether a directory with this time of modification has to be read, now; what we changed
    /// ourselves may rest for so many nanoseconds.
    pub(super) fn is_due(self, stamp: i64, now: i64, rest: i64) -> bool {
        let trusted = match self.trust {
            Trust::None => false,
            Trust::Complete => true,
            Trust::Since(time) => now.wrapping_sub(time) < rest && now >= time,
        };
        !trusted || self.stamp != stamp
    }
}

/// `dovecot-uidlist`, or another file that is replaced or appended to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FileStamp {
    pub(super) is_there: bool,
    pub(super) inode: u64,
    pub(super) size: u64,
    pub(super) modified: i64,
}

impl FileStamp {
    pub(super) fn of(path: &Path) -> io::Result<FileStamp> {
        match fs::metadata(path) {
            Ok(meta) => Ok(FileStamp {
                is_there: true,
                inode: meta.ino(),
                size: meta.len(),
                modified: modified_at(&meta),
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(FileStamp::default()),
            Err(error) => Err(error),
        }
    }
}

/// All of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct MailboxStamps {
    pub(super) new: DirStamp,
    pub(super) cur: DirStamp,
    pub(super) list: FileStamp,
    /// How long the list is up to its last finished line.
    pub(super) list_complete: u64,
    /// How many lines of messages it has, living and dead.
    pub(super) list_lines: u32,
    /// Whether Courier's keywords are still to be taken over.
    pub(super) wants_courier: bool,
}

/// The bytes of [`MailboxStamps`] in the journal.
pub(super) const STAMPS_BYTES: usize = 2 * 17 + 1 + 3 * 8 + 8 + 4 + 1;

impl MailboxStamps {
    pub(super) fn at(&self, place: Place) -> DirStamp {
        match place {
            Place::New => self.new,
            Place::Cur => self.cur,
        }
    }

    pub(super) fn at_mut(&mut self, place: Place) -> &mut DirStamp {
        match place {
            Place::New => &mut self.new,
            Place::Cur => &mut self.cur,
        }
    }

    /// Which directories have to be read.
    pub(super) fn due(&self, stamps: Stamps, now: i64, rest: i64) -> [bool; 2] {
        PLACES.map(|place| self.at(place).is_due(stamps.at(place), now, rest))
    }

    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        for dir in [self.new, self.cur] {
            let (trust, since) = match dir.trust {
                Trust::None => (0, 0),
                Trust::Complete => (1, 0),
                Trust::Since(time) => (2, time),
            };
            bytes.add_i64(dir.stamp);
            bytes.add_u8(trust);
            bytes.add_i64(since);
        }
        bytes.add_u8(u8::from(self.list.is_there));
        bytes.add_u64(self.list.inode);
        bytes.add_u64(self.list.size);
        bytes.add_i64(self.list.modified);
        bytes.add_u64(self.list_complete);
        bytes.add_u32(self.list_lines);
        bytes.add_u8(u8::from(self.wants_courier));
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Option<MailboxStamps> {
        let mut dir = || {
            let (stamp, trust, since) = (reader.i64()?, reader.u8()?, reader.i64()?);
            let trust = match trust {
                0 => Trust::None,
                1 => Trust::Complete,
                2 => Trust::Since(since),
                _ => return None,
            };
            Some(DirStamp { stamp, trust })
        };
        let (new, cur) = (dir()?, dir()?);
        Some(MailboxStamps {
            new,
            cur,
            list: FileStamp {
                is_there: reader.u8()? != 0,
                inode: reader.u64()?,
                size: reader.u64()?,
                modified: reader.i64()?,
            },
            list_complete: reader.u64()?,
            list_lines: reader.u32()?,
            wants_courier: reader.u8()? != 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn a_directory_is_due_when_it_changed_or_was_not_read_to_the_end() {
        let dir = |trust| DirStamp { stamp: 7, trust };
        assert!(dir(Trust::None).is_due(7, 0, SECOND));
        assert!(!dir(Trust::Complete).is_due(7, 0, SECOND));
        assert!(dir(Trust::Complete).is_due(8, 0, SECOND));
    }

    #[test]
    fn what_we_changed_ourselves_is_due_when_it_has_rested() {
        let dir = DirStamp {
            stamp: 7,
            trust: Trust::Since(100),
        };
        assert!(!dir.is_due(7, 100, SECOND));
        assert!(!dir.is_due(7, 99 + SECOND, SECOND));
        assert!(dir.is_due(7, 100 + SECOND, SECOND));
        assert!(dir.is_due(8, 100, SECOND));
        // The clock went back: who knows for how long it would rest.
        assert!(dir.is_due(7, 99, SECOND));
    }

    #[test]
    fn what_was_seen_is_written_and_read() {
        let stamps = MailboxStamps {
            new: DirStamp {
                stamp: -1,
                trust: Trust::Complete,
            },
            cur: DirStamp {
                stamp: 2,
                trust: Trust::Since(3),
            },
            list: FileStamp {
                is_there: true,
                inode: 4,
                size: 5,
                modified: 6,
            },
            list_complete: 7,
            list_lines: 8,
            wants_courier: true,
        };
        let mut bytes = Vec::new();
        stamps.write(&mut bytes);
        assert_eq!(bytes.len(), STAMPS_BYTES);
        assert_eq!(MailboxStamps::read(&mut Reader(&bytes)), Some(stamps));
        assert_eq!(MailboxStamps::read(&mut Reader(&bytes[1..])), None);
    }
}
