//! What decides about a session, read at its start: the environment, which rules can set for each
//! client, and the control files.
//!
//! Read for each connection, so an edit acts at once. Whatever cannot be understood ends the
//! session with 421 before it begins: a limit with a typing error in it must not mean "no limit"
//! (as DATABYTES does in qmail-smtpd), nor an unreadable list "nobody".

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use accounts::Home;
use wire::data::BareLf;

use crate::checker::SmtpAuth;
use crate::dnsbl::Dnsbl;
use crate::hosts::{HostList, Hosts};
use crate::keyfile::KeyFile;
use crate::limits::SessionLimits;
use crate::lists::Lists;
use crate::rcptcheck::RcptCheck;
use crate::sources::{SettingsError, Sources};
use crate::spp::Plugins;
use crate::transport::Transports;

/// The most seconds that a banner waits: clients give up after five minutes.
const GREET_DELAY_LIMIT: u64 = 240;

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

/// What decides about a session.
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

impl Settings {
    /// Reads what decides about a session.
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
