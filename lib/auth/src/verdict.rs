//! What a checker answers, and becoming the user that it found.

use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use chain::Env;
use os::identity::DropError;

/// A checker's answer. The texts are for the log, never for the client: they tell what the matter
/// is in one sentence without secrets.
#[derive(Debug)]
pub enum Verdict {
    /// It is him.
    Yes(Entry),
    /// It is not, or there is no such user, or he may not log in (checkpassword: 1).
    No(String),
    /// It cannot be told now (checkpassword: 111).
    Temporary(String),
    /// It can never be told this way (checkpassword: 2).
    Permanent(String),
}

/// The answers that let nobody in, as what a check fails with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    No(String),
    Temporary(String),
    Permanent(String),
}

impl Refusal {
    pub(crate) fn no(why: &str) -> Refusal {
        Refusal::No(why.to_owned())
    }

    pub(crate) fn temporary(why: &str) -> Refusal {
        Refusal::Temporary(why.to_owned())
    }

    pub(crate) fn permanent(why: &str) -> Refusal {
        Refusal::Permanent(why.to_owned())
    }
}

impl From<Refusal> for Verdict {
    fn from(refusal: Refusal) -> Verdict {
        match refusal {
            Refusal::No(why) => Verdict::No(why),
            Refusal::Temporary(why) => Verdict::Temporary(why),
            Refusal::Permanent(why) => Verdict::Permanent(why),
        }
    }
}

/// Who a process becomes after a login, and what the next program finds in its environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name of the account, which may differ from what was typed.
    pub user: Vec<u8>,
    /// Who to become; `None` where the checker only answers and the process stays what it is.
    pub identity: Option<UserIdentity>,
    /// Variables besides USER, HOME and SHELL.
    pub variables: Vec<(&'static str, Vec<u8>)>,
}

/// A user of the system or of the users file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserIdentity {
    /// The user id, never 0.
    pub uid: u32,
    /// The primary group.
    pub gid: u32,
    /// The other groups.
    pub groups: Vec<u32>,
    /// Where to go.
    pub home: PathBuf,
    /// His shell, for the environment.
    pub shell: Vec<u8>,
}

/// Why a process did not become the user.
#[derive(Debug)]
pub enum EntryError {
    /// uid 0 is never become.
    Root,
    /// This process is no superuser, and somebody else than the user.
    Other {
        /// Who it is.
        own: u32,
        /// Who it was to become.
        wanted: u32,
    },
    /// The kernel refused, or did something else than it was asked for.
    Identity(DropError),
    /// There is no entering the home.
    Home(PathBuf, io::Error),
}

impl fmt::Display for EntryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EntryError::Root => write!(f, "unable to become the user: it has uid 0"),
            EntryError::Other { own, wanted } => write!(
                f,
                "unable to become the user: this runs as uid {own} and cannot become uid {wanted}"
            ),
            EntryError::Identity(error) => error.fmt(f),
            EntryError::Home(path, error) => {
                let path = path.as_os_str().as_bytes().escape_ascii();
                write!(f, "unable to change to {path}: {}", os::reason(error))
            }
        }
    }
}

impl std::error::Error for EntryError {}

impl Entry {
    /// Becomes the user for good, goes to his home and completes `env` with USER, HOME, SHELL and
    /// PWD and with the entry's own variables. Where this process is the user already, the groups
    /// are left as they are.
    ///
    /// The home is entered as the user: it may be closed to others, root included. An error leaves a process that
    /// must go no further.
    pub fn enter(&self, env: &mut Env) -> Result<(), EntryError> {
        if let Some(who) = &self.identity {
            if who.uid == 0 {
                return Err(EntryError::Root);
            }
            if !(os::identity::is_nobody_but(who.uid) && os::identity::effective_gid() == who.gid) {
                let own = os::identity::effective_uid();
                os::identity::become_member(who.uid, who.gid, &who.groups).map_err(|error| {
                    match error {
                        DropError::Group(_) | DropError::User(_) if own != 0 => EntryError::Other {
                            own,
                            wanted: who.uid,
                        },
                        error => EntryError::Identity(error),
                    }
                })?;
            }
            std::env::set_current_dir(&who.home)
                .map_err(|error| EntryError::Home(who.home.clone(), error))?;
            let home = who.home.as_os_str().as_bytes();
            env.set("USER", &self.user);
            env.set("HOME", home);
            env.set("SHELL", &who.shell);
            env.set("PWD", home);
        }
        for (name, value) in &self.variables {
            env.set(name, value);
        }
        Ok(())
    }
}
