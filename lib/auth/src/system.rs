//! checkpassword's decision: the passwords of the system, and those of `users.secret`.
//!
//! A name that does not exist, an account that is locked, one whose password is not hashed and one that may
//! never be entered take the time of a wrong password: nobody is refused before one hash was computed.

use accounts::{Home, Source};
use chain::Env;
use os::names::shadow;

use crate::account::{self, Account, NotFound, Origin};
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
    let found = match account::of_login(&home, login, false, env) {
        Err(NotFound::Trouble(why)) => return Err(Refusal::Temporary(why)),
        found => found,
    };
    let account = match (found, service) {
        (Ok(account), _) if account.origin == Origin::Users => {
            by_users_secret(&home, &account, secret)?;
            account
        }
        (found, Some(service)) => {
            // PAM may know names that nobody has here, but not joe@example.org where joe is meant.
            let name = found.as_ref().map_or(login, |account| &account.name);
            by_pam(&home, service, name, secret, env)?
        }
        (Ok(account), None) => {
            by_system(&home, &account, secret)?;
            account
        }
        (Err(nobody), None) => {
            burn(secret, sample(&home).as_ref());
            return Err(nobody.into());
        }
    };
    account::refuse_outsiders(&home, &account)?;
    Ok(account)
}

/// A hash of a file in which the name could have been, for the work it makes.
fn sample(home: &Home) -> Option<shadow::Hash> {
    let sources = Source::of(home).ok()?;
    sources.iter().find_map(|source| match source {
        Source::Users => users_secret::sample(&home.users_secret()).ok()?,
        Source::System => shadow::look_up(b"").ok()?.sample,
    })
}

fn by_users_secret(home: &Home, account: &Account, secret: &Secret) -> Result<(), Refusal> {
    let path = home.users_secret();
    let looked = users_secret::look_up(&path, &account.name, Some(account.uid))
        .map_err(|fault| Refusal::Temporary(fault.to_string()))?;
    let Some(value) = looked.value else {
        burn(secret, looked.sample.or_else(|| sample(home)).as_ref());
        let path = path.display();
        return Err(Refusal::No(format!("the account has no line in {path}")));
    };
    let stored = Stored::of_secret(value.expose());
    compare(secret, stored, || looked.sample.or_else(|| sample(home)))
}

fn by_system(home: &Home, account: &Account, secret: &Secret) -> Result<(), Refusal> {
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
        burn(secret, looked.sample.or_else(|| sample(home)).as_ref());
        return Err(Refusal::no("the account has no line in /etc/shadow"));
    };
    let stored = Stored::of_shadow(entry.hash.expose());
    compare(secret, stored, || looked.sample.or_else(|| sample(home)))?;
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
    match account::find(home, &name, false) {
        Ok(account) if account.origin != Origin::Users => Ok(account),
        Err(why @ (NotFound::Unasked(_) | NotFound::Trouble(_))) => Err(why.into()),
        Ok(_) | Err(NotFound::Nobody) => Err(Refusal::No(format!(
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

/// The work of a comparison with a file's sample of a hash.
fn burn(secret: &Secret, sample: Option<&shadow::Hash>) {
    hash::burn(secret.expose(), sample.map(shadow::Hash::expose));
}

/// The hash whose work stands for that of an account which is locked: its own behind the mark or,
/// where nothing is there, the sample of the file.
fn work_of_locked<'h>(own: &'h [u8], sample: Option<&'h shadow::Hash>) -> Option<&'h [u8]> {
    if hash::is_hash(own) {
        Some(own)
    } else {
        sample.map(shadow::Hash::expose)
    }
}

/// Compares with what stands in a file of the administrator. `sample` gives a hash of that file, for
/// an account that has none.
fn compare(
    secret: &Secret,
    stored: Stored<'_>,
    sample: impl FnOnce() -> Option<shadow::Hash>,
) -> Result<(), Refusal> {
    let typed = secret.expose();
    let is_same = match stored {
        Stored::Plain(password) => {
            let is_same = stored::is_same(typed, password);
            if !is_same {
                burn(secret, sample().as_ref());
            }
            is_same
        }
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
            Compared::NoAnswer => return Err(Refusal::temporary(hash::NO_ANSWER)),
        },
        Stored::Locked(hash) => {
            hash::burn(typed, work_of_locked(hash, sample().as_ref()));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locked_account_makes_the_work_of_its_own_hash_or_of_the_files_sample() {
        let own = b"$1$saltsalt$wq.RNtiw4px5Yphyu9TAY0";
        let sample = shadow::Hash::new(b"$6$sample");
        let work = |own| work_of_locked(own, Some(&sample));
        assert_eq!(work(own), Some(&own[..]));
        for bare in [&b""[..], b"$1$", b"NP", b"x"] {
            assert_eq!(work(bare), Some(&b"$6$sample"[..]));
        }
        assert_eq!(work_of_locked(b"", None), None);
    }

    #[test]
    fn nobody_is_refused_before_one_hash_was_computed() {
        let usual = b"$6$saltsalt$wq6ZcCqEcGdI1zH7Eyq.c.";
        let whole = [&usual[..], &[b'.'; 64]].concat();
        let sample = || Some(shadow::Hash::new(&whole));
        for stored in [&b"*"[..], b"!", b"!!", b"", b"!NP"] {
            let refusal = compare(&Secret::new(b"x"), Stored::of_shadow(stored), sample);
            assert!(refusal.is_err());
            assert_eq!(hash::worked(), ["6 5000"], "{}", stored.escape_ascii());
        }
        let plain = Stored::of_secret(b"{PLAIN}sekrit");
        assert!(compare(&Secret::new(b"x"), plain, sample).is_err());
        assert_eq!(hash::worked(), ["6 5000"]);
        // Who is let in waits for nothing.
        assert_eq!(compare(&Secret::new(b"sekrit"), plain, sample), Ok(()));
        assert_eq!(hash::worked(), [""; 0]);
        let own = Stored::of_shadow(b"$1$saltsalt$wq.RNtiw4px5Yphyu9TAY0");
        assert!(compare(&Secret::new(b"x"), own, sample).is_err());
        assert_eq!(hash::worked(), ["1"]);
    }
}
