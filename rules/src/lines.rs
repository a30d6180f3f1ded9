//! Lines of a text of any length, within bounded memory.

use std::io::{self, Read};

/// The longest line that is held, in bytes without its newline. What is longer is told by
/// [`Lines::is_cut`]; its rest is read and dropped.
pub const LINE_LIMIT: usize = 1 << 20;

const FIRST_BUFFER: usize = 64 * 1024;
const LARGEST_BUFFER: usize = LINE_LIMIT + FIRST_BUFFER;

/// Reads a text line by line. The last line needs no newline.
#[expect(
    missing_debug_implementations,
    reason = "it holds a stretch of the text"
)]
pub struct Lines<R> {
    input: R,
    /// What has been read and does not belong to earlier lines is `buffer[start..end]`.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    line: Line,
    at_end: bool,
    /// Whether any NUL has been read so far; if not, no line needs to be searched for one.
    any_nul: bool,
}

/// The line that is held: `buffer[from..to]`.
#[derive(Default)]
struct Line {
    number: u64,
    from: usize,
    to: usize,
    cut: bool,
    nul: Option<usize>,
}

impl<R: Read> Lines<R> {
    /// Reads from `input` in pieces of 64 KiB, so it needs no buffer of its own.
    pub fn new(input: R) -> Lines<R> {
        Lines {
            input,
            buffer: vec![0; FIRST_BUFFER],
            start: 0,
            end: 0,
            line: Line::default(),
            at_end: false,
            any_nul: false,
        }
    }

    /// Goes on to the next line; `false` after the last.
    pub fn advance(&mut self) -> io::Result<bool> {
        let mut searched = self.start;
        loop {
            let fresh = &self.buffer[searched..self.end];
            let newline = memchr::memchr(b'\n', fresh);
            let end = newline.map_or(self.end, |newline| searched + newline);
            if end - self.start > LINE_LIMIT {
                self.long_line()?;
                return Ok(true);
            }
            if newline.is_some() {
                self.take(end, end + 1);
                return Ok(true);
            }
            searched = self.end - self.start;
            if !self.fill()? {
                let unfinished = self.start < self.end;
                if unfinished {
                    self.take(self.end, self.end);
                }
                return Ok(unfinished);
            }
        }
    }

    /// The number of the line, counted from 1.
    pub fn number(&self) -> u64 {
        self.line.number
    }

    /// The text of the line without its newline, at most [`LINE_LIMIT`] bytes.
    pub fn text(&self) -> &[u8] {
        &self.buffer[self.line.from..self.line.to]
    }

    /// Whether the line is longer than [`Lines::text`].
    pub fn is_cut(&self) -> bool {
        self.line.cut
    }

    /// Where in the line its first NUL is, counted from 0; it may be in what was cut off.
    pub fn nul(&self) -> Option<usize> {
        self.line.nul
    }

    /// Makes what is held up to `end` the line; the next begins at `next`.
    fn take(&mut self, end: usize, next: usize) {
        let nul = if self.any_nul {
            let text = &self.buffer[self.start..end];
            text.iter().position(|byte| *byte == 0)
        } else {
            None
        };
        self.line = Line {
            number: self.line.number + 1,
            from: self.start,
            to: end,
            cut: false,
            nul,
        };
        self.start = next;
    }

    /// Moves what is held to the front and reads on; `false` at the end of the text.
    fn fill(&mut self) -> io::Result<bool> {
        self.move_to_front();
        if self.end == self.buffer.len() {
            let larger = (2 * self.buffer.len()).min(LARGEST_BUFFER);
            self.buffer.resize(larger, 0);
        }
        self.read_at(self.end)
    }

    /// Reads to `buffer[at..]`; `false` at the end of the text.
    fn read_at(&mut self, at: usize) -> io::Result<bool> {
        self.end = at;
        while !self.at_end {
            match self.input.read(&mut self.buffer[at..]) {
                Ok(0) => self.at_end = true,
                Ok(count) => {
                    self.end = at + count;
                    self.any_nul |= self.buffer[at..self.end].contains(&0);
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    fn move_to_front(&mut self) {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
    }

    /// A line of which more than [`LINE_LIMIT`] bytes are held: keeps that many and drops the rest.
    fn long_line(&mut self) -> io::Result<()> {
        self.move_to_front();
        self.buffer.resize(LARGEST_BUFFER, 0);
        let mut nul_in_rest = None;
        let mut dropped = 0;
        let next = loop {
            let fresh = &self.buffer[LINE_LIMIT..self.end];
            let newline = fresh.iter().position(|byte| *byte == b'\n');
            let rest = newline.map_or(fresh, |newline| &fresh[..newline]);
            if nul_in_rest.is_none() && self.any_nul {
                let nul = rest.iter().position(|byte| *byte == 0);
                nul_in_rest = nul.map(|nul| LINE_LIMIT + dropped + nul);
            }
            dropped += rest.len();
            if let Some(newline) = newline {
                break LINE_LIMIT + newline + 1;
            }
            if !self.read_at(LINE_LIMIT)? {
                break LINE_LIMIT;
            }
        };
        self.take(LINE_LIMIT, next);
        self.line.cut = true;
        self.line.nul = self.line.nul.or(nul_in_rest);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out a text in pieces of the given size, with an interruption before each.
    struct Pieces<'a>(&'a [u8], usize, bool);

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.2 = !self.2;
            if self.2 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let count = self.1.min(buffer.len()).min(self.0.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn lines(text: &[u8], piece: usize) -> Vec<(u64, Vec<u8>, bool)> {
        let mut lines = Lines::new(Pieces(text, piece, false));
        let mut seen = Vec::new();
        while lines.advance().unwrap() {
            seen.push((lines.number(), lines.text().to_vec(), lines.is_cut()));
        }
        assert!(!lines.advance().unwrap(), "the end stays the end");
        seen
    }

    #[test]
    fn lines_are_numbered_from_one_and_the_last_needs_no_newline() {
        for piece in [1, 2, 3, 100] {
            let expected: Vec<(u64, Vec<u8>, bool)> = vec![
                (1, b"a".into(), false),
                (2, b"".into(), false),
                (3, b"bc".into(), false),
            ];
            assert_eq!(lines(b"a\n\nbc", piece), expected);
            assert_eq!(lines(b"a\n\nbc\n", piece), expected);
        }
    }

    #[test]
    fn an_empty_text_has_no_line() {
        assert_eq!(lines(b"", 1), []);
        assert_eq!(lines(b"\n", 1).len(), 1);
    }

    #[test]
    fn a_line_of_the_limit_is_whole_and_one_byte_more_is_cut() {
        for piece in [999, FIRST_BUFFER, usize::MAX] {
            for more in [0, 1, 2, FIRST_BUFFER, 3 * LARGEST_BUFFER] {
                let mut text = vec![b'x'; LINE_LIMIT + more];
                text.extend_from_slice(b"\nnext\nlast");
                let seen = lines(&text, piece);
                assert_eq!(seen[0].1.len(), LINE_LIMIT, "{piece} {more}");
                assert_eq!(seen[0].2, more > 0, "{piece} {more}");
                assert_eq!(
                    seen[1..],
                    [(2, b"next".into(), false), (3, b"last".into(), false)]
                );
            }
        }
    }

    #[test]
    fn a_last_line_that_is_too_long_is_cut_too() {
        let seen = lines(&vec![b'x'; LINE_LIMIT + 1], FIRST_BUFFER);
        assert_eq!(
            (seen.len(), seen[0].1.len(), seen[0].2),
            (1, LINE_LIMIT, true)
        );
    }

    #[test]
    fn a_nul_in_what_is_cut_off_is_told() {
        let mut text = vec![b'#'; 2 * LARGEST_BUFFER];
        text.extend_from_slice(b"\0x\n\0");
        let nul = 2 * LARGEST_BUFFER;
        for piece in [1000, FIRST_BUFFER + 1, usize::MAX] {
            let mut lines = Lines::new(Pieces(&text, piece, false));
            assert!(lines.advance().unwrap());
            assert_eq!(lines.nul(), Some(nul));
            assert!(lines.advance().unwrap());
            assert_eq!((lines.nul(), lines.text()), (Some(0), &b"\0"[..]));
        }
        text[LINE_LIMIT + 5] = 0;
        let mut lines = Lines::new(&text[..LINE_LIMIT + 9]);
        assert!(lines.advance().unwrap());
        assert_eq!(lines.nul(), Some(LINE_LIMIT + 5));
    }

    #[test]
    fn the_first_nul_of_each_line_is_told() {
        let mut lines = Lines::new(&b"a\n\0b\nab\0\0\nx"[..]);
        for expected in [None, Some(0), Some(2), None] {
            assert!(lines.advance().unwrap());
            assert_eq!(lines.nul(), expected);
        }
    }

    #[test]
    fn an_error_of_the_input_is_handed_on() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::IsADirectory.into())
            }
        }
        assert_eq!(
            Lines::new(Broken).advance().unwrap_err().kind(),
            io::ErrorKind::IsADirectory
        );
    }
}
