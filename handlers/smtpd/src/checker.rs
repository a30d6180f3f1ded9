//! AUTH's other half: which mechanisms are offered, and the program that knows the passwords.
//!
//! smtpd is called as `smtpd [host] checkprogram subprogram [args]`, as with the patches for
//! qmail-smtpd: the old ones want the host's name first, the newer ones do not. The checker gets
//! the record of the checkpassword interface on descriptor 3 and becomes the subprogram for who
//! is let in; the exit code of all that is the answer. The conversation is neither's: descriptor 0
//! is empty and 1 is the log.
//!
//! A checker of ours whose subprogram is `true`, or none, becomes nobody: it is asked in a copy of
//! this process and says whose account it is. So it needs no root, and may be asked wherever the
//! passwords can be read. With another subprogram it is run as any checker is.

mod ask;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use auth::{Attempt, Checker, Proof, Secret};
use chain::Env;
use sasl::{Credentials, NeedsTls, Offer};
use zeroize::Zeroize;

pub(crate) use ask::{ended, nothing};

use ask::Question;

/// How long a checker may take.
pub const TIME: Duration = Duration::from_secs(60);

/// What a client's login came to. The sentences are for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is him.
    Accepted {
        /// The account's name, where the checker tells it, else the name as it was typed.
        user: Vec<u8>,
    },
    /// It is not.
    Refused(String),
    /// It cannot be told.
    Trouble(String),
}

/// AUTH as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmtpAuth {
    offer: Offer,
    is_required: bool,
    checker: Option<Way>,
    /// Where the checker is run.
    home: PathBuf,
}

/// How the checker is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Way {
    /// One of ours, with the words that [`Checker::of`] takes.
    Ours(Vec<OsString>),
    /// A program and its words.
    Foreign(PathBuf, Vec<OsString>),
}

impl SmtpAuth {
    /// From the words smtpd was called with, SMTPAUTH and PATH. A checker's path may be relative to
    /// `home`. The error is a sentence.
    pub fn parse(words: &[OsString], env: &Env, home: &Path) -> Result<SmtpAuth, String> {
        let path = env.get("PATH");
        let words = without_host(words, path);
        let Some(name) = words.first() else {
            return match SmtpAuth::wanted(env, false) {
                Some((_, true)) => Err(
                    "unable to use variable SMTPAUTH: it wants every client to log in and no \
                     checker is among smtpd's arguments"
                        .to_owned(),
                ),
                _ => Ok(SmtpAuth::off()),
            };
        };
        if Path::new(name).file_name() == Some(OsStr::new("true")) {
            // A checker that is missing, or words in another order: everybody would be let in.
            let name = shown(name);
            return Err(format!(
                "unable to use {name} as a checker: it would let everybody in"
            ));
        }
        let Some((mut offer, is_required)) = SmtpAuth::wanted(env, true) else {
            return Ok(SmtpAuth::off());
        };
        let ours = ours(words);
        if let Some((checker, words)) = &ours
            // What authd's checker can verify is authd's to know.
            && words[0] != "check-via"
        {
            let can = checker.offers();
            offer.passwords &= can.password;
            offer.cram_md5 &= can.cram;
            if offer.is_nothing() {
                return Err(format!(
                    "unable to use variable SMTPAUTH: {} verifies none of what it offers",
                    shown(name)
                ));
            }
        }
        let checker = match ours {
            Some((_, words)) => Way::Ours(words),
            None => match os::programs::resolve(name, path) {
                Some(file) => Way::Foreign(file, behind_foreign(&words[1..])),
                None => {
                    return Err(format!(
                        "unable to run {}: file does not exist",
                        shown(name)
                    ));
                }
            },
        };
        Ok(SmtpAuth {
            offer,
            is_required,
            checker: Some(checker),
            home: home.to_owned(),
        })
    }

    /// The file of a checker that is none of ours.
    pub fn program(&self) -> Option<&Path> {
        match &self.checker {
            Some(Way::Foreign(file, _)) => Some(file),
            Some(Way::Ours(_)) | None => None,
        }
    }

    /// The socket on which check-via asks, where that is the checker.
    pub fn socket(&self) -> Option<PathBuf> {
        match &self.checker {
            Some(Way::Ours(words)) if words[0] == "check-via" => {
                words.get(1).map(|path| self.home.join(path))
            }
            _ => None,
        }
    }

    /// No AUTH.
    pub fn off() -> SmtpAuth {
        SmtpAuth {
            offer: offer(false, false),
            is_required: false,
            checker: None,
            home: PathBuf::new(),
        }
    }

    /// What SMTPAUTH offers, and whether a login is required; `None` where that is no AUTH; as in the patches, a word is told by its
    /// beginning, and one that is not known offers LOGIN and PLAIN. Also such a one requires a login
    /// if it begins with `!`.
    fn wanted(env: &Env, checker: bool) -> Option<(Offer, bool)> {
        let value = match env.bytes("SMTPAUTH") {
            None if !checker => return None,
            value => value.unwrap_or_default().to_ascii_lowercase(),
        };
        if value == b"-" || value == b"0" {
            return None;
        }
        let (is_required, rest) = match value.strip_prefix(b"!") {
            Some(rest) => (true, rest),
            None => (false, value.as_slice()),
        };
        let passwords = !rest.starts_with(b"cram");
        Some((offer(passwords, is_cram(rest)), is_required))
    }

    /// What EHLO shows and AUTH takes, as far as it does not depend on the link; nothing is no AUTH.
    pub fn offer(&self) -> Offer {
        self.offer
    }

    /// Whether nobody may send without it.
    pub fn is_required(&self) -> bool {
        self.is_required
    }

    /// Asks the checker until `deadline` at most, see [`TIME`]. `challenge` is the one that CRAM-MD5
    /// answers. The checker finds `env`, and in AUTH what the secret is.
    ///
    /// What the client has shown is overwritten, here and on its way; what a foreign checker
    /// does with it is its own matter.
    pub fn check(
        &self,
        credentials: Credentials,
        challenge: &[u8],
        env: &Env,
        deadline: Instant,
    ) -> Answer {
        let Some(way) = &self.checker else {
            return Answer::Trouble("no checker is named".to_owned());
        };
        let attempt = attempt(credentials, challenge);
        let record = attempt.to_record();
        let method = attempt.method();
        let login = forget(attempt);
        let record = match record {
            Ok(record) => record,
            Err(error) => return Answer::Refused(error.to_string()),
        };
        let mut env = env.clone();
        env.set("AUTH", method.as_bytes());
        let question = Question {
            env: &env,
            home: &self.home,
            deadline,
        };
        let asked = match way {
            Way::Ours(words) => question.ask_ours(words, record),
            Way::Foreign(file, words) => question.ask_foreign(file, words, record, login),
        };
        asked.unwrap_or_else(|error| {
            let name = match way {
                Way::Ours(words) => shown(&words[0]),
                Way::Foreign(file, _) => shown(file.as_os_str()),
            };
            Answer::Trouble(format!("unable to run {name}: {}", os::reason(&error)))
        })
    }
}

/// What is offered on any link.
fn offer(passwords: bool, cram_md5: bool) -> Offer {
    Offer {
        passwords,
        cram_md5,
        needs_tls: NeedsTls::Nothing,
        order: Offer::LOGIN_FIRST,
    }
}

fn is_cram(word: &[u8]) -> bool {
    word.strip_prefix(b"+").unwrap_or(word).starts_with(b"cram")
}

fn shown(name: &OsStr) -> String {
    name.as_bytes().escape_ascii().to_string()
}

/// The words without the host's name that the old patches want in front: it has a dot and no
/// slash, a checker and its subprogram follow, and it is no program of ours or on PATH. A checker that is
/// missing must not be taken for a host, and its subprogram for a checker.
fn without_host<'w>(words: &'w [OsString], path: Option<&OsStr>) -> &'w [OsString] {
    match words {
        [host, rest @ ..]
            if rest.len() >= 2
                && host.as_bytes().contains(&b'.')
                && !host.as_bytes().contains(&b'/')
                && os::programs::resolve(host, path).is_none() =>
        {
            rest
        }
        _ => words,
    }
}

/// The checker that `words` are, and the words that make it, if it is one of ours that has nothing to
/// run afterwards.
fn ours(words: &[OsString]) -> Option<(Checker, Vec<OsString>)> {
    let mut words = words.to_vec();
    if Checker::of(&words).is_none() {
        words.push("true".into());
    }
    let (checker, rest) = Checker::of(&words)?;
    let [subprogram] = rest else {
        return None;
    };
    (Path::new(subprogram).file_name() == Some(OsStr::new("true"))).then_some((checker, words))
}

/// The words behind a foreign checker. It knows no programs of ours, so the first one, the subprogram, is
/// named by its path where it is one.
fn behind_foreign(words: &[OsString]) -> Vec<OsString> {
    let mut words = words.to_vec();
    if let Some(next) = words.first_mut()
        && let Some(file) = os::programs::own(next)
    {
        *next = file.into();
    }
    words
}

fn attempt(credentials: Credentials, challenge: &[u8]) -> Attempt {
    match credentials {
        Credentials::Password { login, password } => Attempt {
            login,
            proof: Proof::Password(Secret::new(&password)),
            // It proves nothing, and the field is there.
            challenge: Vec::new(),
        },
        Credentials::Cram { login, digest } => Attempt {
            login,
            proof: Proof::Cram {
                digest: digest.to_vec(),
            },
            challenge: challenge.to_vec(),
        },
    }
}

/// Overwrites what the attempt shows, a password does so itself; its name is left.
fn forget(attempt: Attempt) -> Vec<u8> {
    match attempt.proof {
        Proof::Password(secret) => drop(secret),
        Proof::Apop { mut digest } | Proof::Cram { mut digest } => digest.zeroize(),
    }
    attempt.login
}

#[cfg(test)]
#[path = "checker_tests.rs"]
mod tests;
