//! The checkers of ours, by name. (Being built: signatures are fixed.)

use std::ffi::OsString;

use chain::Env;

use crate::{Attempt, Verdict};

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
pub struct Checker {}

impl Checker {
    /// The checker that `words` begin with, and the words of the program behind it; `None` where
    /// the first word is no checker of ours (a path is always somebody else's), or words are missing.
    pub fn of(words: &[OsString]) -> Option<(Checker, &[OsString])> {
        let _ = words;
        None
    }

    /// What it can verify.
    pub fn offers(&self) -> Offers {
        Offers {
            password: true,
            apop: false,
            cram: false,
        }
    }

    /// Decides about one login. May be called again. `env` is that of the chain (SUPERD_HOME,
    /// MAILDIR, DASH, ...).
    pub fn check(&self, attempt: &Attempt, env: &Env) -> Verdict {
        let _ = (attempt, env);
        Verdict::Permanent("no checker yet".to_owned())
    }
}
