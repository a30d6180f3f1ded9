//! Where logins are decided about: by a checker of ours, or by a foreign program.
//!
//! The count of failed logins, the delay before each answer and the challenges are kept here, on
//! the side that does not read the network.

use std::time::{Duration, Instant};

use auth::{Attempt, Entry, EntryError, Proof, Verdict};
use chain::{Call, Env};
use os::Exit;
use wire::Log;

use crate::challenge::Challenges;
use crate::dialogue::{Answer, Login, Method, Refusal};
use crate::foreign::{self, Ended};
use crate::settings::Settings;
use crate::{Judge, Protocol, sides, tls};

/// The delays before the answers to failed logins are these many units, and the last from then on.
const DELAYS: [u32; 5] = [1, 2, 4, 8, 15];

/// The unit of the delays.
const DELAY_UNIT: Duration = Duration::from_secs(1);

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
    unit: Duration,
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
            unit: DELAY_UNIT,
        }
    }

    /// The same without the delays.
    #[cfg(test)]
    pub(crate) fn at_once(mut self) -> Desk {
        self.unit = Duration::ZERO;
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
        let (proof, challenge) = match method {
            Method::Apop => {
                let digest = secret.expose().to_vec();
                (Proof::Apop { digest }, &self.challenges.apop)
            }
            Method::CramMd5 => {
                let digest = secret.expose().to_vec();
                (Proof::Cram { digest }, &self.challenges.cram)
            }
            // The original gives the greeting's challenge to every checker.
            _ => (Proof::Password(secret), &self.challenges.apop),
        };
        let attempt = Attempt {
            login: name,
            proof,
            challenge: challenge.clone(),
        };
        let (why, reason) = match self.verdict(&attempt, method) {
            Ended::In(entry) => {
                self.log_login(log, &attempt.login, method, Some(&entry));
                return Decision::Enter(entry);
            }
            Ended::Over => {
                self.log_login(log, &attempt.login, method, None);
                return Decision::Over(Exit::OK);
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
            .field("user", &attempt.login)
            .field("method", method.name().as_bytes())
            .field("reason", reason.as_bytes())
            .say();
        drop(attempt);
        Decision::Refused(self.count(why, asked, log))
    }

    fn verdict(&mut self, attempt: &Attempt, method: Method) -> Ended {
        if self.require_tls && !self.tls && method.is_plaintext() {
            return Ended::No("a password in the clear".to_owned());
        }
        let record = match attempt.to_record() {
            Ok(record) => record,
            Err(error) => return Ended::No(error.to_string()),
        };
        self.call.env.set("AUTH", attempt.method().as_bytes());
        match &self.way {
            Way::Foreign => foreign::run(&self.call, &record),
            Way::Ours(judge) => match judge.check(attempt, &self.call.env) {
                Verdict::Yes(entry) => Ended::In(entry),
                Verdict::No(reason) => Ended::No(reason),
                Verdict::Temporary(reason) => Ended::Temporary(reason),
                Verdict::Permanent(reason) => Ended::Permanent(reason),
            },
        }
    }

    /// Counts a failed login and waits until it may be answered.
    fn count(&mut self, why: Refusal, asked: Instant, log: &mut Log) -> Answer {
        let at = usize::try_from(self.failures).unwrap_or(usize::MAX);
        let units = DELAYS[at.min(DELAYS.len() - 1)];
        self.failures = self.failures.saturating_add(1);
        let last = self.tries > 0 && self.failures >= self.tries;
        if last {
            log.event("end")
                .field("reason", b"too many failed logins")
                .say();
        }
        std::thread::sleep((self.unit * units).saturating_sub(asked.elapsed()));
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
        let how = call.env.bytes("AUTH").unwrap_or_default().to_vec();
        let login = chain::Login {
            user: &entry.user,
            how: &how,
        };
        if let Err(reason) = call.before_entry(login) {
            log.event("fault")
                .field("user", &entry.user)
                .field("reason", reason.as_bytes())
                .say();
            sides::tell(protocol.temporary);
            return Exit::TEMPORARY;
        }
        let (reason, told) = match entry.enter(&mut call.env) {
            Ok(()) => match call.go_on() {
                Ok(exit) => return exit,
                Err(error) => (error.to_string(), protocol.permanent),
            },
            Err(error @ EntryError::Home(..)) => (error.to_string(), protocol.temporary),
            Err(error) => (error.to_string(), protocol.permanent),
        };
        log.event("fault")
            .field("user", &entry.user)
            .field("reason", reason.as_bytes())
            .say();
        sides::tell(told);
        Exit::TEMPORARY
    }
}

#[cfg(test)]
#[path = "desk_tests.rs"]
mod tests;
