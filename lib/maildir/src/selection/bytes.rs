//! Numbers and strings of bytes in the journal: little-endian, and read within bounds.

/// What is left to read.
#[derive(Clone, Debug)]
pub(super) struct Reader<'b>(pub(super) &'b [u8]);

impl<'b> Reader<'b> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn bytes(&mut self, count: usize) -> Option<&'b [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*array)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    /// A string behind its length in one byte.
    pub(super) fn short(&mut self) -> Option<&'b [u8]> {
        let count = self.u8()?;
        self.bytes(usize::from(count))
    }

    /// Numbers behind their count.
    pub(super) fn words(&mut self) -> Option<Vec<u16>> {
        let count = usize::from(self.u16()?);
        let mut words = Vec::with_capacity(count.min(self.0.len() / 2));
        for _ in 0..count {
            words.push(self.u16()?);
        }
        Some(words)
    }
}

/// Adds to bytes what [`Reader`] reads. What does not fit its length is cut; whoever writes sees to
/// it that it fits.
pub(super) trait Write {
    fn add(&mut self, bytes: &[u8]);

    fn add_u8(&mut self, number: u8) {
        self.add(&[number]);
    }

    fn add_u16(&mut self, number: u16) {
        self.add(&number.to_le_bytes());
    }

    fn add_u32(&mut self, number: u32) {
        self.add(&number.to_le_bytes());
    }

    fn add_u64(&mut self, number: u64) {
        self.add(&number.to_le_bytes());
    }

    fn add_i64(&mut self, number: i64) {
        self.add(&number.to_le_bytes());
    }

    fn add_short(&mut self, bytes: &[u8]) {
        let count = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
        self.add_u8(count);
        self.add(&bytes[..usize::from(count)]);
    }

    fn add_words(&mut self, words: &[u16]) {
        let count = u16::try_from(words.len()).unwrap_or(u16::MAX);
        self.add_u16(count);
        for &word in &words[..usize::from(count)] {
            self.add_u16(word);
        }
    }
}

impl Write for Vec<u8> {
    fn add(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_read_and_nothing_behind_the_end() {
        let mut bytes = Vec::new();
        bytes.add_u8(1);
        bytes.add_u16(2);
        bytes.add_u32(3);
        bytes.add_u64(4);
        bytes.add_i64(-5);
        bytes.add_short(b"six");
        bytes.add_words(&[7, 8]);
        let read = |bytes: &[u8]| {
            let mut reader = Reader(bytes);
            let all = (
                (reader.u8()?, reader.u16()?, reader.u32()?),
                (reader.u64()?, reader.i64()?),
                (reader.short()?.to_vec(), reader.words()?),
            );
            reader.is_empty().then_some(all)
        };
        let expected = ((1, 2, 3), (4, -5), (b"six".to_vec(), vec![7, 8]));
        assert_eq!(read(&bytes), Some(expected));
        for end in 0..bytes.len() {
            assert_eq!(read(&bytes[..end]), None, "{end}");
        }
    }
}
