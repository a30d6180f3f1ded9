//! Where replies go, and how large ones get there.

use wire::{Conn, Trouble};

/// A reply of up to so many bytes is one write; a larger one goes out in pieces of about this size.
/// Many small writes are slow by themselves, and with Nagle's algorithm and delayed
/// acknowledgements each costs 40 ms.
pub const PIECE_BYTES: usize = 64 * 1024;

/// Collects replies and sends them; what is collected is sent before the next command is read.
pub trait Output {
    /// Collects bytes.
    fn add(&mut self, bytes: &[u8]);
    /// Sends what is collected.
    fn send(&mut self) -> Result<(), Trouble>;
    /// Whether the client cannot get what is sent any more, as far as is known now.
    fn is_broken(&self) -> bool;
}

impl Output for Conn {
    fn add(&mut self, bytes: &[u8]) {
        self.reply(bytes);
    }

    fn send(&mut self) -> Result<(), Trouble> {
        self.flush()
    }

    fn is_broken(&self) -> bool {
        Conn::is_broken(self)
    }
}

/// A reply that may be large.
#[derive(Debug)]
pub struct Large<'o, O> {
    out: &'o mut O,
    collected: usize,
}

impl<'o, O: Output> Large<'o, O> {
    /// Nothing yet, to `out`.
    pub fn new(out: &'o mut O) -> Large<'o, O> {
        Large { out, collected: 0 }
    }

    /// Adds bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        self.collected += bytes.len();
        self.out.add(bytes);
    }

    /// Sends what is collected if it is enough for a write. To be called every few kilobytes.
    pub fn send_piece(&mut self) -> Result<(), Trouble> {
        if self.collected < PIECE_BYTES {
            return Ok(());
        }
        self.collected = 0;
        self.out.send()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An output that keeps everything and counts the writes; it can be told to fail.
    #[derive(Debug, Default)]
    pub(crate) struct Kept {
        pub(crate) collected: Vec<u8>,
        pub(crate) sent: Vec<u8>,
        pub(crate) writes: Vec<usize>,
        pub(crate) is_closed: bool,
        pub(crate) is_broken: bool,
    }

    impl Kept {
        /// Everything so far, sent or not.
        pub(crate) fn all(&self) -> Vec<u8> {
            [&self.sent[..], &self.collected].concat()
        }
    }

    impl Output for Kept {
        fn add(&mut self, bytes: &[u8]) {
            self.collected.extend_from_slice(bytes);
        }

        fn send(&mut self) -> Result<(), Trouble> {
            if self.is_closed {
                return Err(Trouble::Closed);
            }
            self.writes.push(self.collected.len());
            self.sent.append(&mut self.collected);
            Ok(())
        }

        fn is_broken(&self) -> bool {
            self.is_broken
        }
    }

    #[test]
    fn a_reply_just_under_a_piece_stays_together_and_one_byte_more_goes_out() {
        let mut out = Kept::default();
        let mut reply = Large::new(&mut out);
        reply.add(&[b'x'; PIECE_BYTES - 1]);
        reply.send_piece().expect("taken");
        reply.add(b"7");
        reply.send_piece().expect("taken");
        reply.add(b"y");
        reply.send_piece().expect("taken");
        assert_eq!(out.writes, [PIECE_BYTES]);
        assert_eq!(out.collected, b"y");
    }
}
