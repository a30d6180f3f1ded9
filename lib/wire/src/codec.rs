//! A layer between a conversation and its descriptors, such as compression.

use std::fmt::Debug;
use std::io;

/// How much coded data is read at once.
const RAW_BYTES: usize = 8 * 1024;

/// Turns what stands on the wire into what is said, and back. Both directions keep their state.
pub trait Codec: Debug {
    /// Decodes from the beginning of `input` into `output`: how much of each was used. (0, 0) means
    /// that more input is needed. Called with an empty input it gives what it still holds back.
    fn decode(&mut self, input: &[u8], output: &mut [u8]) -> io::Result<(usize, usize)>;
    /// Adds to `output` the coded form of `input`, complete: whoever has read it can decode all of it.
    fn encode(&mut self, input: &[u8], output: &mut Vec<u8>) -> io::Result<()>;
}

/// A codec, and what was read and not decoded yet.
#[derive(Debug)]
pub(crate) struct Coded {
    pub(crate) codec: Box<dyn Codec>,
    raw: Vec<u8>,
    start: usize,
    end: usize,
    pub(crate) out: Vec<u8>,
}

impl Coded {
    /// With the bytes that were read ahead of the switch, which are coded already.
    pub(crate) fn new(codec: Box<dyn Codec>, ahead: &[u8]) -> Coded {
        let mut raw = ahead.to_vec();
        raw.resize(ahead.len().max(RAW_BYTES), 0);
        Coded {
            codec,
            raw,
            start: 0,
            end: ahead.len(),
            out: Vec::new(),
        }
    }

    /// Decodes into `output` from what is there. 0: more has to be read.
    pub(crate) fn decode(&mut self, output: &mut [u8]) -> io::Result<usize> {
        loop {
            let (used, made) = self.codec.decode(&self.raw[self.start..self.end], output)?;
            self.start += used;
            if made > 0 || used == 0 {
                return Ok(made);
            }
        }
    }

    /// Where the next read goes. Only when [`Coded::decode`] gave 0: what is left undecoded is kept.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        self.raw.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        &mut self.raw[self.end..]
    }

    /// So many bytes were read there.
    pub(crate) fn filled(&mut self, count: usize) {
        self.end = (self.end + count).min(self.raw.len());
    }
}
