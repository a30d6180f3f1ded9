//! Clients that are refused for their address: `$RBLSMTPD`, and the lists in the DNS that
//! control/dnsbllist names.
//!
//! As rblsmtpd does it, but told at RCPT by smtpd itself, so that whoever logs in escapes it. A
//! client is looked up once a session, all lists at once, by IPv4 and IPv6 address (RFC 5782). A
//! list that does not answer in time is passed over, with a line in the log, unless
//! DNSBLFAILCLOSED says otherwise.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use accounts::control::Why;
use accounts::{ControlError, Home};
use blocklist::lookups::LookUps;
use blocklist::verdict::{Source, Verdict, Way};
use wire::Log;

pub use blocklist::verdict::Refusal;

use crate::lists::{Variable, required_list};

/// The time for all lists together. The client waits for it behind one RCPT.
const DEADLINE: Duration = Duration::from_secs(6);

/// What stands for the client's address in the text of an entry.
const IP: &[u8] = b"%IP%";

/// What says who is refused for his address.
#[derive(Clone, Debug, Default)]
pub struct Dnsbl {
    /// What RBLSMTPD says, where it is set.
    variable: Option<Verdict>,
    /// The lists, in order.
    sources: Vec<Source>,
    /// DNSCACHEIP.
    servers: Option<Vec<u8>>,
    /// SUPERD_UNPRIV: who looks up on behalf of root.
    unprivileged: Option<Vec<u8>>,
}

impl Dnsbl {
    /// Reads it. DNSBLLIST names another file than control/dnsbllist, which has to be there then,
    /// or none if it is empty; DNSBLSKIP leaves the lists out, though not RBLSMTPD.
    pub fn read(variable: Variable<'_>, home: &Home) -> Result<Dnsbl, ControlError> {
        let bytes = |name| variable(name).map(|value| value.into_encoded_bytes());
        let decided = bytes("RBLSMTPD").map(|value| Verdict::of_variable(&value));
        let mut dnsbl = Dnsbl {
            variable: decided,
            sources: Vec::new(),
            servers: bytes("DNSCACHEIP"),
            unprivileged: bytes("SUPERD_UNPRIV"),
        };
        if dnsbl.variable.is_some() || variable("DNSBLSKIP").is_some() {
            return Ok(dnsbl);
        }
        let (path, entries) = match variable("DNSBLLIST") {
            None => (home.control("dnsbllist"), home.list("dnsbllist")?),
            Some(value) if value.is_empty() => return Ok(dnsbl),
            Some(value) => {
                let path = home.path().join(PathBuf::from(value));
                (path.clone(), Some(required_list(path)?))
            }
        };
        let closed = match bytes("DNSBLFAILCLOSED") {
            Some(value) => value != b"0",
            None => home
                .number("dnsblfailclosed")?
                .is_some_and(|number| number > 0),
        };
        dnsbl.sources = sources(&entries.unwrap_or_default(), closed).map_err(|entry| {
            let why = Why::UnknownWord(entry);
            ControlError { path, why }
        })?;
        Ok(dnsbl)
    }

    /// Whether there is anything to ask or to say.
    pub fn is_idle(&self) -> bool {
        self.variable.is_none() && self.sources.is_empty()
    }

    /// The names of the lists that are asked, in order.
    pub fn lists(&self) -> impl Iterator<Item = &[u8]> {
        self.sources.iter().map(|source| source.base.as_slice())
    }

    /// What RBLSMTPD says, without a look-up; `None` where it is not set.
    pub fn by_variable(&self) -> Option<&Verdict> {
        self.variable.as_ref()
    }

    /// Why the client `ip` (TCPREMOTEIP) is refused, if it is. Takes `DEADLINE` at most, and five
    /// seconds more as root; no thread and no child is left. Lists that could not be asked are told
    /// to `log`.
    pub fn look_up(&self, ip: &[u8], log: &mut Log) -> Option<Refusal> {
        let verdict = match &self.variable {
            Some(verdict) => verdict.clone(),
            None => self.asked(ip, log),
        };
        match verdict {
            Verdict::Refuse(refusal) => Some(refusal),
            Verdict::Serve => None,
        }
    }

    fn asked(&self, ip: &[u8], log: &mut Log) -> Verdict {
        let Some(address) = blocklist::address(ip).filter(|_| !self.sources.is_empty()) else {
            return Verdict::Serve;
        };
        let sources = self.sources_about(address);
        let look_ups = LookUps::new(&sources, address, self.servers.as_deref(), DEADLINE);
        let warn = &mut |reason: &str| {
            log.event("warning")
                .field("reason", reason.as_bytes())
                .say();
        };
        if os::identity::effective_uid() != 0 {
            return look_ups.verdict(warn);
        }
        match os::identity::unprivileged(self.unprivileged.as_deref()) {
            Ok(who) => look_ups.verdict_apart(who, warn),
            Err(reason) => {
                warn(&reason);
                look_ups.without_answers()
            }
        }
    }

    /// The sources with the address in their texts.
    fn sources_about(&self, address: IpAddr) -> Vec<Source> {
        let mut sources = self.sources.clone();
        for message in sources
            .iter_mut()
            .filter_map(|source| source.message.as_mut())
        {
            *message = replaced(message, address.to_string().as_bytes());
        }
        sources
    }
}

/// `text` with `with` in the place of each `%IP%`.
fn replaced(text: &[u8], with: &[u8]) -> Vec<u8> {
    let mut made = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, behind)) = rest.split_first() {
        match rest.strip_prefix(IP) {
            Some(behind) => {
                made.extend_from_slice(with);
                rest = behind;
            }
            None => {
                made.push(first);
                rest = behind;
            }
        }
    }
    made
}

/// Reads the entries; the error is one that says nothing.
fn sources(entries: &[Vec<u8>], closed: bool) -> Result<Vec<Source>, Vec<u8>> {
    let entries = entries.iter().map(|entry| (entry, without_remark(entry)));
    entries
        .filter(|(_, said)| !said.is_empty())
        .map(|(entry, said)| source(said, closed).ok_or_else(|| entry.clone()))
        .collect()
}

/// One entry: `BASE`, or `BASE:TEXT`. The texts of TXT records under the former are what a client is
/// told; an A record under the latter gets him TEXT. With `-` before BASE or TEXT he is refused for
/// good; with `+` before BASE he is served, and with `=` served and told of in the log.
pub fn source(entry: &[u8], closed: bool) -> Option<Source> {
    let (sign, named) = match entry.split_first()? {
        (sign @ (b'+' | b'-' | b'='), named) => (Some(*sign), named),
        _ => (None, entry),
    };
    let colon = named.iter().position(|&byte| byte == b':');
    let (base, message) = match colon {
        Some(colon) => (&named[..colon], Some(&named[colon + 1..])),
        None => (named, None),
    };
    let stripped = message.map(|text| text.strip_prefix(b"-").unwrap_or(text));
    let source = Source {
        base: base.to_vec(),
        way: match sign {
            Some(b'+') => Way::Anti,
            Some(b'=') => Way::Note,
            _ => Way::List,
        },
        permanent: sign == Some(b'-') || message != stripped,
        closed,
        message: stripped.map(<[u8]>::to_vec),
    };
    let is_empty = base.is_empty() || source.message.as_ref().is_some_and(Vec::is_empty);
    // The longest name that is ever asked for.
    let is_name = source
        .question(std::net::Ipv6Addr::LOCALHOST.into())
        .is_some();
    (!is_empty && is_name).then_some(source)
}

/// An entry without blanks around it, and without a remark: `#` and what follows, at its beginning or
/// behind a blank.
pub(crate) fn without_remark(entry: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let end = (0..entry.len())
        .find(|&at| entry[at] == b'#' && (at == 0 || blank(&entry[at - 1])))
        .unwrap_or(entry.len());
    entry[..end].trim_ascii()
}

#[cfg(test)]
#[path = "dnsbl_tests.rs"]
mod tests;
