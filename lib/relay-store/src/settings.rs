//! What the server and the programs must read alike of relay-ctrl's settings.
//!
//! Each setting is the first line of a file of its name, in one directory. A missing directory, a
//! missing file and an empty one mean the default.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::Expiry;

/// Where the settings are unless `RELAY_CTRL_CONFDIR` says otherwise.
pub const DIRECTORY: &str = "/etc/relay-ctrl";
/// The longest setting, in bytes.
pub const LINE_LIMIT: usize = 4096;

/// Why a setting cannot be used.
#[derive(Debug)]
pub enum Unfit {
    /// Its file cannot be read.
    Read(PathBuf, io::Error),
    /// Its file has more bytes than this.
    TooLarge(PathBuf, usize),
    /// What stands there (the name of a variable or of a file) is no time.
    Time(String),
}

impl Unfit {
    /// What is wrong with a value, where it is the value.
    pub const NO_TIME: &str = "no positive number of seconds";
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unfit::Read(path, error) => {
                let (path, reason) = (path.display(), os::reason(error));
                write!(f, "unable to read {path}: {reason}")
            }
            Unfit::TooLarge(path, limit) => {
                let path = path.display();
                write!(f, "unable to use {path}: larger than {limit} bytes")
            }
            Unfit::Time(place) => write!(f, "unable to use {place}: {}", Unfit::NO_TIME),
        }
    }
}

impl std::error::Error for Unfit {}

/// The directory of settings.
pub fn directory(variable: impl Fn(&str) -> Option<OsString>) -> PathBuf {
    let named = variable("RELAY_CTRL_CONFDIR").filter(|name| !name.is_empty());
    named.map_or_else(|| DIRECTORY.into(), PathBuf::from)
}

/// For how long a login is good: `RELAY_CTRL_EXPIRY`, else the setting `expiry`, else 900 seconds.
pub fn expiry(variable: impl Fn(&str) -> Option<OsString>) -> Result<Expiry, Unfit> {
    let parse =
        |text: &[u8], place: &str| Expiry::parse(text).ok_or_else(|| Unfit::Time(place.to_owned()));
    if let Some(text) = variable("RELAY_CTRL_EXPIRY") {
        return parse(text.as_encoded_bytes(), "RELAY_CTRL_EXPIRY");
    }
    let path = directory(variable).join("expiry");
    match line(&path)? {
        None => Ok(Expiry::default()),
        Some(text) => parse(&text, &path.display().to_string()),
    }
}

/// The setting in the file `path`: its first line, blanks and all. `None` where there is no byte.
pub fn line(path: &Path) -> Result<Option<Vec<u8>>, Unfit> {
    let text = read(path, LINE_LIMIT)?;
    Ok(text.and_then(|text| first_line(&text).map(<[u8]>::to_vec)))
}

/// The setting in the text of a file: `None` where there is no byte at all.
pub fn first_line(text: &[u8]) -> Option<&[u8]> {
    if text.is_empty() {
        return None;
    }
    text.split(|&byte| byte == b'\n').next()
}

/// All of a file of at most `limit` bytes; `None` where there is none.
pub fn read(path: &Path, limit: usize) -> Result<Option<Vec<u8>>, Unfit> {
    let failed = |error| Unfit::Read(path.to_owned(), error);
    let file = match File::open(path) {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(None);
        }
        other => other.map_err(failed)?,
    };
    let mut text = Vec::new();
    file.take(limit as u64 + 1)
        .read_to_end(&mut text)
        .map_err(failed)?;
    if text.len() > limit {
        return Err(Unfit::TooLarge(path.to_owned(), limit));
    }
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The time with these settings, or what is wrong, with DIR for the directory.
    fn told(file: Option<&str>, variable: Option<&str>) -> Result<i64, String> {
        let dir = tempfile::tempdir().expect("a folder");
        if let Some(text) = file {
            std::fs::write(dir.path().join("expiry"), text).expect("written");
        }
        let find = |name: &str| match name {
            "RELAY_CTRL_CONFDIR" => Some(dir.path().as_os_str().to_owned()),
            "RELAY_CTRL_EXPIRY" => variable.map(OsString::from),
            _ => None,
        };
        let place = dir.path().display().to_string();
        expiry(find)
            .map(Expiry::seconds)
            .map_err(|unfit| unfit.to_string().replace(&place, "DIR"))
    }

    #[test]
    fn the_time_is_that_of_the_variable_else_of_the_file_else_a_quarter_of_an_hour() {
        assert_eq!(told(None, None), Ok(900));
        assert_eq!(told(Some(""), None), Ok(900));
        assert_eq!(told(Some("60\nmore"), None), Ok(60));
        assert_eq!(told(Some("60"), Some("7")), Ok(7));
    }

    #[test]
    fn what_is_no_time_is_told_with_its_place() {
        let why = "no positive number of seconds";
        assert_eq!(
            told(Some("15m\n"), None),
            Err(format!("unable to use DIR/expiry: {why}"))
        );
        assert_eq!(
            told(None, Some("900s")),
            Err(format!("unable to use RELAY_CTRL_EXPIRY: {why}"))
        );
        assert_eq!(
            told(Some(&"9".repeat(LINE_LIMIT + 1)), None),
            Err(format!(
                "unable to use DIR/expiry: larger than {LINE_LIMIT} bytes"
            ))
        );
    }
}
