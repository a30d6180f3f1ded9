//! Bytes in, pieces of lines out: what each syslog message says.
//!
//! All of it is observed behaviour of the original: a line of more than [`LIMIT`] bytes becomes
//! several pieces; an empty line is nothing; the first bytes of a line say how urgent it is; what
//! is not printable becomes `?`.

use memchr::memchr;

/// The most bytes of one piece.
pub const LIMIT: usize = 799;

/// How urgent a line is, by its value in syslog(3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// LOG_ALERT: the line begins with `alert:`.
    Alert = 1,
    /// LOG_WARNING: the line begins with `warning:`.
    Warning = 4,
    /// LOG_INFO: any other line.
    Info = 6,
}

impl Priority {
    fn of(line: &[u8]) -> Priority {
        if line.starts_with(b"alert:") {
            Priority::Alert
        } else if line.starts_with(b"warning:") {
            Priority::Warning
        } else {
            Priority::Info
        }
    }
}

/// Which characters are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// Printable ASCII.
    Ascii,
    /// Printable characters in UTF-8.
    Utf8,
}

/// A line, or a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// What it says, printable, at most [`LIMIT`] bytes, never empty.
    pub text: &'a [u8],
    /// How urgent the whole line is.
    pub priority: Priority,
    /// Whether it goes on with the line of the piece before it.
    pub continued: bool,
}

/// Cuts a stream into pieces. Holds at most [`LIMIT`] bytes.
#[derive(Debug)]
pub struct Lines {
    charset: Charset,
    /// What has come of the present piece.
    held: Vec<u8>,
    text: Vec<u8>,
    /// The priority of the present line, once a piece of it is out.
    begun: Option<Priority>,
}

impl Lines {
    /// Nothing has come yet.
    pub fn new(charset: Charset) -> Lines {
        Lines {
            charset,
            held: Vec::with_capacity(LIMIT),
            text: Vec::with_capacity(LIMIT),
            begun: None,
        }
    }

    /// Takes the next bytes of the stream, and hands out every piece that they complete.
    pub fn feed(&mut self, bytes: &[u8], each: &mut dyn FnMut(Piece<'_>)) {
        let mut rest = bytes;
        // Each round takes a byte at least: `held` is never full between two rounds.
        while !rest.is_empty() {
            let window = &rest[..rest.len().min(LIMIT - self.held.len())];
            if let Some(end) = memchr(b'\n', window) {
                self.held.extend_from_slice(&rest[..end]);
                self.hand_out(self.held.len(), each);
                self.begun = None;
                rest = &rest[end + 1..];
                continue;
            }
            self.held.extend_from_slice(window);
            rest = &rest[window.len()..];
            if self.held.len() == LIMIT {
                let whole = match self.charset {
                    Charset::Ascii => LIMIT,
                    Charset::Utf8 => LIMIT - begun_character(&self.held),
                };
                self.hand_out(whole, each);
            }
        }
    }

    /// The end of the stream: hands out what has no newline behind it.
    pub fn finish(&mut self, each: &mut dyn FnMut(Piece<'_>)) {
        self.hand_out(self.held.len(), each);
        self.begun = None;
    }

    /// Hands out the first `length` bytes of what is held, and keeps the others.
    fn hand_out(&mut self, length: usize, each: &mut dyn FnMut(Piece<'_>)) {
        if length == 0 {
            return;
        }
        let raw = &self.held[..length];
        let priority = self.begun.unwrap_or_else(|| Priority::of(raw));
        self.text.clear();
        clean(self.charset, raw, &mut self.text);
        each(Piece {
            text: &self.text,
            priority,
            continued: self.begun.is_some(),
        });
        self.begun = Some(priority);
        self.held.drain(..length);
    }
}

/// Adds `raw` to `out` with a `?` for every byte that must not be seen.
fn clean(charset: Charset, raw: &[u8], out: &mut Vec<u8>) {
    if charset == Charset::Ascii {
        out.extend(raw.iter().map(|&byte| match byte {
            b' '..=b'~' => byte,
            _ => b'?',
        }));
        return;
    }
    for chunk in raw.utf8_chunks() {
        for character in chunk.valid().chars() {
            if is_seen(character) {
                let mut bytes = [0; 4];
                out.extend_from_slice(character.encode_utf8(&mut bytes).as_bytes());
            } else {
                out.resize(out.len() + character.len_utf8(), b'?');
            }
        }
        out.resize(out.len() + chunk.invalid().len(), b'?');
    }
}

/// Whether a character may stand in a log: not one that moves the cursor, ends a line, or turns
/// the order of what stands around it.
fn is_seen(character: char) -> bool {
    let turns = matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    !turns && !character.is_control()
}

/// How many bytes at the end of `bytes` begin a character of UTF-8 that is not complete.
fn begun_character(bytes: &[u8]) -> usize {
    for (length, &byte) in (1..=3).zip(bytes.iter().rev()) {
        let needed = match byte {
            0x80..=0xbf => continue,
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => 0,
        };
        return if needed > length { length } else { 0 };
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    type Owned = (String, Priority, bool);

    /// The pieces of `stream`, which comes in parts of `part` bytes.
    fn pieces_of(charset: Charset, stream: &[u8], part: usize) -> Vec<Owned> {
        let mut all = Vec::new();
        let mut lines = Lines::new(charset);
        let mut each = |piece: Piece<'_>| {
            let text = String::from_utf8(piece.text.to_vec()).expect("UTF-8");
            all.push((text, piece.priority, piece.continued));
        };
        for bytes in stream.chunks(part) {
            lines.feed(bytes, &mut each);
        }
        lines.finish(&mut each);
        all
    }

    fn pieces(stream: impl AsRef<[u8]>) -> Vec<Owned> {
        pieces_of(Charset::Ascii, stream.as_ref(), usize::MAX)
    }

    fn info(text: &str) -> Owned {
        (text.to_owned(), Priority::Info, false)
    }

    #[test]
    fn a_line_is_a_piece_however_it_comes() {
        for part in [1, 2, 3, 100] {
            assert_eq!(
                pieces_of(Charset::Ascii, b"one\ntwo\n", part),
                [info("one"), info("two")]
            );
        }
    }

    #[test]
    fn an_empty_line_is_nothing_and_a_blank_is_a_line() {
        assert_eq!(pieces("\n\n \n\n"), [info(" ")]);
    }

    #[test]
    fn the_last_line_needs_no_newline() {
        assert_eq!(pieces("one\ntwo"), [info("one"), info("two")]);
    }

    #[test]
    fn what_is_not_printable_ascii_becomes_a_question_mark_for_each_byte() {
        assert_eq!(pieces(b"a\tb\r\x00\x7f\xc3\xa9~\n"), [info("a?b?????~")]);
    }

    #[test]
    fn a_priority_is_told_by_the_very_first_bytes_with_their_colon() {
        let priority = |line: &str| pieces(line)[0].1;
        assert_eq!(priority("alert: x"), Priority::Alert);
        assert_eq!(priority("warning:"), Priority::Warning);
        for line in [" alert: x", "Alert: x", "alert x", "warning", "error: x"] {
            assert_eq!(priority(line), Priority::Info, "{line}");
        }
    }

    #[test]
    fn a_line_of_the_limit_is_one_piece_and_one_byte_more_makes_a_second() {
        let line = "x".repeat(LIMIT);
        for part in [1, 7, LIMIT, LIMIT + 1, 5000] {
            let pieces = |stream: String| pieces_of(Charset::Ascii, stream.as_bytes(), part);
            assert_eq!(
                pieces(format!("{line}\nnext\n")),
                [info(&line), info("next")]
            );
            let second = ("y".to_owned(), Priority::Info, true);
            assert_eq!(
                pieces(format!("{line}y\nnext\n")),
                [info(&line), second, info("next")]
            );
        }
    }

    #[test]
    fn all_pieces_of_a_line_have_its_priority_and_none_has_that_of_its_own_text() {
        let warning = format!("warning:{}alert: x\n", "x".repeat(LIMIT - 8));
        assert_eq!(
            pieces(&warning)[1],
            ("alert: x".to_owned(), Priority::Warning, true)
        );
        let plain = format!("{}alert: x\n", "x".repeat(LIMIT));
        assert_eq!(
            pieces(&plain)[1],
            ("alert: x".to_owned(), Priority::Info, true)
        );
    }

    #[test]
    fn characters_are_kept_where_asked_for_but_none_that_deceives() {
        let text = "é漢🙂 \u{9b}1m\u{202e}abc\u{2028}\t";
        let kept = pieces_of(Charset::Utf8, text.as_bytes(), 1);
        assert_eq!(kept, [info("é漢🙂 ??1m???abc????")]);
        let broken = pieces_of(Charset::Utf8, b"\xffa\xc3\xe9\n\xe6\xbc", 100);
        assert_eq!(broken, [info("?a??"), info("??")]);
    }

    #[test]
    fn a_character_is_not_cut_in_two() {
        for (character, before) in [("é", 1), ("漢", 1), ("漢", 2), ("🙂", 3)] {
            let start = "x".repeat(LIMIT - before);
            let line = format!("{start}{character}z\n");
            for part in [1, 5000] {
                let pieces = pieces_of(Charset::Utf8, line.as_bytes(), part);
                let rest = (format!("{character}z"), Priority::Info, true);
                assert_eq!(pieces, [info(&start), rest], "{character} after {before}");
            }
        }
        let fits = format!("{}é\n", "x".repeat(LIMIT - 2));
        assert_eq!(pieces_of(Charset::Utf8, fits.as_bytes(), 5000).len(), 1);
    }
}
