//! The command line as getopt of old reads it.
//!
//! Letters may be joined (`-vHRl0`); an argument is the rest of the word or the next word; the
//! first word that is no option ends the options; a lone `-` is such a word; `--` ends options
//! and is swallowed. Observed on tcpserver 0.88. A word that begins with `--` and goes on is
//! handed out as [`Opt::Long`]: the originals swallow it whole, so such words are free.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// One option as it was typed.
#[derive(Debug, PartialEq, Eq)]
pub enum Opt {
    /// A letter without an argument.
    Flag(u8),
    /// A letter with its argument.
    Value(u8, OsString),
    /// A word that begins with `--` and has more; without the two hyphens.
    Long(OsString),
}

/// What is wrong with the command line.
#[derive(Debug, PartialEq, Eq)]
pub enum BadOption {
    /// A letter that the program does not have.
    Illegal(u8),
    /// The last word is a letter that wants an argument.
    NeedsArgument(u8),
}

impl std::fmt::Display for BadOption {
    /// `illegal option -- Z` or `option requires an argument -- x`, as the originals print it
    /// behind the program's name.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            BadOption::Illegal(letter) => write!(f, "illegal option -- {}", *letter as char),
            BadOption::NeedsArgument(letter) => {
                write!(f, "option requires an argument -- {}", *letter as char)
            }
        }
    }
}

/// Walks over the words of a command line.
#[derive(Debug)]
pub struct Getopt {
    words: std::vec::IntoIter<OsString>,
    /// What is left of a cluster of letters.
    cluster: Vec<u8>,
    flags: &'static [u8],
    valued: &'static [u8],
    ended: bool,
    operand: Option<OsString>,
}

impl Getopt {
    /// `words` without the program's own name; `flags` are the letters without an argument,
    /// `valued` those with one.
    pub fn new(words: Vec<OsString>, flags: &'static str, valued: &'static str) -> Getopt {
        Getopt {
            words: words.into_iter(),
            cluster: Vec::new(),
            flags: flags.as_bytes(),
            valued: valued.as_bytes(),
            ended: false,
            operand: None,
        }
    }

    /// The next option, `None` where operands begin.
    pub fn next_option(&mut self) -> Result<Option<Opt>, BadOption> {
        if self.cluster.is_empty() {
            if self.ended {
                return Ok(None);
            }
            let Some(word) = self.words.next() else {
                self.ended = true;
                return Ok(None);
            };
            let bytes = word.as_bytes();
            if bytes == b"--" {
                self.ended = true;
                return Ok(None);
            }
            if let Some(long) = bytes.strip_prefix(b"--") {
                return Ok(Some(Opt::Long(OsStr::from_bytes(long).to_owned())));
            }
            match bytes.strip_prefix(b"-") {
                Some(letters) if !letters.is_empty() => self.cluster = letters.to_vec(),
                _ => {
                    self.ended = true;
                    self.operand = Some(word);
                    return Ok(None);
                }
            }
        }
        let letter = self.cluster.remove(0);
        if self.flags.contains(&letter) {
            return Ok(Some(Opt::Flag(letter)));
        }
        if !self.valued.contains(&letter) {
            return Err(BadOption::Illegal(letter));
        }
        let value = if self.cluster.is_empty() {
            self.words.next().ok_or(BadOption::NeedsArgument(letter))?
        } else {
            OsString::from_vec(std::mem::take(&mut self.cluster))
        };
        Ok(Some(Opt::Value(letter, value)))
    }

    /// The word after a long option: its value.
    pub fn next_word(&mut self) -> Option<OsString> {
        self.words.next()
    }

    /// The words from the first operand on.
    pub fn operands(self) -> Vec<OsString> {
        self.operand.into_iter().chain(self.words).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> (Result<Vec<Opt>, BadOption>, Vec<OsString>) {
        let mut options = Getopt::new(words.iter().map(OsString::from).collect(), "vHR", "lx");
        let mut seen = Vec::new();
        loop {
            match options.next_option() {
                Ok(Some(option)) => seen.push(option),
                Ok(None) => return (Ok(seen), options.operands()),
                Err(bad) => return (Err(bad), options.operands()),
            }
        }
    }

    fn value(letter: u8, text: &str) -> Opt {
        Opt::Value(letter, text.into())
    }

    #[test]
    fn letters_may_be_joined_and_the_argument_attached() {
        let (options, rest) = read(&["-vHRl0", "0", "smtp"]);
        let expected = vec![
            Opt::Flag(b'v'),
            Opt::Flag(b'H'),
            Opt::Flag(b'R'),
            value(b'l', "0"),
        ];
        assert_eq!(options, Ok(expected));
        assert_eq!(rest, ["0", "smtp"]);
    }

    #[test]
    fn an_argument_may_be_the_next_word_even_an_empty_one_or_one_with_a_hyphen() {
        assert_eq!(
            read(&["-l", "", "-x", "-v", "h"]).0,
            Ok(vec![value(b'l', ""), value(b'x', "-v")])
        );
    }

    #[test]
    fn the_first_word_that_is_no_option_ends_them() {
        let (options, rest) = read(&["-v", "host", "-H"]);
        assert_eq!(options, Ok(vec![Opt::Flag(b'v')]));
        assert_eq!(rest, ["host", "-H"]);
    }

    #[test]
    fn a_lone_hyphen_is_an_operand() {
        assert_eq!(read(&["-", "x"]).1, ["-", "x"]);
    }

    #[test]
    fn two_hyphens_end_the_options_and_are_swallowed() {
        assert_eq!(read(&["--", "-v"]), (Ok(vec![]), vec!["-v".into()]));
    }

    #[test]
    fn a_word_that_begins_with_two_hyphens_is_a_long_option() {
        assert_eq!(
            read(&["--mode", "-v"]).0,
            Ok(vec![Opt::Long("mode".into()), Opt::Flag(b'v')])
        );
    }

    #[test]
    fn an_unknown_letter_and_a_missing_argument_are_told_apart() {
        assert_eq!(read(&["-vZ"]).0, Err(BadOption::Illegal(b'Z')));
        assert_eq!(read(&["-vx"]).0, Err(BadOption::NeedsArgument(b'x')));
    }
}
