//! The text of a message that comes in chunks of a known length (BDAT, RFC 3030), for storage with
//! LF line ends: a pure state machine.
//!
//! Nothing is stuffed and nothing ends the text but its length, so nothing can be smuggled into it.
//! CRLF becomes LF, also where a chunk ends between the two; a bare CR is text and is kept, as in
//! [`crate::data`]. A bare LF would become indistinguishable from a line end: it spoils the message
//! unless the mode accepts it, in which case it is one.

use memchr::memchr2;

use crate::data::BareLf;

/// The state machine for one message.
#[derive(Debug)]
pub struct Chunks {
    accepts: bool,
    /// A CR that is not written yet.
    held: bool,
    spoiled: bool,
}

impl Chunks {
    /// For a message that begins with the next byte. There is no stopping at a bare LF: the length
    /// of the chunk says where the next command is.
    pub fn new(mode: BareLf) -> Chunks {
        Chunks {
            accepts: mode == BareLf::Accept,
            held: false,
            spoiled: false,
        }
    }

    /// Takes bytes as they come and appends what is to be stored to `out`: at most one byte more
    /// than `input` has.
    pub fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) {
        let mut rest = input;
        if self.held && !rest.is_empty() {
            self.held = false;
            match rest.strip_prefix(b"\n") {
                Some(behind) => {
                    out.push(b'\n');
                    rest = behind;
                }
                None => out.push(b'\r'),
            }
        }
        while let Some(end) = memchr2(b'\r', b'\n', rest) {
            out.extend_from_slice(&rest[..end]);
            let found = &rest[end..];
            rest = match found {
                [b'\r', b'\n', behind @ ..] => {
                    out.push(b'\n');
                    behind
                }
                [b'\r'] => {
                    self.held = true;
                    &[]
                }
                [first, behind @ ..] => {
                    self.spoiled |= *first == b'\n' && !self.accepts;
                    out.push(*first);
                    behind
                }
                [] => &[],
            };
        }
        out.extend_from_slice(rest);
    }

    /// The last chunk is in: appends what was held back.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.held) {
            out.push(b'\r');
        }
    }

    /// Whether the message has a bare LF that the mode does not allow.
    pub fn is_spoiled(&self) -> bool {
        self.spoiled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is stored, cut at every place in two and byte by byte, and whether it is spoiled.
    fn stored(mode: BareLf, text: &[u8]) -> (Vec<u8>, bool) {
        let run = |pieces: &[&[u8]]| {
            let mut chunks = Chunks::new(mode);
            let mut out = Vec::new();
            for piece in pieces {
                chunks.feed(piece, &mut out);
            }
            chunks.finish(&mut out);
            (out, chunks.is_spoiled())
        };
        let whole = run(&[text]);
        for at in 0..=text.len() {
            let (head, tail) = text.split_at(at);
            assert_eq!(run(&[head, tail]), whole, "cut at {at}");
        }
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(run(&bytes), whole, "byte by byte");
        whole
    }

    #[test]
    fn crlf_is_a_line_end_and_dots_are_text() {
        let (out, spoiled) = stored(BareLf::Reject, b"a\r\n.\r\n..b\r\n\r\n");
        assert_eq!((out.as_slice(), spoiled), (&b"a\n.\n..b\n\n"[..], false));
    }

    #[test]
    fn a_bare_cr_is_text() {
        for text in [&b"a\rb"[..], b"\r", b"a\r\r", b"\ra"] {
            assert_eq!(stored(BareLf::Reject, text), (text.to_vec(), false));
        }
        assert_eq!(stored(BareLf::Reject, b"a\r\r\nb").0, b"a\r\nb");
    }

    #[test]
    fn a_bare_lf_spoils_the_message_unless_it_is_accepted() {
        for text in [&b"a\nb"[..], b"\n", b"a\r\n\nb"] {
            assert!(stored(BareLf::Reject, text).1, "{}", text.escape_ascii());
            assert!(stored(BareLf::Stop, text).1, "{}", text.escape_ascii());
            let (_, spoiled) = stored(BareLf::Accept, text);
            assert!(!spoiled, "{}", text.escape_ascii());
        }
        assert_eq!(stored(BareLf::Accept, b"a\nb\r\n").0, b"a\nb\n");
    }
}
