//! The messages of one Maildir in memory: a fixed record each, and one arena for all names.
//!
//! 48 bytes and a name a message: a mailbox of a million must fit into the memory of a small
//! machine, and one of a hundred thousand into a few megabytes of each session.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What follows the unique part of a name in `cur` when a message has no flags (maildir(5)).
pub(crate) const NO_FLAGS: &[u8] = b":2,";

/// Which of the two directories a message is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    New,
    Cur,
}

/// In the order in which they are read: a message that goes from `new` to `cur` meanwhile is then
/// seen twice and not never.
pub(crate) const PLACES: [Place; 2] = [Place::New, Place::Cur];

impl Place {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Place::New => "new",
            Place::Cur => "cur",
        }
    }
}

/// What is known about a message beside its numbers: bits of [`Message::marks`].
pub(crate) mod mark {
    /// It is in `new`.
    pub(crate) const NEW: u16 = 1;
    /// Another message has the same unique name.
    pub(crate) const TWIN: u16 = 1 << 1;
    /// Its numbers are right.
    pub(crate) const KNOWN: u16 = 1 << 2;
    /// The last reading of the directories came upon its name.
    pub(crate) const FOUND: u16 = 1 << 3;
    /// The file was not under its name when it was looked for.
    pub(crate) const MISSING: u16 = 1 << 4;
    /// It is no message, or no more: to be forgotten.
    pub(crate) const GONE: u16 = 1 << 5;
    /// Its numbers are the best guess and not for the index: the file could not be read.
    pub(crate) const GUESSED: u16 = 1 << 6;
    /// It was moved to `cur` under its name with `:2,` behind it.
    pub(crate) const MOVED: u16 = 1 << 7;
    /// Its file has several names here: somebody died while he moved it by link and unlink.
    pub(crate) const LINKED: u16 = 1 << 8;
}

/// One message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message {
    /// [`hash`] of its unique name.
    pub(crate) hash: u64,
    /// The inode as readdir told it; as lstat did where several files or names were looked at.
    pub(crate) inode: u64,
    /// When the file was last modified: nanoseconds since the epoch.
    pub(crate) modified: i64,
    /// The size of the file.
    pub(crate) size: u64,
    /// The octets on the wire ([`crate::WireSize`]).
    pub(crate) wire: u64,
    name_at: u32,
    // NAME_MAX is 255 in every Linux file system.
    name_len: u8,
    unique_len: u8,
    pub(crate) marks: u16,
}

impl Message {
    pub(crate) fn is(&self, mark: u16) -> bool {
        self.marks & mark != 0
    }

    pub(crate) fn set(&mut self, mark: u16) {
        self.marks |= mark;
    }

    pub(crate) fn clear(&mut self, mark: u16) {
        self.marks &= !mark;
    }

    pub(crate) fn place(&self) -> Place {
        match self.is(mark::NEW) && !self.is(mark::MOVED) {
            true => Place::New,
            false => Place::Cur,
        }
    }

    /// Whether a file with this inode, found under its name, can be it. Of twins a name tells nothing:
    /// the other one may have it by now.
    pub(crate) fn can_be(&self, inode: u64) -> bool {
        !self.is(mark::TWIN) || self.inode == inode
    }

    /// What the index knows messages by.
    pub(crate) fn key(&self) -> (u64, u64) {
        (self.hash, self.inode)
    }
}

/// Where the Maildir is, and the arena of names.
#[derive(Debug)]
pub(crate) struct Names {
    dir: PathBuf,
    arena: Vec<u8>,
}

impl Names {
    /// The Maildir.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The file name, without what a move by us put behind it.
    pub(crate) fn name(&self, message: &Message) -> &[u8] {
        let start = message.name_at as usize;
        &self.arena[start..start + usize::from(message.name_len)]
    }

    /// The file name up to the first colon.
    pub(crate) fn unique(&self, message: &Message) -> &[u8] {
        &self.name(message)[..usize::from(message.unique_len)]
    }

    /// Writes the path of a message's file into `path`, whose memory is used again.
    pub(crate) fn path(&self, message: &Message, path: &mut PathBuf) {
        let moved: &[u8] = match message.is(mark::MOVED) {
            true => NO_FLAGS,
            false => b"",
        };
        join(
            path,
            &self.dir,
            message.place(),
            &[self.name(message), moved],
        );
    }
}

/// Writes the path of a name in `new` or `cur` into `path`.
pub(crate) fn join(path: &mut PathBuf, dir: &Path, place: Place, name: &[&[u8]]) {
    let text = path.as_mut_os_string();
    text.clear();
    text.push(dir);
    text.push("/");
    text.push(place.name());
    text.push("/");
    for part in name {
        text.push(OsStr::from_bytes(part));
    }
}

/// Names and messages.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) names: Names,
    pub(crate) messages: Vec<Message>,
}

impl Folder {
    /// Of nothing yet.
    pub(crate) fn new(dir: &Path) -> Folder {
        Folder {
            names: Names {
                dir: dir.to_owned(),
                arena: Vec::new(),
            },
            messages: Vec::new(),
        }
    }

    /// Adds what readdir told. False where it cannot be held: a name of more than 255 bytes, or
    /// after 4 GiB of names.
    pub(crate) fn push(&mut self, place: Place, name: &[u8], inode: u64) -> bool {
        let Some((name_at, name_len)) = self.keep(name) else {
            return false;
        };
        let unique = unique_of(name);
        self.messages.push(Message {
            hash: hash(unique),
            inode,
            modified: 0,
            size: 0,
            wire: 0,
            name_at,
            name_len,
            // Not longer than the name.
            unique_len: unique.len() as u8,
            marks: mark::FOUND | if place == Place::New { mark::NEW } else { 0 },
        });
        true
    }

    /// Gives a message the name that it was found under. The unique part is the same.
    pub(crate) fn rename(&mut self, index: usize, place: Place, name: &[u8]) {
        let (at, len) = match self.messages[index] {
            // Flags come and go: most names fit where the old one was.
            message if name.len() <= usize::from(message.name_len) => {
                let start = message.name_at as usize;
                self.names.arena[start..start + name.len()].copy_from_slice(name);
                (message.name_at, name.len() as u8)
            }
            _ => match self.keep(name) {
                Some(kept) => kept,
                None => return,
            },
        };
        let message = &mut self.messages[index];
        (message.name_at, message.name_len) = (at, len);
        message.clear(mark::NEW | mark::MOVED);
        if place == Place::New {
            message.set(mark::NEW);
        }
    }

    fn keep(&mut self, name: &[u8]) -> Option<(u32, u8)> {
        let kept = (
            u32::try_from(self.names.arena.len()).ok()?,
            u8::try_from(name.len()).ok()?,
        );
        self.names.arena.extend_from_slice(name);
        Some(kept)
    }

    /// Puts messages that could be the same one beside each other.
    pub(crate) fn sort_by_key(&mut self) {
        self.messages.sort_unstable_by_key(Message::key);
    }

    /// Puts messages into the order of a session: by time, then by unique name.
    pub(crate) fn sort_by_time(&mut self) {
        let names = &self.names;
        self.messages.sort_unstable_by(|a, b| {
            a.modified
                .cmp(&b.modified)
                .then_with(|| names.unique(a).cmp(names.unique(b)))
                .then_with(|| a.inode.cmp(&b.inode))
        });
    }

    /// Forgets messages marked as gone.
    pub(crate) fn drop_gone(&mut self) {
        self.messages.retain(|message| !message.is(mark::GONE));
    }
}

/// A file name up to the first colon: what a message keeps for life.
pub(crate) fn unique_of(name: &[u8]) -> &[u8] {
    memchr::memchr(b':', name).map_or(name, |colon| &name[..colon])
}

/// FNV-1a, 64 bits: what stands for a unique name in the index.
pub(crate) fn hash(unique: &[u8]) -> u64 {
    unique.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_takes_48_bytes_beside_its_name() {
        assert_eq!(size_of::<Message>(), 48);
    }

    #[test]
    fn the_hash_is_fnv_1a_as_its_authors_test_it() {
        assert_eq!(hash(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(hash(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn the_unique_name_ends_at_the_first_colon() {
        assert_eq!(unique_of(b"1.a.h:2,S"), b"1.a.h");
        assert_eq!(unique_of(b"1.a.h"), b"1.a.h");
        assert_eq!(unique_of(b"1:2,:2,S"), b"1");
        assert_eq!(unique_of(b":2,"), b"");
    }

    #[test]
    fn a_message_is_found_under_its_new_name_whether_shorter_or_longer() {
        let mut folder = Folder::new(Path::new("box"));
        assert!(folder.push(Place::New, b"1.a.h", 7));
        assert!(folder.push(Place::Cur, b"2.b.h:2,S", 8));
        let mut path = PathBuf::new();
        for (place, name) in [
            (Place::Cur, &b"1.a.h:2,FS"[..]),
            (Place::Cur, b"1.a.h:2,"),
            (Place::New, b"1.a.h"),
        ] {
            folder.rename(0, place, name);
            assert_eq!(folder.names.name(&folder.messages[0]), name);
            assert_eq!(folder.names.unique(&folder.messages[0]), b"1.a.h");
            assert_eq!(folder.messages[0].place(), place);
        }
        folder.messages[0].set(mark::MOVED);
        folder.names.path(&folder.messages[0], &mut path);
        assert_eq!(path, Path::new("box/cur/1.a.h:2,"));
        folder.names.path(&folder.messages[1], &mut path);
        assert_eq!(path, Path::new("box/cur/2.b.h:2,S"));
    }

    #[test]
    fn a_name_that_cannot_be_held_is_refused() {
        let mut folder = Folder::new(Path::new("box"));
        assert!(folder.push(Place::Cur, &[b'n'; 255], 1));
        assert!(!folder.push(Place::Cur, &[b'n'; 256], 1));
    }
}
