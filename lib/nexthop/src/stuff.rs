//! The text of a message on its way out (RFC 5321 section 4.5.2), pure: stored bytes with LF line
//! ends in, CRLF and doubled dots out.
//!
//! **No text ends the data.** A dot is doubled at the start of every line, and also behind a bare
//! CR: some server may take that for the end of a line, and what it then found would not be what
//! we sent (SMTP smuggling). That changes a text which has a dot there; whoever cannot bear that
//! refuses messages with bare CR before.

/// The end of data behind a whole line.
pub const END: &[u8] = b".\r\n";

/// The state machine for one message.
#[derive(Clone, Copy, Debug)]
pub struct Stuff {
    /// The byte before the next one; at the start of the text as behind a line.
    before: u8,
}

impl Default for Stuff {
    fn default() -> Stuff {
        Stuff::new()
    }
}

impl Stuff {
    /// For a message that begins with the next byte.
    pub fn new() -> Stuff {
        Stuff { before: b'\n' }
    }

    /// Takes stored text in whatever pieces it comes and appends it as it is sent to `out`: at most
    /// twice as many bytes.
    pub fn feed(&mut self, stored: &[u8], out: &mut Vec<u8>) {
        let mut rest = stored;
        while let Some(&byte) = rest.first() {
            if byte == b'.' && matches!(self.before, b'\n' | b'\r') {
                out.push(b'.');
            }
            // Up to the next line end, with it, as one piece.
            let end = memchr::memchr2(b'\n', b'\r', rest);
            let (text, line_end) = rest.split_at(end.unwrap_or(rest.len()));
            out.extend_from_slice(text);
            self.before = text.last().copied().unwrap_or(self.before);
            let Some(&line_end) = line_end.first() else {
                return;
            };
            if line_end == b'\n' {
                out.push(b'\r');
            }
            out.push(line_end);
            self.before = line_end;
            rest = &rest[text.len() + 1..];
        }
    }

    /// Appends the end of data; before it the end of the last line, where the text has none.
    pub fn finish(self, out: &mut Vec<u8>) {
        if self.before != b'\n' {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(END);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::data::{BareLf, Step, Unstuff, Verdict};

    fn sent(pieces: &[&[u8]]) -> Vec<u8> {
        let (mut stuff, mut out) = (Stuff::new(), Vec::new());
        for piece in pieces {
            stuff.feed(piece, &mut out);
        }
        stuff.finish(&mut out);
        out
    }

    fn shown(text: &str) -> String {
        String::from_utf8(sent(&[text.as_bytes()])).expect("ASCII")
    }

    #[test]
    fn lines_end_with_crlf_and_their_first_dot_is_doubled() {
        assert_eq!(shown("a\n.b\n..\n.\n"), "a\r\n..b\r\n...\r\n..\r\n.\r\n");
        assert_eq!(shown(".\n"), "..\r\n.\r\n");
        assert_eq!(shown("a.b\n\n"), "a.b\r\n\r\n.\r\n");
    }

    #[test]
    fn a_last_line_without_end_gets_one_and_no_text_is_no_line() {
        assert_eq!(shown("a"), "a\r\n.\r\n");
        assert_eq!(shown("."), "..\r\n.\r\n");
        assert_eq!(shown(""), ".\r\n");
    }

    #[test]
    fn a_dot_behind_a_bare_cr_is_doubled_too() {
        assert_eq!(shown("a\r.\r\n.\n"), "a\r..\r\r\n..\r\n.\r\n");
        assert_eq!(shown("a\r\n"), "a\r\r\n.\r\n");
        assert_eq!(shown("a\r"), "a\r\r\n.\r\n");
    }

    /// All texts of up to seven bytes of those that mean something.
    #[test]
    fn in_pieces_or_whole_the_same_is_sent_and_the_receiver_finds_the_text_again() {
        let alphabet = *b"\r\n.a";
        for length in 0..=7_u32 {
            for number in 0..alphabet.len().pow(length) {
                let text: Vec<u8> = (0..length)
                    .map(|place| alphabet[number / alphabet.len().pow(place) % alphabet.len()])
                    .collect();
                check(&text);
            }
        }
    }

    fn check(text: &[u8]) {
        let whole = sent(&[text]);
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(sent(&bytes), whole, "{}", text.escape_ascii());
        let (mut receiver, mut stored) = (Unstuff::new(BareLf::Stop), Vec::new());
        let (used, step) = receiver.feed(&whole, &mut stored);
        assert_eq!(step, Step::End(Verdict::Clean), "{}", text.escape_ascii());
        assert_eq!(used, whole.len());
        let mut expected = Vec::new();
        for &byte in text {
            if byte == b'.' && expected.last() == Some(&b'\r') {
                expected.push(b'.');
            }
            expected.push(byte);
        }
        if !expected.is_empty() && expected.last() != Some(&b'\n') {
            expected.push(b'\n');
        }
        assert_eq!(stored, expected, "{}", text.escape_ascii());
    }
}
