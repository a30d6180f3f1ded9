//! The format of the mailbox index, `superd-index`: what was found out about messages, so that it
//! need not be found out again. docs/formats/maildir-index.md describes it for other programs.
//!
//! All numbers are little-endian. A header of 32 bytes, then records of one size in ascending
//! order of their keys (hash, inode), then the CRC-32 of everything before it. Nothing of a file is
//! believed before its last four bytes fit, and a file that is not as it should be is no index:
//! everything in it can be found out again.

use std::io::{self, ErrorKind, Read, Write};

use crc32fast::Hasher;

/// The first eight bytes.
const MAGIC: [u8; 8] = *b"superdIX";
const VERSION: u16 = 1;
const HEADER_BYTES: usize = 32;
/// The columns of this version: hash, inode, modified, size, wire.
pub(crate) const RECORD_BYTES: usize = 40;
const RECORD_BYTES_MOST: usize = 512;
const CHECKSUM_BYTES: usize = 4;

/// What is read or written at once: a little less than 64 KiB, in records of any size.
const BUFFER_BYTES: usize = 64 * 1024;

/// What is known of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// FNV-1a (64 bits) of the unique name.
    pub hash: u64,
    /// The inode, as readdir tells it.
    pub inode: u64,
    /// When the file was last modified: nanoseconds since the epoch.
    pub modified: i64,
    /// The size of the file.
    pub size: u64,
    /// Its octets on the wire.
    pub wire: u64,
}

impl Record {
    /// What a message is known by.
    pub fn key(&self) -> (u64, u64) {
        (self.hash, self.inode)
    }

    fn to_bytes(self) -> [u8; RECORD_BYTES] {
        let mut bytes = [0; RECORD_BYTES];
        let columns = [
            self.hash,
            self.inode,
            self.modified.cast_unsigned(),
            self.size,
            self.wire,
        ];
        for (place, column) in bytes.chunks_exact_mut(8).zip(columns) {
            place.copy_from_slice(&column.to_le_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Record {
        let column = |number: usize| u64::from_le_bytes(array(&bytes[8 * number..]));
        Record {
            hash: column(0),
            inode: column(1),
            modified: column(2).cast_signed(),
            size: column(3),
            wire: column(4),
        }
    }
}

/// The first bytes of a slice that has them.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[..N]);
    array
}

/// What the header of an index says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// How many records follow.
    pub count: u64,
    /// The size of each: 40 bytes that this version knows, and what later ones put behind them.
    pub record_bytes: usize,
}

impl Header {
    fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
        // At most 512.
        bytes[10..12].copy_from_slice(&(self.record_bytes as u16).to_le_bytes());
        bytes[16..24].copy_from_slice(&self.count.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8; HEADER_BYTES]) -> io::Result<Header> {
        let record_bytes = usize::from(u16::from_le_bytes(array(&bytes[10..])));
        let header = Header {
            count: u64::from_le_bytes(array(&bytes[16..])),
            record_bytes,
        };
        let is_ours = bytes[..8] == MAGIC
            && bytes[8..10] == VERSION.to_le_bytes()
            && (RECORD_BYTES..=RECORD_BYTES_MOST).contains(&record_bytes)
            && record_bytes.is_multiple_of(8);
        if is_ours { Ok(header) } else { Err(broken()) }
    }

    /// How long the file is.
    fn file_bytes(self) -> Option<u64> {
        let records = self.count.checked_mul(self.record_bytes as u64)?;
        records.checked_add((HEADER_BYTES + CHECKSUM_BYTES) as u64)
    }
}

fn broken() -> io::Error {
    ErrorKind::InvalidData.into()
}

/// Reads an index of `length` bytes and gives its records to `each`, one by one in ascending order
/// of keys, in constant memory. On any error the file is no index, and what `each` was given is
/// worth nothing.
pub fn read(mut file: impl Read, length: u64, mut each: impl FnMut(Record)) -> io::Result<Header> {
    let mut checksum = Hasher::new();
    let mut header = [0; HEADER_BYTES];
    file.read_exact(&mut header)?;
    checksum.update(&header);
    let header = Header::from_bytes(&header)?;
    if header.file_bytes() != Some(length) {
        return Err(broken());
    }
    let at_once = BUFFER_BYTES / header.record_bytes;
    let most = usize::try_from(header.count).unwrap_or(usize::MAX);
    let mut buffer = vec![0; at_once.min(most) * header.record_bytes];
    let mut left = header.count;
    let mut last = None;
    while left > 0 {
        let count = left.min(at_once as u64);
        let bytes = &mut buffer[..count as usize * header.record_bytes];
        file.read_exact(bytes)?;
        checksum.update(bytes);
        for record in bytes.chunks_exact(header.record_bytes) {
            let record = Record::from_bytes(record);
            if last.is_some_and(|last| last >= record.key()) {
                return Err(broken());
            }
            last = Some(record.key());
            each(record);
        }
        left -= count;
    }
    let mut stored = [0; CHECKSUM_BYTES];
    file.read_exact(&mut stored)?;
    match u32::from_le_bytes(stored) == checksum.finalize() {
        true => Ok(header),
        false => Err(broken()),
    }
}

/// Writes an index. There must be `count` records, in ascending order of keys.
pub fn write(
    mut file: impl Write,
    count: u64,
    records: impl Iterator<Item = Record>,
) -> io::Result<()> {
    let header = Header {
        count,
        record_bytes: RECORD_BYTES,
    };
    let mut checksum = Hasher::new();
    let mut buffer = Vec::with_capacity(BUFFER_BYTES + RECORD_BYTES);
    buffer.extend_from_slice(&header.to_bytes());
    for record in records {
        buffer.extend_from_slice(&record.to_bytes());
        if buffer.len() >= BUFFER_BYTES {
            checksum.update(&buffer);
            file.write_all(&buffer)?;
            buffer.clear();
        }
    }
    checksum.update(&buffer);
    buffer.extend_from_slice(&checksum.finalize().to_le_bytes());
    file.write_all(&buffer)
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
