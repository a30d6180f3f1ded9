//! What decides about a session, read at its start: the environment, which rules can set for each
//! client, and the control files.
//!
//! Read for each connection, so an edit acts at once. Whatever cannot be understood ends the
//! session with 421 before it begins: a limit with a typing error in it must not mean "no limit"
//! (as DATABYTES does in qmail-smtpd), nor an unreadable list "nobody".

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use accounts::control::digits;
use accounts::{Accounts, ControlError, Home};
use wire::data::BareLf;

use crate::hosts::{HostList, Hosts};

/// Seconds that a client may be silent (control/timeoutsmtpd).
const DEFAULT_TIMEOUT: u64 = 1200;
/// Seconds that a session may last (SESSION_TIMEOUT).
const DEFAULT_SESSION: u64 = 4 * 60 * 60;
/// Recipients of one message (MAXRCPT, control/maxrcpt). RFC 5321 wants at least 100.
const DEFAULT_RECIPIENTS: u64 = 1000;
/// No setting allows more recipients: it is what the queue programs take.
pub const MOST_RECIPIENTS: u64 = 10_000;
/// Bad commands of one session (MAXNOTIMPL).
const DEFAULT_BAD_COMMANDS: u64 = 20;
/// Refused recipients of one session (BRTLIMIT, control/brtlimit).
const DEFAULT_REFUSED: u64 = 100;
/// Messages of one session (MAXMESSAGES).
const DEFAULT_MESSAGES: u64 = 1000;
/// How long one write to a queue program, and its work after the envelope, may take. A client
/// waits ten minutes after its dot (RFC 5321 section 4.5.3.2.6).
const QUEUE_TIME: Duration = Duration::from_secs(5 * 60);
/// The most bytes of a refused message that are read in search of its end. A client that is cut
/// off sends again, so this is far more than any message that is meant.
const DISCARD_LIMIT: u64 = 1 << 30;

/// Why a session cannot begin.
#[derive(Debug)]
pub enum SettingsError {
    /// A file of the home.
    Control(ControlError),
    /// A variable: its name, its value, what it should be.
    Variable(&'static str, Vec<u8>, &'static str),
    /// No queue program.
    NoQueue,
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

/// Who takes accepted messages.
#[derive(Debug)]
pub enum Queue {
    /// A program with qmail-queue's interface takes all of them. It knows its users, we do not.
    External(PathBuf),
    /// maildir-queue takes what is for local users, who are known; another program, if there is
    /// one, what goes elsewhere.
    Embedded {
        /// maildir-queue.
        local: PathBuf,
        /// control/remotequeue.
        remote: Option<PathBuf>,
        /// The local users.
        accounts: Accounts,
    },
}

/// What is known about the client.
#[derive(Clone, Debug)]
pub struct Client {
    /// TCPREMOTEIP, or `unknown`.
    pub ip: Vec<u8>,
    /// TCPREMOTEHOST, or `unknown`.
    pub host: Vec<u8>,
    /// TCPREMOTEINFO.
    pub info: Option<Vec<u8>>,
    /// RELAYCLIENT: what is appended to each recipient. Set and empty is not the same as not set.
    pub relay: Option<Vec<u8>>,
    /// RELAY_CTRL_USER: who logged in from there, where that is why he may relay. For the log.
    pub login: Option<Vec<u8>>,
}

/// The limits of a session; 0 is no limit where the field says so.
#[derive(Clone, Copy, Debug)]
pub struct SessionLimits {
    /// For one line, block or write.
    pub timeout: Duration,
    /// For all of it.
    pub session: Duration,
    /// Stored bytes of one message; 0 is none.
    pub databytes: u64,
    /// Recipients of one message.
    pub recipients: u64,
    /// Bad commands; 0 is none.
    pub bad_commands: u64,
    /// Refused recipients; 0 is none.
    pub refused: u64,
    /// Messages; 0 is none.
    pub messages: u64,
    /// For one write to a queue program, and for its work after the envelope.
    pub queue: Duration,
    /// Bytes of a refused message that are read in search of its end.
    pub discard: u64,
}

/// Everything that decides.
#[derive(Debug)]
pub struct Settings {
    /// The home, where the queue program is started.
    pub home: PathBuf,
    /// Stands in the banner and in the replies to HELO, EHLO and QUIT.
    pub greeting: Vec<u8>,
    /// Stands behind `by` in Received.
    pub local: Vec<u8>,
    /// The address that the client connected to.
    pub local_ip: Option<IpAddr>,
    /// Stands for an address of this host in brackets.
    pub localiphost: Vec<u8>,
    /// The client.
    pub client: Client,
    /// Which hosts are taken.
    pub hosts: Hosts,
    /// control/badmailfrom.
    pub bad_senders: Vec<Vec<u8>>,
    /// The limits.
    pub limits: SessionLimits,
    /// What a bare LF means.
    pub bare_lf: BareLf,
    /// Who takes messages.
    pub queue: Queue,
}

/// The world as far as settings come from it.
pub struct World<'w> {
    /// A variable of the environment.
    pub variable: &'w dyn Fn(&str) -> Option<OsString>,
    /// The name of this host.
    pub host_name: fn() -> Vec<u8>,
    /// The path of one of our programs.
    pub program: &'w dyn Fn(&OsStr) -> Option<PathBuf>,
}

impl fmt::Debug for World<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").finish_non_exhaustive()
    }
}

impl World<'_> {
    fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        (self.variable)(name).map(OsStringExt::into_vec)
    }

    /// A variable that is set to something.
    fn text(&self, name: &str) -> Option<Vec<u8>> {
        self.bytes(name).filter(|value| !value.is_empty())
    }

    fn number(&self, name: &'static str) -> Result<Option<u64>, SettingsError> {
        let Some(value) = self.bytes(name) else {
            return Ok(None);
        };
        match digits(&value) {
            Some(number) => Ok(Some(number)),
            None => Err(SettingsError::Variable(name, value, "a number")),
        }
    }
}

impl Settings {
    /// Reads them.
    pub fn read(world: &World<'_>) -> Result<Settings, SettingsError> {
        let home = Home::find(world.variable);
        home.check()?;
        let local_host = world.text("TCPLOCALHOST");
        let me = home.me(local_host.as_deref(), world.host_name)?;
        let locals = home.locals(&me)?;
        let local_ip = world.text("TCPLOCALIP");
        let unknown = || b"unknown".to_vec();
        Ok(Settings {
            greeting: home.line("smtpgreeting")?.unwrap_or_else(|| me.clone()),
            local: local_host
                .or_else(|| local_ip.clone())
                .unwrap_or_else(unknown),
            local_ip: local_ip.and_then(|text| std::str::from_utf8(&text).ok()?.parse().ok()),
            localiphost: home.line("localiphost")?.unwrap_or(me),
            client: Client {
                ip: world.text("TCPREMOTEIP").unwrap_or_else(unknown),
                host: world.text("TCPREMOTEHOST").unwrap_or_else(unknown),
                info: world.text("TCPREMOTEINFO"),
                relay: relay(world)?,
                login: world.bytes("RELAY_CTRL_USER"),
            },
            hosts: Hosts {
                rcpthosts: home.list("rcpthosts")?.map(HostList::new),
                more: home.control("morercpthosts.cdb").exists(),
                locals: HostList::new(locals.clone()),
            },
            bad_senders: home.list("badmailfrom")?.unwrap_or_default(),
            limits: limits(world, &home)?,
            bare_lf: bare_lf(world)?,
            queue: queue(world, &home, locals)?,
            home: home.path().to_owned(),
        })
    }
}

/// The value goes into envelopes, so it may hold nothing that an address may not.
fn relay(world: &World<'_>) -> Result<Option<Vec<u8>>, SettingsError> {
    match world.bytes("RELAYCLIENT") {
        Some(value) if value.iter().any(|&byte| byte < b' ' || byte == 0x7f) => Err(
            SettingsError::Variable("RELAYCLIENT", value, "a part of an address"),
        ),
        value => Ok(value),
    }
}

fn limits(world: &World<'_>, home: &Home) -> Result<SessionLimits, SettingsError> {
    let either = |variable, file| -> Result<Option<u64>, SettingsError> {
        match world.number(variable)? {
            Some(number) => Ok(Some(number)),
            None => Ok(home.number(file)?),
        }
    };
    let timeout = home.number("timeoutsmtpd")?.unwrap_or(DEFAULT_TIMEOUT);
    let session = world.number("SESSION_TIMEOUT")?.unwrap_or(DEFAULT_SESSION);
    let recipients = match either("MAXRCPT", "maxrcpt")?.unwrap_or(DEFAULT_RECIPIENTS) {
        0 => MOST_RECIPIENTS,
        number => number.min(MOST_RECIPIENTS),
    };
    Ok(SessionLimits {
        timeout: Duration::from_secs(timeout.max(1)),
        session: Duration::from_secs(session.max(1)),
        databytes: either("DATABYTES", "databytes")?.unwrap_or(0),
        recipients,
        bad_commands: world.number("MAXNOTIMPL")?.unwrap_or(DEFAULT_BAD_COMMANDS),
        refused: either("BRTLIMIT", "brtlimit")?.unwrap_or(DEFAULT_REFUSED),
        messages: world.number("MAXMESSAGES")?.unwrap_or(DEFAULT_MESSAGES),
        queue: QUEUE_TIME,
        discard: DISCARD_LIMIT,
    })
}

fn bare_lf(world: &World<'_>) -> Result<BareLf, SettingsError> {
    match world.bytes("BARELF").as_deref() {
        None | Some(b"reject") => Ok(BareLf::Reject),
        Some(b"qmail") => Ok(BareLf::Stop),
        Some(b"accept") => Ok(BareLf::Accept),
        Some(other) => Err(SettingsError::Variable(
            "BARELF",
            other.to_vec(),
            "reject, qmail or accept",
        )),
    }
}

/// `$QMAILQUEUE`, else `bin/qmail-queue` in the home, else maildir-queue.
fn queue(world: &World<'_>, home: &Home, locals: Vec<Vec<u8>>) -> Result<Queue, SettingsError> {
    let below_home = |program: Vec<u8>| home.path().join(Path::new(OsStr::from_bytes(&program)));
    if let Some(program) = world.text("QMAILQUEUE") {
        return Ok(Queue::External(below_home(program)));
    }
    let installed = home.path().join("bin/qmail-queue");
    // Only what is surely absent is stood in for: a link that leads nowhere, or a folder that may not
    // be looked into, is a real queue's in trouble.
    match std::fs::symlink_metadata(&installed) {
        Ok(_) => return Ok(Queue::External(installed)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
        Err(error) => return Err(SettingsError::Queue(installed, error)),
    }
    Ok(Queue::Embedded {
        local: (world.program)(OsStr::new("maildir-queue")).ok_or(SettingsError::NoQueue)?,
        remote: home.line("remotequeue")?.map(below_home),
        accounts: Accounts::open(home, locals)?,
    })
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
