//! The words of the command line.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::time::Duration;

use os::args::{BadOption, Getopt, Opt};

use crate::verdict::{Source, Way};

/// How long a client is talked to that is not served, where -t says nothing else.
pub const TIME: Duration = Duration::from_secs(60);

/// What the command line says.
#[derive(Debug)]
pub struct Options {
    /// How long a client is talked to that is not served; zero is not at all (-t).
    pub time: Duration,
    /// Who is asked about a client, in order (-r, -a).
    pub sources: Vec<Source>,
    /// The program, and its words.
    pub program: Vec<OsString>,
}

/// Why a command line means nothing.
#[derive(Debug, PartialEq, Eq)]
pub enum Mistake {
    /// An option that there is not, or one without its argument.
    Option(BadOption),
    /// No program is named.
    NoProgram,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mistake::Option(bad) => write!(f, "{bad}"),
            Mistake::NoProgram => f.write_str("no program is named"),
        }
    }
}

impl Options {
    /// Reads the words. -b, -B, -c and -C hold for the sources behind them, as in the original,
    /// which looks each one up as soon as it has read it; so does what a word that begins with two
    /// hyphens does: it ends the options, whatever follows the hyphens.
    pub fn of(words: Vec<OsString>) -> Result<Options, Mistake> {
        let mut getopt = Getopt::new(words, "bBcC", "tra");
        let mut time = TIME;
        let mut sources = Vec::new();
        let (mut permanent, mut closed) = (false, false);
        while let Some(option) = getopt.next_option().map_err(Mistake::Option)? {
            match option {
                Opt::Flag(letter @ (b'b' | b'B')) => permanent = letter == b'b',
                Opt::Flag(letter) => closed = letter == b'c',
                Opt::Value(b't', value) => time = Duration::from_secs(number(value.as_bytes())),
                Opt::Value(letter, base) => sources.push(Source {
                    base: base.into_vec(),
                    way: if letter == b'a' { Way::Anti } else { Way::List },
                    permanent,
                    closed,
                    message: None,
                }),
                Opt::Long(_) => break,
            }
        }
        let program = getopt.operands();
        if program.is_empty() {
            return Err(Mistake::NoProgram);
        }
        Ok(Options {
            time,
            sources,
            program,
        })
    }
}

/// The digits that a word begins with; 0 where there are none, at most `u32::MAX`. (The original's
/// way with numbers.)
fn number(word: &[u8]) -> u64 {
    let digits = word.iter().take_while(|byte| byte.is_ascii_digit());
    let most = u64::from(u32::MAX);
    digits.fold(0, |sum: u64, digit| {
        (sum * 10 + u64::from(digit - b'0')).min(most)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<Options, Mistake> {
        Options::of(words.iter().map(OsString::from).collect())
    }

    #[test]
    fn flags_hold_for_the_sources_behind_them() {
        let options = read(&[
            "-r", "one", "-bcrtwo", "-a", "three", "-BC", "-r", "four", "prog", "-r",
        ])
        .expect("good");
        let seen: Vec<_> = options
            .sources
            .iter()
            .map(|source| {
                (
                    source.base.as_slice(),
                    source.way,
                    source.permanent,
                    source.closed,
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                (&b"one"[..], Way::List, false, false),
                (b"two", Way::List, true, true),
                (b"three", Way::Anti, true, true),
                (b"four", Way::List, false, false),
            ]
        );
        assert_eq!(options.program, ["prog", "-r"]);
        assert_eq!(options.time, TIME);
    }

    #[test]
    fn a_time_is_the_digits_that_a_word_begins_with() {
        for (word, seconds) in [
            ("5", 5),
            ("5x", 5),
            ("", 0),
            ("x", 0),
            ("-1", 0),
            ("4294967295", u32::MAX),
            ("4294967296", u32::MAX),
            ("99999999999999999999999", u32::MAX),
        ] {
            let options = read(&["-t", word, "prog"]).expect("good");
            assert_eq!(options.time.as_secs(), u64::from(seconds), "{word}");
        }
    }

    #[test]
    fn two_hyphens_end_the_options_whatever_follows_them() {
        for word in ["--", "--foo"] {
            assert_eq!(read(&[word, "-b", "x"]).expect("good").program, ["-b", "x"]);
        }
        assert_eq!(read(&["-", "x"]).expect("good").program, ["-", "x"]);
    }

    #[test]
    fn what_means_nothing_is_told() {
        let said = |words: &[&str]| read(words).expect_err("bad").to_string();
        assert_eq!(said(&["-R", "prog"]), "illegal option -- R");
        assert_eq!(said(&["-r"]), "option requires an argument -- r");
        assert_eq!(read(&["-b"]).expect_err("bad"), Mistake::NoProgram);
        assert_eq!(read(&[]).expect_err("bad"), Mistake::NoProgram);
    }
}
