//! RCPTCHECK: a program that is asked about each recipient that would be taken.
//!
//! It finds SENDER, RECIPIENT and HELO in its environment, USE_FD4=1, and RCPTHOSTS=1 where the
//! recipient's host is one of ours. Its exit code answers:
//!
//! | exit | meaning | reply |
//! |---|---|---|
//! | 0 | yes | |
//! | 112 | it has nothing to say: taken | |
//! | 100 | no | 550, or what it wrote on descriptor 4 |
//! | 113 | the sender has sent too much | 452, or what it wrote |
//! | anything else, a signal, out of time | it cannot be told | 451 |
//!
//! The patches end the session with 421 where it cannot be told and where too much was sent, and
//! take the recipient at an exit code that they do not know. Here the next recipient may still be
//! fine, and a checker that is broken lets nobody in.

use std::ffi::OsString;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use accounts::control::digits;
use chain::Env;
use chain::child::{Command, Program, Told};

use crate::checker::{ended, nothing};
use crate::plugin_env;
use crate::sanitize;

/// How many seconds the program may take, unless RCPTCHECK_TIMEOUT says otherwise.
const TIME: u64 = 30;

/// The most of them: a client waits five minutes for the reply (RFC 5321 section 4.5.3.2.3).
const MOST_TIME: u64 = 240;

/// The descriptor for what is to be told to the client.
const TEXT_NUMBER: i32 = 4;

/// How much of it is read.
const READ_LIMIT: usize = 2048;

/// No such recipient.
const NO_MAILBOX: &str = "550 sorry, no mailbox here by that name (#5.1.1)";
/// The sender has reached a limit.
const OVER_LIMIT: &str = "452 you have exceeded your messaging limits (#4.5.3)";
/// The program cannot tell.
const TROUBLE: &str = "451 unable to verify that recipient now (#4.3.0)";

/// RCPTCHECK as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RcptCheck {
    program: PathBuf,
    home: PathBuf,
    time: Duration,
    relay_clients: bool,
}

/// What is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The envelope sender.
    pub sender: &'a [u8],
    /// The recipient.
    pub recipient: &'a [u8],
    /// What the client calls itself.
    pub helo: &'a [u8],
    /// Whether the recipient's host is one that mail is taken for.
    pub is_ours: bool,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RcptVerdict {
    /// It is a recipient.
    Yes,
    /// The program does not care: taken, and other checks decide.
    Ignored,
    /// Refused.
    No {
        /// To the client: a code from 400 to 599 and one printable line.
        reply: String,
        /// The reply is 421, and the session is to end.
        close: bool,
        /// To the log, where the program did not do what it should.
        fault: Option<String>,
    },
}

impl RcptCheck {
    /// From RCPTCHECK, RCPTCHECKRELAYCLIENT and RCPTCHECK_TIMEOUT; `None` where there is no program.
    /// The error is a sentence.
    ///
    /// A name with a slash is relative to `home`, as with the patches. A bare one is a program of
    /// ours or on PATH, else a file in `home`.
    pub fn parse(env: &Env, home: &Path) -> Result<Option<RcptCheck>, String> {
        let Some(name) = env.get("RCPTCHECK").filter(|name| !name.is_empty()) else {
            return Ok(None);
        };
        let number = |variable: &str| match env.bytes(variable).filter(|text| !text.is_empty()) {
            None => Ok(None),
            Some(text) => match digits(text) {
                Some(number) => Ok(Some(number)),
                None => Err(format!(
                    "unable to use variable {variable}: {} is not a number",
                    text.escape_ascii()
                )),
            },
        };
        let program = os::programs::resolve(name, env.get("PATH"));
        Ok(Some(RcptCheck {
            program: home.join(program.unwrap_or_else(|| PathBuf::from(name))),
            home: home.to_owned(),
            time: Duration::from_secs(
                number("RCPTCHECK_TIMEOUT")?
                    .unwrap_or(TIME)
                    .clamp(1, MOST_TIME),
            ),
            relay_clients: number("RCPTCHECKRELAYCLIENT")?.unwrap_or(0) > 0,
        }))
    }

    /// Whether a client is checked that may relay (`relay`) or may not.
    pub fn applies_to(&self, relay: bool) -> bool {
        !relay || self.relay_clients
    }

    /// The program.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Asks the program, which finds `env`.
    pub fn ask(&self, question: &Question<'_>, env: &Env) -> RcptVerdict {
        let mut env = env.clone();
        env.set("SENDER", question.sender);
        env.set("RECIPIENT", question.recipient);
        env.set("HELO", question.helo);
        env.set("USE_FD4", b"1");
        if question.is_ours {
            env.set("RCPTHOSTS", b"1");
        } else {
            env.remove("RCPTHOSTS");
        }
        let name = self.program.as_os_str().as_bytes().escape_ascii();
        let trouble = |fault: String| RcptVerdict::No {
            reply: TROUBLE.to_owned(),
            close: false,
            fault: Some(fault),
        };
        match self.run(&env) {
            Ok(told) => match told.status.and_then(os::process::Status::code) {
                Some(0) => RcptVerdict::Yes,
                Some(112) => RcptVerdict::Ignored,
                Some(100) => no(&told.text, NO_MAILBOX),
                Some(113) => no(&told.text, OVER_LIMIT),
                // What it is for.
                Some(111) => RcptVerdict::No {
                    reply: temporary(&told.text),
                    close: false,
                    fault: None,
                },
                _ => trouble(ended(&name.to_string(), told.status)),
            },
            Err(error) => trouble(format!("unable to run {name}: {}", os::reason(&error))),
        }
    }

    fn run(&self, env: &Env) -> std::io::Result<Told> {
        let (nothing, log) = (nothing()?, std::io::stderr());
        let words: &[OsString] = &[];
        Command {
            program: &Program::File(self.program.clone()),
            words,
            env: &plugin_env::sanitized(env),
            folder: &self.home,
            // The conversation is none of its business.
            descriptors: &[(nothing.as_fd(), 0), (log.as_fd(), 1)],
        }
        .ask(TEXT_NUMBER, READ_LIMIT, Instant::now() + self.time)
    }
}

/// A refusal in the program's words where it has any: a whole reply, or the text behind the code of
/// `default`.
fn no(text: &[u8], default: &str) -> RcptVerdict {
    let own = sanitize::refusal(text).or_else(|| {
        let line = sanitize::line(text)?;
        // A reply that refuses nothing is none; its code would be read as a part of the text.
        let is_reply = line.len() >= 3 && line.as_bytes()[..3].iter().all(u8::is_ascii_digit);
        (!is_reply).then(|| format!("{} {line}", &default[..3]))
    });
    let reply = own.unwrap_or_else(|| default.to_owned());
    RcptVerdict::No {
        close: reply.starts_with("421"),
        reply,
        fault: None,
    }
}

/// A temporary refusal in the program's words where these are one, without the end of the session.
fn temporary(text: &[u8]) -> String {
    sanitize::refusal(text)
        .filter(|reply| reply.starts_with('4') && !reply.starts_with("421"))
        .unwrap_or_else(|| TROUBLE.to_owned())
}

#[cfg(test)]
#[path = "rcptcheck_tests.rs"]
mod tests;
