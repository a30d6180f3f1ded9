//! Lines of the lists that other servers keep in a Maildir, read within bounds.

use std::io::{self, BufRead, ErrorKind, Read};

/// The most bytes of a line: a file name has 255, what stands before it is short.
pub(crate) const LINE_BYTES: usize = 8 * 1024;

/// Reads the next line, without its end, into `line`. False at the end of the file, where an
/// unfinished line, which somebody may be writing, does not count. A line that is too long is
/// `ErrorKind::InvalidData`.
pub(crate) fn next_line(file: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let mut bounded = file.by_ref().take(LINE_BYTES as u64 + 1);
    bounded.read_until(b'\n', line)?;
    match line.last() {
        Some(b'\n') => {
            line.pop();
            Ok(true)
        }
        _ if line.len() > LINE_BYTES => Err(ErrorKind::InvalidData.into()),
        _ => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_may_be_as_long_as_the_bound_and_no_longer() {
        let mut line = Vec::new();
        let mut text = vec![b'x'; LINE_BYTES];
        text.push(b'\n');
        assert!(next_line(&mut &text[..], &mut line).expect("fits"));
        assert_eq!(line.len(), LINE_BYTES);
        text.insert(0, b'x');
        let error = next_line(&mut &text[..], &mut line).expect_err("too long");
        assert_eq!(error.kind(), ErrorKind::InvalidData);
    }

    #[test]
    fn a_last_line_without_its_end_does_not_count() {
        let mut text = &b"one\n\ntwo"[..];
        let mut line = Vec::new();
        assert!(next_line(&mut text, &mut line).expect("a line"));
        assert_eq!(line, b"one");
        assert!(next_line(&mut text, &mut line).expect("an empty line"));
        assert!(line.is_empty());
        assert!(!next_line(&mut text, &mut line).expect("the end"));
    }
}
