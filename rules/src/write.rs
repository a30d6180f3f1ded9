//! Writing a constant database, with the `cdb` crate and without trusting it.
//!
//! The crate lays a database out as tcprules does, to the byte, but takes a short write for a
//! whole one and adds positions unchecked. So the size is reckoned here before a record is handed
//! to it, and what it has written is read back whole and compared before anybody else sees it.

use std::fs::File;
use std::io;

use cdb::CDBMake;

use crate::cdb::Cdb;
use crate::digest;

/// What a cdb can hold: its positions are 32 bits.
const LARGEST: u64 = u32::MAX as u64;

/// A database that is being written.
pub(crate) struct Maker {
    make: CDBMake,
    /// The size of the file when it will be finished.
    size: u64,
    written: digest::Sequence,
}

/// A database of which all has been written and nothing has been compared.
#[derive(Debug)]
pub(crate) struct Written(digest::Sequence);

impl Maker {
    /// Begins at the start of `file`, which must be empty.
    pub(crate) fn new(file: File) -> io::Result<Maker> {
        let make = CDBMake::new(file)?;
        Ok(Maker {
            make,
            size: 2048,
            written: digest::Sequence::default(),
        })
    }

    /// Adds a record; `key_hash` is the [`digest::of`] its key. An error that means that the
    /// database has become too large is `out of memory`, as with tcprules.
    pub(crate) fn add(&mut self, key: &[u8], key_hash: u64, value: &[u8]) -> io::Result<()> {
        // A head of 8 bytes, and two slots of 8 bytes in a table.
        let record = u64::try_from(24 + key.len() + value.len()).unwrap_or(u64::MAX);
        self.size = self.size.saturating_add(record);
        if self.size > LARGEST {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.written.add(key_hash, value);
        self.make.add(key, value)
    }

    /// Writes the tables and hands all to the system; nothing is synced.
    pub(crate) fn finish(self) -> io::Result<Written> {
        self.make.finish()?;
        Ok(Written(self.written))
    }
}

impl Written {
    /// Reads `file` with our own reader and compares each record with what was to be written.
    pub(crate) fn compare(&self, file: File) -> io::Result<()> {
        let mut read = digest::Sequence::default();
        Cdb::open(file)?.validate_records(|key, value| read.add(digest::of(key), value))?;
        if read == self.0 {
            Ok(())
        } else {
            Err(io::Error::other(
                "the file reads back otherwise than it was written",
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};
    use std::os::unix::fs::FileExt;

    use super::*;

    fn written(records: &[(&[u8], &[u8])]) -> (File, Written) {
        let file = tempfile::tempfile().unwrap();
        let mut maker = Maker::new(file.try_clone().unwrap()).unwrap();
        for (key, value) in records {
            maker.add(key, digest::of(key), value).unwrap();
        }
        let written = maker.finish().unwrap();
        (file, written)
    }

    #[test]
    fn what_was_written_compares_equal() {
        let (file, written) = written(&[(b"", b""), (b"1.2.3.4", b"D\0"), (b"1.2.3.4", b"+A=\0")]);
        written.compare(file).unwrap();
    }

    #[test]
    fn a_database_without_records_compares_equal() {
        let (file, written) = written(&[]);
        assert_eq!(file.metadata().unwrap().len(), 2048);
        written.compare(file).unwrap();
    }

    #[test]
    fn any_bit_that_changed_on_the_way_is_found() {
        let (file, written) = written(&[(b"1.2.3.4", b"D\0"), (b"1.", b"+A=x\0")]);
        let mut bytes = vec![0; usize::try_from(file.metadata().unwrap().len()).unwrap()];
        file.read_exact_at(&mut bytes, 0).unwrap();
        for at in 0..bytes.len() {
            // The place of a table without slots means nothing.
            let table = at / 8 * 8;
            if at < 2048 && bytes[table + 4..table + 8] == [0; 4] && at < table + 4 {
                continue;
            }
            for bit in 0..8 {
                file.write_all_at(&[bytes[at] ^ (1 << bit)], at as u64)
                    .unwrap();
                assert!(
                    written.compare(file.try_clone().unwrap()).is_err(),
                    "byte {at}, bit {bit}"
                );
            }
            file.write_all_at(&[bytes[at]], at as u64).unwrap();
        }
        written.compare(file).unwrap();
    }

    #[test]
    fn a_sound_database_with_other_records_is_found() {
        let (_, one) = written(&[(b"1.2.3.4", b"D\0")]);
        let (other, _) = written(&[(b"1.2.3.5", b"D\0")]);
        let reason = one.compare(other).unwrap_err().to_string();
        assert_eq!(reason, "the file reads back otherwise than it was written");
    }

    #[test]
    fn a_lost_or_added_byte_at_the_end_is_found() {
        let (mut file, written) = written(&[(b"1.2.3.4", b"D\0")]);
        let size = file.metadata().unwrap().len();
        file.set_len(size - 1).unwrap();
        assert!(written.compare(file.try_clone().unwrap()).is_err());
        file.set_len(size).unwrap();
        written.compare(file.try_clone().unwrap()).unwrap();
        file.seek(io::SeekFrom::End(0)).unwrap();
        file.write_all(b"\0").unwrap();
        assert!(written.compare(file).is_err());
    }

    #[test]
    fn a_database_up_to_four_gigabytes_is_taken_and_one_record_more_is_not() {
        let mut maker = Maker::new(tempfile::tempfile().unwrap()).unwrap();
        maker.size = LARGEST - 26 - 25;
        maker.add(b"a", 0, b"").unwrap();
        maker.add(b"a", 0, b"x").unwrap();
        let full = maker.add(b"", 0, b"").unwrap_err();
        assert_eq!(os::reason(&full), "out of memory");
    }
}
