//! Why it cannot be said where somebody's mail is.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::aliases::AliasFault;
use crate::resolve::NESTING_LIMIT;
use crate::system::HomeFault;
use crate::users::LineError;

/// Why there is no answer. None of these means that the recipient does not exist.
#[derive(Debug)]
pub enum AccountError {
    /// A file cannot be read.
    Read(PathBuf, io::Error),
    /// A line of `users` is faulty.
    User(PathBuf, u64, LineError),
    /// An entry of `aliases` is faulty.
    Alias(PathBuf, u64, AliasFault),
    /// An alias names nobody.
    Dangling {
        /// The file.
        path: PathBuf,
        /// The target that is nobody.
        target: Vec<u8>,
    },
    /// An alias leads to an address that is not of a local domain.
    Remote {
        /// The file.
        path: PathBuf,
        /// That address.
        target: Vec<u8>,
    },
    /// The aliases lead only to themselves.
    Loop(Vec<u8>),
    /// More than [`crate::resolve::EXPANSION_LIMIT`] names.
    TooMany(Vec<u8>),
    /// Aliases of aliases of aliases, more than [`NESTING_LIMIT`] of them.
    TooDeep(Vec<u8>),
    /// The home of a user of the system is not there, or is no directory, or somebody else's.
    Home {
        /// The user.
        user: Vec<u8>,
        /// His home.
        home: PathBuf,
        /// What is wrong with it.
        why: HomeFault,
    },
    /// A name that must exist, and nobody gets its mail.
    NoAdmin {
        /// The name.
        name: Vec<u8>,
        /// The file that could say who does.
        path: PathBuf,
    },
}

impl fmt::Display for AccountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AccountError::Read(path, error) => {
                write!(
                    f,
                    "unable to read {}: {}",
                    path.display(),
                    os::reason(error)
                )
            }
            AccountError::User(path, number, fault) => {
                write!(
                    f,
                    "unable to use line {number} of {}: {fault}",
                    path.display()
                )
            }
            AccountError::Alias(path, number, fault) => {
                write!(
                    f,
                    "unable to use the alias in line {number} of {}: {fault}",
                    path.display()
                )
            }
            AccountError::Dangling { path, target } => {
                write!(
                    f,
                    "unable to expand an alias of {}: its target {} is nobody here",
                    path.display(),
                    target.escape_ascii()
                )
            }
            AccountError::Remote { path, target } => {
                write!(
                    f,
                    "unable to expand an alias of {}: its target {} is not local",
                    path.display(),
                    target.escape_ascii()
                )
            }
            AccountError::Loop(name) => {
                write!(
                    f,
                    "unable to expand alias {}: it leads only to itself",
                    name.escape_ascii()
                )
            }
            AccountError::TooMany(name) => {
                write!(
                    f,
                    "unable to expand alias {}: it has too many targets",
                    name.escape_ascii()
                )
            }
            AccountError::TooDeep(name) => {
                write!(
                    f,
                    "unable to expand alias {}: its aliases are nested more than {NESTING_LIMIT} deep",
                    name.escape_ascii()
                )
            }
            AccountError::Home { user, home, why } => {
                let (user, home) = (user.escape_ascii(), home.display());
                write!(f, "unable to use home {home} of user {user}: {why}")
            }
            AccountError::NoAdmin { name, path } => {
                write!(
                    f,
                    "unable to find a mailbox for {}, which every host must have: name a user in {}",
                    name.escape_ascii(),
                    path.display()
                )
            }
        }
    }
}

impl std::error::Error for AccountError {}
