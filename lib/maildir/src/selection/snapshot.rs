//! The beginning of the journal: all that is known of a mailbox at one time.
//!
//! Numbers are little-endian. Behind the header stand, without gaps: the records of the messages,
//! those of the expunged, the states, the keywords without letters, the unique names. The header
//! says how many there are of each, and how long records are, so that a later version can make them
//! longer without being a stranger to this one.

use std::ops::Range;

use super::bytes::{Reader, Write};
use super::op::{is_suffix, is_unique, place_of};
use super::stamps::{MailboxStamps, STAMPS_BYTES};
use super::state::{FIRST_WORD, States};

const MAGIC: &[u8; 8] = b"superdJN";
const VERSION: u16 = 1;

/// The bytes of a message's record.
pub(super) const RECORD_BYTES: usize = 40;
/// The most that another version may have.
const RECORD_MOST: usize = 512;

/// The bytes of the record of an expunged message.
const GONE_BYTES: usize = 16;

pub(super) const HEADER_BYTES: usize = 88 + STAMPS_BYTES + 8;

/// The most keywords without letters that a mailbox has.
pub(super) const WORDS: usize = 4096;

/// A message that was expunged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gone {
    pub(super) uid: u32,
    /// When, in seconds since the epoch.
    pub(super) time: u32,
    pub(super) modseq: u64,
}

/// What is said of the mailbox as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Summary {
    /// A number that no other journal has.
    pub(super) generation: u64,
    pub(super) validity: u32,
    /// The next UID.
    pub(super) next: u32,
    /// The highest modification sequence given.
    pub(super) highest: u64,
    /// All that was expunged with a greater one is still known.
    pub(super) floor: u64,
    pub(super) stamps: MailboxStamps,
}

/// A message's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) uid: u32,
    /// A number of [`States`].
    pub(super) state: u32,
    pub(super) modseq: u64,
    pub(super) size: u64,
    pub(super) date: i64,
    /// Where its unique name begins among the names, and how long it is.
    pub(super) name_at: u32,
    pub(super) name_len: u8,
}

/// A snapshot that was read.
#[derive(Debug)]
pub(super) struct Snapshot<'b> {
    pub(super) summary: Summary,
    pub(super) states: States,
    /// The keywords without letters, from [`FIRST_WORD`] on.
    pub(super) words: Vec<Vec<u8>>,
    records: &'b [u8],
    record_bytes: usize,
    /// Where in the second half the records of the expunged are.
    pub(super) history: Range<usize>,
    /// Where in the second half the names are.
    pub(super) names: Range<usize>,
}

/// The header of a snapshot.
#[derive(Debug)]
pub(super) struct Header {
    summary: Summary,
    record_bytes: usize,
    /// Where the records, and the parts behind them, begin; and where the last one ends.
    bounds: [usize; 6],
    checksum: u32,
}

impl Header {
    /// Reads the header that `bytes` begin with. None if that is none that can be believed.
    pub(super) fn read(bytes: &[u8]) -> Option<Header> {
        let head = bytes.get(..HEADER_BYTES)?;
        let (checked, checksum) = head.split_at(HEADER_BYTES - 4);
        if crc32fast::hash(checked).to_le_bytes() != *checksum {
            return None;
        }
        let mut reader = Reader(head);
        if reader.bytes(8)? != MAGIC || reader.u16()? != VERSION {
            return None;
        }
        let record_bytes = usize::from(reader.u16()?);
        if !(RECORD_BYTES..=RECORD_MOST).contains(&record_bytes) {
            return None;
        }
        let header_bytes = reader.u32()? as usize;
        let generation = reader.u64()?;
        let (validity, next) = (reader.u32()?, reader.u32()?);
        let (highest, floor) = (reader.u64()?, reader.u64()?);
        let mut length = |unit: usize| usize::try_from(reader.u64()?).ok()?.checked_mul(unit);
        let lengths = [
            length(record_bytes)?,
            length(GONE_BYTES)?,
            length(1)?,
            length(1)?,
            length(1)?,
        ];
        let stamps = MailboxStamps::read(&mut reader)?;
        let checksum = reader.u32()?;
        let mut bounds = [header_bytes; 6];
        for (n, length) in lengths.into_iter().enumerate() {
            bounds[n + 1] = bounds[n].checked_add(length)?;
        }
        (header_bytes == HEADER_BYTES).then_some(Header {
            summary: Summary {
                generation,
                validity: Some(validity).filter(|&validity| validity != 0)?,
                next: Some(next).filter(|&next| next != 0)?,
                highest,
                floor,
                stamps,
            },
            record_bytes,
            bounds,
            checksum,
        })
    }

    /// How many bytes of records follow it: the first half of the snapshot.
    pub(super) fn first_half(&self) -> usize {
        self.bounds[1] - self.bounds[0]
    }

    /// How many bytes of the other parts there are behind them: the second half.
    pub(super) fn second_half(&self) -> usize {
        self.bounds[5] - self.bounds[1]
    }

    /// How long the whole is: the log begins there.
    pub(super) fn length(&self) -> usize {
        self.bounds[5]
    }
}

impl<'b> Snapshot<'b> {
    /// Reads a snapshot of this header: its records, and all that is behind them. None if it cannot be
    /// believed.
    pub(super) fn read(header: Header, records: &'b [u8], rest: &[u8]) -> Option<Snapshot<'b>> {
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(records);
        checksum.update(rest);
        let is_whole = records.len() == header.first_half() && rest.len() == header.second_half();
        if !is_whole || checksum.finalize() != header.checksum {
            return None;
        }
        let bounds = header
            .bounds
            .map(|bound| bound.saturating_sub(header.bounds[1]));
        let part = |n: usize| rest.get(bounds[n]..bounds[n + 1]);
        let words = read_words(part(3)?)?;
        Some(Snapshot {
            summary: header.summary,
            states: read_states(part(2)?, words.len())?,
            words,
            records,
            record_bytes: header.record_bytes,
            history: bounds[1]..bounds[2],
            names: bounds[4]..bounds[5],
        })
    }

    /// The records, which are checked one by one: None for one that cannot be. `rest` is the second half.
    pub(super) fn records(&self, rest: &'b [u8]) -> impl Iterator<Item = Option<Record>> {
        let names = rest.get(self.names.clone()).unwrap_or_default();
        let (next, states) = (self.summary.next, self.states.len());
        let mut last = 0;
        self.records
            .chunks_exact(self.record_bytes)
            .map(move |chunk| {
                let record = read_record(chunk)?;
                let start = record.name_at as usize;
                let unique = names.get(start..start + usize::from(record.name_len))?;
                let is_good = record.uid > last
                    && record.uid < next
                    && (record.state as usize) < states
                    && is_unique(unique);
                last = record.uid;
                is_good.then_some(record)
            })
    }

    pub(super) fn count(&self) -> usize {
        self.records.len() / self.record_bytes
    }
}

fn read_record(chunk: &[u8]) -> Option<Record> {
    let mut reader = Reader(chunk);
    Some(Record {
        uid: reader.u32()?,
        state: reader.u32()?,
        modseq: reader.u64()?,
        size: reader.u64()?,
        date: reader.i64()?,
        name_at: reader.u32()?,
        name_len: reader.u8()?,
    })
}

fn read_states(bytes: &[u8], words: usize) -> Option<States> {
    let end = usize::from(FIRST_WORD) + words;
    let is_known = |words: &[u16]| words.last().is_none_or(|&last| usize::from(last) < end);
    let mut reader = Reader(bytes);
    let mut states = States::default();
    while !reader.is_empty() {
        let place = place_of(reader.u8()?)?;
        let suffix = reader.short().filter(|suffix| is_suffix(suffix))?;
        let words = reader
            .words()
            .filter(|words| are_words(words) && is_known(words))?;
        let number = states.number(place, suffix, &words)?;
        if number as usize + 1 != states.len() {
            return None;
        }
    }
    Some(states)
}

/// Whether these can be the keywords without letters of a message.
pub(super) fn are_words(words: &[u16]) -> bool {
    words.first().is_none_or(|&first| first >= FIRST_WORD)
        && words.is_sorted_by(|a, b| a < b)
        && words.len() <= WORDS
}

fn read_words(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut reader = Reader(bytes);
    let mut words = Vec::new();
    while !reader.is_empty() {
        words.push(reader.short()?.to_vec());
    }
    (words.len() <= WORDS).then_some(words)
}

/// The records of the expunged.
pub(super) fn read_history(
    bytes: &[u8],
) -> impl DoubleEndedIterator<Item = Gone> + ExactSizeIterator {
    bytes.chunks_exact(GONE_BYTES).map(|chunk| {
        let mut reader = Reader(chunk);
        Gone {
            uid: reader.u32().unwrap_or_default(),
            time: reader.u32().unwrap_or_default(),
            modseq: reader.u64().unwrap_or_default(),
        }
    })
}

/// A snapshot that is being made.
#[derive(Debug, Default)]
pub(super) struct Writer {
    records: Vec<u8>,
    history: Vec<u8>,
    states: Vec<u8>,
    words: Vec<u8>,
    names: Vec<u8>,
}

impl Writer {
    /// Adds a message, in the order of UIDs, with this unique name. False where it cannot be held.
    pub(super) fn message(&mut self, record: &Record, unique: &[u8]) -> bool {
        let (Ok(at), Ok(length)) = (u32::try_from(self.names.len()), u8::try_from(unique.len()))
        else {
            return false;
        };
        self.names.add(unique);
        let to = &mut self.records;
        to.add_u32(record.uid);
        to.add_u32(record.state);
        to.add_u64(record.modseq);
        to.add_u64(record.size);
        to.add_i64(record.date);
        to.add_u32(at);
        to.add_u8(length);
        to.add(&[0; 3]);
        true
    }

    /// Adds an expunged one, in the order of modification sequences.
    pub(super) fn gone(&mut self, gone: Gone) {
        self.history.add_u32(gone.uid);
        self.history.add_u32(gone.time);
        self.history.add_u64(gone.modseq);
    }

    /// Adds the states, all of them.
    pub(super) fn states(&mut self, states: &States) {
        for number in 0..states.len() {
            let state = states.get(number as u32);
            self.states.add_u8(state.place as u8);
            self.states.add_short(&state.suffix);
            self.states.add_words(&state.words);
        }
    }

    /// Adds a keyword without a letter.
    pub(super) fn word(&mut self, name: &[u8]) {
        self.words.add_short(name);
    }

    /// The header; the bytes of the parts follow it.
    pub(super) fn finish(self, summary: &Summary) -> [Vec<u8>; 6] {
        let parts = [
            &self.records,
            &self.history,
            &self.states,
            &self.words,
            &self.names,
        ];
        let mut checksum = crc32fast::Hasher::new();
        for part in parts {
            checksum.update(part);
        }
        let mut head = Vec::with_capacity(HEADER_BYTES);
        head.add(MAGIC);
        head.add_u16(VERSION);
        head.add_u16(RECORD_BYTES as u16);
        head.add_u32(HEADER_BYTES as u32);
        head.add_u64(summary.generation);
        head.add_u32(summary.validity);
        head.add_u32(summary.next);
        head.add_u64(summary.highest);
        head.add_u64(summary.floor);
        head.add_u64((self.records.len() / RECORD_BYTES) as u64);
        head.add_u64((self.history.len() / GONE_BYTES) as u64);
        head.add_u64(self.states.len() as u64);
        head.add_u64(self.words.len() as u64);
        head.add_u64(self.names.len() as u64);
        summary.stamps.write(&mut head);
        head.add_u32(checksum.finalize());
        let checksum = crc32fast::hash(&head);
        head.add_u32(checksum);
        [
            head,
            self.records,
            self.history,
            self.states,
            self.words,
            self.names,
        ]
    }
}

#[cfg(test)]
#[path = "snapshot_tests.rs"]
mod tests;
