//! Fields into bytes.

use zeroize::{Zeroize, Zeroizing};

use crate::Malformed;

/// How much room a record has at first. Most are shorter.
const FIRST_ROOM: usize = 256;

/// Puts a record together, field by field. What it holds is overwritten when it is dropped.
#[derive(Debug)]
pub struct Writer {
    bytes: Zeroizing<Vec<u8>>,
    limit: usize,
    is_over: bool,
}

impl Writer {
    /// An empty record that may grow to `limit` bytes.
    pub fn new(limit: usize) -> Writer {
        Writer {
            bytes: Zeroizing::new(Vec::with_capacity(limit.min(FIRST_ROOM))),
            limit,
            is_over: false,
        }
    }

    /// Bytes whose number the reader knows.
    pub fn array<const COUNT: usize>(&mut self, bytes: [u8; COUNT]) {
        self.push(&bytes);
    }

    /// A number of 8 bits.
    pub fn u8(&mut self, value: u8) {
        self.array(value.to_be_bytes());
    }

    /// A number of 16 bits.
    pub fn u16(&mut self, value: u16) {
        self.array(value.to_be_bytes());
    }

    /// A number of 32 bits.
    pub fn u32(&mut self, value: u32) {
        self.array(value.to_be_bytes());
    }

    /// A number of 32 bits with a sign.
    pub fn i32(&mut self, value: i32) {
        self.array(value.to_be_bytes());
    }

    /// A number of 64 bits.
    pub fn u64(&mut self, value: u64) {
        self.array(value.to_be_bytes());
    }

    /// A flag.
    pub fn bool(&mut self, value: bool) {
        self.u8(u8::from(value));
    }

    /// Bytes with their length before them. More than `limit` of them, or than 65,535, make no record.
    pub fn bytes(&mut self, bytes: &[u8], limit: usize) {
        match u16::try_from(bytes.len()) {
            Ok(length) if bytes.len() <= limit => {
                self.u16(length);
                self.push(bytes);
            }
            _ => self.is_over = true,
        }
    }

    /// A field that may be absent: a flag, and what `write` makes of the value.
    pub fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Writer, T)) {
        self.bool(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
    }

    /// The record. An error where a field, or all of them together, were over their limits.
    pub fn finish(self) -> Result<Zeroizing<Vec<u8>>, Malformed> {
        if self.is_over {
            Err(Malformed::Limit)
        } else {
            Ok(self.bytes)
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        let length = self.bytes.len() + bytes.len();
        if self.is_over || length > self.limit {
            self.is_over = true;
            return;
        }
        if length > self.bytes.capacity() {
            // A vector that grows by itself leaves a copy of what it held.
            let room = length.max(self.bytes.capacity() * 2).min(self.limit);
            let mut larger = Vec::with_capacity(room);
            larger.extend_from_slice(&self.bytes);
            std::mem::swap(&mut *self.bytes, &mut larger);
            larger.zeroize();
        }
        self.bytes.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_the_limit_make_a_record_and_longer_ones_do_not() {
        for (length, fits) in [(3, true), (4, false)] {
            let mut writer = Writer::new(100);
            writer.bytes(&b"abcd"[..length], 3);
            assert_eq!(writer.finish().is_ok(), fits, "{length}");
        }
        let mut writer = Writer::new(100_000);
        writer.bytes(&[0; 65_535], 100_000);
        assert_eq!(writer.finish().expect("it fits").len(), 65_537);
        let mut writer = Writer::new(100_000);
        writer.bytes(&[0; 65_536], 100_000);
        assert_eq!(writer.finish(), Err(Malformed::Limit));
    }

    #[test]
    fn a_record_of_the_limit_is_made_and_a_longer_one_is_not() {
        for (count, fits) in [(1_000, true), (1_001, false)] {
            let mut writer = Writer::new(1_000);
            (0..count).for_each(|_| writer.u8(7));
            let record = writer.finish();
            assert_eq!(record.is_ok_and(|record| *record == [7; 1_000]), fits);
        }
    }

    #[test]
    fn what_follows_a_field_that_did_not_fit_does_not_make_it_a_record() {
        let mut writer = Writer::new(10);
        writer.bytes(b"too long", 1);
        writer.u8(1);
        assert_eq!(writer.finish(), Err(Malformed::Limit));
    }
}
