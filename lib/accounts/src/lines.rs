//! Files of any size, a line at a time, in bounded memory.

use std::io::{self, BufRead, Read};

/// The most bytes of a line in `users` and `aliases`.
pub(crate) const LINE_LIMIT: usize = 64 * 1024;

/// One line without its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Numbered<'l> {
    /// Counted from 1.
    pub(crate) number: u64,
    /// Without LF and without a CR before it; the first [`LINE_LIMIT`] bytes.
    pub(crate) text: &'l [u8],
    /// Whether that is not all of it.
    pub(crate) cut: bool,
}

/// Shows each line of a text to `each` until it returns `false`.
pub(crate) fn read(
    mut from: impl BufRead,
    mut each: impl FnMut(Numbered<'_>) -> bool,
) -> io::Result<()> {
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        let mut limited = (&mut from).take(LINE_LIMIT as u64 + 1);
        if limited.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        number += 1;
        let cut = line.last() != Some(&b'\n') && line.len() > LINE_LIMIT;
        if cut {
            line.truncate(LINE_LIMIT);
            from.skip_until(b'\n')?;
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if !each(Numbered { number, text, cut }) {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &[u8]) -> Vec<(u64, usize, bool)> {
        let mut seen = Vec::new();
        read(text, |line| {
            seen.push((line.number, line.text.len(), line.cut));
            true
        })
        .expect("readable");
        seen
    }

    #[test]
    fn lines_are_numbered_and_lose_their_ends() {
        assert_eq!(
            all(b"a\nbb\r\n\nccc"),
            [(1, 1, false), (2, 2, false), (3, 0, false), (4, 3, false)]
        );
    }

    #[test]
    fn a_line_of_the_limit_is_whole_and_a_longer_one_is_cut_and_the_next_one_is_found() {
        let mut text = vec![b'x'; LINE_LIMIT];
        text.extend_from_slice(b"\ny");
        assert_eq!(all(&text), [(1, LINE_LIMIT, false), (2, 1, false)]);
        text.insert(0, b'x');
        assert_eq!(all(&text), [(1, LINE_LIMIT, true), (2, 1, false)]);
        text.splice(0..0, vec![b'x'; 3 * LINE_LIMIT]);
        assert_eq!(all(&text), [(1, LINE_LIMIT, true), (2, 1, false)]);
    }

    #[test]
    fn reading_stops_where_it_is_told_to() {
        let mut count = 0;
        read(&b"a\nb\nc\n"[..], |_| {
            count += 1;
            count < 2
        })
        .expect("readable");
        assert_eq!(count, 2);
    }
}
