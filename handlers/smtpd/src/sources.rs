//! Where settings come from, and why they cannot be read.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::path::PathBuf;

use accounts::ControlError;
use accounts::control::digits;
use chain::{Applet, Env};

/// Why a session cannot begin.
#[derive(Debug)]
pub enum SettingsError {
    /// A file of the home.
    Control(ControlError),
    /// A variable: its name, its value, what it should be.
    Variable(&'static str, Vec<u8>, &'static str),
    /// No queue program.
    NoQueue,
    /// A way that cannot be one: where it stands, what is wrong.
    Transport(String, String),
    /// What is to be offered and cannot be: a sentence.
    Offer(String),
    /// It cannot be told whether there is a bin/qmail-queue.
    Queue(PathBuf, io::Error),
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SettingsError::Control(error) => error.fmt(f),
            SettingsError::Variable(name, value, wanted) => {
                write!(
                    f,
                    "unable to use variable {name}: {} is not {wanted}",
                    value.escape_ascii()
                )
            }
            SettingsError::Queue(path, error) => {
                write!(
                    f,
                    "unable to look at {}: {}",
                    path.display(),
                    os::reason(error)
                )
            }
            SettingsError::Transport(place, reason) => write!(f, "unable to use {place}: {reason}"),
            SettingsError::Offer(sentence) => f.write_str(sentence),
            SettingsError::NoQueue => write!(
                f,
                "unable to find a queue program: QMAILQUEUE is not set, there is no bin/qmail-queue \
                 in the home and no maildir-queue with our programs"
            ),
        }
    }
}

impl std::error::Error for SettingsError {}

impl From<ControlError> for SettingsError {
    fn from(error: ControlError) -> SettingsError {
        SettingsError::Control(error)
    }
}

/// Where settings come from: the environment, the command line, and the host.
pub struct Sources<'s> {
    /// The environment.
    pub env: &'s Env,
    /// The name of this host.
    pub host_name: fn() -> Vec<u8>,
    /// The path of one of our programs.
    pub program: &'s dyn Fn(&OsStr) -> Option<PathBuf>,
    /// The programs that can be called.
    pub applets: &'static [Applet],
    /// The words of the command line: a checkpassword program and what it is to run.
    pub words: &'s [OsString],
}

impl fmt::Debug for Sources<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").finish_non_exhaustive()
    }
}

impl Sources<'_> {
    pub(crate) fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        self.env.bytes(name).map(<[u8]>::to_vec)
    }

    /// Whether a variable is set, be it to nothing.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.env.get(name).is_some()
    }

    /// A variable that is set to something.
    pub(crate) fn text(&self, name: &str) -> Option<Vec<u8>> {
        self.bytes(name).filter(|value| !value.is_empty())
    }

    pub(crate) fn number(&self, name: &'static str) -> Result<Option<u64>, SettingsError> {
        let Some(value) = self.bytes(name) else {
            return Ok(None);
        };
        match digits(&value) {
            Some(number) => Ok(Some(number)),
            None => Err(SettingsError::Variable(name, value, "a number")),
        }
    }
}
