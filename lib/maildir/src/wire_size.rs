//! How many octets a stored message has on the wire, counted while its bytes go by.
//!
//! On the wire lines end in CRLF (RFC 1939 section 3, RFC 5322 section 2.3): an LF that no CR
//! precedes counts for two, a CRLF as it is, a CR that no LF follows is no line end and stays. A
//! last line without a line end gets one. Dot-stuffing and the final dot are not counted.

use memchr::memchr_iter;

/// The count of a message that is fed in pieces.
///
/// ```
/// let mut size = maildir::WireSize::new();
/// size.feed(b"one\nt");
/// size.feed(b"wo\r\n.");
/// assert_eq!(size.finish(), b"one\r\ntwo\r\n.\r\n".len() as u64);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WireSize {
    fed: u64,
    bare: u64,
    last: Option<u8>,
}

impl WireSize {
    /// Of nothing yet.
    pub fn new() -> WireSize {
        WireSize::default()
    }

    /// Counts the next bytes of the message.
    pub fn feed(&mut self, bytes: &[u8]) {
        let Some(&last) = bytes.last() else {
            return;
        };
        // Both searches run at the speed of memory, and most stored mail has no CR at all.
        let mut bare = memchr_iter(b'\n', bytes).count();
        if bare > 0 {
            let across = self.last == Some(b'\r') && bytes[0] == b'\n';
            let within = memchr_iter(b'\r', bytes)
                .filter(|at| bytes.get(at + 1) == Some(&b'\n'))
                .count();
            bare -= within + usize::from(across);
        }
        self.fed += bytes.len() as u64;
        self.bare += bare as u64;
        self.last = Some(last);
    }

    /// The number of octets without what a last line may lack: what IMAP calls the size, for it
    /// sends a message as it is.
    pub fn unended(self) -> u64 {
        self.fed + self.bare
    }

    /// The number of octets. An empty message has none.
    pub fn finish(self) -> u64 {
        let open_end = self.last.is_some_and(|last| last != b'\n');
        self.unended() + if open_end { 2 } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pieces: &[&[u8]]) -> u64 {
        let mut size = WireSize::new();
        for piece in pieces {
            size.feed(piece);
        }
        size.finish()
    }

    #[test]
    fn an_empty_message_has_no_octets() {
        assert_eq!(of(&[]), 0);
        assert_eq!(of(&[b"", b""]), 0);
    }

    #[test]
    fn a_bare_lf_counts_for_two_and_a_crlf_as_it_is() {
        assert_eq!(of(&[b"\n"]), 2);
        assert_eq!(of(&[b"\r\n"]), 2);
        assert_eq!(of(&[b"a\nb\r\nc\n"]), 9);
        assert_eq!(of(&[b"\n\n\r\n\n"]), 8);
    }

    #[test]
    fn a_cr_that_ends_no_line_stays() {
        assert_eq!(of(&[b"a\rb\n"]), 5);
        assert_eq!(of(&[b"\r\r\n"]), 3);
        assert_eq!(of(&[b"\n\r"]), 2 + 1 + 2);
    }

    #[test]
    fn a_last_line_without_an_end_gets_one() {
        assert_eq!(of(&[b"a"]), 3);
        assert_eq!(of(&[b"a\r"]), 4);
        assert_eq!(of(&[b"a\nb"]), 6);
        let mut size = WireSize::new();
        size.feed(b"a\nb");
        assert_eq!(size.unended(), 4);
    }

    #[test]
    fn where_a_message_is_cut_into_pieces_does_not_matter() {
        let text = b"one\r\n\r\n\rtwo\n\n\r\r\nthree\r";
        let whole = of(&[text]);
        for first in 0..=text.len() {
            for second in first..=text.len() {
                let pieces = [&text[..first], &text[first..second], &text[second..]];
                assert_eq!(of(&pieces), whole, "{first} {second}");
            }
        }
    }
}
