//! What the control files say about all accounts.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use crate::control::{ControlError, Why};
use crate::home::Home;
use crate::resolve::FILTER_SECONDS;
use crate::users::Quota;

/// Where accounts come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The `users` file.
    Users,
    /// The users of the system.
    System,
}

impl Source {
    /// Those of a home, in the order in which they are asked: what `control/accounts` says, else
    /// `users` where that file is there, else the system.
    pub fn of(home: &Home) -> Result<Vec<Source>, ControlError> {
        let sources = match home.list("accounts")? {
            Some(words) => sources(&words).map_err(|word| ControlError {
                path: home.control("accounts"),
                why: Why::UnknownWord(word),
            })?,
            None if exists(&home.users())? => return Ok(vec![Source::Users]),
            None => return Ok(vec![Source::System]),
        };
        // Asked for and not there: everybody would be unknown, and his mail would bounce.
        if sources.contains(&Source::Users) && !exists(&home.users())? {
            return Err(ControlError {
                path: home.users(),
                why: Why::Io(io::ErrorKind::NotFound.into()),
            });
        }
        Ok(sources)
    }
}

/// The quota of who has none of his own, by `control/quota`.
pub fn default_quota(home: &Home) -> Result<Option<Quota>, ControlError> {
    let Some(line) = home.line("quota")? else {
        return Ok(None);
    };
    Quota::parse(&line).map(Some).ok_or_else(|| ControlError {
        path: home.control("quota"),
        why: Why::NotAQuota,
    })
}

/// The path in control/filter, and how many seconds what is there may take.
pub(crate) fn filter(home: &Home) -> Result<Option<(PathBuf, u64)>, ControlError> {
    let Some(line) = home.line("filter")? else {
        return Ok(None);
    };
    let path = PathBuf::from(std::ffi::OsStr::from_bytes(&line));
    let is_below = |path: &Path| {
        path.components()
            .all(|part| matches!(part, Component::Normal(_)))
    };
    if !path.is_absolute() && !is_below(&path) {
        return Err(ControlError {
            path: home.control("filter"),
            why: Why::NotAPath,
        });
    }
    let seconds = home.number("filtertime")?.unwrap_or(FILTER_SECONDS);
    Ok(Some((path, seconds)))
}

fn exists(path: &Path) -> Result<bool, ControlError> {
    path.try_exists().map_err(|error| ControlError {
        path: path.to_owned(),
        why: Why::Io(error),
    })
}

/// The words of control/accounts; the error is the one that is none.
fn sources(words: &[Vec<u8>]) -> Result<Vec<Source>, Vec<u8>> {
    words
        .iter()
        .map(|word| match word.as_slice() {
            b"users" => Ok(Source::Users),
            b"system" => Ok(Source::System),
            _ => Err(word.clone()),
        })
        .collect()
}
