//! The checkers of ours, by name.
//!
//! | name | what it verifies | by |
//! |---|---|---|
//! | `checkpassword` | passwords | the system's files, PAM, `users.secret` |
//! | `checkpw` | passwords | `~/Maildir/.password` |
//! | `checkapoppw` | APOP, CRAM-MD5 | the same file |
//! | `selectcheckpw` | all of them | the same file |
//! | `check-via PATH` | passwords, and what else authd's checker knows | authd |

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use chain::Env;

use crate::account::Account;
use crate::verdict::Refusal;
use crate::via::Via;
use crate::{Attempt, Entry, Proof, Verdict, own_file, system};

/// What a checker can verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offers {
    /// Passwords: USER and PASS, SASL PLAIN and LOGIN.
    pub password: bool,
    /// APOP.
    pub apop: bool,
    /// CRAM-MD5.
    pub cram: bool,
}

/// A checker of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checker {
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Password(Options),
    OwnFile(Offers),
    Via(Via),
}

/// What checkpassword can be told, in the manner of checkpassword-pam.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Options {
    /// `-s`: the PAM service, in place of `PAM_SERVICE`.
    service: Option<OsString>,
    /// `-e`: the process stays who it is, and its environment what it is.
    only_check: bool,
}

impl Checker {
    /// The checker that `words` begin with, and the words of the program behind it; `None` where
    /// the first word is no checker of ours (a path is always somebody else's), or words are missing.
    pub fn of(words: &[OsString]) -> Option<(Checker, &[OsString])> {
        let (name, rest) = words.split_first()?;
        let own_file = |password, digests| {
            Kind::OwnFile(Offers {
                password,
                apop: digests,
                cram: digests,
            })
        };
        let (kind, rest) = match name.as_bytes() {
            b"checkpassword" => {
                let (options, rest) = options(rest)?;
                (Kind::Password(options), rest)
            }
            b"checkpw" => (own_file(true, false), rest),
            b"checkapoppw" => (own_file(false, true), rest),
            b"selectcheckpw" => (own_file(true, true), rest),
            b"check-via" => {
                let (path, rest) = rest.split_first()?;
                (Kind::Via(Via { path: path.into() }), rest)
            }
            _ => return None,
        };
        (!rest.is_empty()).then_some((Checker { kind }, rest))
    }

    /// What it can verify.
    pub fn offers(&self) -> Offers {
        match self.kind {
            // Of authd's checker nothing is known here but that it verifies passwords.
            Kind::Password(_) | Kind::Via(_) => Offers {
                password: true,
                apop: false,
                cram: false,
            },
            Kind::OwnFile(offers) => offers,
        }
    }

    /// Whether a yes names a user to become; else the process stays who it is.
    pub fn gives_identity(&self) -> bool {
        match &self.kind {
            Kind::Password(options) => !options.only_check,
            Kind::OwnFile(_) => true,
            Kind::Via(_) => false,
        }
    }

    /// Decides about one login. May be called again. `env` is that of the chain (SUPERD_HOME,
    /// MAILDIR, DASH, ...).
    pub fn check(&self, attempt: &Attempt, env: &Env) -> Verdict {
        if let Kind::Via(via) = &self.kind {
            return via.check(attempt, env);
        }
        if let Some(why) = self.mismatch(attempt) {
            return Verdict::No(why.to_owned());
        }
        let decided = match (&self.kind, &attempt.proof) {
            (Kind::Password(options), Proof::Password(secret)) => {
                let service = options.service.as_deref().or(env.get("PAM_SERVICE"));
                let service = service.map(OsStr::as_bytes).filter(|name| !name.is_empty());
                system::check(&attempt.login, secret, service, env)
                    .and_then(|account| entry(account, options.only_check, env, Vec::new()))
            }
            _ => own_file::check(attempt, env).and_then(|account| {
                let variables = vec![("EXT", account.extension.clone())];
                entry(account, false, env, variables)
            }),
        };
        decided.map_or_else(Verdict::from, Verdict::Yes)
    }

    /// Why this checker cannot tell whether such a proof is right.
    fn mismatch(&self, attempt: &Attempt) -> Option<&'static str> {
        let offers = self.offers();
        let is_offered = match attempt.proof {
            Proof::Password(_) => offers.password,
            Proof::Apop { .. } => offers.apop,
            Proof::Cram { .. } => offers.cram,
        };
        match (&self.kind, is_offered) {
            (_, true) => None,
            (Kind::Password(_), _) => Some(
                "this is a digest of APOP or CRAM-MD5, which checkpassword cannot verify; \
                 selectcheckpw can",
            ),
            (Kind::OwnFile(offers), _) if offers.password => Some(
                "this is a digest of APOP or CRAM-MD5, which checkpw cannot verify; checkapoppw \
                 and selectcheckpw can",
            ),
            _ => Some(
                "this is a password, and checkapoppw verifies digests only; checkpw and \
                 selectcheckpw verify passwords",
            ),
        }
    }
}

fn entry(
    account: Account,
    only_check: bool,
    env: &Env,
    variables: Vec<(&'static str, Vec<u8>)>,
) -> Result<Entry, Refusal> {
    if only_check {
        return Ok(Entry {
            user: account.name,
            identity: None,
            variables,
        });
    }
    account
        .into_entry(env, variables)
        .map_err(Refusal::Temporary)
}

/// Takes the options of checkpassword from its words.
fn options(words: &[OsString]) -> Option<(Options, &[OsString])> {
    let mut options = Options::default();
    let mut words = words;
    while let Some((word, rest)) = words.split_first() {
        words = match word.as_bytes() {
            b"--" => return Some((options, rest)),
            b"-e" | b"--noenv" => {
                options.only_check = true;
                rest
            }
            b"-s" | b"--service" => {
                let (service, rest) = rest.split_first()?;
                options.service = Some(service.clone());
                rest
            }
            option => {
                let joined = option
                    .strip_prefix(b"--service=")
                    .or_else(|| option.strip_prefix(b"-s"));
                match joined {
                    Some(service) => options.service = Some(OsStr::from_bytes(service).into()),
                    None if option.starts_with(b"-") => return None,
                    None => return Some((options, words)),
                }
                rest
            }
        };
    }
    Some((options, words))
}

#[cfg(test)]
#[path = "checker_tests.rs"]
mod tests;
