//! The name files of the system, read by ourselves.
//!
//! A static program must not call getpwnam(3), getaddrinfo(3) or anything else of NSS: glibc would
//! load shared objects into it and crash where nsswitch.conf names `systemd` or `sss`. So these
//! rooms read passwd, group, services and hosts as their section 5 man pages describe them, a line
//! at a time and with a bound on the line; lines that do not parse are passed over, as libc does.

pub mod hosts;
pub mod login_defs;
pub mod nss;
pub mod nsswitch;
pub mod passwd;
pub mod samples;
pub mod services;
pub mod shadow;

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

/// The longest line that is looked at; a longer one is passed over. A group of thousands of
/// members stays below it.
pub const LINE_LIMIT: usize = 1 << 20;

/// Calls `each` with every line of `path` (without its newline) until it returns a value.
///
/// A missing file has no lines.
fn find_line<T>(path: &Path, each: impl FnMut(&[u8]) -> Option<T>) -> io::Result<Option<T>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    find_line_in(BufReader::new(file), each)
}

/// [`find_line`] in the text of a file.
fn find_line_in<T>(
    mut reader: impl BufRead,
    mut each: impl FnMut(&[u8]) -> Option<T>,
) -> io::Result<Option<T>> {
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut limited = io::Read::take(&mut reader, LINE_LIMIT as u64);
        if limited.read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        } else if line.len() == LINE_LIMIT {
            skip_line(&mut reader)?;
            continue;
        }
        if let Some(found) = each(&line) {
            return Ok(Some(found));
        }
    }
}

fn skip_line(reader: &mut impl BufRead) -> io::Result<()> {
    loop {
        let available = reader.fill_buf()?;
        if available.is_empty() {
            return Ok(());
        }
        let end = available.iter().position(|&byte| byte == b'\n');
        let used = end.map_or(available.len(), |at| at + 1);
        reader.consume(used);
        if end.is_some() {
            return Ok(());
        }
    }
}

/// A decimal number of digits only.
fn number<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The blank-separated words of a line before its comment.
fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let end = line
        .iter()
        .position(|&byte| byte == b'#')
        .unwrap_or(line.len());
    line[..end]
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_limit_is_passed_over_and_the_next_one_is_found() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let mut text = vec![b'x'; LINE_LIMIT + 10];
        text.extend_from_slice(b"\nnext");
        std::fs::write(file.path(), &text).expect("written");
        let seen = find_line(file.path(), |line| Some(line.to_vec())).expect("readable");
        assert_eq!(seen.as_deref(), Some(&b"next"[..]));
        text[LINE_LIMIT - 1] = b'\n';
        std::fs::write(file.path(), &text).expect("written");
        let seen = find_line(file.path(), |line| Some(line.len())).expect("readable");
        assert_eq!(seen, Some(LINE_LIMIT - 1));
    }

    #[test]
    fn a_missing_file_has_no_lines() {
        let seen = find_line(Path::new("/nonexistent/file"), |_| Some(())).expect("no error");
        assert_eq!(seen, None);
    }

    #[test]
    fn a_number_is_digits_only() {
        assert_eq!(number::<u32>(b"25"), Some(25));
        for wrong in [&b""[..], b"+25", b"25x", b" 25", b"4294967296"] {
            assert_eq!(number::<u32>(wrong), None);
        }
    }
}
