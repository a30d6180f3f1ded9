//! From a request to its answer.

use std::ffi::{CStr, CString};
use std::io;
use std::time::SystemTime;

use os::names::nss::{Answer, Request};
use os::nss::crypt;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Answers `request`. Faults of the system are answers, too: whoever asked logs them.
pub fn answer(request: &Request<'_>) -> Answer {
    match *request {
        Request::User { name } => user(name),
        Request::Hash { secret, hash } => {
            if matches(secret, hash) {
                Answer::Yes(Vec::new())
            } else {
                Answer::No("wrong password".to_owned())
            }
        }
        Request::Shadow { name, secret } => shadow(name, secret),
        Request::Pam {
            service,
            name,
            secret,
            rhost,
        } => pam(service, name, secret, rhost),
    }
}

fn trouble(what: &str, error: &io::Error) -> Answer {
    Answer::Temporary(format!("unable to {what}: {}", os::reason(error)))
}

/// A field as a C string. The parser has seen to it that there is no NUL inside.
fn c_text(field: &[u8]) -> CString {
    CString::new(field).unwrap_or_default()
}

/// Shows `field` to `each` as a C string that is overwritten afterwards; `None` where it has a NUL.
fn with_secret<T>(field: &[u8], each: impl FnOnce(&CStr) -> T) -> Option<T> {
    // Room for the last NUL, too: a vector that grows leaves a copy behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(field.len() + 1));
    bytes.extend_from_slice(field);
    bytes.push(0);
    CStr::from_bytes_with_nul(&bytes).ok().map(each)
}

fn user(name: &[u8]) -> Answer {
    let name = c_text(name);
    let user = match os::nss::user(&name) {
        Ok(Some(user)) => user,
        Ok(None) => return Answer::Unknown,
        Err(error) => return trouble("look the user up", &error),
    };
    // By the name of the entry: sources that ignore case find `Joe` under `joe`.
    match os::nss::groups(&c_text(&user.name), user.gid) {
        Ok(groups) => Answer::User(user, groups),
        Err(error) => trouble("look the user's groups up", &error),
    }
}

/// Whether `secret` is what `hash` was made of.
fn matches(secret: &[u8], hash: &[u8]) -> bool {
    let made = with_secret(hash, |setting| {
        with_secret(secret, |secret| crypt(secret, setting))
    });
    let made = made.flatten().flatten();
    made.is_some_and(|made| made.ct_eq(hash).into())
}

fn shadow(name: &[u8], secret: &[u8]) -> Answer {
    let entry = match os::nss::shadow(&c_text(name)) {
        Ok(entry) => entry,
        Err(error) => return trouble("look the password up", &error),
    };
    let Some(entry) = entry else {
        // The time of one hash all the same, by the scheme that is the default nowadays.
        matches(secret, b"$y$j9T$0000000000000000000000$");
        return Answer::Unknown;
    };
    if !matches(secret, entry.hash.expose()) {
        return Answer::No("wrong password".to_owned());
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let days = now.map_or(0, |now| now.as_secs() / 86400);
    match entry.closed(i64::try_from(days).unwrap_or(i64::MAX)) {
        Some(why) => Answer::No(why.to_owned()),
        None => Answer::Yes(name.to_vec()),
    }
}

#[cfg(feature = "pam")]
fn pam(service: &[u8], name: &[u8], secret: &[u8], rhost: &[u8]) -> Answer {
    use os::pam::Told;
    // Modules differ in what they think of it: a directory may take it for an anonymous visitor.
    if secret.is_empty() {
        return Answer::No("PAM: the password is empty".to_owned());
    }
    let (service, name, rhost) = (c_text(service), c_text(name), c_text(rhost));
    let told = with_secret(secret, |secret| {
        os::pam::ask(&service, &name, secret, &rhost)
    });
    match told {
        Some(Told::Yes(name)) => Answer::Yes(name),
        Some(Told::No(why)) => Answer::No(why),
        Some(Told::Trouble(why)) => Answer::Temporary(why),
        None => Answer::No("the password has a NUL in it".to_owned()),
    }
}

#[cfg(not(feature = "pam"))]
fn pam(_: &[u8], _: &[u8], _: &[u8], _: &[u8]) -> Answer {
    Answer::Permanent("superd-nss was built without PAM".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scheme_of_the_systems_libcrypt_is_known() {
        for setting in [
            c"ab",
            c"$1$saltsalt$",
            c"$5$saltsalt$",
            c"$6$rounds=1000$saltsalt$",
            c"$2b$04$abcdefghijklmnopqrstuu",
            c"$y$j75$saltsaltsaltsalt$",
            c"$gy$j75$saltsaltsaltsalt$",
            c"$7$BU..../....saltsaltsalt$",
        ] {
            let Some(hash) = crypt(c"sekrit", setting) else {
                // A libcrypt may lack a scheme, but not the one of old.
                assert_ne!(setting, c"ab");
                println!("left out: {setting:?}: this libcrypt does not know it");
                continue;
            };
            assert!(matches(b"sekrit", &hash), "{setting:?}");
            assert!(!matches(b"Sekrit", &hash), "{setting:?}");
            assert!(!matches(b"", &hash), "{setting:?}");
            let cut = &hash[..hash.len() - 1];
            assert!(!matches(b"sekrit", cut), "{setting:?}");
        }
    }

    #[test]
    fn what_is_no_hash_matches_nothing() {
        for hash in [
            &b""[..],
            b"*",
            b"*0",
            b"*1",
            b"!",
            b"!!",
            b"x",
            b"ab",
            b"$y$",
            b"$6$",
            b"sekrit",
            b"!$1$saltsalt$x",
        ] {
            assert!(!matches(b"sekrit", hash), "{}", hash.escape_ascii());
            assert!(!matches(hash, hash), "{}", hash.escape_ascii());
        }
    }

    #[test]
    fn a_user_who_does_not_exist_is_unknown_and_has_no_password() {
        let name = b"no-such-user-here";
        assert_eq!(user(name), Answer::Unknown);
        assert_eq!(shadow(name, b""), Answer::Unknown);
    }

    #[test]
    fn a_user_comes_with_his_groups() {
        let Answer::User(root, groups) = user(b"root") else {
            panic!("there is no root");
        };
        assert_eq!((root.name.as_slice(), root.uid), (&b"root"[..], 0));
        assert!(groups.contains(&0));
    }
}
