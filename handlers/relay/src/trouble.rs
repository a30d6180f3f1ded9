//! What keeps an address from being recorded, or a database from being rebuilt.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use relay_store::settings::Unfit;

/// Each is one sentence with the object in it.
#[derive(Debug)]
pub enum Trouble {
    /// A setting is not as it must be: where it stands, and why.
    Setting(String, String),
    /// Something could not be done (`read`, `record`, ...) with a file or directory.
    File(&'static str, PathBuf, io::Error),
    /// Another process had the store's lock for too long.
    Locked(PathBuf),
    /// There are no rules to build upon: the text is missing, or there is nothing in it. The database stays.
    NoRules(PathBuf, &'static str),
    /// There is no new database; the old one is as it was.
    Compile(PathBuf, String),
}

impl From<Unfit> for Trouble {
    fn from(unfit: Unfit) -> Trouble {
        match unfit {
            Unfit::Read(path, error) => Trouble::File("read", path, error),
            Unfit::TooLarge(path, limit) => Trouble::Setting(
                path.display().to_string(),
                format!("larger than {limit} bytes"),
            ),
            Unfit::Time(place) => Trouble::Setting(place, Unfit::NO_TIME.to_owned()),
        }
    }
}

impl Trouble {
    pub(crate) fn file(verb: &'static str, path: &Path, error: io::Error) -> Trouble {
        Trouble::File(verb, path.to_owned(), error)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Setting(place, why) => write!(f, "unable to use {place}: {why}"),
            Trouble::File(verb, path, error) => {
                write!(
                    f,
                    "unable to {verb} {}: {}",
                    path.display(),
                    os::reason(error)
                )
            }
            Trouble::Locked(path) => {
                write!(
                    f,
                    "unable to lock {}: another process has it",
                    path.display()
                )
            }
            Trouble::NoRules(path, why) => write!(
                f,
                "unable to use the rules in {}: {why}; the database stays as it is",
                path.display()
            ),
            Trouble::Compile(path, why) => write!(
                f,
                "unable to rebuild {}, which stays as it is: {why}",
                path.display()
            ),
        }
    }
}

impl std::error::Error for Trouble {}
