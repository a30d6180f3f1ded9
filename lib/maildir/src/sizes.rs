//! The sizes of messages: out of their names where these can be trusted, else by reading the files.

use std::fs::{self, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::folder::{Message, Names, mark};
use crate::scan::modified_at;
use crate::wire_size::WireSize;

/// What a thread reads at once: most messages in one call, and all of it stays in its cache.
const READ_BYTES: usize = 64 * 1024;

/// The same where there is little to read: the pages of a larger buffer cost more than the calls that
/// it saves.
const FEW_READ_BYTES: usize = 8 * 1024;

/// Messages that a thread takes at a time.
const BATCH: usize = 64;

/// A thread needs a path, a small frame or two, and room for what the libraries do.
const STACK_BYTES: usize = 128 * 1024;

/// Finds out time and sizes of every message that is not known. Files that are not where their name
/// says are marked as missing, what is no regular file as gone. `messages` may come back in another
/// order.
pub(crate) fn measure(names: &Names, messages: &mut [Message], threads: usize) {
    // In the order of inodes, which is nearer to that of the disk than that of the names.
    messages.sort_unstable_by_key(|message| (message.is(mark::KNOWN), message.inode));
    let unknown = messages.partition_point(|message| !message.is(mark::KNOWN));
    if unknown == 0 {
        return;
    }
    let read_bytes = if unknown > BATCH {
        READ_BYTES
    } else {
        FEW_READ_BYTES
    };
    let unknown = &mut messages[..unknown];
    let helpers = threads.min(unknown.len().div_ceil(BATCH)).saturating_sub(1);
    let batches = Mutex::new(unknown.chunks_mut(BATCH));
    let work = || {
        let mut buffer = vec![0; read_bytes];
        let mut path = PathBuf::new();
        loop {
            let batch = match batches.lock() {
                Ok(mut batches) => batches.next(),
                // Another thread has panicked; the scope passes that on.
                Err(_) => None,
            };
            let Some(batch) = batch else {
                return;
            };
            for message in batch {
                names.path(message, &mut path);
                let name = names.name(message);
                note(message, measure_one(&path, name, &mut buffer));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..helpers {
            let builder = std::thread::Builder::new().stack_size(STACK_BYTES);
            // Without a helper the work takes longer, that is all.
            if builder.spawn_scoped(scope, work).is_err() {
                break;
            }
        }
        work();
    });
}

/// What one look at a file told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measured {
    /// Everything. `unended` is `wire` without what the last line lacks; a name tells only one of
    /// them.
    Exactly {
        modified: i64,
        size: u64,
        wire: u64,
        unended: u64,
    },
    /// It is there and cannot be read.
    Guessed { modified: i64, size: u64 },
    /// No file has this name.
    Missing,
    /// It is no regular file.
    NoMessage,
}

/// Writes down what was found out.
pub(crate) fn note(message: &mut Message, measured: Measured) {
    message.clear(mark::MISSING | mark::GUESSED);
    match measured {
        Measured::Exactly {
            modified,
            size,
            wire,
            ..
        } => {
            (message.modified, message.size, message.wire) = (modified, size, wire);
            message.set(mark::KNOWN);
        }
        Measured::Guessed { modified, size } => {
            (message.modified, message.size, message.wire) = (modified, size, size);
            message.set(mark::KNOWN | mark::GUESSED);
        }
        Measured::Missing => message.set(mark::MISSING),
        Measured::NoMessage => message.set(mark::GONE),
    }
}

/// Looks at one file. `buffer` must not be empty.
pub(crate) fn measure_one(path: &Path, name: &[u8], buffer: &mut [u8]) -> Measured {
    if let Some((size, wire)) = sizes_in_name(name) {
        match fs::symlink_metadata(path) {
            // A file of another size was compressed or edited: its name speaks of something else.
            Ok(meta) if meta.is_file() && meta.len() == size => {
                let modified = modified_at(&meta);
                return Measured::Exactly {
                    modified,
                    size,
                    wire,
                    unended: wire,
                };
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Measured::Missing,
            _ => {}
        }
    }
    read_through(path, buffer).unwrap_or_else(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            return Measured::Missing;
        }
        match fs::symlink_metadata(path) {
            Ok(meta) if !meta.is_file() => Measured::NoMessage,
            Ok(meta) => guess(&meta),
            Err(_) => Measured::Missing,
        }
    })
}

fn guess(meta: &Metadata) -> Measured {
    Measured::Guessed {
        modified: modified_at(meta),
        size: meta.len(),
    }
}

fn read_through(path: &Path, buffer: &mut [u8]) -> io::Result<Measured> {
    let mut file = os::file::open_unfollowed(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Ok(Measured::NoMessage);
    }
    let mut wire = WireSize::new();
    let mut left = meta.len();
    // A message does not change: the call that would only tell its end is saved.
    while left > 0 {
        let count = match file.read(buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return Ok(guess(&meta)),
        };
        wire.feed(&buffer[..count]);
        left = left.saturating_sub(count as u64);
    }
    Ok(Measured::Exactly {
        modified: modified_at(&meta),
        size: meta.len(),
        wire: wire.finish(),
        unended: wire.unended(),
    })
}

/// The sizes that delivery agents write into names: `,S=` bytes of the file and `,W=` octets with
/// CRLF line ends. Both must be there and [`agree`]. `,S=` alone says nothing of lines.
pub(crate) fn sizes_in_name(name: &[u8]) -> Option<(u64, u64)> {
    let (mut size, mut wire) = (None, None);
    for field in crate::folder::unique_of(name)
        .split(|&byte| byte == b',')
        .skip(1)
    {
        match field {
            [b'S', b'=', digits @ ..] if size.is_none() => size = Some(number(digits)?),
            [b'W', b'=', digits @ ..] if wire.is_none() => wire = Some(number(digits)?),
            // Twice the same is no agreement.
            [b'S' | b'W', b'=', ..] => return None,
            _ => {}
        }
    }
    let (size, wire) = (size?, wire?);
    agree(size, wire).then_some((size, wire))
}

/// Whether a file of `size` bytes can have `wire` octets on the wire: a line end grows by one octet, and
/// the last line may lack its own.
pub(crate) fn agree(size: u64, wire: u64) -> bool {
    let most = size.checked_mul(2).and_then(|most| most.checked_add(2));
    most.is_some_and(|most| (size..=most).contains(&wire))
}

/// A number of digits alone.
pub(crate) fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, &byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_in_a_name_are_believed_where_they_agree() {
        for (name, sizes) in [
            (&b"1.a.h,S=10,W=11:2,S"[..], Some((10, 11))),
            (b"1.a.h,W=11,S=10", Some((10, 11))),
            (b"1.a.h,S=10,W=10", Some((10, 10))),
            (b"1.a.h,S=10,W=22", Some((10, 22))),
            (b"1.a.h,S=0,W=0", Some((0, 0))),
            (b"1.a.h,S=10,W=9", None),
            (b"1.a.h,S=10,W=23", None),
            (b"1.a.h,S=10", None),
            (b"1.a.h,W=10", None),
            (b"1.a.h,S=10,S=10,W=10", None),
            (b"1.a.h,S=+1,W=1", None),
            (b"1.a.h,S=,W=1", None),
            (b"1.a.h,S=18446744073709551616,W=1", None),
            (b"1.a.h,S=18446744073709551615,W=18446744073709551615", None),
            (b"1.a.h:2,S=10,W=11", None),
            (b"S=10,W=11", None),
        ] {
            assert_eq!(
                sizes_in_name(name),
                sizes,
                "{}",
                String::from_utf8_lossy(name)
            );
        }
    }
}
