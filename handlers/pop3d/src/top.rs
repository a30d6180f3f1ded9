//! Where TOP stops: after the header, the line that ends it, and so many lines of the body.

use memchr::memchr_iter;

/// What is in the line that is being read so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Nothing,
    Cr,
    Text,
}

/// Finds the end of what TOP sends in a message that is fed in pieces.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    seen: Seen,
    in_header: bool,
    left: u64,
}

impl Cut {
    /// After `lines` lines of the body.
    pub fn after(lines: u64) -> Cut {
        Cut {
            seen: Seen::Nothing,
            in_header: true,
            left: lines,
        }
    }

    /// How many of the next bytes are still to be sent. Less than all of them, or
    /// [`Cut::is_done`], means that nothing that follows is.
    pub fn take(&mut self, input: &[u8]) -> usize {
        let body = if self.in_header {
            self.header(input)
        } else {
            0
        };
        if self.in_header {
            return input.len();
        }
        if self.left == 0 {
            return body;
        }
        let rest = &input[body..];
        // Counting is much faster than looking at each line.
        let ends = memchr_iter(b'\n', rest).count() as u64;
        if ends < self.left {
            self.left -= ends;
            return input.len();
        }
        let last = usize::try_from(self.left - 1).unwrap_or(usize::MAX);
        self.left = 0;
        let end = memchr_iter(b'\n', rest).nth(last);
        end.map_or(input.len(), |at| body + at + 1)
    }

    /// Whether all that is wanted has been taken.
    pub fn is_done(&self) -> bool {
        !self.in_header && self.left == 0
    }

    /// Where the body begins; the header ends with the first line that is empty, whether it ends in
    /// LF or CRLF.
    fn header(&mut self, input: &[u8]) -> usize {
        let mut line = 0;
        for at in memchr_iter(b'\n', input) {
            let seen = self.seen.and(&input[line..at]);
            self.seen = Seen::Nothing;
            line = at + 1;
            if seen != Seen::Text {
                self.in_header = false;
                return line;
            }
        }
        self.seen = self.seen.and(&input[line..]);
        input.len()
    }
}

impl Seen {
    /// With more of the line.
    fn and(self, more: &[u8]) -> Seen {
        match (self, more) {
            (seen, []) => seen,
            (Seen::Nothing, [b'\r']) => Seen::Cr,
            _ => Seen::Text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(lines: u64, pieces: &[&[u8]]) -> Vec<u8> {
        let mut cut = Cut::after(lines);
        let mut out = Vec::new();
        for piece in pieces {
            if cut.is_done() {
                break;
            }
            let taken = cut.take(piece);
            assert!(taken == piece.len() || cut.is_done());
            out.extend_from_slice(&piece[..taken]);
        }
        out
    }

    #[test]
    fn top_0_is_the_header_with_the_line_that_ends_it() {
        assert_eq!(cut(0, &[b"A: b\nC: d\n\none\ntwo\n"]), b"A: b\nC: d\n\n");
        assert_eq!(cut(0, &[b"A: b\r\n\r\none\r\n"]), b"A: b\r\n\r\n");
        assert_eq!(cut(0, &[b"\nbody\n"]), b"\n");
    }

    #[test]
    fn lines_of_the_body_are_counted_from_the_first_after_the_empty_line() {
        let text: &[u8] = b"A: b\n\none\n\nthree\r\nfour";
        for (lines, end) in [(1, 10), (2, 11), (3, 18), (4, 22), (5, 22), (u64::MAX, 22)] {
            assert_eq!(cut(lines, &[text]), &text[..end], "{lines}");
        }
    }

    #[test]
    fn without_an_empty_line_all_is_header() {
        for text in [&b"A: b\nC: d\n"[..], b"A: b\n\r", b"A: b\n\r\r\nx\n", b""] {
            assert_eq!(cut(0, &[text]), text);
        }
    }

    #[test]
    fn where_a_message_is_cut_into_pieces_does_not_matter() {
        let text = b"A: b\r\nC: d\n\r\none\r\n\n\r\nfour\n";
        for lines in 0..6 {
            let whole = cut(lines, &[text]);
            for first in 0..=text.len() {
                for second in first..=text.len() {
                    let pieces = [&text[..first], &text[first..second], &text[second..]];
                    assert_eq!(cut(lines, &pieces), whole, "{lines} {first} {second}");
                }
            }
        }
    }
}
