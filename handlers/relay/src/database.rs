//! The classic way: a rules database with one record an address, beside those of a text of rules.
//!
//! The text is the administrator's and comes first, so a key that it has is the text's. A record for an
//! address is made of `rule`; it never stands against the text:
//! - where the text denies the address (by whatever rule decides for it), there is no record;
//! - otherwise it carries the variables of the text's rule that would decide, for a record for the
//!   address alone hides that rule. `rule`'s variables come behind them and win, but for RELAYCLIENT,
//!   where the text sets it.
//!
//! Rebuilding is done under the store's lock, into a new file that takes the old one's place when it is whole
//! and has been read back ([`rules::compile`]). Logins that come together share one rebuild: whoever had
//! to wait for the lock finds his address there. A missing or empty text is never a reason for an empty
//! database, which would let everybody in.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use relay_store::{Address, Entry, Recorded, Store};
use rules::cdb::Cdb;
use rules::compile::{Failure, Report, compile_with};
use rules::lint::Warning;
use rules::record::Verdict;
use rules::search::{Client, decide};
use rules::text::{self, Fault, Line};

use crate::Trouble;
use crate::exclude::Exclude;

mod statics;

pub use statics::Statics;

/// The most bytes of the text of rules.
pub const TEXT_LIMIT: u64 = 256 << 20;

/// What a rebuild reads and writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// The administrator's rules.
    pub text: PathBuf,
    /// The database.
    pub cdb: PathBuf,
    /// What follows the address in a rule for one that is open.
    pub rule: Vec<u8>,
}

/// The variables of `rule`, in order, as (name, value).
pub type Variables = Vec<(Vec<u8>, Vec<u8>)>;

/// Reads `rule`, which begins with its colon and must allow.
pub fn parse_rule(rule: &[u8]) -> Result<Variables, String> {
    let line = [b"192.0.2.1", rule].concat();
    match text::parse(&line) {
        Ok(Line::Rule(parsed)) if rule.starts_with(b":") => match parsed.verdict {
            Verdict::Allow => {
                let variables = parsed.variables();
                Ok(variables
                    .map(|(name, value)| (name.to_vec(), value.to_vec()))
                    .collect())
            }
            Verdict::Deny => Err("it denies".to_owned()),
        },
        Ok(_) => Err("it does not begin with a colon".to_owned()),
        Err(fault) => Err(fault.kind.to_string()),
    }
}

impl Database {
    /// Sees to it that the database has `address`, which the store has. Waits for a rebuild of somebody
    /// else's until `deadline` at most.
    ///
    /// Nothing is done for an address that the database has already, or that its rules deny. Only for one that
    /// the store has had all along can that be seen without the lock: a rebuild that is under way may
    /// not know of a new one, and take away what is left of its last time.
    pub fn ensure(
        &self,
        store: &Store,
        address: &Address,
        who: &Entry,
        recorded: Recorded,
        exclude: &Exclude,
        deadline: Instant,
    ) -> Result<(), Trouble> {
        if recorded == Recorded::Again && self.settles(address, who) {
            return Ok(());
        }
        // A rebuild would open nobody: that is left to relay-ctrl-age, once a minute.
        self.variables()?;
        let locked = store.lock(deadline);
        let locked =
            locked.map_err(|error| Trouble::file("lock the store for", &self.cdb, error))?;
        let Some(_lock) = locked else {
            return Err(Trouble::Locked(self.cdb.clone()));
        };
        // Whoever had the lock may have done it.
        if self.settles(address, who) {
            return Ok(());
        }
        let now = SystemTime::now();
        let open = store.list(now, |address| exclude.covers(address));
        let open = open.map_err(|error| Trouble::file("list the store for", &self.cdb, error))?;
        self.rebuild(Some(store), &open, now)
    }

    /// Whether a rebuild can change nothing for `address`.
    fn settles(&self, address: &Address, who: &Entry) -> bool {
        let Ok(cdb) = Cdb::open_path(&self.cdb) else {
            return false;
        };
        let ip = address.to_string();
        decide(&client(&ip, host(who)), |key| cdb.get(key)).is_ok_and(|decision| {
            decision.key.as_deref() == Some(ip.as_bytes()) || decision.verdict() == Verdict::Deny
        })
    }

    /// Whether the rules in the database deny `address`, whoever has logged in from there.
    pub fn denies(&self, address: &Address, who: &Entry) -> bool {
        let ip = address.to_string();
        Cdb::open_path(&self.cdb)
            .and_then(|cdb| decide(&client(&ip, host(who)), |key| cdb.get(key)))
            .is_ok_and(|decision| decision.verdict() == Verdict::Deny)
    }

    fn variables(&self) -> Result<Variables, Trouble> {
        parse_rule(&self.rule).map_err(|why| {
            let rule = self.rule.escape_ascii();
            Trouble::Setting(format!("the rule \"{rule}\""), why)
        })
    }

    /// What the database, as it is, says about `address`: the key that decides and the verdict.
    pub fn decision(&self, address: &Address) -> io::Result<rules::search::Decision> {
        let cdb = Cdb::open_path(&self.cdb)?;
        decide(&client(&address.to_string(), None), |key| cdb.get(key))
    }

    /// Makes the database anew: the text, and a record for each address of `open`, which `store` has. The
    /// caller has the store's lock.
    ///
    /// With a `rule` that cannot be used, addresses keep the record that they have and no other gets one,
    /// so that what has expired is closed; that is an error nevertheless.
    pub fn rebuild(
        &self,
        store: Option<&Store>,
        open: &[Address],
        now: SystemTime,
    ) -> Result<(), Trouble> {
        let statics = Statics::new(self.read_text()?);
        let rule = self.variables();
        let old = match &rule {
            Ok(_) => None,
            Err(_) => Cdb::open_path(&self.cdb).ok(),
        };
        let records = open.iter().filter_map(|address| {
            let ip = address.to_string();
            let entry = match store {
                // Only a rule by name needs to know more of an address than that it is there.
                Some(store) if statics.knows_names() => store.lookup(address, now).ok()??,
                _ => Entry::default(),
            };
            let host = host(&entry);
            let data = match &rule {
                Ok(rule) => statics.record(&client(&ip, host), rule)?,
                Err(_) => {
                    statics.record(&client(&ip, host), &[])?;
                    old.as_ref()?.get(ip.as_bytes()).ok()??
                }
            };
            Some((ip.into_bytes(), data))
        });
        self.compile(statics.text(), records)?;
        rule.map(|_| ())
    }

    fn read_text(&self) -> Result<Vec<u8>, Trouble> {
        let mut text = Vec::new();
        let read = File::open(&self.text)
            .and_then(|file| file.take(TEXT_LIMIT + 1).read_to_end(&mut text));
        match read {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(Trouble::NoRules(self.text.clone(), "file does not exist"))
            }
            Err(error) => Err(Trouble::file("read", &self.text, error)),
            Ok(_) if text.len() as u64 > TEXT_LIMIT => {
                Err(Trouble::NoRules(self.text.clone(), "larger than 256 MiB"))
            }
            Ok(_) if text.trim_ascii().is_empty() => Err(Trouble::NoRules(
                self.text.clone(),
                "there is nothing in it",
            )),
            Ok(_) => Ok(text),
        }
    }

    fn compile(
        &self,
        text: &[u8],
        records: impl Iterator<Item = (Vec<u8>, Vec<u8>)>,
    ) -> Result<(), Trouble> {
        let mut temporary = self.cdb.clone().into_os_string();
        temporary.push(".relay-ctrl");
        let mut first = FirstFault(None);
        // A new database is to be read by servers without privileges, as relay-ctrl makes it.
        let umask = os::process::umask(0o022);
        let done = compile_with(text, records, &self.cdb, Path::new(&temporary), &mut first);
        os::process::umask(umask);
        let why = match done {
            Ok(_) | Err(Failure::Sync(_)) => return Ok(()),
            Err(Failure::Faults) => {
                let fault = first.0.unwrap_or_default();
                format!("{}: {fault}", self.text.display())
            }
            Err(Failure::Create(error)) => {
                format!(
                    "unable to create {}: {}",
                    Path::new(&temporary).display(),
                    os::reason(&error)
                )
            }
            Err(Failure::Read(error) | Failure::Write(error)) => {
                format!(
                    "unable to write {}: {}",
                    Path::new(&temporary).display(),
                    os::reason(&error)
                )
            }
            Err(Failure::Move(error)) => {
                format!(
                    "unable to move {}: {}",
                    Path::new(&temporary).display(),
                    os::reason(&error)
                )
            }
        };
        Err(Trouble::Compile(self.cdb.clone(), why))
    }
}

/// The host name of a login, where it is known.
fn host(who: &Entry) -> Option<&[u8]> {
    Some(&who.host[..]).filter(|host| !host.is_empty())
}

fn client<'a>(ip: &'a str, host: Option<&'a [u8]>) -> Client<'a> {
    Client {
        ip: ip.as_bytes(),
        host,
        info: None,
    }
}

/// Remembers where the text is first wrong. What is only unwise is told by `superd-rules --check`.
struct FirstFault(Option<String>);

impl Report for FirstFault {
    fn fault(&mut self, line: u64, _text: &[u8], fault: Fault) {
        self.0
            .get_or_insert_with(|| format!("line {line}, {fault}"));
    }

    fn warning(&mut self, _line: u64, _warning: Warning) {}
}

#[cfg(test)]
mod tests;
