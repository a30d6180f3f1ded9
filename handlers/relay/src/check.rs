//! relay-ctrl-check: in front of smtpd, lets a client relay whose address is in the store. relay-ctrl-check(8).
//!
//! Whatever is wrong, the mail session goes on, without the leave to relay.

use std::time::SystemTime;

use chain::{Call, Env};
use os::Exit;
use relay_store::{Address, Entry, Found};
use wire::Log;

use crate::Trouble;
use crate::config::{Config, client};
use crate::time::utc;

/// The program's name in chains.
pub const PROGRAM: &str = "relay-ctrl-check";

/// The program.
pub fn main(mut call: Call) -> Exit {
    let address = client(&call.env);
    let text = address.map(|address| address.to_string());
    let mut log = Log::new(PROGRAM, text.as_ref().map(String::as_bytes));
    let all = call.env.get("RELAY_CTRL_LOG_IPS").is_some();
    if call.env.get("RELAYCLIENT").is_some() {
        if all {
            log.event("skip").field("why", b"RELAYCLIENT is set").say();
        }
    } else if let Some(address) = address {
        check(&mut call.env, &address, &mut log, all);
    } else {
        // No name of a file can come of it.
        log.event("trouble")
            .field("why", b"TCPREMOTEIP is not the address of a client")
            .say();
    }
    call.finish()
}

fn check(env: &mut Env, address: &Address, log: &mut Log, all: bool) {
    match find(env, address) {
        Ok(Found::Open(entry)) => {
            let relay = env
                .bytes("RELAY_CTRL_RELAYCLIENT")
                .unwrap_or_default()
                .to_vec();
            if all {
                let line = log.event("open").field("user", &entry.user);
                line.field("since", utc(entry.time).as_bytes()).say();
            }
            let told = env.get("RELAY_CTRL_LOG_ENV").is_some();
            for (name, value) in variables(entry, relay) {
                if told {
                    log.event("set")
                        .field("name", name.as_bytes())
                        .field("value", &value)
                        .say();
                }
                env.set(name, &value);
            }
        }
        Ok(Found::Expired(entry)) if all => {
            let line = log.event("closed").field("why", b"expired");
            line.field("user", &entry.user).say();
        }
        Ok(Found::Absent) if all => log.event("closed").field("why", b"no login").say(),
        Ok(_) => {}
        Err(trouble) => {
            let why = trouble.to_string();
            log.event("trouble").field("why", why.as_bytes()).say();
        }
    }
}

/// What a client gets who may relay; what is not known of him is not set. RELAY_CTRL_USER is for the
/// log of smtpd, which takes USER from nobody.
fn variables(entry: Entry, relay: Vec<u8>) -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    let known = [
        ("RELAY_CTRL_USER", entry.user.clone()),
        ("USER", entry.user),
        ("DOMAIN", entry.domain),
    ];
    let known = known.into_iter().filter(|(_, value)| !value.is_empty());
    std::iter::once(("RELAYCLIENT", relay)).chain(known)
}

fn find(env: &mut Env, address: &Address) -> Result<Found, Trouble> {
    let config = Config::read_without_database(env)?;
    let store = config.store(env)?;
    let now = SystemTime::now();
    let found = store.find(address, now);
    let found =
        found.map_err(|error| Trouble::File("look up", config.place.file(address), error))?;
    if matches!(found, Found::Expired(_)) {
        // Where this may not be done, relay-ctrl-age does it.
        let _ = store.expire(address, now);
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
