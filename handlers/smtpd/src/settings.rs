//! What decides about a session, read at its start: the environment, which rules can set for each
//! client, and the control files.
//!
//! Read for each connection, so an edit acts at once. Whatever cannot be understood ends the
//! session with 421 before it begins: a limit with a typing error in it must not mean "no limit"
//! (as DATABYTES does in qmail-smtpd), nor an unreadable list "nobody".

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use accounts::control::digits;
use accounts::{ControlError, Home};
use chain::{Applet, Env};
use wire::data::BareLf;

use crate::checker::SmtpAuth;
use crate::dnsbl::Dnsbl;
use crate::hosts::{HostList, Hosts};
use crate::keyfile::KeyFile;
use crate::limits::SessionLimits;
use crate::lists::Lists;
use crate::rcptcheck::RcptCheck;
use crate::spp::Plugins;
use crate::transport::Transports;

/// The most seconds that a banner waits: clients give up after five minutes.
const GREET_DELAY_LIMIT: u64 = 240;

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
    /// Who is refused, and who is there.
    pub lists: Lists,
    /// Whose address refuses him.
    pub dnsbl: Dnsbl,
    /// The program that is asked about each recipient.
    pub rcpt_check: Option<RcptCheck>,
    /// The programs that are asked at each step.
    pub plugins: Option<Plugins>,
    /// The limits.
    pub limits: SessionLimits,
    /// What a bare LF means.
    pub bare_lf: BareLf,
    /// Who takes messages.
    pub transports: Transports,
    /// What the next hop is told and has to show.
    pub hop: nexthop::Settings,
    /// What is offered and demanded.
    pub terms: Terms,
    /// Who says whether a login is good, and whether one is needed.
    pub auth: SmtpAuth,
}

/// What is offered to a client, and demanded of it before it may send.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// ENHANCEDSTATUSCODES: status codes stand in front of the texts (RFC 2034).
    pub enhanced: bool,
    /// XCLIENT: this peer may say for whom it speaks.
    pub xclient: bool,
    /// FORCETLS: no AUTH on a link that is not encrypted.
    pub tls_to_auth: bool,
    /// REQUIRETLS: no mail on a link that is not encrypted, either.
    pub tls_to_send: bool,
    /// FORCEAUTHMAILFROM: who has logged in sends as himself.
    pub own_sender: bool,
    /// SMTPD_GREETDELAY: how long the banner waits.
    pub greet_delay: Duration,
    /// DROP_PRE_GREET: who speaks before it is dropped.
    pub drop_early: bool,
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
    fn is_set(&self, name: &str) -> bool {
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

impl Settings {
    /// Reads them.
    pub fn read(sources: &Sources<'_>) -> Result<Settings, SettingsError> {
        let variable = |name: &str| sources.env.get(name).map(ToOwned::to_owned);
        let home = Home::find(variable);
        home.check()?;
        let local_host = sources.text("TCPLOCALHOST");
        let me = home.me(local_host.as_deref(), sources.host_name)?;
        let locals = home.locals(&me)?;
        let local_ip = sources.text("TCPLOCALIP");
        let unknown = || b"unknown".to_vec();
        Ok(Settings {
            greeting: home.line("smtpgreeting")?.unwrap_or_else(|| me.clone()),
            local: local_host
                .or_else(|| local_ip.clone())
                .unwrap_or_else(unknown),
            local_ip: local_ip.and_then(|text| std::str::from_utf8(&text).ok()?.parse().ok()),
            localiphost: home.line("localiphost")?.unwrap_or_else(|| me.clone()),
            client: Client {
                ip: sources.text("TCPREMOTEIP").unwrap_or_else(unknown),
                host: sources.text("TCPREMOTEHOST").unwrap_or_else(unknown),
                info: sources.text("TCPREMOTEINFO"),
                relay: relay(sources)?,
                login: sources.bytes("RELAY_CTRL_USER"),
            },
            hosts: Hosts {
                rcpthosts: home.list("rcpthosts")?.map(HostList::new),
                more: KeyFile::open(home.control("morercpthosts.cdb")),
                locals: HostList::new(locals.clone()),
            },
            lists: Lists::read(&variable, &home)?,
            dnsbl: Dnsbl::read(&variable, &home)?,
            rcpt_check: RcptCheck::parse(sources.env, home.path()).map_err(SettingsError::Offer)?,
            plugins: Plugins::read(sources.env, &home).map_err(SettingsError::Offer)?,
            limits: SessionLimits::read(sources, &home)?,
            bare_lf: bare_lf(sources)?,
            transports: Transports::read(sources, &home, locals)?,
            hop: hop(sources, &home, &me)?,
            terms: terms(sources)?,
            auth: SmtpAuth::parse(sources.words, sources.env, home.path())
                .map_err(SettingsError::Offer)?,
            home: home.path().to_owned(),
        })
    }
}

/// The value goes into envelopes, so it may hold nothing that an address may not.
fn relay(sources: &Sources<'_>) -> Result<Option<Vec<u8>>, SettingsError> {
    match sources.bytes("RELAYCLIENT") {
        Some(value) if value.iter().any(|&byte| byte < b' ' || byte == 0x7f) => Err(
            SettingsError::Variable("RELAYCLIENT", value, "a part of an address"),
        ),
        value => Ok(value),
    }
}

fn terms(sources: &Sources<'_>) -> Result<Terms, SettingsError> {
    let tls = sources.bytes("UCSPITLS");
    let greet_delay = sources.number("SMTPD_GREETDELAY")?.unwrap_or(0);
    Ok(Terms {
        enhanced: sources.is_set("ENHANCEDSTATUSCODES"),
        xclient: sources.is_set("XCLIENT"),
        tls_to_auth: sources.text("FORCETLS").is_some_and(|value| value != b"0"),
        tls_to_send: sources.is_set("REQUIRETLS") || tls.is_some_and(|value| value == b"!"),
        own_sender: sources
            .text("FORCEAUTHMAILFROM")
            .is_some_and(|value| value != b"0"),
        greet_delay: Duration::from_secs(greet_delay.min(GREET_DELAY_LIMIT)),
        drop_early: sources
            .text("DROP_PRE_GREET")
            .is_some_and(|value| value != b"0"),
    })
}

fn hop(sources: &Sources<'_>, home: &Home, me: &[u8]) -> Result<nexthop::Settings, SettingsError> {
    let credentials = match home.line("remoteauth")? {
        None => None,
        Some(line) => Some(nexthop::Credentials::parse(&line).ok_or_else(|| {
            let path = home.control("remoteauth");
            let reason = "its first line is not of the form user:password".to_owned();
            SettingsError::Transport(path.display().to_string(), reason)
        })?),
    };
    // Only where it is surely absent the system's authorities will do.
    let ca_file = Some(home.control("remoteca")).filter(|path| {
        let looked = std::fs::symlink_metadata(path);
        looked.map_or_else(|error| error.kind() != io::ErrorKind::NotFound, |_| true)
    });
    Ok(nexthop::Settings {
        credentials,
        ca_file,
        ..nexthop::Settings::new(me, sources.bytes("DNSCACHEIP").as_deref())
    })
}

fn bare_lf(sources: &Sources<'_>) -> Result<BareLf, SettingsError> {
    match sources.bytes("BARELF").as_deref() {
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

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
