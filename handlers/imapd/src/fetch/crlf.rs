//! Bytes of a file as octets of the wire: line ends become CRLF, NUL becomes the octet 0x80.
//!
//! A CR that no LF follows is no line end and stays. The octets are those that
//! [`mime::walk::wire_size`] counts; a last line without an end gets none.

use memchr::{memchr, memchr_iter};
use mime::walk::wire_size;

use super::writer::{Drain, Writer};

/// What is converted at once.
const BLOCK_BYTES: usize = 16 * 1024;

/// What stands for NUL, which no literal may have (RFC 3501 section 4.3): what Dovecot sends.
const NUL: u8 = 0x80;

/// Which octets of what is pushed go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    skip: u64,
    take: u64,
    /// Nothing is left out, so nothing has to be counted.
    all: bool,
}

impl Window {
    /// All octets, of which there are so many; or so many of them from `start` on as `partial` says.
    /// Behind the last one there are none.
    pub(super) fn new(octets: u64, partial: Option<(u64, u64)>) -> Window {
        match partial {
            None => Window {
                skip: 0,
                take: octets,
                all: true,
            },
            Some((start, most)) => Window {
                skip: start,
                take: octets.saturating_sub(start).min(most),
                all: start == 0 && most >= octets,
            },
        }
    }

    /// How many octets will go out.
    pub(super) fn octets(&self) -> u64 {
        self.take
    }

    /// The next bytes: whole lines, or the last ones.
    pub(super) fn push<D: Drain>(
        &mut self,
        bytes: &[u8],
        out: &mut Writer<D>,
    ) -> Result<(), D::Error> {
        let mut at = 0;
        while at < bytes.len() && (self.all || self.take > 0) {
            let mut end = bytes.len().min(at + BLOCK_BYTES);
            // A line end in two blocks would look like another one.
            end += usize::from(bytes[end - 1] == b'\r' && bytes.get(end) == Some(&b'\n'));
            self.block(&bytes[at..end], &mut out.buffer);
            at = end;
            out.make_room()?;
        }
        Ok(())
    }

    fn block(&mut self, block: &[u8], out: &mut Vec<u8>) {
        if self.all {
            convert(block, out);
            return;
        }
        let (octets, _) = wire_size(block);
        if self.skip >= octets {
            self.skip -= octets;
            return;
        }
        let start = out.len();
        convert(block, out);
        // Below the length of a block twice, both.
        let skip = std::mem::take(&mut self.skip) as usize;
        out.drain(start..start + skip);
        let left = usize::try_from(self.take).unwrap_or(usize::MAX);
        out.truncate(start.saturating_add(left).min(out.len()));
        self.take -= (out.len() - start) as u64;
    }
}

/// Adds bytes with CRLF line ends and without NUL.
fn convert(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    let mut written = 0;
    for at in memchr_iter(b'\n', bytes) {
        if at == 0 || bytes[at - 1] != b'\r' {
            out.extend_from_slice(&bytes[written..at]);
            out.extend_from_slice(b"\r\n");
            written = at + 1;
        }
    }
    out.extend_from_slice(&bytes[written..]);
    if memchr(0, bytes).is_some() {
        for byte in &mut out[start..] {
            if *byte == 0 {
                *byte = NUL;
            }
        }
    }
}
