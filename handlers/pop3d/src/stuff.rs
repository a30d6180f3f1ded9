//! A stored message as RETR sends it, as a pure transform that is fed in pieces.
//!
//! On the wire a line ends in CRLF (RFC 1939 section 3), so an LF that no CR precedes becomes CRLF;
//! a CRLF stays as it is (qmail-pop3d makes CR CR LF of it), and so does a CR that no LF follows. A
//! line that begins with a dot gets a second one. A last line without an end gets CRLF.

use memchr::memchr_iter;

/// The transform of one message. It knows nothing but how the bytes before ended.
#[derive(Clone, Copy, Debug)]
pub struct Stuff {
    line_start: bool,
    after_cr: bool,
    octets: u64,
}

impl Default for Stuff {
    fn default() -> Stuff {
        Stuff::new()
    }
}

impl Stuff {
    /// At the beginning of a message.
    pub fn new() -> Stuff {
        Stuff {
            line_start: true,
            after_cr: false,
            octets: 0,
        }
    }

    /// Puts what becomes of the next bytes of the message, as slices of `input` as long as possible.
    pub fn feed(&mut self, input: &[u8], mut put: impl FnMut(&[u8])) {
        let (Some(&first), Some(&last)) = (input.first(), input.last()) else {
            return;
        };
        if self.line_start && first == b'.' {
            put(b".");
        }
        // All before `from` is put.
        let mut from = 0;
        let mut bare = 0;
        for at in memchr_iter(b'\n', input) {
            let after_cr = match at.checked_sub(1) {
                Some(before) => input[before] == b'\r',
                None => self.after_cr,
            };
            let next = at + 1;
            if !after_cr {
                put(&input[from..at]);
                put(b"\r\n");
                from = next;
                bare += 1;
            }
            if input.get(next) == Some(&b'.') {
                put(&input[from..next]);
                put(b".");
                from = next;
            }
        }
        put(&input[from..]);
        self.octets += input.len() as u64 + bare;
        self.line_start = last == b'\n';
        self.after_cr = last == b'\r';
    }

    /// Ends the last line, if that is open.
    pub fn finish(&mut self, mut put: impl FnMut(&[u8])) {
        if !self.line_start {
            put(b"\r\n");
            self.octets += 2;
            self.line_start = true;
            self.after_cr = false;
        }
    }

    /// The octets of the message so far, without the dots that are for the wire alone: what LIST is
    /// to say ([`maildir::WireSize`]).
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// [`Stuff::octets`] if the message were at its end here.
    pub fn octets_at_end(&self) -> u64 {
        self.octets + if self.line_start { 0 } else { 2 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stuffed(pieces: &[&[u8]]) -> (Vec<u8>, u64) {
        let mut stuff = Stuff::new();
        let mut out = Vec::new();
        for piece in pieces {
            stuff.feed(piece, |bytes| out.extend_from_slice(bytes));
        }
        let told = stuff.octets_at_end();
        stuff.finish(|bytes| out.extend_from_slice(bytes));
        assert_eq!(stuff.octets(), told);
        (out, told)
    }

    /// What a client does: takes one dot from each line that begins with one.
    fn unstuffed(wire: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut line_start = true;
        for line in wire.split_inclusive(|&byte| byte == b'\n') {
            let rest = line.strip_prefix(b".").filter(|_| line_start);
            out.extend_from_slice(rest.unwrap_or(line));
            line_start = true;
        }
        out
    }

    /// The rule by itself, byte by byte.
    fn normalised(text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for &byte in text {
            if byte == b'\n' && out.last() != Some(&b'\r') {
                out.push(b'\r');
            }
            out.push(byte);
        }
        if !out.is_empty() && out.last() != Some(&b'\n') {
            out.extend_from_slice(b"\r\n");
        }
        out
    }

    #[test]
    fn every_line_end_becomes_crlf_and_a_bare_cr_stays() {
        let told = [
            (&b""[..], &b""[..]),
            (b"a\nb\n", b"a\r\nb\r\n"),
            (b"a\r\nb\r\n", b"a\r\nb\r\n"),
            (b"a\nb\r\nc", b"a\r\nb\r\nc\r\n"),
            (b"a\rb\n", b"a\rb\r\n"),
            (b"a\r\r\n", b"a\r\r\n"),
            (b"a\r", b"a\r\r\n"),
            (b"\n\n", b"\r\n\r\n"),
            (b"\0\xff\n", b"\0\xff\r\n"),
        ];
        for (text, wire) in told {
            assert_eq!(stuffed(&[text]).0, wire, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn a_dot_is_doubled_where_a_line_begins_and_nowhere_else() {
        let told = [
            (&b"."[..], &b"..\r\n"[..]),
            (b".\n", b"..\r\n"),
            (b"..\r\n.\n.", b"...\r\n..\r\n..\r\n"),
            (b"a.\n.b", b"a.\r\n..b\r\n"),
            // A bare CR ends no line.
            (b"a\r.\n", b"a\r.\r\n"),
            (b"\n.\r\n\n..x", b"\r\n..\r\n\r\n...x\r\n"),
        ];
        for (text, wire) in told {
            assert_eq!(stuffed(&[text]).0, wire, "{}", text.escape_ascii());
        }
    }

    /// Every text of up to `length` bytes over the bytes that matter.
    fn every_text(length: u32) -> impl Iterator<Item = Vec<u8>> {
        const BYTES: [u8; 4] = *b".\r\nx";
        (0..=length).flat_map(|length| {
            (0..4_usize.pow(length)).map(move |mut number| {
                let digit = |_| {
                    let byte = BYTES[number % 4];
                    number /= 4;
                    byte
                };
                (0..length).map(digit).collect()
            })
        })
    }

    #[test]
    fn taking_the_dots_away_gives_the_message_with_its_line_ends_normalised() {
        for text in every_text(6) {
            let (wire, octets) = stuffed(&[&text]);
            let plain = unstuffed(&wire);
            assert_eq!(plain, normalised(&text), "{}", text.escape_ascii());
            assert_eq!(octets, plain.len() as u64);
            let mut size = maildir::WireSize::new();
            size.feed(&text);
            assert_eq!(octets, size.finish(), "{}", text.escape_ascii());
            // No line of the wire is the end mark.
            assert!(!wire.starts_with(b".\r\n"));
            assert!(!wire.windows(5).any(|five| five == b"\r\n.\r\n"));
        }
    }

    #[test]
    fn where_a_message_is_cut_into_pieces_does_not_matter() {
        for text in every_text(5) {
            let whole = stuffed(&[&text]);
            for first in 0..=text.len() {
                for second in first..=text.len() {
                    let pieces = [&text[..first], &text[first..second], &text[second..]];
                    assert_eq!(stuffed(&pieces), whole, "{}", text.escape_ascii());
                }
            }
        }
    }

    #[test]
    fn lines_that_need_no_change_go_out_in_one_slice() {
        let mut count = 0;
        Stuff::new().feed(b"one\r\ntwo\r\n", |_| count += 1);
        assert_eq!(count, 1);
    }
}
