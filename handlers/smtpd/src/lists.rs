//! The lists of addresses and names in control/: who is refused whatever else holds, and which
//! recipients there are.
//!
//! - badmailfrom, badrcptto and badhelo, and the same with `norelay` behind the name for clients
//!   that may not relay (qregex's files, without its regular expressions): see [`Patterns`];
//! - validrcptto, validrcptto.cdb and morevalidrcptto.cdb: see [`ValidRecipients`].

use std::ffi::OsString;
use std::path::PathBuf;

use accounts::{ControlError, Home, address, control};

use crate::keyfile::{KeyFile, Unreadable};

/// A variable of the environment.
pub type Variable<'v> = &'v dyn Fn(&str) -> Option<OsString>;

/// Entries of a list, compared without regard to case. One with `@` in front stands for all of that
/// host, though not for what is below it; in any entry `*` stands for any bytes, or none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patterns(Vec<Vec<u8>>);

impl Patterns {
    /// From the entries of a file.
    pub fn new(entries: Vec<Vec<u8>>) -> Patterns {
        Patterns(entries)
    }

    fn read(home: &Home, name: &str) -> Result<Patterns, ControlError> {
        Ok(Patterns::new(home.list(name)?.unwrap_or_default()))
    }

    /// Whether an entry means this address, which is not the null sender: that is nobody's.
    pub fn name_address(&self, address: &[u8]) -> bool {
        !address.is_empty() && self.0.iter().any(|entry| means(entry, address))
    }

    /// Whether an entry means this host name.
    pub fn name_host(&self, host: &[u8]) -> bool {
        self.0.iter().any(|entry| is_like(entry, host))
    }
}

/// Whether one entry means `address`.
pub fn means(entry: &[u8], address: &[u8]) -> bool {
    if is_like(entry, address) {
        return true;
    }
    let at = address.iter().rposition(|&byte| byte == b'@');
    entry.first() == Some(&b'@') && at.is_some_and(|at| is_like(entry, &address[at..]))
}

/// Whether `text` is `pattern` with something in the place of each `*`. The time is at most the
/// product of their lengths.
fn is_like(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut next) = (0, 0);
    // Where the last star is, and which byte of the text it may go on to swallow.
    let mut star = None;
    while let Some(byte) = text.get(at) {
        match pattern.get(next) {
            Some(b'*') => {
                star = Some((next, at));
                next += 1;
            }
            Some(wanted) if wanted.eq_ignore_ascii_case(byte) => {
                at += 1;
                next += 1;
            }
            _ => match star {
                None => return false,
                Some((place, swallowed)) => {
                    star = Some((place, swallowed + 1));
                    at = swallowed + 1;
                    next = place + 1;
                }
            },
        }
    }
    pattern[next..].iter().all(|&byte| byte == b'*')
}

/// Which recipients there are, where lists say so. An entry is an address, or `@host` for all of a
/// host; with `-` in front of it that address or host has none. The address counts before the host,
/// and what there is before what there is not. Whoever no list has is not there.
#[derive(Debug, Default)]
pub struct ValidRecipients {
    /// In lower case and in order; `None` where there is no such file.
    text: Option<Vec<Vec<u8>>>,
    databases: Vec<KeyFile>,
}

impl ValidRecipients {
    /// Those of the files: the text control/validrcptto, or what VALIDRCPTTO names, and the
    /// databases control/validrcptto.cdb and control/morevalidrcptto.cdb, or what VALIDRCPTTO_CDB
    /// and MOREVALIDRCPTTO_CDB name. A variable that is set and empty means no such list; a file
    /// that a variable names has to be there.
    pub fn read(variable: Variable<'_>, home: &Home) -> Result<ValidRecipients, ControlError> {
        let text = match named(variable, home, "VALIDRCPTTO") {
            Named::Nothing => home.list("validrcptto")?,
            Named::None => None,
            Named::File(path) => Some(required_list(path)?),
        };
        let database = |name, file| match named(variable, home, name) {
            Named::Nothing => KeyFile::open(home.control(file)),
            Named::None => KeyFile::default(),
            Named::File(path) => KeyFile::open_named(path),
        };
        let databases = vec![
            database("VALIDRCPTTO_CDB", "validrcptto.cdb"),
            database("MOREVALIDRCPTTO_CDB", "morevalidrcptto.cdb"),
        ];
        Ok(ValidRecipients::new(text, databases))
    }

    /// From a list of entries, if there is one, and from databases.
    pub fn new(text: Option<Vec<Vec<u8>>>, databases: Vec<KeyFile>) -> ValidRecipients {
        let text = text.map(|mut entries| {
            entries
                .iter_mut()
                .for_each(|entry| entry.make_ascii_lowercase());
            entries.sort_unstable();
            entries
        });
        ValidRecipients { text, databases }
    }

    /// Whether any list says who is there.
    pub fn is_known(&self) -> bool {
        self.text.is_some() || self.databases.iter().any(KeyFile::is_there)
    }

    /// The databases, there or not.
    pub fn databases(&self) -> &[KeyFile] {
        &self.databases
    }

    /// Whether `recipient` is there as far as lists say; so he is where there are none. The
    /// postmaster always is (RFC 5321 section 4.5.1).
    pub fn have(&self, recipient: &[u8]) -> Result<bool, Unreadable> {
        let (local, _) = address::split(recipient);
        if !self.is_known() || local.eq_ignore_ascii_case(b"postmaster") {
            return Ok(true);
        }
        let recipient = recipient.to_ascii_lowercase();
        if self.list(&recipient)? {
            return Ok(true);
        }
        let (local, Some(_)) = address::split(&recipient) else {
            return Ok(false);
        };
        let host = &recipient[local.len()..];
        Ok(!self.list(&[b"-", recipient.as_slice()].concat())? && self.list(host)?)
    }

    fn list(&self, entry: &[u8]) -> Result<bool, Unreadable> {
        let listed = |text: &Vec<Vec<u8>>| {
            text.binary_search_by(|known| known.as_slice().cmp(entry))
                .is_ok()
        };
        if self.text.as_ref().is_some_and(listed) {
            return Ok(true);
        }
        for database in &self.databases {
            if database.has(entry)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// What a variable says about a file.
enum Named {
    /// Nothing: it is not set.
    Nothing,
    /// That there is none.
    None,
    /// This one; a relative path is below the home.
    File(PathBuf),
}

fn named(variable: Variable<'_>, home: &Home, name: &str) -> Named {
    match variable(name) {
        None => Named::Nothing,
        Some(value) if value.is_empty() => Named::None,
        Some(value) => Named::File(home.path().join(PathBuf::from(value))),
    }
}

/// The entries of a file that has to be there.
pub(crate) fn required_list(path: PathBuf) -> Result<Vec<Vec<u8>>, ControlError> {
    if let Err(error) = std::fs::metadata(&path) {
        let why = control::Why::Io(error);
        return Err(ControlError { path, why });
    }
    let text = control::read(&path)?.unwrap_or_default();
    Ok(control::entries(&text).map(<[u8]>::to_vec).collect())
}

/// All of these lists.
#[derive(Debug, Default)]
pub struct Lists {
    /// badmailfrom.
    pub senders: Patterns,
    /// badmailfromnorelay.
    pub senders_norelay: Patterns,
    /// badrcptto.
    pub recipients: Patterns,
    /// badrcpttonorelay.
    pub recipients_norelay: Patterns,
    /// badhelo.
    pub hellos: Patterns,
    /// badhelonorelay.
    pub hellos_norelay: Patterns,
    /// validrcptto and what belongs to it.
    pub valid: ValidRecipients,
}

impl Lists {
    /// Reads the lists of a home. NOBADHELO leaves the lists of HELO names out.
    pub fn read(variable: Variable<'_>, home: &Home) -> Result<Lists, ControlError> {
        let hellos = |name| match variable("NOBADHELO") {
            Some(_) => Ok(Patterns::default()),
            None => Patterns::read(home, name),
        };
        Ok(Lists {
            senders: Patterns::read(home, "badmailfrom")?,
            senders_norelay: Patterns::read(home, "badmailfromnorelay")?,
            recipients: Patterns::read(home, "badrcptto")?,
            recipients_norelay: Patterns::read(home, "badrcpttonorelay")?,
            hellos: hellos("badhelo")?,
            hellos_norelay: hellos("badhelonorelay")?,
            valid: ValidRecipients::read(variable, home)?,
        })
    }

    /// Whether every recipient is refused for the name in HELO or EHLO.
    pub fn refuse_hello(&self, name: &[u8], may_relay: bool) -> bool {
        self.hellos.name_host(name) || !may_relay && self.hellos_norelay.name_host(name)
    }

    /// Whether every recipient is refused for the sender.
    pub fn refuse_sender(&self, sender: &[u8], may_relay: bool) -> bool {
        self.senders.name_address(sender) || !may_relay && self.senders_norelay.name_address(sender)
    }

    /// Whether this recipient is refused.
    pub fn refuse_recipient(&self, recipient: &[u8], may_relay: bool) -> bool {
        self.recipients.name_address(recipient)
            || !may_relay && self.recipients_norelay.name_address(recipient)
    }

    /// Whether this recipient is there, as far as lists say. A client that may relay is not asked.
    pub fn is_valid(&self, recipient: &[u8], may_relay: bool) -> Result<bool, Unreadable> {
        if may_relay {
            return Ok(true);
        }
        self.valid.have(recipient)
    }
}

#[cfg(test)]
#[path = "lists_tests.rs"]
mod tests;
