//! Where logins are decided about: by a checker of ours, or by a foreign program.
//!
//! The count of failed logins, the delay before each answer and the challenges are kept here, on
//! the side that does not read the network.

use std::io;
use std::time::Instant;

use auth::{Attempt, Entry, EntryError, Proof, Secret, Verdict};
use chain::{Call, Env, tls};
use os::Exit;
use os::process::Alarm;
use sasl::Backoff;
use wire::Log;
use zeroize::Zeroize;

use crate::challenge::Challenges;
use crate::dialogue::{Answer, Login, Method, Refusal};
use crate::foreign::{self, Ended};
use crate::settings::Settings;
use crate::{Judge, Protocol};

/// Who decides.
pub enum Way {
    /// A judge in this process.
    Ours(Box<dyn Judge>),
    /// The program that the words of the call begin with.
    Foreign,
}

/// What was decided.
#[derive(Debug)]
pub(crate) enum Decision {
    /// He is let in: [`Desk::enter`].
    Enter(Entry),
    /// A foreign chain has let him in and served him.
    Over(Exit),
    /// He is not, and the delay is over.
    Refused(Answer),
}

/// The desk of one connection.
pub struct Desk {
    way: Way,
    /// Its words are the next program's; with a foreign checker, all of the chain.
    call: Call,
    challenges: Challenges,
    tries: u32,
    require_tls: bool,
    tls: bool,
    failures: u32,
    backoff: Backoff,
    /// Bounds a check, and becoming the user, by an alarm.
    bound: fn() -> io::Result<Alarm>,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk")
            .field("failures", &self.failures)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Way::Ours(_) => "Ours",
            Way::Foreign => "Foreign",
        })
    }
}

impl Desk {
    /// Nobody has tried to log in yet.
    pub fn new(
        way: Way,
        call: Call,
        challenges: Challenges,
        settings: &Settings,
        tls: bool,
    ) -> Desk {
        Desk {
            way,
            call,
            challenges,
            tries: settings.tries,
            require_tls: settings.require_tls,
            tls,
            failures: 0,
            backoff: Backoff::LOGIN,
            bound: auth::bound::begin,
        }
    }

    /// The same without the delays.
    #[cfg(test)]
    pub(crate) fn at_once(mut self) -> Desk {
        self.backoff = Backoff::LOGIN.with_unit(std::time::Duration::ZERO);
        self
    }

    /// The environment of the chain.
    pub fn env(&self) -> &Env {
        &self.call.env
    }

    /// Whether the link is.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.tls
    }

    /// TLS has begun; `block` is what the TLS program told about it.
    pub(crate) fn tls_started(&mut self, block: &[u8]) {
        if !self.tls {
            self.tls = true;
            tls::add_variables(&mut self.call.env, block);
        }
    }

    /// Decides about one login. A refusal comes back after its delay, in which the client is not
    /// read; how long the checker took does not show in it.
    pub(crate) fn decide(&mut self, login: Login, protocol: &Protocol, log: &mut Log) -> Decision {
        let asked = Instant::now();
        let Login {
            method,
            name,
            secret,
            note,
        } = login;
        if note.is_empty() {
            self.call.env.remove(protocol.note);
        } else {
            self.call.env.set(protocol.note, &note);
        }
        // A foreign checker goes on as the next program itself.
        if let Some(variable) = protocol.user {
            self.call.env.set(variable, &name);
        }
        let challenge = match method {
            Method::CramMd5 => &self.challenges.cram,
            // The original gives the greeting's challenge to every checker.
            _ => &self.challenges.apop,
        };
        let attempt = Attempt {
            login: name.clone(),
            proof: proof_of(method, secret),
            challenge: challenge.clone(),
        };
        let (why, reason) = match self.verdict(attempt, method) {
            Ended::In(entry) => {
                self.log_login(log, &name, method, Some(&entry));
                return Decision::Enter(entry);
            }
            Ended::Over => {
                self.log_login(log, &name, method, None);
                return Decision::Over(Exit::OK);
            }
            Ended::Stopped(reason) => {
                log.event("fault")
                    .field("user", &name)
                    .field("method", method.name().as_bytes())
                    .field("reason", reason.as_bytes())
                    .say();
                return Decision::Over(Exit::TEMPORARY);
            }
            Ended::No(reason) => (Refusal::Credentials, reason),
            Ended::Temporary(reason) => (Refusal::Temporary, reason),
            Ended::Permanent(reason) => (Refusal::Permanent, reason),
        };
        let event = match why {
            Refusal::Credentials => "fail",
            Refusal::Temporary | Refusal::Permanent => "fault",
        };
        log.event(event)
            .field("user", &name)
            .field("method", method.name().as_bytes())
            .field("reason", reason.as_bytes())
            .say();
        Decision::Refused(self.count(why, asked))
    }

    /// The attempt is overwritten as soon as it has been shown to who decides: a foreign chain goes
    /// on to serve the session.
    fn verdict(&mut self, attempt: Attempt, method: Method) -> Ended {
        if self.require_tls && !self.tls && method.is_plaintext() {
            return Ended::No("a password in the clear".to_owned());
        }
        let record = match attempt.to_record() {
            Ok(record) => record,
            Err(error) => return Ended::No(error.to_string()),
        };
        self.call.env.set("AUTH", attempt.method().as_bytes());
        match &self.way {
            Way::Foreign => {
                forget(attempt);
                foreign::run(&self.call, record)
            }
            Way::Ours(judge) => {
                drop(record);
                let _bound = match (self.bound)() {
                    Ok(bound) => bound,
                    Err(error) => return Ended::Temporary(no_alarm(&error)),
                };
                let verdict = judge.check(&attempt, &self.call.env);
                forget(attempt);
                match verdict {
                    Verdict::Yes(entry) => Ended::In(entry),
                    Verdict::No(reason) => Ended::No(reason),
                    Verdict::Temporary(reason) => Ended::Temporary(reason),
                    Verdict::Permanent(reason) => Ended::Permanent(reason),
                }
            }
        }
    }

    /// Counts a failed login and waits until it may be answered.
    fn count(&mut self, why: Refusal, asked: Instant) -> Answer {
        let before = self.failures;
        self.failures = self.failures.saturating_add(1);
        let last = self.tries > 0 && self.failures >= self.tries;
        std::thread::sleep(self.backoff.rest(before, asked.elapsed()));
        Answer { why, last }
    }

    fn log_login(&self, log: &mut Log, name: &[u8], method: Method, entry: Option<&Entry>) {
        let tls = self.call.env.bytes(tls::PROTOCOL_VARIABLE);
        let line = log
            .event("login")
            .field("user", name)
            .field("method", method.name().as_bytes())
            .field("tls", tls.filter(|_| self.tls).unwrap_or(b"no"));
        match entry.map(|entry| &entry.user) {
            Some(account) if account != name => line.field("account", account).say(),
            _ => line.say(),
        }
    }

    /// Becomes the user and goes on as the next program. The client has been told nothing of his
    /// login yet: that is the next program's, or the failure's.
    pub(crate) fn enter(
        self,
        entry: &Entry,
        ahead: Vec<u8>,
        protocol: &Protocol,
        mut log: Log,
    ) -> Exit {
        let mut call = self.call;
        call.ahead = ahead;
        let note = call.env.bytes(protocol.note).unwrap_or_default().to_vec();
        let mut refuse = |reason: &str, why: Refusal| {
            log.event("fault")
                .field("user", &entry.user)
                .field("reason", reason.as_bytes())
                .say();
            wire::session::last_words(&(protocol.failed)(&note, why));
            Exit::TEMPORARY
        };
        if entry.identity.is_none() && os::identity::effective_uid() == 0 {
            let reason = "unable to go on as root: the checker names no user to become";
            return refuse(reason, Refusal::Permanent);
        }
        // The home may be on a file system that hangs.
        let bound = match (self.bound)() {
            Ok(bound) => bound,
            Err(error) => return refuse(&no_alarm(&error), Refusal::Temporary),
        };
        let how = match protocol.how {
            Some(how) => how.as_bytes().to_vec(),
            None => call.env.bytes("AUTH").unwrap_or_default().to_vec(),
        };
        let login = chain::Login {
            user: &entry.user,
            how: &how,
        };
        if let Err(reason) = call.before_entry(login) {
            return refuse(&reason, Refusal::Temporary);
        }
        if let Some(variable) = protocol.user {
            call.env.set(variable, &entry.user);
        }
        let entered = entry.enter(&mut call.env);
        // What comes next has all the time it wants.
        drop(bound);
        match entered {
            Ok(()) => match call.go_on() {
                Ok(exit) => exit,
                Err(error) => refuse(&error.to_string(), Refusal::Permanent),
            },
            Err(error @ EntryError::Home(..)) => refuse(&error.to_string(), Refusal::Temporary),
            Err(error) => refuse(&error.to_string(), Refusal::Permanent),
        }
    }
}

/// What a client showed, by the method.
fn proof_of(method: Method, secret: Secret) -> Proof {
    let digest = || secret.expose().to_vec();
    match method {
        Method::Apop => Proof::Apop { digest: digest() },
        Method::CramMd5 => Proof::Cram { digest: digest() },
        Method::User | Method::Plain | Method::Login => Proof::Password(secret),
    }
}

/// Overwrites what the attempt shows; a password does so itself.
fn forget(attempt: Attempt) {
    match attempt.proof {
        Proof::Password(secret) => drop(secret),
        Proof::Apop { mut digest } | Proof::Cram { mut digest } => digest.zeroize(),
    }
}

fn no_alarm(error: &io::Error) -> String {
    format!("unable to set an alarm: {}", os::reason(error))
}

#[cfg(test)]
#[path = "desk_tests.rs"]
pub(crate) mod tests;
