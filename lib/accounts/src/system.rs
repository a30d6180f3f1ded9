//! Which users of the system have mail here: people, and whom the administrator has named.
//!
//! uid 0 never counts. Below a lowest number (control/uidmin, else UID_MIN of login.defs(5), else
//! 1000) are the accounts of programs; nobody from outside writes to them or logs in as them, unless
//! control/systemusers names them. An alias that leads to one names it, too, for mail.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::io::{self, BufRead};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use os::names::login_defs;
use os::names::passwd::{self, User};

use crate::control::{ControlError, Why};
use crate::database::Database;
use crate::home::Home;
use crate::names::{Book, Fact};
use crate::stems::Stems;

/// The lowest number of people where nothing says which it is.
const UID_MIN: u32 = 1000;

/// Nobody's number, which is above all others'. (What has no owner that can be told has it.)
const NOBODY: u32 = 65534;

/// The most hyphens of a local part at which a system's user may end.
const SYSTEM_SPLITS: usize = 8;

/// Who of the system's users may be named by strangers.
#[derive(Clone, Debug)]
pub struct People {
    lowest: u32,
    named: Vec<Vec<u8>>,
}

/// Why somebody may not: the rest of a sentence about the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outsider {
    /// The superuser.
    Root,
    /// One below the lowest number.
    Low(u32, u32),
    /// Nobody.
    Nobody,
}

impl fmt::Display for Outsider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outsider::Root => f.write_str("the account has uid 0"),
            Outsider::Low(uid, lowest) => write!(
                f,
                "the account has uid {uid}, below {lowest}, and is not in control/systemusers"
            ),
            Outsider::Nobody => write!(
                f,
                "the account has uid {NOBODY}, which is nobody's, and is not in control/systemusers"
            ),
        }
    }
}

impl People {
    /// As the control files of a home and the system say.
    pub fn of(home: &Home) -> Result<People, ControlError> {
        let lowest = match home.number("uidmin")? {
            Some(number) => u32::try_from(number).map_err(|_| ControlError {
                path: home.control("uidmin"),
                why: Why::NotANumber,
            })?,
            None => login_defs::uid_min()
                .map_err(|error| ControlError {
                    path: PathBuf::from(login_defs::PATH),
                    why: Why::Io(error),
                })?
                .unwrap_or(UID_MIN),
        };
        Ok(People {
            lowest,
            named: home.list("systemusers")?.unwrap_or_default(),
        })
    }

    /// Where the system's users do not count.
    pub(crate) fn nobody() -> People {
        People {
            lowest: u32::MAX,
            named: Vec::new(),
        }
    }

    /// Whether a user of the system may be named by strangers.
    pub fn admit(&self, name: &[u8], uid: u32) -> Result<(), Outsider> {
        let is_named = || self.named.iter().any(|named| named == name);
        match uid {
            0 => Err(Outsider::Root),
            NOBODY if !is_named() => Err(Outsider::Nobody),
            uid if uid < self.lowest && !is_named() => Err(Outsider::Low(uid, self.lowest)),
            _ => Ok(()),
        }
    }
}

/// The file of the system's users, to be asked about their names.
#[derive(Debug)]
pub(crate) struct SystemUsers;

impl Fact for User {
    fn bytes(&self) -> usize {
        self.name.len() + self.home.as_os_str().len() + self.shell.len()
    }
}

impl Book for SystemUsers {
    type Fact = User;

    const EXTENDS: bool = false;

    fn scan(
        &self,
        text: impl BufRead,
        names: &BTreeSet<Vec<u8>>,
        stems: &Stems,
    ) -> io::Result<HashMap<Vec<u8>, User>> {
        let mut found: HashMap<Vec<u8>, User> = HashMap::new();
        passwd::each_user(
            text,
            |name| {
                stems.see(name);
                names.contains(name)
            },
            |user| {
                found.entry(user.name.clone()).or_insert(user);
                found.len() < names.len()
            },
        )?;
        Ok(found)
    }

    fn ask(&self, _: &Database, _: &[u8]) -> io::Result<Option<User>> {
        Ok(None)
    }

    fn has_database(&self) -> bool {
        false
    }
}

/// The whole local part, then what is before its hyphens, from the right.
pub(crate) fn candidates(local: &[u8]) -> impl Iterator<Item = &[u8]> {
    let hyphens = local.iter().enumerate().filter(|&(_, &byte)| byte == b'-');
    let mut splits: Vec<usize> = hyphens.map(|(at, _)| at).take(SYSTEM_SPLITS).collect();
    splits.reverse();
    std::iter::once(local.len())
        .chain(splits)
        .filter(|&end| end > 0)
        .map(|end| &local[..end])
}

/// Whether a user has no home on purpose: Debian's word for that is a path that never is.
pub(crate) fn has_no_home(user: &User) -> bool {
    user.home.starts_with("/nonexistent") || user.home.starts_with("/dev/null")
}

/// What is wrong with a home.
#[derive(Debug)]
pub enum HomeFault {
    /// It cannot be looked at.
    Io(io::Error),
    /// It is something else.
    NotADirectory,
    /// It belongs to this user.
    Owner(u32),
}

impl fmt::Display for HomeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HomeFault::Io(error) => f.write_str(&os::reason(error)),
            HomeFault::NotADirectory => f.write_str("it is no directory"),
            HomeFault::Owner(uid) => write!(f, "it belongs to user id {uid}"),
        }
    }
}

/// Why a user's home cannot be used now. One that is not there may not have been mounted yet, and what
/// is in its place then belongs to somebody else: his mail has to wait.
pub(crate) fn fault_of_home(user: &User) -> Option<HomeFault> {
    match std::fs::metadata(&user.home) {
        Ok(meta) if !meta.is_dir() => Some(HomeFault::NotADirectory),
        Ok(meta) if meta.uid() != user.uid => Some(HomeFault::Owner(meta.uid())),
        Ok(_) => None,
        Err(error) => Some(HomeFault::Io(error)),
    }
}

#[cfg(test)]
#[path = "system_tests.rs"]
mod tests;
