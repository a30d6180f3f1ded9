//! Messages on their way into a mailbox: files in `tmp`.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::settle::new_names;
use crate::wire_size::WireSize;

/// How often another name is tried where one is taken.
const TRIES: usize = 5;

/// What is gathered before it is written.
const BUFFER_BYTES: usize = 64 * 1024;

/// A file in `tmp` that is removed when this is dropped.
#[derive(Debug)]
pub(super) struct Temporary {
    pub(super) path: PathBuf,
    /// Its unique name, without sizes.
    pub(super) unique: Vec<u8>,
    is_kept: bool,
}

impl Temporary {
    /// One that `make` makes, in the mailbox at `dir`.
    pub(super) fn new<T>(
        dir: &Path,
        mut make: impl FnMut(&Path) -> io::Result<T>,
    ) -> io::Result<(Temporary, T)> {
        let mut names = new_names();
        let mut tries = 0;
        loop {
            let unique = names.next(SystemTime::now())?;
            let path = dir.join("tmp").join(&unique);
            match make(&path) {
                Ok(made) => {
                    let temporary = Temporary {
                        path,
                        unique: unique.into_bytes(),
                        is_kept: false,
                    };
                    return Ok((temporary, made));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tries < TRIES => {
                    tries += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// It has got another name.
    pub(super) fn keep(&mut self) {
        self.is_kept = true;
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.is_kept {
            // Left behind, it is invisible and goes with a later sweep.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A message that is being written. Line ends are stored as LF, as in all Maildirs; a CR that no LF
/// follows stays. Dropping it removes the file.
#[derive(Debug)]
pub struct StageWriter {
    temporary: Temporary,
    file: File,
    buffer: Vec<u8>,
    /// The last octet was a CR, and it is not written yet.
    has_cr: bool,
    bytes: u64,
    wire: WireSize,
}

/// A message that was written, and is on the disk. Dropping it removes the file.
#[derive(Debug)]
pub struct Staged {
    pub(super) temporary: Temporary,
    pub(super) file: File,
    pub(super) bytes: u64,
    pub(super) wire: u64,
}

/// Begins to write a message for the mailbox at `dir`.
pub fn stage(dir: &Path) -> io::Result<StageWriter> {
    let (temporary, file) =
        Temporary::new(dir, |path| os::file::create_exclusive_readable(path, 0o600))?;
    Ok(StageWriter {
        temporary,
        file,
        buffer: Vec::with_capacity(BUFFER_BYTES),
        has_cr: false,
        bytes: 0,
        wire: WireSize::new(),
    })
}

impl StageWriter {
    /// Adds octets of the message.
    pub fn write(&mut self, mut octets: &[u8]) -> io::Result<()> {
        while let Some(&first) = octets.first() {
            if self.has_cr {
                self.has_cr = false;
                if first != b'\n' {
                    self.buffer.push(b'\r');
                }
            }
            let end = memchr::memchr(b'\r', octets).unwrap_or(octets.len());
            let (text, rest) = octets.split_at(end);
            self.add(text)?;
            octets = rest;
            if let Some(rest) = octets.strip_prefix(b"\r") {
                self.has_cr = true;
                octets = rest;
            }
        }
        Ok(())
    }

    fn add(&mut self, text: &[u8]) -> io::Result<()> {
        for piece in text.chunks(BUFFER_BYTES) {
            if self.buffer.len() + piece.len() > BUFFER_BYTES {
                self.flush()?;
            }
            self.buffer.extend_from_slice(piece);
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.wire.feed(&self.buffer);
        self.bytes += self.buffer.len() as u64;
        self.file.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    /// The message is whole: brings it to the disk.
    pub fn finish(mut self) -> io::Result<Staged> {
        if self.has_cr {
            self.buffer.push(b'\r');
        }
        self.flush()?;
        self.file.sync_all()?;
        Ok(Staged {
            temporary: self.temporary,
            file: self.file,
            bytes: self.bytes,
            wire: self.wire.unended(),
        })
    }
}

impl Staged {
    /// Its octets with CRLF line ends, as IMAP counts them.
    pub fn wire_size(&self) -> u64 {
        self.wire
    }

    /// Gives it a date, in seconds since the epoch. Returns the one that it has.
    pub(super) fn set_date(&self, date: Option<i64>) -> io::Result<i64> {
        if let Some(date) = date {
            let distance = Duration::from_secs(date.unsigned_abs());
            let time = match date < 0 {
                true => UNIX_EPOCH.checked_sub(distance),
                false => UNIX_EPOCH.checked_add(distance),
            };
            // A time that no file can have is none.
            if let Some(time) = time {
                self.file.set_modified(time)?;
            }
        }
        let modified = crate::scan::modified_at(&self.file.metadata()?);
        Ok(modified.div_euclid(1_000_000_000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(pieces: &[&[u8]]) -> (Vec<u8>, u64, u64) {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("tmp")).expect("made");
        let mut writer = stage(folder.path()).expect("begun");
        for piece in pieces {
            writer.write(piece).expect("written");
        }
        let staged = writer.finish().expect("finished");
        let text = fs::read(&staged.temporary.path).expect("there");
        (text, staged.bytes, staged.wire)
    }

    #[test]
    fn line_ends_are_stored_as_lf_wherever_they_are_cut() {
        let text = b"one\r\ntwo\r\r\nthree\rfour\n\r";
        let expected = b"one\ntwo\r\nthree\rfour\n\r";
        for first in 0..=text.len() {
            for second in first..=text.len() {
                let pieces = [&text[..first], &text[first..second], &text[second..]];
                let (stored, bytes, wire) = stored(&pieces);
                assert_eq!(stored, expected, "{first} {second}");
                assert_eq!(bytes, expected.len() as u64);
                let mut size = WireSize::new();
                size.feed(expected);
                assert_eq!(wire, size.unended());
            }
        }
    }

    #[test]
    fn a_large_message_is_written_in_pieces() {
        let line = [[b'x'; 70].as_slice(), b"\r\n"].concat();
        let text = line.repeat(3000);
        let (stored, bytes, wire) = stored(&[&text]);
        assert_eq!(stored.len() as u64, bytes);
        assert_eq!((bytes, wire), (71 * 3000, 72 * 3000));
    }

    #[test]
    fn what_is_dropped_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("tmp")).expect("made");
        let mut writer = stage(folder.path()).expect("begun");
        writer.write(b"x").expect("written");
        drop(writer);
        drop(
            stage(folder.path())
                .expect("begun")
                .finish()
                .expect("finished"),
        );
        assert_eq!(
            fs::read_dir(folder.path().join("tmp"))
                .expect("there")
                .count(),
            0
        );
    }
}
