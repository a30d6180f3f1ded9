//! relay-ctrl-allow: records that the client of this session has logged in. relay-ctrl-allow(8).
//!
//! In a joined chain the front calls [`record`] itself, as the superuser, between the checker's yes and
//! becoming the user; nobody else can write to the store then. As a program behind somebody else's checker it
//! runs as the user, with a store that lets him ([`chdir`](crate::chdir)).

use std::ffi::OsStr;
use std::time::{Duration, Instant, SystemTime};

use chain::{Call, Env};
use os::Exit;
use relay_store::{Address, Entry, Recorded, Store};
use wire::Log;

use crate::Trouble;
use crate::config::{Config, client};
use crate::time::{clock, utc};

/// The program's name in chains.
pub const PROGRAM: &str = "relay-ctrl-allow";

/// How long a login waits for the rebuild of the database by others.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// Why a session cannot go on: there is no address to record. (Anything else is no reason.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoAddress;

impl std::fmt::Display for NoAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(
            "must be run from superd or tcpserver: TCPREMOTEIP is not the address of a client",
        )
    }
}

/// Who has logged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Login<'a> {
    /// The account's name.
    pub user: &'a [u8],
    /// By which method: `pop`, `apop`, `cram`, `imap`.
    pub how: &'a [u8],
}

/// What became of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// It may relay up to this second, since the epoch.
    Open(Recorded, i64),
    /// It is on the list of those that are never opened.
    Excluded,
    /// The administrator's rules deny it, and that stays so.
    Denied,
    /// It is in the store, and did not get into the database.
    Kept,
}

/// What relay-ctrl-allow does in a chain of ours: everything, and before the user is become
/// ([`chain::BeforeEntry`]).
pub fn before_entry(env: &mut Env, login: chain::Login<'_>) -> Result<(), String> {
    let login = Login {
        user: login.user,
        how: login.how,
    };
    record(env, login).map_err(|error| format!("{PROGRAM} {error}"))
}

/// Records the login of the client whom `env` describes (TCPREMOTEIP, TCPREMOTEHOST, DOMAIN), and logs what
/// became of it. Where the classic database is kept, the address is in it when this returns, or the log says why
/// not. RELAY_CTRL_DIR_FD is used up.
pub fn record(env: &mut Env, login: Login<'_>) -> Result<(), NoAddress> {
    let address = client(env).ok_or(NoAddress)?;
    let mut log = Log::new(PROGRAM, Some(address.to_string().as_bytes()));
    let who = entry(env, login);
    let prolongations = env.get("RELAY_CTRL_LOG_IPS").is_some();
    match open(env, &address, &who) {
        Ok((outcome, trouble)) => {
            let line = match outcome {
                Outcome::Open(Recorded::New, until) => Some(("open", until)),
                Outcome::Open(Recorded::Again, until) => {
                    prolongations.then_some(("prolong", until))
                }
                Outcome::Excluded => {
                    log.event("excluded").field("user", login.user).say();
                    None
                }
                Outcome::Denied => {
                    log.event("denied").field("user", login.user).say();
                    None
                }
                // What the matter is follows.
                Outcome::Kept => None,
            };
            if let Some((event, until)) = line {
                let line = log.event(event).field("user", login.user);
                let line = match login.how {
                    b"" => line,
                    how => line.field("how", how),
                };
                line.field("until", utc(until).as_bytes()).say();
            }
            if let Some(trouble) = trouble {
                tell(&mut log, &trouble);
            }
        }
        Err(trouble) => tell(&mut log, &trouble),
    }
    Ok(())
}

fn tell(log: &mut Log, trouble: &Trouble) {
    let why = trouble.to_string();
    log.event("trouble").field("why", why.as_bytes()).say();
}

/// Records `address` as the settings say. The second value is what kept it out of the database, where it is in the
/// store nevertheless.
fn open(
    env: &mut Env,
    address: &Address,
    who: &Entry,
) -> Result<(Outcome, Option<Trouble>), Trouble> {
    let config = Config::read(env)?;
    let exclude = config.exclude()?;
    if exclude.covers(address) {
        return Ok((Outcome::Excluded, None));
    }
    let store = config.store(env)?;
    let recorded = enter(&config, &store, address, who)?;
    if let Some(database) = &config.database {
        let deadline = Instant::now() + PATIENCE;
        let done = database.ensure(&store, address, who, recorded, &exclude, deadline);
        if let Err(trouble) = done {
            return Ok((Outcome::Kept, Some(trouble)));
        }
        if database.denies(address, who) {
            return Ok((Outcome::Denied, None));
        }
    }
    let until = clock().saturating_add(store.expiry().seconds());
    Ok((Outcome::Open(recorded, until), None))
}

/// Puts `address` into the store of `config`.
pub(crate) fn enter(
    config: &Config,
    store: &Store,
    address: &Address,
    who: &Entry,
) -> Result<Recorded, Trouble> {
    let recorded = store.record(address, who, SystemTime::now());
    recorded.map_err(|error| Trouble::File("record", config.place.file(address), error))
}

fn entry(env: &Env, login: Login<'_>) -> Entry {
    let value = |name| env.bytes(name).unwrap_or_default().to_vec();
    Entry {
        user: login.user.to_vec(),
        domain: value("DOMAIN"),
        how: login.how.to_vec(),
        host: value("TCPREMOTEHOST"),
        ..Entry::default()
    }
}

/// The program, behind a checker that has become the user.
pub fn main(mut call: Call) -> Exit {
    if os::identity::is_borrowed() {
        return refuse(
            "its file must not be setuid or setgid: see relay-ctrl-allow(8) for what replaces that",
        );
    }
    let courier = is_courier(&call.env);
    if client(&call.env).is_none() {
        return refuse(&NoAddress.to_string());
    }
    if os::identity::effective_uid() == 0 {
        return refuse(
            "cannot be run as root: it belongs behind the program that checks the password",
        );
    }
    if call.args.is_empty() {
        return refuse("no program is named to go on with");
    }
    let authenticated = call
        .env
        .bytes("AUTHENTICATED")
        .is_some_and(|user| !user.is_empty());
    if !courier || authenticated {
        let value = |name| call.env.bytes(name).unwrap_or_default().to_vec();
        let user = match value("USER") {
            user if user.is_empty() => value("AUTHENTICATED"),
            user => user,
        };
        let how = how(&call.env);
        let login = Login {
            user: &user,
            how: &how,
        };
        // The address was seen above.
        let _ = record(&mut call.env, login);
    }
    call.finish()
}

fn refuse(why: &str) -> Exit {
    os::log::fatal(PROGRAM, why);
    Exit::TEMPORARY
}

/// Whether this is one of Courier's chain of modules, which all run whether somebody has logged in or not.
///
/// The original looks at descriptor 3 too. Without it, nothing is recorded for a chain that has closed it without a
/// login.
fn is_courier(env: &Env) -> bool {
    env.get("AUTHUSER").is_some() && env.get("AUTHARGV0").is_some()
}

/// By which method somebody has logged in, as far as the environment tells.
fn how(env: &Env) -> Vec<u8> {
    if env.get("IMAPLOGINTAG").is_some() || env.get("AUTHENTICATED").is_some() {
        return b"imap".to_vec();
    }
    env.get("AUTH")
        .unwrap_or(OsStr::new("pop"))
        .as_encoded_bytes()
        .to_vec()
}

#[cfg(test)]
mod tests;
