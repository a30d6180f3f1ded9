//! Numbers of the command line: read whole or refused.
//!
//! The original reads leading digits and takes anything else for 0 (`-c x` is a limit of nobody).
//! Nobody can depend on that, so a word that is not a number is an error that names it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// The whole number in `word`, where it is digits only and lies in `range`.
///
/// The error is a sentence without the program's name; `what` names the option or operand.
pub fn number<T>(what: &str, word: &OsStr, range: std::ops::RangeInclusive<T>) -> Result<T, String>
where
    T: std::str::FromStr + PartialOrd + std::fmt::Display,
{
    let bytes = word.as_bytes();
    let digits = !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit);
    let value = word
        .to_str()
        .filter(|_| digits)
        .and_then(|text| text.parse::<T>().ok());
    match value {
        Some(value) if range.contains(&value) => Ok(value),
        _ => Err(format!(
            "{what} must be a whole number from {} to {}, not \"{}\"",
            range.start(),
            range.end(),
            bytes.escape_ascii()
        )),
    }
}

/// A file mode in octal, such as `0660`.
pub fn mode(what: &str, word: &OsStr) -> Result<u32, String> {
    let bytes = word.as_bytes();
    let digits = !bytes.is_empty() && bytes.iter().all(|byte| (b'0'..=b'7').contains(byte));
    word.to_str()
        .filter(|_| digits)
        .and_then(|text| u32::from_str_radix(text, 8).ok())
        .filter(|&mode| mode <= 0o777)
        .ok_or_else(|| {
            let word = bytes.escape_ascii();
            format!("{what} must be an octal mode from 0 to 777, not \"{word}\"")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(word: &str) -> Result<u16, String> {
        number("port", word.as_ref(), 0..=u16::MAX)
    }

    #[test]
    fn digits_only_are_a_number() {
        assert_eq!(read("25"), Ok(25));
        assert_eq!(read("0025"), Ok(25));
        for wrong in [
            "",
            "x",
            "3x",
            "-1",
            "+1",
            " 1",
            "1 ",
            "99999999999999999999999",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_ends_of_the_range_are_in_and_their_neighbours_out() {
        assert_eq!(read("65535"), Ok(65535));
        assert!(read("65536").is_err());
        assert!(number("-c", "0".as_ref(), 1..=10u32).is_err());
        assert_eq!(number("-c", "10".as_ref(), 1..=10u32), Ok(10));
    }

    #[test]
    fn the_error_names_the_option_and_the_word() {
        let error = number("-c", "3x".as_ref(), 1..=10u32).expect_err("no number");
        assert_eq!(error, "-c must be a whole number from 1 to 10, not \"3x\"");
    }

    #[test]
    fn a_mode_is_octal() {
        assert_eq!(mode("--mode", "0660".as_ref()), Ok(0o660));
        assert_eq!(mode("--mode", "777".as_ref()), Ok(0o777));
        for wrong in ["", "8", "1000", "rw", "-1"] {
            assert!(mode("--mode", wrong.as_ref()).is_err(), "{wrong}");
        }
    }
}
