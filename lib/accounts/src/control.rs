//! Control files: small texts in `control/`, read anew by each program that needs them.
//!
//! As observed on qmail's programs: a one-line file is its first line without trailing blanks; a
//! list is one entry a line, trailing blanks cut, lines that begin with `#` and empty ones skipped,
//! the last line may lack its LF; a missing file is the default. On purpose different: a CR before
//! the LF counts as a trailing blank (a file saved on Windows would silently match nothing), and
//! a number must be one (`10M` is an error, not 10; `ten` is one, not the default).

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::home::Home;

/// The most bytes of a control file.
pub const SIZE_LIMIT: u64 = 4 * 1024 * 1024;

/// What is wrong with a file of the home.
#[derive(Debug)]
pub enum Why {
    /// It cannot be read.
    Io(io::Error),
    /// It has more than [`SIZE_LIMIT`] bytes.
    TooLarge,
    /// It should hold a number.
    NotANumber,
    /// It should hold a quota.
    NotAQuota,
    /// It should hold a path that is absolute or below a home.
    NotAPath,
    /// It holds a word that means nothing there.
    UnknownWord(Vec<u8>),
}

/// A file of the home that cannot be used.
#[derive(Debug)]
pub struct ControlError {
    /// The file.
    pub path: PathBuf,
    /// The reason.
    pub why: Why,
}

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.why {
            Why::Io(error) => write!(f, "unable to read {path}: {}", os::reason(error)),
            Why::TooLarge => write!(f, "unable to read {path}: larger than {SIZE_LIMIT} bytes"),
            Why::NotANumber => write!(f, "unable to use {path}: its first line is no number"),
            Why::NotAQuota => write!(
                f,
                "unable to use {path}: its first line is not of the form 10000000S,1000C"
            ),
            Why::NotAPath => write!(
                f,
                "unable to use {path}: its first line is neither an absolute path nor one below a home"
            ),
            Why::UnknownWord(word) => {
                write!(
                    f,
                    "unable to use {path}: unknown word {}",
                    word.escape_ascii()
                )
            }
        }
    }
}

impl std::error::Error for ControlError {}

impl Home {
    /// The one-line control file `name`; `None` where it is missing or its first line is empty.
    pub fn line(&self, name: &str) -> Result<Option<Vec<u8>>, ControlError> {
        let text = read(&self.control(name))?;
        Ok(text.and_then(|text| first_line(&text).map(<[u8]>::to_vec)))
    }

    /// The entries of the list `name`; `None` where the file is missing.
    pub fn list(&self, name: &str) -> Result<Option<Vec<Vec<u8>>>, ControlError> {
        let text = read(&self.control(name))?;
        Ok(text.map(|text| entries(&text).map(<[u8]>::to_vec).collect()))
    }

    /// The number in the file `name`; `None` where it is missing or its first line is empty.
    pub fn number(&self, name: &str) -> Result<Option<u64>, ControlError> {
        let Some(line) = self.line(name)? else {
            return Ok(None);
        };
        number(&line).map(Some).ok_or_else(|| ControlError {
            path: self.control(name),
            why: Why::NotANumber,
        })
    }
}

/// All of a file, `None` where it is missing.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, ControlError> {
    let failed = |why| ControlError {
        path: path.to_owned(),
        why,
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(Why::Io(error))),
    };
    let mut text = Vec::new();
    file.take(SIZE_LIMIT + 1)
        .read_to_end(&mut text)
        .map_err(|error| failed(Why::Io(error)))?;
    if text.len() as u64 > SIZE_LIMIT {
        return Err(failed(Why::TooLarge));
    }
    Ok(Some(text))
}

/// The first line of a text without trailing blanks; `None` where that is nothing.
pub fn first_line(text: &[u8]) -> Option<&[u8]> {
    let line = text.split(|&byte| byte == b'\n').next()?;
    Some(cut_blanks(line)).filter(|line| !line.is_empty())
}

/// The entries of a list.
pub fn entries(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&byte| byte == b'\n')
        .map(cut_blanks)
        .filter(|line| !line.is_empty() && line[0] != b'#')
}

/// A decimal number, alone or with a remark behind a blank.
pub fn number(line: &[u8]) -> Option<u64> {
    let end = line
        .iter()
        .position(|byte| matches!(byte, b' ' | b'\t'))
        .unwrap_or(line.len());
    digits(&line[..end])
}

/// A decimal number of digits only, as environment variables hold it.
pub fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn cut_blanks(line: &[u8]) -> &[u8] {
    let end = line
        .iter()
        .rposition(|byte| !matches!(byte, b' ' | b'\t' | b'\r'))
        .map_or(0, |last| last + 1);
    &line[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(text: &[u8]) -> Vec<&[u8]> {
        entries(text).collect()
    }

    #[test]
    fn a_one_line_file_is_its_first_line_without_trailing_blanks() {
        assert_eq!(
            first_line(b"mx.example \t\nrest\n"),
            Some(&b"mx.example"[..])
        );
        assert_eq!(first_line(b" # mx"), Some(&b" # mx"[..]));
        assert_eq!(first_line(b"mx\r\n"), Some(&b"mx"[..]));
        assert_eq!(first_line(b"\nmx"), None);
        assert_eq!(first_line(b""), None);
    }

    #[test]
    fn a_list_skips_remarks_and_empty_lines_and_cuts_trailing_blanks() {
        let text = b"a \t\n\n# no\n b\r\n#\nlast";
        assert_eq!(listed(text), [&b"a"[..], b" b", b"last"]);
        assert!(listed(b"").is_empty());
        assert!(listed(b" \n\t\r\n").is_empty());
    }

    #[test]
    fn a_number_is_digits_with_nothing_but_a_remark_behind() {
        assert_eq!(number(b"1200"), Some(1200));
        assert_eq!(number(b"0"), Some(0));
        assert_eq!(number(b"10 # bytes"), Some(10));
        assert_eq!(number(b"18446744073709551615"), Some(u64::MAX));
        for wrong in [
            &b"10M"[..],
            b"ten",
            b"-5",
            b"+5",
            b" 5",
            b"18446744073709551616",
        ] {
            assert_eq!(number(wrong), None, "{}", wrong.escape_ascii());
        }
        assert_eq!(digits(b"10 "), None);
        assert_eq!(digits(b""), None);
    }

    fn home_with(name: &str, text: &[u8]) -> (tempfile::TempDir, Home) {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::at(folder.path().to_owned());
        std::fs::create_dir(folder.path().join("control")).expect("made");
        std::fs::write(home.control(name), text).expect("written");
        (folder, home)
    }

    #[test]
    fn a_missing_file_is_the_default_and_an_unreadable_one_an_error() {
        let (folder, home) = home_with("me", b"x");
        assert!(home.list("rcpthosts").expect("no error").is_none());
        assert!(home.line("databytes").expect("no error").is_none());
        std::fs::create_dir(home.control("rcpthosts")).expect("made");
        let error = home.list("rcpthosts").expect_err("a directory").to_string();
        assert!(
            error.ends_with("control/rcpthosts: is a directory"),
            "{error}"
        );
        drop(folder);
    }

    #[test]
    fn an_empty_list_is_not_a_missing_one() {
        let (_folder, home) = home_with("rcpthosts", b"");
        assert_eq!(home.list("rcpthosts").expect("read"), Some(vec![]));
    }

    #[test]
    fn a_file_that_holds_no_number_is_an_error_where_one_is_wanted() {
        let (_folder, home) = home_with("databytes", b"10M\n");
        let error = home.number("databytes").expect_err("no number").to_string();
        assert!(
            error.ends_with("control/databytes: its first line is no number"),
            "{error}"
        );
        let (_folder, home) = home_with("databytes", b"\n");
        assert_eq!(home.number("databytes").expect("empty"), None);
    }

    #[test]
    fn a_file_of_the_limit_is_read_and_one_byte_more_is_an_error() {
        let limit = usize::try_from(SIZE_LIMIT).expect("fits");
        let (_folder, home) = home_with("locals", &vec![b'x'; limit]);
        assert_eq!(
            home.line("locals").expect("read").map(|line| line.len()),
            Some(limit)
        );
        std::fs::write(home.control("locals"), vec![b'x'; limit + 1]).expect("written");
        assert!(matches!(
            home.list("locals"),
            Err(ControlError {
                why: Why::TooLarge,
                ..
            })
        ));
    }
}
