//! Who takes accepted messages: the ways that lead on from here.
//!
//! `$QMAILQUEUE`, else `bin/qmail-queue` in the home, takes everything. Without both there are two
//! ways: control/localqueue, else maildir-queue, for what stays here, and control/remotequeue, if it
//! is there, for what goes elsewhere. How one is written is [`nexthop::Way`]'s.

use std::ffi::OsStr;
use std::fmt;
use std::io::ErrorKind;
use std::ops::{Index, IndexMut};

use accounts::{Accounts, Home};
use chain::child::Program;
use nexthop::Hop;

use crate::settings::{SettingsError, World};

/// One way.
#[derive(Clone, Debug)]
pub enum Way {
    /// Our maildir-queue: a program with qmail-queue's interface that can wait before its last step.
    Maildirs(Program),
    /// Any other program with that interface.
    Program(Program),
    /// A program with sendmail's command line.
    Sendmail(Program),
    /// The next host, or a server beside this one, by SMTP or LMTP.
    Hop(Box<Hop>),
}

impl From<nexthop::Way> for Way {
    fn from(way: nexthop::Way) -> Way {
        match way {
            nexthop::Way::Queue(path) => Way::Program(Program::File(path)),
            nexthop::Way::Sendmail(path) => Way::Sendmail(Program::File(path)),
            nexthop::Way::Hop(hop) => Way::Hop(Box::new(hop)),
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Way::Maildirs(program) | Way::Program(program) => f.write_str(&shown(program)),
            Way::Sendmail(program) => write!(f, "sendmail:{}", shown(program)),
            Way::Hop(hop) => hop.fmt(f),
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

/// Which of the ways a recipient's mail takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// It stays here, or one way takes everything.
    Local,
    /// It goes elsewhere.
    Remote,
}

/// Something for each side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sides<T> {
    /// For what stays here.
    pub local: T,
    /// For what goes elsewhere.
    pub remote: T,
}

/// Both sides.
pub const SIDES: [Side; 2] = [Side::Local, Side::Remote];

impl<T> Index<Side> for Sides<T> {
    type Output = T;

    fn index(&self, side: Side) -> &T {
        match side {
            Side::Local => &self.local,
            Side::Remote => &self.remote,
        }
    }
}

impl<T> IndexMut<Side> for Sides<T> {
    fn index_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Local => &mut self.local,
            Side::Remote => &mut self.remote,
        }
    }
}

/// All of them.
#[derive(Debug)]
pub enum Ways {
    /// One takes everything. It knows its users, we do not.
    One(Way),
    /// What stays here and what goes elsewhere part.
    Two {
        /// For local domains.
        local: Way,
        /// The local users, where smtpd is to ask: for maildir-queue, which cannot bounce.
        accounts: Option<Box<Accounts>>,
        /// For all other domains.
        remote: Option<Way>,
    },
}

impl Ways {
    /// The way of a side.
    pub fn of(&self, side: Side) -> Option<&Way> {
        match (self, side) {
            (Ways::One(way), _) | (Ways::Two { local: way, .. }, Side::Local) => Some(way),
            (Ways::Two { remote, .. }, Side::Remote) => remote.as_ref(),
        }
    }

    /// The side that stands for `side`: where both have the same way their mail has one fate, and is one
    /// message.
    pub fn side(&self, side: Side) -> Side {
        match (side, self) {
            (Side::Local, _) | (_, Ways::One(_)) => Side::Local,
            (Side::Remote, Ways::Two { local, remote, .. }) => match remote {
                Some(remote) if remote.to_string() == local.to_string() => Side::Local,
                _ => side,
            },
        }
    }

    /// Who the local users are, where that is known here.
    pub fn accounts(&self) -> Option<&Accounts> {
        match self {
            Ways::One(_) => None,
            Ways::Two { accounts, .. } => accounts.as_deref(),
        }
    }

    /// Reads what says which they are.
    pub fn read(
        world: &World<'_>,
        home: &Home,
        locals: Vec<Vec<u8>>,
    ) -> Result<Ways, SettingsError> {
        if let Some(text) = world.text("QMAILQUEUE") {
            let way = nexthop::Way::parse(&text, home.path()).map_err(|error| {
                SettingsError::Way("variable QMAILQUEUE".to_owned(), error.to_string())
            })?;
            return Ok(Ways::One(way.into()));
        }
        let installed = home.path().join("bin/qmail-queue");
        // Only what is surely absent is stood in for: a link that leads nowhere, or a folder that may
        // not be looked into, is a real queue's in trouble.
        match std::fs::symlink_metadata(&installed) {
            Ok(_) => return Ok(Ways::One(Way::Program(Program::File(installed)))),
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(error) => return Err(SettingsError::Queue(installed, error)),
        }
        let remote = from_file(home, "remotequeue")?;
        Ok(match from_file(home, "localqueue")? {
            Some(local) => Ways::Two {
                local,
                accounts: None,
                remote,
            },
            None => Ways::Two {
                local: Way::Maildirs(maildir_queue(world)?),
                accounts: Some(Box::new(Accounts::open(home, locals)?)),
                remote,
            },
        })
    }
}

fn from_file(home: &Home, name: &str) -> Result<Option<Way>, SettingsError> {
    let Some(line) = home.line(name)? else {
        return Ok(None);
    };
    let way = nexthop::Way::parse(&line, home.path()).map_err(|error| {
        let path = home.control(name);
        SettingsError::Way(path.display().to_string(), error.to_string())
    })?;
    Ok(Some(way.into()))
}

/// The embedded queue program: ours, called in a copy of this process, or its file.
fn maildir_queue(world: &World<'_>) -> Result<Program, SettingsError> {
    const NAME: &str = "maildir-queue";
    if let Some(applet) = world.applets.iter().find(|applet| applet.name == NAME) {
        return Ok(Program::Ours(applet));
    }
    let file = (world.program)(OsStr::new(NAME)).ok_or(SettingsError::NoQueue)?;
    Ok(Program::File(file))
}
