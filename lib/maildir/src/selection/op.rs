//! The log of the journal: what happened, as values and as bytes.
//!
//! A frame is the length of its body and a checksum (four bytes each), and the body: operations, one
//! after the other. The checksum is the CRC-32 of the journal's generation, the place of the frame
//! in the file and the body, so that no frame of another file or place is taken for one of here.

use super::bytes::{Reader, Write};
use super::stamps::MailboxStamps;
use crate::folder::Place;

/// The most bytes of a body that is read. Those that are written have less than half of it and one
/// operation.
pub(super) const BODY_BYTES: usize = 1024 * 1024;
const BODY_GOAL: usize = BODY_BYTES / 4;

/// UIDs that one operation speaks of at the most, as ranges.
const RANGES: usize = 32 * 1024;

pub(super) const FRAME_HEAD: usize = 8;

/// A number that is not known.
pub(super) const NO_SIZE: u64 = u64::MAX;
pub(super) const NO_DATE: i64 = i64::MIN;

/// Something that happened in a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Op {
    /// A message got this UID.
    New(NewOp),
    /// The messages with these UIDs have this place, suffix and keywords now.
    State {
        modseq: u64,
        place: Place,
        suffix: Vec<u8>,
        words: Vec<u16>,
        uids: Vec<(u32, u32)>,
    },
    /// The messages with these UIDs are gone, since this second.
    Gone {
        modseq: u64,
        time: u32,
        uids: Vec<(u32, u32)>,
    },
    /// This number means this keyword.
    Keyword { id: u16, name: Vec<u8> },
    /// What the files looked like, and the next UID and the highest modification sequence then.
    Stamps {
        stamps: MailboxStamps,
        next: u32,
        highest: u64,
    },
    /// What was found out about messages: UID, octets on the wire, time of modification in seconds.
    Facts(Vec<(u32, u64, i64)>),
}

/// See [`Op::New`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NewOp {
    pub(super) uid: u32,
    pub(super) modseq: u64,
    pub(super) size: u64,
    pub(super) date: i64,
    pub(super) place: Place,
    pub(super) unique: Vec<u8>,
    pub(super) suffix: Vec<u8>,
    pub(super) words: Vec<u16>,
}

impl Op {
    fn write(&self, body: &mut Vec<u8>) {
        match self {
            Op::New(new) => {
                body.add_u8(1);
                body.add_u32(new.uid);
                body.add_u64(new.modseq);
                body.add_u64(new.size);
                body.add_i64(new.date);
                body.add_u8(new.place as u8);
                body.add_short(&new.unique);
                body.add_short(&new.suffix);
                body.add_words(&new.words);
            }
            Op::State {
                modseq,
                place,
                suffix,
                words,
                uids,
            } => {
                body.add_u8(2);
                body.add_u64(*modseq);
                body.add_u8(*place as u8);
                body.add_short(suffix);
                body.add_words(words);
                write_ranges(body, uids);
            }
            Op::Gone { modseq, time, uids } => {
                body.add_u8(3);
                body.add_u64(*modseq);
                body.add_u32(*time);
                write_ranges(body, uids);
            }
            Op::Keyword { id, name } => {
                body.add_u8(4);
                body.add_u16(*id);
                body.add_short(name);
            }
            Op::Stamps {
                stamps,
                next,
                highest,
            } => {
                body.add_u8(5);
                stamps.write(body);
                body.add_u32(*next);
                body.add_u64(*highest);
            }
            Op::Facts(facts) => {
                body.add_u8(6);
                body.add_u32(u32::try_from(facts.len()).unwrap_or(u32::MAX));
                for &(uid, size, date) in facts {
                    body.add_u32(uid);
                    body.add_u64(size);
                    body.add_i64(date);
                }
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Option<Op> {
        Some(match reader.u8()? {
            1 => Op::New(NewOp {
                uid: reader.u32().filter(|&uid| uid != 0)?,
                modseq: reader.u64()?,
                size: reader.u64()?,
                date: reader.i64()?,
                place: read_place(reader)?,
                unique: reader.short().filter(|unique| is_unique(unique))?.to_vec(),
                suffix: reader.short().filter(|suffix| is_suffix(suffix))?.to_vec(),
                words: reader.words()?,
            }),
            2 => Op::State {
                modseq: reader.u64()?,
                place: read_place(reader)?,
                suffix: reader.short().filter(|suffix| is_suffix(suffix))?.to_vec(),
                words: reader.words()?,
                uids: read_ranges(reader)?,
            },
            3 => Op::Gone {
                modseq: reader.u64()?,
                time: reader.u32()?,
                uids: read_ranges(reader)?,
            },
            4 => Op::Keyword {
                id: reader.u16()?,
                name: reader.short()?.to_vec(),
            },
            5 => Op::Stamps {
                stamps: MailboxStamps::read(reader)?,
                next: reader.u32()?,
                highest: reader.u64()?,
            },
            6 => {
                let count = reader.u32()? as usize;
                let mut facts = Vec::with_capacity(count.min(reader.0.len() / 20));
                for _ in 0..count {
                    facts.push((reader.u32()?, reader.u64()?, reader.i64()?));
                }
                Op::Facts(facts)
            }
            _ => return None,
        })
    }
}

/// Whether this can be the unique part of a file name.
pub(super) fn is_unique(unique: &[u8]) -> bool {
    !unique.is_empty()
        && !unique.starts_with(b".")
        && memchr::memchr3(b'/', b':', 0, unique).is_none()
}

/// Whether this can stand behind it.
pub(super) fn is_suffix(suffix: &[u8]) -> bool {
    (suffix.is_empty() || suffix.starts_with(b":"))
        && !suffix.iter().any(|byte| b"/\0".contains(byte))
}

pub(super) fn place_of(byte: u8) -> Option<Place> {
    [Place::New, Place::Cur].get(usize::from(byte)).copied()
}

fn read_place(reader: &mut Reader<'_>) -> Option<Place> {
    place_of(reader.u8()?)
}

fn write_ranges(body: &mut Vec<u8>, ranges: &[(u32, u32)]) {
    body.add_u32(u32::try_from(ranges.len()).unwrap_or(u32::MAX));
    for &(first, last) in ranges {
        body.add_u32(first);
        body.add_u32(last);
    }
}

fn read_ranges(reader: &mut Reader<'_>) -> Option<Vec<(u32, u32)>> {
    let count = reader.u32()? as usize;
    let mut ranges = Vec::with_capacity(count.min(reader.0.len() / 8));
    for _ in 0..count {
        let (first, last) = (reader.u32()?, reader.u32()?);
        if first == 0 || last < first {
            return None;
        }
        ranges.push((first, last));
    }
    Some(ranges)
}

/// Ascending UIDs as ranges.
pub(super) fn ranges_of(uids: impl IntoIterator<Item = u32>) -> Vec<(u32, u32)> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for uid in uids {
        match ranges.last_mut() {
            Some(last) if last.1.checked_add(1) == Some(uid) => last.1 = uid,
            _ => ranges.push((uid, uid)),
        }
    }
    ranges
}

/// Ranges of a number that one operation can hold.
pub(super) fn portions(ranges: &[(u32, u32)]) -> impl Iterator<Item = Vec<(u32, u32)>> {
    ranges.chunks(RANGES).map(<[_]>::to_vec)
}

/// The frames of operations, for the place `at` in a journal of this generation. Either all of a
/// frame's operations are read or none.
pub(super) fn frames(ops: &[Op], generation: u64, at: u64) -> Vec<u8> {
    let mut frames = Vec::new();
    let mut body = Vec::new();
    for (n, op) in ops.iter().enumerate() {
        op.write(&mut body);
        if body.len() >= BODY_GOAL || n + 1 == ops.len() {
            let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
            let checksum = checksum(generation, at + frames.len() as u64, &body);
            frames.add_u32(length);
            frames.add_u32(checksum);
            frames.add(&body);
            body.clear();
        }
    }
    frames
}

/// Gives the operations of each whole frame at the beginning of `bytes`, which stand at `at`, to
/// `each`; ends at the first frame that is none, or that `each` refuses. Returns how many bytes
/// were good.
pub(super) fn read_frames(
    bytes: &[u8],
    generation: u64,
    at: u64,
    mut each: impl FnMut(Vec<Op>) -> bool,
) -> usize {
    let mut reader = Reader(bytes);
    let mut good = 0;
    let mut next = || -> Option<(Vec<Op>, usize)> {
        let place = at + (bytes.len() - reader.0.len()) as u64;
        let (length, expected) = (reader.u32()? as usize, reader.u32()?);
        if length == 0 || length > BODY_BYTES {
            return None;
        }
        let body = reader.bytes(length)?;
        if checksum(generation, place, body) != expected {
            return None;
        }
        let mut body = Reader(body);
        let mut ops = Vec::new();
        while !body.is_empty() {
            ops.push(Op::read(&mut body)?);
        }
        Some((ops, bytes.len() - reader.0.len()))
    };
    while let Some((ops, end)) = next() {
        if !each(ops) {
            break;
        }
        good = end;
    }
    good
}

fn checksum(generation: u64, at: u64, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&generation.to_le_bytes());
    hasher.update(&at.to_le_bytes());
    hasher.update(body);
    hasher.finalize()
}

#[cfg(test)]
#[path = "op_tests.rs"]
mod tests;
