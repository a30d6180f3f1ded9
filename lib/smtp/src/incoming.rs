//! A message while it comes: whether it may still be taken, and how much of it was read in vain.

use crate::received::Hops;

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// A line end that is not what it must be.
    BareLf,
    /// It has too many Received fields.
    Looping,
    /// It is larger than the limit.
    TooBig,
}

/// The state of a message that is coming in.
#[derive(Debug)]
pub struct Incoming {
    hops: Hops,
    size: u64,
    discarded: u64,
    databytes: u64,
    discard: u64,
}

impl Incoming {
    /// Begins a message that may have `databytes` bytes (0 is no limit), and of which `discard` bytes are read
    /// in search of its end once it is refused.
    pub fn new(databytes: u64, discard: u64) -> Incoming {
        Incoming {
            hops: Hops::default(),
            size: 0,
            discarded: 0,
            databytes,
            discard,
        }
    }

    /// Looks at text as it is stored; `is_spoiled` says that a line end in the message so far is not what it
    /// must be. Each flaw stays once it is there, so the last answer is the one that counts.
    pub fn feed(&mut self, stored: &[u8], is_spoiled: bool) -> Option<Flaw> {
        self.hops.feed(stored);
        self.size += stored.len() as u64;
        if is_spoiled {
            Some(Flaw::BareLf)
        } else if self.hops.too_many() {
            Some(Flaw::Looping)
        } else if self.databytes > 0 && self.size > self.databytes {
            Some(Flaw::TooBig)
        } else {
            None
        }
    }

    /// Counts bytes that were read though the message is refused.
    pub fn discard(&mut self, count: usize) {
        self.discarded += count as u64;
    }

    /// Whether so much was read in vain that the session has to end.
    pub fn is_endless(&self) -> bool {
        self.discarded > self.discard
    }

    /// Stored bytes so far, without the server's own header.
    pub fn size(&self) -> u64 {
        self.size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_the_limit_is_taken_and_one_byte_more_is_not() {
        let mut incoming = Incoming::new(4, 10);
        assert_eq!(incoming.feed(b"ab\n", false), None);
        assert_eq!(incoming.feed(b"c", false), None);
        assert_eq!(incoming.feed(b"d", false), Some(Flaw::TooBig));
        assert_eq!(incoming.feed(b"", true), Some(Flaw::BareLf));
        assert_eq!(incoming.size(), 5);
        let mut unlimited = Incoming::new(0, 10);
        assert_eq!(unlimited.feed(&[b'x'; 100_000], false), None);
    }

    #[test]
    fn a_message_that_goes_round_is_told_by_its_received_fields() {
        let mut incoming = Incoming::new(0, 10);
        assert_eq!(incoming.feed(&b"Received: x\n".repeat(50), false), None);
        let flaw = incoming.feed(&b"Received: x\n".repeat(100), false);
        assert_eq!(flaw, Some(Flaw::Looping));
    }

    #[test]
    fn what_is_read_in_vain_has_an_end() {
        let mut incoming = Incoming::new(0, 10);
        incoming.discard(10);
        assert!(!incoming.is_endless());
        incoming.discard(1);
        assert!(incoming.is_endless());
    }
}
