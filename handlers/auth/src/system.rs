//! checkpassword's decision: the passwords of the system, and those of `users.secret`.
//!
//! A name that does not exist, an account that is locked and one that may never be entered take the
//! time of a wrong password: all of them are compared with something before they are refused.

use accounts::{Home, Source};
use chain::Env;
use os::names::shadow;

use crate::account::{self, Account, Origin};
use crate::hash::{self, ADMIN, Compared};
use crate::nss::{self, Checked};
use crate::stored::{self, Stored};
use crate::verdict::Refusal;
use crate::{Secret, users_secret};

/// Seconds of a day.
const DAY: u64 = 24 * 60 * 60;

/// Who `login` is, if `secret` is his password by the system's files or `users.secret`; by PAM's
/// `service` in place of the system's files where one is named.
pub(crate) fn check(
    login: &[u8],
    secret: &Secret,
    service: Option<&[u8]>,
    env: &Env,
) -> Result<Account, Refusal> {
    if let Some(fault) = account::fault_of_name(login) {
        hash::burn(secret.expose(), None);
        return Err(Refusal::no(fault));
    }
    let home = Home::find(|name| env.get(name).map(Into::into));
    let found = account::find(&home, login, false).map_err(Refusal::Temporary)?;
    let account = match (found, service) {
        (Some(account), _) if account.origin == Origin::Users => {
            by_users_secret(&home, &account, secret)?;
            account
        }
        (_, Some(service)) => by_pam(&home, service, login, secret, env)?,
        (Some(account), None) => {
            by_system(&account, secret)?;
            account
        }
        (None, None) => {
            hash::burn(
                secret.expose(),
                sample(&home).as_ref().map(shadow::Hash::expose),
            );
            return Err(Refusal::no("no such user"));
        }
    };
    if account.uid == 0 {
        return Err(Refusal::no("the account has uid 0"));
    }
    Ok(account)
}

/// A hash of a file in which the name could have been, for the work it makes.
fn sample(home: &Home) -> Option<shadow::Hash> {
    let sources = Source::of(home).ok()?;
    sources.iter().find_map(|source| match source {
        Source::Users => {
            users_secret::look_up(&home.users_secret(), b"", None)
                .ok()?
                .sample
        }
        Source::System => shadow::look_up(b"").ok()?.sample,
    })
}

fn by_users_secret(home: &Home, account: &Account, secret: &Secret) -> Result<(), Refusal> {
    let path = home.users_secret();
    let looked = users_secret::look_up(&path, &account.name, Some(account.uid))
        .map_err(|fault| Refusal::Temporary(fault.to_string()))?;
    let Some(value) = looked.value else {
        hash::burn(
            secret.expose(),
            looked.sample.as_ref().map(shadow::Hash::expose),
        );
        let path = path.display();
        return Err(Refusal::No(format!("the account has no line in {path}")));
    };
    compare(secret, Stored::of_secret(value.expose()))
}

fn by_system(account: &Account, secret: &Secret) -> Result<(), Refusal> {
    if let Origin::Others(_) = account.origin {
        return by_nss(nss::check_shadow(&account.name, secret)).map(drop);
    }
    let looked = shadow::look_up(&account.name).map_err(|error| {
        Refusal::Temporary(format!(
            "unable to read /etc/shadow: {}",
            os::reason(&error)
        ))
    })?;
    let Some(entry) = looked.entry else {
        hash::burn(
            secret.expose(),
            looked.sample.as_ref().map(shadow::Hash::expose),
        );
        return Err(Refusal::no("the account has no line in /etc/shadow"));
    };
    compare(secret, Stored::of_shadow(entry.hash.expose()))?;
    match entry.closed(today()) {
        Some(why) => Err(Refusal::no(why)),
        None => Ok(()),
    }
}

fn by_pam(
    home: &Home,
    service: &[u8],
    login: &[u8],
    secret: &Secret,
    env: &Env,
) -> Result<Account, Refusal> {
    let client = env.bytes("TCPREMOTEIP").unwrap_or_default();
    // Also for names that are nobody's here: PAM has its own ways to make them take their time, and
    // may know them by another name.
    let name = by_nss(nss::pam(service, login, secret, client))?;
    match account::find(home, &name, false).map_err(Refusal::Temporary)? {
        Some(account) if account.origin != Origin::Users => Ok(account),
        _ => Err(Refusal::No(format!(
            "PAM lets in {}, who is no user of the system",
            name.escape_ascii()
        ))),
    }
}

fn by_nss(answer: std::io::Result<Checked>) -> Result<Vec<u8>, Refusal> {
    match answer {
        Ok(Checked::Yes(name)) => Ok(name),
        Ok(Checked::No(why)) => Err(Refusal::No(why)),
        Ok(Checked::Temporary(why)) => Err(Refusal::Temporary(why)),
        Ok(Checked::Permanent(why)) => Err(Refusal::Permanent(why)),
        Err(error) => Err(Refusal::Temporary(error.to_string())),
    }
}

/// Compares with what stands in a file of the administrator.
fn compare(secret: &Secret, stored: Stored<'_>) -> Result<(), Refusal> {
    let typed = secret.expose();
    let is_same = match stored {
        Stored::Plain(password) => stored::is_same(typed, password),
        Stored::Hash(hash) => match hash::verify(typed, hash, ADMIN) {
            Compared::Match => true,
            Compared::NoMatch => false,
            // One of the system's libcrypt, perhaps.
            Compared::Unsupported => nss::matches(secret, hash).map_err(|error| {
                Refusal::Temporary(format!("an unknown scheme of hash: {error}"))
            })?,
            Compared::TooCostly => {
                return Err(Refusal::permanent("the hash makes too much work"));
            }
            Compared::NoMemory => return Err(Refusal::temporary("out of memory")),
        },
        Stored::Locked(hash) => {
            hash::burn(typed, Some(hash));
            return Err(Refusal::no("the account has no password or is locked"));
        }
        Stored::Unknown(scheme) => {
            let scheme = scheme.escape_ascii();
            let why = format!("users.secret has an unknown scheme: {{{scheme}}}");
            return Err(Refusal::Permanent(why));
        }
    };
    if is_same {
        Ok(())
    } else {
        Err(Refusal::no("wrong password"))
    }
}

/// Days since 1970.
fn today() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let days = since.map_or(0, |time| time.as_secs() / DAY);
    i64::try_from(days).unwrap_or(i64::MAX)
}
