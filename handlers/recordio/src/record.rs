//! What is said about bytes that passed: the lines of the record, as the original writes them.

use memchr::memchr;

/// The most bytes of a line's text. The original reads no more at a time.
pub const TEXT_LIMIT: usize = 256;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the client to the program.
    In,
    /// From the program to the client.
    Out,
}

/// Begins every line of one conversation: the program's process number.
#[derive(Debug)]
pub struct Record {
    head: [Vec<u8>; 2],
}

impl Record {
    /// For the program with the process number `pid`.
    pub fn of(pid: u32) -> Record {
        let head = |sign: char| format!("{pid} {sign} ").into_bytes();
        Record {
            head: [head('<'), head('>')],
        }
    }

    fn head(&self, way: Way) -> &[u8] {
        match way {
            Way::In => &self.head[0],
            Way::Out => &self.head[1],
        }
    }

    /// Adds what is to be said about `bytes`, which were read together. A line's text ends in a
    /// blank where a newline was, and in `+` where none has come yet; it is as raw as it was.
    pub fn bytes(&self, way: Way, bytes: &[u8], out: &mut Vec<u8>) {
        for part in bytes.chunks(TEXT_LIMIT) {
            let mut rest = part;
            while !rest.is_empty() {
                out.extend_from_slice(self.head(way));
                if let Some(end) = memchr(b'\n', rest) {
                    out.extend_from_slice(&rest[..end]);
                    out.extend_from_slice(b" \n");
                    rest = &rest[end + 1..];
                } else {
                    out.extend_from_slice(rest);
                    out.extend_from_slice(b"+\n");
                    rest = &[];
                }
            }
        }
    }

    /// Adds that no more will come this way.
    pub fn end(&self, way: Way, out: &mut Vec<u8>) {
        out.extend_from_slice(self.head(way));
        out.extend_from_slice(b"[EOF]\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        Record::of(7).bytes(Way::In, bytes, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn a_blank_stands_for_a_newline_and_a_plus_for_none() {
        assert_eq!(
            record(b"a\n\nb c\r\nd"),
            "7 < a \n7 <  \n7 < b c\r \n7 < d+\n"
        );
        assert_eq!(record(b""), "");
    }

    #[test]
    fn the_text_is_raw() {
        let mut out = Vec::new();
        Record::of(7).bytes(Way::Out, b"\x00\x1b\xff\n", &mut out);
        assert_eq!(out, b"7 > \x00\x1b\xff \n");
    }

    #[test]
    fn the_end_is_told() {
        let mut out = Vec::new();
        Record::of(7).end(Way::Out, &mut out);
        assert_eq!(out, b"7 > [EOF]\n");
    }

    #[test]
    fn what_is_read_together_is_cut_at_the_limit() {
        let text = |count| "a".repeat(count);
        for (count, expected) in [
            (255, format!("7 < {} \n7 < b \n", text(255))),
            (256, format!("7 < {}+\n7 <  \n7 < b \n", text(256))),
            (257, format!("7 < {}+\n7 < a \n7 < b \n", text(256))),
            (
                512,
                format!("7 < {}+\n7 < {}+\n7 <  \n7 < b \n", text(256), text(256)),
            ),
        ] {
            assert_eq!(record(format!("{}\nb\n", text(count)).as_bytes()), expected);
        }
    }
}
