//! Reading a constant database, without trusting it.
//!
//! The layout is cdb's: 256 pairs of (position, number of slots) in 2048 bytes, the records, the
//! hash tables; all numbers are 32-bit, little-endian (cdb(5)). Everything is read by pread, so a
//! file that is cut short under a reader is an error and no signal, and one open file serves any
//! number of look-ups at once. Arithmetic is checked, a look-up visits each slot of its table at
//! most once, and no value is read that is longer than [`VALUE_LIMIT`]: a file of any content
//! gives an answer or an error.
//!
//! The errors are worded as tcpserver and tcprulescheck word them: an empty file or one that is no
//! regular file is `invalid argument`, contradictory content is `protocol error` (of the kind
//! [`io::ErrorKind::InvalidData`]). A directory, which kills the originals, is `is a directory`.
//! A database without records is a database: 2048 bytes.

#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod walk;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

pub use walk::Records;

/// The longest value, in bytes, that is read. Rules text of one line cannot make a longer one.
pub const VALUE_LIMIT: u32 = 1 << 20;

/// The longest key, in bytes, that [`Records`] and [`Cdb::validate`] read. One line of rules text
/// cannot make a longer one. [`Cdb::get`] compares keys of any length.
pub const KEY_LIMIT: u32 = 1 << 20;

const HEADER: u64 = 2048;
const SLOT: u64 = 8;

/// An open database.
#[derive(Debug)]
pub struct Cdb {
    file: File,
    size: u64,
    tables: Box<[Table; 256]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Table {
    position: u32,
    slots: u32,
}

impl Table {
    fn end(self) -> u64 {
        // 2^32 + 8 * 2^32 is far below 2^64.
        u64::from(self.position).saturating_add(SLOT.saturating_mul(u64::from(self.slots)))
    }
}

/// The content contradicts itself.
fn corrupt() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "protocol error")
}

fn not_a_file() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "invalid argument")
}

/// cdb's hash of a key.
fn hash(key: &[u8]) -> u32 {
    key.iter().fold(5381, |hash: u32, byte| {
        hash.wrapping_mul(33) ^ u32::from(*byte)
    })
}

fn pair(bytes: &[u8; 8]) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = *bytes;
    (
        u32::from_le_bytes([a, b, c, d]),
        u32::from_le_bytes([e, f, g, h]),
    )
}

/// The `at`th pair of numbers in `bytes`, each 8 bytes long.
fn pair_at(bytes: &[u8], at: usize) -> io::Result<(u32, u32)> {
    bytes.as_chunks().0.get(at).map(pair).ok_or_else(corrupt)
}

impl Cdb {
    /// Takes `file` as a database and reads its header, in which all tables must lie within the
    /// file. The file's own position is neither used nor changed.
    pub fn open(file: File) -> io::Result<Cdb> {
        let meta = file.metadata()?;
        if meta.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let size = meta.len();
        if !meta.is_file() || size == 0 {
            return Err(not_a_file());
        }
        if size < HEADER {
            return Err(corrupt());
        }
        let mut header = [0; 2048];
        read_exact_at(&file, &mut header, 0)?;
        let mut tables = Box::new([Table::default(); 256]);
        for (table, bytes) in tables.iter_mut().zip(header.as_chunks().0) {
            let (position, slots) = pair(bytes);
            *table = Table { position, slots };
            // A table without slots has a place too: a file of zeros is no database.
            if u64::from(position) < HEADER || table.end() > size {
                return Err(corrupt());
            }
        }
        Ok(Cdb { file, size, tables })
    }

    /// Opens the file of that name. What is no regular file is refused before it is opened, so a
    /// fifo is not waited for.
    pub fn open_path(path: &Path) -> io::Result<Cdb> {
        let meta = std::fs::metadata(path)?;
        if !meta.is_file() && !meta.is_dir() {
            return Err(not_a_file());
        }
        Cdb::open(File::open(path)?)
    }

    /// The file it reads.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The value of the first record with this key, `None` where there is none.
    pub fn get(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let hash = hash(key);
        let [low, rest @ ..] = hash.to_le_bytes();
        let table = *self.tables.get(usize::from(low)).ok_or_else(corrupt)?;
        let Some(first) =
            u32::from_le_bytes([rest[0], rest[1], rest[2], 0]).checked_rem(table.slots)
        else {
            return Ok(None);
        };
        // From the place of the hash to the end of the table, then from its beginning.
        let ahead = self.probe(table, first, table.slots, hash, key)?;
        match ahead {
            Probe::Passed => match self.probe(table, 0, first, hash, key)? {
                Probe::Found(value) => Ok(Some(value)),
                Probe::Passed | Probe::Absent => Ok(None),
            },
            Probe::Found(value) => Ok(Some(value)),
            Probe::Absent => Ok(None),
        }
    }

    /// Goes through the slots from `from` up to `to`.
    fn probe(&self, table: Table, from: u32, to: u32, hash: u32, key: &[u8]) -> io::Result<Probe> {
        let mut buffer = [0; 512];
        let mut at = from;
        // Most look-ups need one or two slots; a run of equal hashes is read in larger steps.
        let mut step = 4;
        while at < to {
            let count = step.min(to.saturating_sub(at));
            step = 64;
            let offset = SLOT.saturating_mul(u64::from(at));
            let bytes = usize::try_from(SLOT.saturating_mul(u64::from(count))).ok();
            let chunk = bytes
                .and_then(|bytes| buffer.get_mut(..bytes))
                .ok_or_else(corrupt)?;
            read_exact_at(
                &self.file,
                chunk,
                u64::from(table.position).saturating_add(offset),
            )?;
            for slot in chunk.as_chunks().0 {
                let (slot_hash, position) = pair(slot);
                if position == 0 {
                    return Ok(Probe::Absent);
                }
                if slot_hash == hash
                    && let Some(value) = self.value_if(position, key)?
                {
                    return Ok(Probe::Found(value));
                }
            }
            at = at.saturating_add(count);
        }
        Ok(Probe::Passed)
    }

    /// The value of the record at `position` if it has this key.
    fn value_if(&self, position: u32, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let start = u64::from(position);
        if start < HEADER || start >= self.size {
            return Err(corrupt());
        }
        // One read serves the record's head, its key and, mostly, its value.
        let mut buffer = [0; 256];
        let there = self.size.saturating_sub(start);
        let there = usize::try_from(there)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let near = buffer.get_mut(..there).ok_or_else(corrupt)?;
        read_exact_at(&self.file, near, start)?;
        let (key_length, value_length) = pair_at(near, 0)?;
        let key_start = start.saturating_add(SLOT);
        let value_start = key_start.saturating_add(u64::from(key_length));
        if value_start.saturating_add(u64::from(value_length)) > self.size {
            return Err(corrupt());
        }
        if usize::try_from(key_length).ok() != Some(key.len()) {
            return Ok(None);
        }
        let near = near.get(8..).unwrap_or_default();
        let same = match near.get(..key.len()) {
            Some(near_key) => near_key == key,
            None => self.is_at(key, key_start)?,
        };
        if !same {
            return Ok(None);
        }
        if value_length > VALUE_LIMIT {
            return Err(corrupt());
        }
        let length = usize::try_from(value_length).map_err(|_| corrupt())?;
        let near_value = near.get(key.len()..).and_then(|rest| rest.get(..length));
        if let Some(value) = near_value {
            return Ok(Some(value.to_vec()));
        }
        let mut value = vec![0; length];
        read_exact_at(&self.file, &mut value, value_start)?;
        Ok(Some(value))
    }

    /// Whether the file has these bytes there; reads no more than the first difference needs.
    fn is_at(&self, bytes: &[u8], mut offset: u64) -> io::Result<bool> {
        let mut buffer = [0; 256];
        for chunk in bytes.chunks(buffer.len()) {
            let read = buffer.get_mut(..chunk.len()).ok_or_else(corrupt)?;
            read_exact_at(&self.file, read, offset)?;
            if read != chunk {
                return Ok(false);
            }
            offset = offset.saturating_add(u64::try_from(chunk.len()).map_err(|_| corrupt())?);
        }
        Ok(true)
    }

    /// All records in the order of the file.
    pub fn records(&self) -> Records<'_> {
        Records::new(self)
    }

    /// Walks over the whole file once and says whether it is a sound database: each record within
    /// bounds, each record reachable by exactly one slot and each slot that of a record, no byte
    /// left over, each key and value within its limit. Memory is bounded by those limits and
    /// independent of the number of records.
    ///
    /// Slots and records are matched by a 64-bit sum, so a contradiction that happens to leave the
    /// sum as it was would pass; a look-up in such a file is still safe.
    pub fn validate(&self) -> io::Result<()> {
        walk::walk(self, |_, _| {})
    }

    /// [`Cdb::validate`], handing out each record on the way.
    pub fn validate_records(&self, each: impl FnMut(&[u8], &[u8])) -> io::Result<()> {
        walk::walk(self, each)
    }
}

enum Probe {
    Found(Vec<u8>),
    Absent,
    /// No empty slot and no such key up to the end of the part.
    Passed,
}

/// The end of the file, where the header promised more, is contradictory content.
fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    file.read_exact_at(buffer, offset)
        .map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => corrupt(),
            _ => error,
        })
}

#[cfg(test)]
mod tests;
