//! Transports: what takes accepted messages onwards, a program or the next server.
//!
//! `$QMAILQUEUE`, else `bin/qmail-queue` in the home, takes everything. Without both there are two
//! transports: control/localqueue, else maildir-queue, for what stays here, and control/remotequeue, if it
//! is there, for what goes elsewhere. How one is written says [`nexthop::Transport`].

use std::ffi::OsStr;
use std::fmt;
use std::io::ErrorKind;
use std::ops::{Index, IndexMut};

use accounts::{Accounts, Home};
use chain::child::Program;
use nexthop::Hop;

use crate::sources::{SettingsError, Sources};

/// A program or a server that takes messages.
#[derive(Clone, Debug)]
pub enum Transport {
    /// Our maildir-queue: a program with qmail-queue's interface that can wait before its last step.
    Maildirs(Program),
    /// Any other program with that interface.
    Program(Program),
    /// A program with sendmail's command line.
    Sendmail(Program),
    /// The next host, or a server beside this one, by SMTP or LMTP.
    Hop(Box<Hop>),
}

impl From<nexthop::Transport> for Transport {
    fn from(transport: nexthop::Transport) -> Transport {
        match transport {
            nexthop::Transport::Queue(path) => Transport::Program(Program::File(path)),
            nexthop::Transport::Sendmail(path) => Transport::Sendmail(Program::File(path)),
            nexthop::Transport::Hop(hop) => Transport::Hop(Box::new(hop)),
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Transport::Maildirs(program) | Transport::Program(program) => {
                f.write_str(&shown(program))
            }
            Transport::Sendmail(program) => write!(f, "sendmail:{}", shown(program)),
            Transport::Hop(hop) => hop.fmt(f),
        }
    }
}

/// A program as logs name it.
pub fn shown(program: &Program) -> String {
    match program {
        Program::File(path) => path.display().to_string(),
        Program::Ours(applet) => applet.name.to_owned(),
    }
}

/// Which of the transports a recipient's mail takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// It stays here, or one transport takes everything.
    Local,
    /// It goes elsewhere.
    Remote,
}

/// A value for each destination.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PerDestination<T> {
    /// For what stays here.
    pub local: T,
    /// For what goes elsewhere.
    pub remote: T,
}

/// Both destinations.
pub const DESTINATIONS: [Destination; 2] = [Destination::Local, Destination::Remote];

impl<T> Index<Destination> for PerDestination<T> {
    type Output = T;

    fn index(&self, destination: Destination) -> &T {
        match destination {
            Destination::Local => &self.local,
            Destination::Remote => &self.remote,
        }
    }
}

impl<T> IndexMut<Destination> for PerDestination<T> {
    fn index_mut(&mut self, destination: Destination) -> &mut T {
        match destination {
            Destination::Local => &mut self.local,
            Destination::Remote => &mut self.remote,
        }
    }
}

/// The transports of one smtpd.
#[derive(Debug)]
pub enum Transports {
    /// One takes everything. It knows its users, we do not.
    One(Transport),
    /// What stays here and what goes elsewhere part.
    Two {
        /// For local domains.
        local: Transport,
        /// The local users, where smtpd is to ask: for maildir-queue, which cannot bounce.
        accounts: Option<Box<Accounts>>,
        /// For all other domains.
        remote: Option<Transport>,
    },
}

impl Transports {
    /// The transport of a destination.
    pub fn of(&self, destination: Destination) -> Option<&Transport> {
        match (self, destination) {
            (Transports::One(transport), _)
            | (
                Transports::Two {
                    local: transport, ..
                },
                Destination::Local,
            ) => Some(transport),
            (Transports::Two { remote, .. }, Destination::Remote) => remote.as_ref(),
        }
    }

    /// The destination that stands for `destination`: where both have the same transport their mail has one fate, and is one
    /// message.
    pub fn destination(&self, destination: Destination) -> Destination {
        match (destination, self) {
            (Destination::Local, _) | (_, Transports::One(_)) => Destination::Local,
            (Destination::Remote, Transports::Two { local, remote, .. }) => match remote {
                Some(remote) if remote.to_string() == local.to_string() => Destination::Local,
                _ => destination,
            },
        }
    }

    /// Who the local users are, where that is known here.
    pub fn accounts(&self) -> Option<&Accounts> {
        match self {
            Transports::One(_) => None,
            Transports::Two { accounts, .. } => accounts.as_deref(),
        }
    }

    /// Reads what says which they are.
    pub fn read(
        sources: &Sources<'_>,
        home: &Home,
        locals: Vec<Vec<u8>>,
    ) -> Result<Transports, SettingsError> {
        if let Some(text) = sources.text("QMAILQUEUE") {
            let transport = nexthop::Transport::parse(&text, home.path()).map_err(|error| {
                SettingsError::Transport("variable QMAILQUEUE".to_owned(), error.to_string())
            })?;
            return Ok(Transports::One(transport.into()));
        }
        let installed = home.path().join("bin/qmail-queue");
        // Only what is surely absent is stood in for: a link that leads nowhere, or a folder that may
        // not be looked into, is a real queue's in trouble.
        match std::fs::symlink_metadata(&installed) {
            Ok(_) => {
                return Ok(Transports::One(Transport::Program(Program::File(
                    installed,
                ))));
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(error) => return Err(SettingsError::Queue(installed, error)),
        }
        let remote = from_file(home, "remotequeue")?;
        Ok(match from_file(home, "localqueue")? {
            Some(local) => Transports::Two {
                local,
                accounts: None,
                remote,
            },
            None => Transports::Two {
                local: Transport::Maildirs(maildir_queue(sources)?),
                accounts: Some(Box::new(Accounts::open(home, locals)?)),
                remote,
            },
        })
    }
}

fn from_file(home: &Home, name: &str) -> Result<Option<Transport>, SettingsError> {
    let Some(line) = home.line(name)? else {
        return Ok(None);
    };
    let transport = nexthop::Transport::parse(&line, home.path()).map_err(|error| {
        let path = home.control(name);
        SettingsError::Transport(path.display().to_string(), error.to_string())
    })?;
    Ok(Some(transport.into()))
}

/// The embedded queue program: ours, called in a copy of this process, or its file.
fn maildir_queue(sources: &Sources<'_>) -> Result<Program, SettingsError> {
    const NAME: &str = "maildir-queue";
    if let Some(applet) = sources.applets.iter().find(|applet| applet.name == NAME) {
        return Ok(Program::Ours(applet));
    }
    let file = (sources.program)(OsStr::new(NAME)).ok_or(SettingsError::NoQueue)?;
    Ok(Program::File(file))
}
