//! Fields out of bytes.

use crate::Malformed;

/// Takes a record apart, field by field.
#[derive(Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Begins at the first byte of `record`.
    pub fn new(record: &'a [u8]) -> Reader<'a> {
        Reader(record)
    }

    /// The next `COUNT` bytes.
    pub fn array<const COUNT: usize>(&mut self) -> Result<[u8; COUNT], Malformed> {
        let (head, tail) = self.0.split_first_chunk().ok_or(Malformed::Length)?;
        self.0 = tail;
        Ok(*head)
    }

    /// A number of 8 bits.
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(u8::from_be_bytes)
    }

    /// A number of 16 bits.
    pub fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    /// A number of 32 bits.
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    /// A number of 32 bits with a sign.
    pub fn i32(&mut self) -> Result<i32, Malformed> {
        self.array().map(i32::from_be_bytes)
    }

    /// A number of 64 bits.
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_be_bytes)
    }

    /// A flag: 0 or 1, and nothing else.
    pub fn bool(&mut self) -> Result<bool, Malformed> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed::Unknown),
        }
    }

    /// Bytes with their length before them, at most `limit`.
    pub fn bytes(&mut self, limit: usize) -> Result<&'a [u8], Malformed> {
        let length = usize::from(self.u16()?);
        if length > limit {
            return Err(Malformed::Limit);
        }
        let (bytes, tail) = self.0.split_at_checked(length).ok_or(Malformed::Length)?;
        self.0 = tail;
        Ok(bytes)
    }

    /// A field that may be absent: a flag, and what `read` makes of what follows it.
    pub fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Reader<'a>) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Malformed> {
        if self.bool()? {
            read(self).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Whether all fields were read.
    pub fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    /// The end of the record. Bytes that are left over are an error.
    pub fn end(self) -> Result<(), Malformed> {
        if self.is_at_end() {
            Ok(())
        } else {
            Err(Malformed::Length)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Writer;

    #[test]
    fn fields_are_read_as_they_were_written() {
        let mut writer = Writer::new(100);
        writer.u8(1);
        writer.u16(0x0203);
        writer.u32(0x0405_0607);
        writer.i32(-1);
        writer.u64(0x0809_0a0b_0c0d_0e0f);
        writer.bool(true);
        writer.bytes(b"name", 4);
        writer.option(Some(b"x"), |to, value| to.bytes(value, 1));
        writer.option(None::<u8>, Writer::u8);
        writer.array([7, 8]);
        let record = writer.finish().expect("short");
        assert_eq!(record[..7], [1, 2, 3, 4, 5, 6, 7]);
        let mut reader = Reader::new(&record);
        assert_eq!(reader.u8(), Ok(1));
        assert_eq!(reader.u16(), Ok(0x0203));
        assert_eq!(reader.u32(), Ok(0x0405_0607));
        assert_eq!(reader.i32(), Ok(-1));
        assert_eq!(reader.u64(), Ok(0x0809_0a0b_0c0d_0e0f));
        assert_eq!(reader.bool(), Ok(true));
        assert_eq!(reader.bytes(4), Ok(&b"name"[..]));
        assert_eq!(reader.option(|from| from.bytes(1)), Ok(Some(&b"x"[..])));
        assert_eq!(reader.option(Reader::u8), Ok(None));
        assert_eq!(reader.array(), Ok([7, 8]));
        assert!(reader.is_at_end());
        assert_eq!(reader.end(), Ok(()));
    }

    #[test]
    fn a_field_that_is_cut_is_an_error() {
        for length in 0..8 {
            let mut reader = Reader::new(&[0; 8][..length]);
            assert_eq!(reader.u64(), Err(Malformed::Length));
        }
        assert_eq!(Reader::new(b"\0").bytes(5), Err(Malformed::Length));
        assert_eq!(Reader::new(b"\0\x02x").bytes(5), Err(Malformed::Length));
    }

    #[test]
    fn bytes_of_the_limit_are_read_and_longer_ones_are_not() {
        let record = b"\0\x03abc";
        assert_eq!(Reader::new(record).bytes(3), Ok(&b"abc"[..]));
        assert_eq!(Reader::new(record).bytes(2), Err(Malformed::Limit));
    }

    #[test]
    fn a_flag_has_two_values() {
        assert_eq!(Reader::new(&[2]).bool(), Err(Malformed::Unknown));
        assert_eq!(
            Reader::new(&[2]).option(Reader::u8),
            Err(Malformed::Unknown)
        );
    }

    #[test]
    fn bytes_that_are_left_over_are_an_error() {
        assert_eq!(Reader::new(b"x").end(), Err(Malformed::Length));
    }
}
