//! Bounded records: the bytes that processes of one program tell each other.
//!
//! A record is a row of fields without names. Numbers are big-endian; bytes of variable length have their length before
//! them, in 16 bits. A [`Message`] says which fields its record has, in one function that writes them with a [`Writer`]
//! and one that reads them with a [`Reader`]. On a socket that keeps message boundaries a record is one message.
//!
//! Often the reader has privileges and the writer reads the network, so a reader believes nothing: every length is
//! compared with the limit of its field before it is used, and a record with bytes left over is refused. Records may hold
//! passwords: what a writer made is overwritten when it is dropped.
//!
//! These records are for processes that were started from the same file. What programs of different versions, or of
//! others, say to each other has a documented form and is not written with this crate.

mod reader;
mod writer;

use std::fmt;

use zeroize::Zeroizing;

pub use reader::Reader;
pub use writer::Writer;

/// Why bytes are no record, or a value makes none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// The record is shorter or longer than its fields.
    Length,
    /// A field, or the whole record, is over its limit.
    Limit,
    /// A kind or a flag that is not known.
    Unknown,
    /// A field has a byte that it cannot have.
    Byte,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Malformed::Length => "its lengths do not fit",
            Malformed::Limit => "a field is too long",
            Malformed::Unknown => "it is of an unknown kind",
            Malformed::Byte => "a field has a byte that it cannot have",
        })
    }
}

impl std::error::Error for Malformed {}

/// A value that travels as one record.
pub trait Message: Sized {
    /// The most bytes of a record.
    const LIMIT: usize;

    /// Writes the fields, in the order of [`Message::read`].
    fn write(&self, to: &mut Writer);

    /// Reads the fields. Whoever wrote them may be an enemy: a value that an honest writer cannot have meant is an error.
    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed>;

    /// The record. An error where a field is over its limit.
    fn to_record(&self) -> Result<Zeroizing<Vec<u8>>, Malformed> {
        let mut writer = Writer::new(Self::LIMIT);
        self.write(&mut writer);
        writer.finish()
    }

    /// The value of a whole record.
    fn from_record(record: &[u8]) -> Result<Self, Malformed> {
        if record.len() > Self::LIMIT {
            return Err(Malformed::Limit);
        }
        let mut reader = Reader::new(record);
        let message = Self::read(&mut reader)?;
        reader.end()?;
        Ok(message)
    }
}
