//! superd-relay: shows and changes who may relay because he has logged in. superd-relay(8).

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant, SystemTime};

use chain::Env;
use os::Exit;
use relay_store::{Address, Entry, Found, Store};
use rules::record::Verdict;

use crate::Trouble;
use crate::allow::enter;
use crate::config::Config;
use crate::exclude::Exclude;
use crate::time::{clock, utc};

/// How long it waits for a rebuild of the database by others.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why nothing came of a command.
enum Failure {
    Usage,
    /// A word that should be an address.
    Address(OsString),
    Trouble(Trouble),
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Failure {
        Failure::Trouble(trouble)
    }
}

/// The program: `list`, `add ADDRESS [why...]`, `revoke ADDRESS...`, `check ADDRESS`.
pub fn main(name: &str, args: Vec<OsString>) -> Exit {
    if os::identity::is_borrowed() {
        os::log::fatal(name, "its file must not be setuid or setgid");
        return Exit::PERMANENT;
    }
    let mut out = Vec::new();
    let done = run(&args, &mut out);
    let written = io::stdout().write_all(&out);
    match done {
        Ok(_) if written.is_err() => {
            os::log::fatal(name, "unable to write the answer");
            Exit::TEMPORARY
        }
        Ok(exit) => exit,
        Err(Failure::Usage) => {
            let usage = format!(
                "{name}: usage: {name} list | add ADDRESS [WHY] | revoke ADDRESS ... | check ADDRESS\n"
            );
            os::log::say(usage.as_bytes());
            Exit::PERMANENT
        }
        Err(Failure::Address(word)) => {
            os::log::fatal(
                name,
                &format!("{}: not an address", word.as_bytes().escape_ascii()),
            );
            Exit::PERMANENT
        }
        Err(Failure::Trouble(trouble)) => {
            os::log::fatal(name, &trouble.to_string());
            Exit::TEMPORARY
        }
    }
}

fn run(args: &[OsString], out: &mut Vec<u8>) -> Result<Exit, Failure> {
    let (command, words) = args.split_first().ok_or(Failure::Usage)?;
    let mut env = Env::of_process();
    let desk = |env: &mut Env| -> Result<Desk, Trouble> {
        let config = Config::read(env)?;
        Ok(Desk {
            exclude: config.exclude()?,
            store: config.store(env)?,
            config,
        })
    };
    match (command.as_bytes(), words) {
        (b"list", []) => desk(&mut env)?.list(out),
        (b"add", [ip, why @ ..]) => {
            let address = address(ip)?;
            let who = by_hand(&env, why);
            desk(&mut env)?.add(&address, &who, out)
        }
        (b"revoke", ips @ [_, ..]) => {
            let addresses: Result<Vec<_>, _> = ips.iter().map(|ip| address(ip)).collect();
            desk(&mut env)?.revoke(&addresses?, out)
        }
        (b"check", [ip]) => {
            let address = address(ip)?;
            desk(&mut env)?.check(&address, out)
        }
        _ => Err(Failure::Usage),
    }
}

fn address(word: &OsStr) -> Result<Address, Failure> {
    Address::from_text(word.as_bytes()).ok_or_else(|| Failure::Address(word.to_owned()))
}

/// An entry of whoever runs this program.
fn by_hand(env: &Env, why: &[OsString]) -> Entry {
    let user = ["SUDO_USER", "LOGNAME", "USER"]
        .iter()
        .find_map(|name| env.bytes(name));
    Entry {
        user: user.unwrap_or(b"root").to_vec(),
        how: b"superd-relay".to_vec(),
        why: why.join(OsStr::new(" ")).as_bytes().to_vec(),
        ..Entry::default()
    }
}

/// The store and all that belongs to it.
struct Desk {
    config: Config,
    exclude: Exclude,
    store: Store,
}

impl Desk {
    fn list(&self, out: &mut Vec<u8>) -> Result<Exit, Failure> {
        let now = SystemTime::now();
        let mut open = self
            .store
            .list(now, |_| false)
            .map_err(|error| self.failed("list", error))?;
        open.sort_unstable();
        for address in open {
            // What is gone or cannot be read by now is nothing to list.
            if let Ok(Some(entry)) = self.store.lookup(&address, now) {
                self.show(&address, &entry, out);
            }
        }
        Ok(Exit::OK)
    }

    fn add(&self, address: &Address, who: &Entry, out: &mut Vec<u8>) -> Result<Exit, Failure> {
        if self.exclude.covers(address) {
            say(
                out,
                &format!("{address} is on the list exclude and stays closed"),
            );
            return Ok(Exit::NO);
        }
        let recorded = enter(&self.config, &self.store, address, who)?;
        if let Some(database) = &self.config.database {
            let deadline = Instant::now() + PATIENCE;
            database.ensure(&self.store, address, who, recorded, &self.exclude, deadline)?;
        }
        self.check(address, out)
    }

    fn revoke(&self, addresses: &[Address], out: &mut Vec<u8>) -> Result<Exit, Failure> {
        let mut exit = Exit::OK;
        for address in addresses {
            let removed = self
                .store
                .remove(address)
                .map_err(|error| Trouble::File("remove", self.config.place.file(address), error));
            if !removed? {
                say(out, &format!("{address} was not in the store"));
                exit = Exit::NO;
            }
        }
        // Also where it was in the store no more: the database may still have it.
        if let Some(database) = &self.config.database {
            let lock = self.store.lock(Instant::now() + PATIENCE);
            let lock = lock.map_err(|error| self.failed("lock", error))?;
            let _lock = lock.ok_or_else(|| Trouble::Locked(database.cdb.clone()))?;
            let now = SystemTime::now();
            let open = self.store.list(now, |address| self.exclude.covers(address));
            let open = open.map_err(|error| self.failed("list", error))?;
            database.rebuild(Some(&self.store), &open, now)?;
        }
        Ok(exit)
    }

    /// Tells what the store and the database say; 0 where the address is open, 1 where it is not.
    fn check(&self, address: &Address, out: &mut Vec<u8>) -> Result<Exit, Failure> {
        let found = self
            .store
            .find(address, SystemTime::now())
            .map_err(|error| Trouble::File("look up", self.config.place.file(address), error));
        let mut open = false;
        match found? {
            Found::Open(entry) => {
                open = true;
                self.show(address, &entry, out);
            }
            Found::Expired(entry) => {
                let until = utc(self.store.until(&entry));
                say(
                    out,
                    &format!("{address} is closed: its last login was good until {until}"),
                );
            }
            Found::Absent => say(
                out,
                &format!("{address} is closed: nobody has logged in from there"),
            ),
        }
        if self.exclude.covers(address) {
            say(out, &format!("{address} is on the list exclude"));
            open = false;
        }
        if let Some(database) = &self.config.database {
            match database.decision(address) {
                Ok(decision) => {
                    let relays = decision.verdict() == Verdict::Allow
                        && decision.variables().any(|(name, _)| name == b"RELAYCLIENT");
                    let key = decision.key.as_deref().unwrap_or_default().escape_ascii();
                    let verdict = match (decision.verdict(), relays) {
                        (Verdict::Deny, _) => "denies it",
                        (Verdict::Allow, true) => "sets RELAYCLIENT",
                        (Verdict::Allow, false) => "does not set RELAYCLIENT",
                    };
                    let cdb = database.cdb.display();
                    say(
                        out,
                        &format!("{address} in {cdb}: the rule \"{key}:\" {verdict}"),
                    );
                    open = relays;
                }
                Err(error) => return Err(Trouble::file("read", &database.cdb, error).into()),
            }
        }
        Ok(if open { Exit::OK } else { Exit::NO })
    }

    /// One line of an address: who, how, when, until when, why.
    fn show(&self, address: &Address, entry: &Entry, out: &mut Vec<u8>) {
        let until = self.store.until(entry);
        let left = until.saturating_sub(clock()).max(0);
        let mut line = format!("{address}");
        for (key, value) in [
            ("user", &entry.user),
            ("domain", &entry.domain),
            ("how", &entry.how),
            ("host", &entry.host),
        ] {
            if !value.is_empty() {
                line += &format!(" {key}={}", value.escape_ascii());
            }
        }
        line += &format!(
            " when={} until={} left={left}s",
            utc(entry.time),
            utc(until)
        );
        if !entry.why.is_empty() {
            line += &format!(" why=\"{}\"", entry.why.escape_ascii());
        }
        say(out, &line);
    }

    fn failed(&self, verb: &'static str, error: io::Error) -> Trouble {
        Trouble::File(verb, self.config.place.shown(), error)
    }
}

fn say(out: &mut Vec<u8>, line: &str) {
    out.extend_from_slice(line.as_bytes());
    out.push(b'\n');
}
