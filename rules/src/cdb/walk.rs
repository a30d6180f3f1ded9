//! A database from its first byte to its last.
//!
//! Records lie one behind the other from byte 2048 up to the first table, and the tables lie one
//! behind the other up to the end: so every cdb maker writes, and so one sequential pass can
//! check all. Each record and each slot is a pair (hash, position); that the records' pairs and
//! the slots' pairs are the same set is seen by their number and a sum over a mixing function,
//! that a slot can be found from where its hash begins to look is seen by remembering the last
//! empty slot. Neither needs memory that grows with the file.

use std::io;

use super::{Cdb, HEADER, KEY_LIMIT, Table, VALUE_LIMIT, corrupt, hash, pair, read_exact_at};
use crate::digest;

/// How much is read at once, in bytes.
const WINDOW: usize = 64 * 1024;

/// A stretch of the file that is read once from front to back.
struct Stretch<'a> {
    cdb: &'a Cdb,
    /// What has been read and not yet handed out is `buffer[from..to]`.
    buffer: Vec<u8>,
    from: usize,
    to: usize,
    /// Where in the file `buffer[to]` would be, and where the stretch ends.
    next: u64,
    end: u64,
}

impl<'a> Stretch<'a> {
    fn new(cdb: &'a Cdb, start: u64, end: u64) -> Stretch<'a> {
        Stretch {
            cdb,
            buffer: vec![0; WINDOW],
            from: 0,
            to: 0,
            next: start,
            end,
        }
    }

    /// Where in the file the next byte to be handed out is.
    fn position(&self) -> u64 {
        let held = u64::try_from(self.to.saturating_sub(self.from)).unwrap_or(0);
        self.next.saturating_sub(held)
    }

    fn is_at_end(&self) -> bool {
        self.position() >= self.end
    }

    /// The next `length` bytes; an error where the stretch has fewer.
    fn take(&mut self, length: usize) -> io::Result<&[u8]> {
        if self.to.saturating_sub(self.from) < length {
            self.fill(length)?;
        }
        let start = self.from;
        self.from = start.saturating_add(length);
        self.buffer.get(start..self.from).ok_or_else(corrupt)
    }

    /// Reads on until at least `length` bytes are held.
    fn fill(&mut self, length: usize) -> io::Result<()> {
        let wanted = self
            .position()
            .saturating_add(u64::try_from(length).map_err(|_| corrupt())?);
        if wanted > self.end {
            return Err(corrupt());
        }
        self.buffer.copy_within(self.from..self.to, 0);
        self.to = self.to.saturating_sub(self.from);
        self.from = 0;
        if self.buffer.len() < length {
            self.buffer.resize(length, 0);
        }
        let room = self.buffer.get_mut(self.to..).ok_or_else(corrupt)?;
        let left = usize::try_from(self.end.saturating_sub(self.next)).unwrap_or(usize::MAX);
        let count = room.len().min(left);
        let part = room.get_mut(..count).ok_or_else(corrupt)?;
        read_exact_at(&self.cdb.file, part, self.next)?;
        self.to = self.to.saturating_add(count);
        self.next = self
            .next
            .saturating_add(u64::try_from(count).map_err(|_| corrupt())?);
        Ok(())
    }
}

/// Goes through the records of a database. Holds one record and one window of 64 KiB at a time.
#[expect(
    missing_debug_implementations,
    reason = "it holds a window of the file"
)]
pub struct Records<'a>(Stretch<'a>);

/// One record: its place and the length of its key, followed by key and value.
struct Found<'a> {
    position: u32,
    key: &'a [u8],
    value: &'a [u8],
}

impl<'a> Records<'a> {
    pub(super) fn new(cdb: &'a Cdb) -> Records<'a> {
        let tables = cdb.tables.iter().filter(|table| table.slots != 0);
        let end = tables
            .map(|table| u64::from(table.position))
            .min()
            .unwrap_or(cdb.size);
        Records(Stretch::new(cdb, HEADER, end))
    }

    /// The next record as (key, value), `None` at the end.
    #[expect(
        clippy::should_implement_trait,
        reason = "each item borrows from the walk"
    )]
    pub fn next(&mut self) -> io::Result<Option<(&[u8], &[u8])>> {
        Ok(self.find()?.map(|found| (found.key, found.value)))
    }

    fn find(&mut self) -> io::Result<Option<Found<'_>>> {
        if self.0.is_at_end() {
            return Ok(None);
        }
        let position = u32::try_from(self.0.position()).map_err(|_| corrupt())?;
        let (key, value) = pair(self.0.take(8)?.first_chunk().ok_or_else(corrupt)?);
        if key > KEY_LIMIT || value > VALUE_LIMIT {
            return Err(corrupt());
        }
        let key = usize::try_from(key).map_err(|_| corrupt())?;
        let value = usize::try_from(value).map_err(|_| corrupt())?;
        let both = self.0.take(key.saturating_add(value))?;
        let (key, value) = both.split_at_checked(key).ok_or_else(corrupt)?;
        Ok(Some(Found {
            position,
            key,
            value,
        }))
    }
}

/// A set of (hash, position), as far as telling two of them apart needs.
#[derive(Default, PartialEq, Eq)]
struct Pairs {
    count: u64,
    sum: u64,
}

impl Pairs {
    fn add(&mut self, hash: u32, position: u32) {
        let both = (u64::from(hash) << 32) | u64::from(position);
        self.sum = self.sum.wrapping_add(digest::mix(both));
        self.count = self.count.saturating_add(1);
    }
}

pub(super) fn walk(cdb: &Cdb, mut each: impl FnMut(&[u8], &[u8])) -> io::Result<()> {
    let mut records = Records::new(cdb);
    let mut of_records = Pairs::default();
    while let Some(found) = records.find()? {
        of_records.add(hash(found.key), found.position);
        each(found.key, found.value);
    }
    let mut of_slots = Pairs::default();
    let mut end = records.0.end;
    let mut tables: Vec<(u32, Table)> = (0..).zip(cdb.tables.iter().copied()).collect();
    tables.retain(|(_, table)| table.slots != 0);
    tables.sort_by_key(|(_, table)| table.position);
    let mut slots = Stretch::new(cdb, end, cdb.size);
    for (number, table) in tables {
        if u64::from(table.position) != end {
            return Err(corrupt());
        }
        end = table.end();
        check_table(&mut slots, number, table.slots, &mut of_slots)?;
    }
    if end != cdb.size || of_records != of_slots {
        return Err(corrupt());
    }
    Ok(())
}

/// Checks that each slot of one table belongs there and is reached from where its hash begins to
/// look before an empty slot ends the look-up.
fn check_table(
    slots: &mut Stretch<'_>,
    table: u32,
    count: u32,
    seen: &mut Pairs,
) -> io::Result<()> {
    let mut last_empty = None;
    // Where the look-ups begin that come round the end of the table to its beginning.
    let mut first_to_wrap = None::<u32>;
    let mut at = 0_u32;
    while at < count {
        let left = usize::try_from(count.saturating_sub(at)).unwrap_or(usize::MAX);
        let bytes = slots.take(left.min(WINDOW / 8).saturating_mul(8))?;
        for slot in bytes.as_chunks().0 {
            let (hash, position) = pair(slot);
            if position == 0 {
                if hash != 0 {
                    return Err(corrupt());
                }
                last_empty = Some(at);
            } else {
                let start = (hash >> 8).checked_rem(count).ok_or_else(corrupt)?;
                let reached = if start <= at {
                    last_empty.is_none_or(|empty| empty < start)
                } else {
                    first_to_wrap = Some(first_to_wrap.map_or(start, |first| first.min(start)));
                    last_empty.is_none()
                };
                if hash & 255 != table || !reached {
                    return Err(corrupt());
                }
                seen.add(hash, position);
            }
            at = at.saturating_add(1);
        }
    }
    let wraps = first_to_wrap.is_none_or(|start| last_empty.is_none_or(|empty| empty < start));
    if wraps { Ok(()) } else { Err(corrupt()) }
}
