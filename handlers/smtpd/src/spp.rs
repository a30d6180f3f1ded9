//! Plugins with the interface of qmail-spp: programs that are asked at each step of a session.
//!
//! With ENABLE_SPP set, control/smtpplugins, or the file that SPPCONFFILE names, lists them in
//! sections, which are told by the first letter of their names: `[connection]`, `[helo]`, `[mail]`,
//! `[rcpt]`, `[pass]` (a recipient was accepted), `[data]` and `[auth]`. A line is the path of a program, below
//! the home if it is relative, or behind a colon a command for the shell. What they say is in
//! [`output`]; where they fail the command is refused with 451, and nothing of what they said is done.
//!
//! A plugin has failed where it cannot be run (which is also exit code 120, and 126 and 127, the
//! shell's words for that), where a signal ends it, and where it takes or says too much. Every other
//! exit code is fine, as with the patch: `:grep -q ... && echo E...` ends with 1 where nothing is found.

pub mod output;

use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use accounts::{Home, control};
use chain::Env;
use chain::child::{Command, Program};
use os::process::Status;

use crate::checker::{ended, nothing};
use crate::plugin_env;
use output::{Change, Last, Output, Stage};

/// How long one plugin may take.
const TIME: Duration = Duration::from_secs(60);

/// The most bytes that one may say.
const OUTPUT_LIMIT: usize = 64 * 1024;

/// The most bytes of the header fields of one message.
const HEADERS_LIMIT: usize = 64 * 1024;

/// The most bytes of all variables together that plugins can make the environment grow to; execve(2)
/// has a limit too.
const ENV_LIMIT: usize = 256 * 1024;

/// A plugin has failed.
const TROUBLE: &str = "451 temporary trouble with a plugin (#4.3.0)";

/// A step of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Section {
    Connection,
    Helo,
    Mail,
    Rcpt,
    Pass,
    Data,
    Auth,
}

impl Section {
    fn of(letter: u8) -> Option<Section> {
        Some(match letter.to_ascii_lowercase() {
            b'c' => Section::Connection,
            b'h' => Section::Helo,
            b'm' => Section::Mail,
            b'r' => Section::Rcpt,
            b'p' => Section::Pass,
            b'd' => Section::Data,
            b'a' => Section::Auth,
            _ => return None,
        })
    }

    /// Whether what is said there is of one message only.
    fn is_in_transaction(self) -> bool {
        !matches!(self, Section::Connection | Section::Helo | Section::Auth)
    }
}

/// What is to become of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It goes on as without plugins.
    GoOn,
    /// It goes on, and our own checks of sender and recipient are left out.
    Unchecked,
    /// It is refused with this reply, a line without its end.
    Refuse(String),
    /// The session ends, with this reply or without a word.
    Close(Option<String>),
}

/// The answer of the plugins of one section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Lines that come before the reply, without their ends: each is part of one (`250-text`).
    pub before: Vec<String>,
    /// What becomes of the command.
    pub turn: Turn,
    /// To the log, a sentence each.
    pub faults: Vec<String>,
}

impl Outcome {
    fn of(turn: Turn) -> Outcome {
        Outcome {
            before: Vec::new(),
            turn,
            faults: Vec::new(),
        }
    }
}

/// What was said for later.
#[derive(Clone, Debug, Default)]
struct Kept {
    /// Lines with LF.
    headers: Vec<u8>,
    errors: Vec<(Stage, String)>,
}

/// The plugins of one session.
#[derive(Clone, Debug)]
pub struct Plugins {
    list: Vec<(Section, Vec<u8>)>,
    home: PathBuf,
    time: Duration,
    /// None has said that it is enough.
    on: bool,
    /// Until the next message, and until the next MAIL.
    session: Kept,
    transaction: Kept,
    accepted: u64,
    asked: u64,
}

impl Plugins {
    /// From ENABLE_SPP, SPPCONFFILE and the file; `None` where plugins are not enabled. The error
    /// is a sentence.
    pub fn read(env: &Env, home: &Home) -> Result<Option<Plugins>, String> {
        if env.get("ENABLE_SPP").is_none() {
            return Ok(None);
        }
        let path = match env.get("SPPCONFFILE").filter(|path| !path.is_empty()) {
            Some(path) => home.path().join(path),
            None => home.control("smtpplugins"),
        };
        match control::read(&path) {
            Ok(Some(text)) => Ok(Some(Plugins::of(&text, home.path()))),
            Ok(None) => Err(format!(
                "unable to read {}: file does not exist",
                path.display()
            )),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The files of those that are no commands of the shell.
    pub fn files(&self) -> impl Iterator<Item = PathBuf> {
        let files = self.list.iter().map(|(_, line)| line.as_slice());
        let files = files.filter(|line| !line.starts_with(b":"));
        files.map(|line| self.home.join(OsStr::from_bytes(line)))
    }

    fn of(text: &[u8], home: &Path) -> Plugins {
        let mut list = Vec::new();
        let mut section = None;
        for line in control::entries(text) {
            match (line.strip_prefix(b"["), section) {
                (Some(name), _) => section = name.first().and_then(|&letter| Section::of(letter)),
                (None, Some(section)) => list.push((section, line.to_vec())),
                // Those of a section that is not known, and those before the first.
                (None, None) => {}
            }
        }
        Plugins {
            list,
            home: home.to_owned(),
            time: TIME,
            on: true,
            session: Kept::default(),
            transaction: Kept::default(),
            accepted: 0,
            asked: 0,
        }
    }

    /// Before the banner.
    pub fn connection(&mut self, env: &mut Env) -> Outcome {
        self.ask(Section::Connection, env, None)
    }

    /// HELO or EHLO with this argument.
    pub fn helo(&mut self, env: &mut Env, name: &[u8]) -> Outcome {
        env.set("SMTPHELOHOST", name);
        self.ask(Section::Helo, env, None)
    }

    /// MAIL with this address, which may become another one.
    pub fn mail(&mut self, env: &mut Env, sender: &mut Vec<u8>) -> Outcome {
        let refused = self.later(Stage::Mail);
        self.abandon();
        if let Some(refused) = refused {
            return refused;
        }
        self.ask(Section::Mail, env, Some(("SMTPMAILFROM", sender)))
    }

    /// RCPT with this address, which may become another one. `allowed` is whether it would be taken
    /// as far as rcpthosts and RELAYCLIENT go.
    pub fn rcpt(&mut self, env: &mut Env, recipient: &mut Vec<u8>, allowed: bool) -> Outcome {
        if let Some(refused) = self.later(Stage::Rcpt) {
            return refused;
        }
        env.set("SMTPRCPTCOUNT", self.accepted.to_string().as_bytes());
        self.asked = self.asked.saturating_add(1);
        env.set("SMTPRCPTCOUNTALL", self.asked.to_string().as_bytes());
        env.set("SMTPRCPTHOSTSOK", if allowed { b"1" } else { b"0" });
        self.ask(Section::Rcpt, env, Some(("SMTPRCPTTO", recipient)))
    }

    /// A recipient has passed all checks.
    pub fn pass(&mut self, env: &mut Env, recipient: &mut Vec<u8>) -> Outcome {
        self.accepted = self.accepted.saturating_add(1);
        env.set("SMTPRCPTCOUNT", self.accepted.to_string().as_bytes());
        self.ask(Section::Pass, env, Some(("SMTPRCPTTO", recipient)))
    }

    /// DATA, or the first BDAT, of a transaction that is ready for it.
    pub fn data(&mut self, env: &mut Env) -> Outcome {
        if let Some(refused) = self.later(Stage::Data) {
            return refused;
        }
        self.ask(Section::Data, env, None)
    }

    /// A login that the checker has accepted; `method` in lower case. One that is refused leaves no
    /// name behind that a later program could take for that of a user.
    pub fn auth(&mut self, env: &mut Env, method: &[u8], user: &[u8]) -> Outcome {
        env.set("SMTPAUTHMETHOD", method);
        env.set("SMTPAUTHUSER", user);
        let outcome = self.ask(Section::Auth, env, None);
        if matches!(outcome.turn, Turn::Refuse(_) | Turn::Close(_)) {
            env.remove("SMTPAUTHMETHOD");
            env.remove("SMTPAUTHUSER");
        }
        outcome
    }

    /// The header fields for the message that begins, with LF; what was said for later is forgotten.
    pub fn take_headers(&mut self) -> Vec<u8> {
        let mut headers = std::mem::take(&mut self.session.headers);
        headers.append(&mut self.transaction.headers);
        self.reset();
        headers
    }

    /// A transaction ends: what was said in it for later is forgotten.
    pub fn abandon(&mut self) {
        self.transaction = Kept::default();
        (self.accepted, self.asked) = (0, 0);
    }

    /// RSET: what was said for later is forgotten.
    pub fn reset(&mut self) {
        self.session = Kept::default();
        self.transaction = Kept::default();
        (self.accepted, self.asked) = (0, 0);
    }

    /// The error that was said before for this stage.
    fn later(&self, stage: Stage) -> Option<Outcome> {
        let all = self.session.errors.iter().chain(&self.transaction.errors);
        let (_, reply) = all.clone().find(|(known, _)| *known == stage)?;
        Some(Outcome::of(Turn::Refuse(reply.clone())))
    }

    /// Asks the plugins of a section in their order, until one has the last word.
    fn ask(
        &mut self,
        section: Section,
        env: &mut Env,
        mut address: Option<(&'static str, &mut Vec<u8>)>,
    ) -> Outcome {
        if let Some((variable, address)) = &address {
            env.set(variable, address);
        }
        let mut outcome = Outcome::of(Turn::GoOn);
        if !self.on {
            return outcome;
        }
        let lines: Vec<Vec<u8>> = self
            .list
            .iter()
            .filter(|(known, _)| *known == section)
            .map(|(_, line)| line.clone())
            .collect();
        for line in lines {
            let name = line.escape_ascii();
            let output = match self.run(&line, env) {
                Ok(output) => output,
                Err(reason) => {
                    outcome.faults.push(format!("plugin {name}: {reason}"));
                    outcome.turn = Turn::Refuse(TROUBLE.to_owned());
                    return outcome;
                }
            };
            let told = output
                .faults
                .into_iter()
                .map(|fault| format!("plugin {name}: {fault}"));
            outcome.faults.extend(told);
            for change in output.changes {
                if let Err(reason) =
                    self.make(change, section, env, address.as_mut(), &mut outcome.before)
                {
                    outcome.faults.push(format!("plugin {name}: {reason}"));
                    outcome.turn = Turn::Refuse(TROUBLE.to_owned());
                    return outcome;
                }
            }
            outcome.turn = match output.last {
                None => continue,
                Some(Last::AcceptAll) => {
                    self.on = false;
                    Turn::GoOn
                }
                Some(Last::Accept) => Turn::GoOn,
                Some(Last::AcceptUnchecked) => Turn::Unchecked,
                Some(Last::Refuse(reply)) => Turn::Refuse(reply),
                Some(Last::Reject(reply)) => Turn::Close(Some(reply)),
                Some(Last::Drop) => Turn::Close(None),
            };
            break;
        }
        outcome
    }

    /// Runs one, and takes apart what it says.
    fn run(&self, line: &[u8], env: &Env) -> Result<Output, String> {
        let (program, words) = match line.strip_prefix(b":") {
            Some(command) => (
                Path::new("/bin/sh"),
                vec![OsString::from("-c"), OsStr::from_bytes(command).to_owned()],
            ),
            None => (Path::new(OsStr::from_bytes(line)), Vec::new()),
        };
        let ask = || {
            let nothing = nothing()?;
            Command {
                program: &Program::File(self.home.join(program)),
                words: &words,
                env: &plugin_env::sanitized(env),
                folder: &self.home,
                descriptors: &[(nothing.as_fd(), 0)],
            }
            .ask(1, OUTPUT_LIMIT + 1, Instant::now() + self.time)
        };
        let told = ask().map_err(|error| format!("unable to run it: {}", os::reason(&error)))?;
        match told.status.and_then(Status::code) {
            None | Some(120 | 126 | 127) => return Err(ended("it", told.status)),
            Some(_) => {}
        }
        if told.text.len() > OUTPUT_LIMIT {
            return Err(format!("it said more than {OUTPUT_LIMIT} bytes"));
        }
        output::parse(&told.text)
    }

    /// Does what one line asks for.
    fn make(
        &mut self,
        change: Change,
        section: Section,
        env: &mut Env,
        address: Option<&mut (&'static str, &mut Vec<u8>)>,
        before: &mut Vec<String>,
    ) -> Result<(), String> {
        let kept = if section.is_in_transaction() {
            &mut self.transaction
        } else {
            &mut self.session
        };
        match change {
            Change::Header(line) => {
                if kept.headers.is_empty() && output::continues(&line) {
                    return Err("it goes on with a header field where none is".to_owned());
                }
                kept.headers.extend_from_slice(&line);
                kept.headers.push(b'\n');
                if kept.headers.len() > HEADERS_LIMIT {
                    return Err(format!("header fields are over {HEADERS_LIMIT} bytes"));
                }
            }
            Change::Address(new) => {
                // Where there is no address, none is changed.
                if let Some((variable, address)) = address {
                    **address = new;
                    env.set(variable, address);
                }
            }
            Change::Set(name, value) => {
                env.set(&name, &value);
                let size: usize = env
                    .pairs()
                    .map(|(name, value)| name.len() + value.len())
                    .sum();
                if size > ENV_LIMIT {
                    env.remove(&name);
                    return Err(format!("variables are over {ENV_LIMIT} bytes"));
                }
            }
            Change::Unset(name) => env.remove(&name),
            Change::Print(line) => before.push(line),
            // Of several for one stage the first is told: a command has one reply.
            Change::Later(stage, reply) => {
                if !kept.errors.iter().any(|(known, _)| *known == stage) {
                    kept.errors.push((stage, reply));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "spp_tests.rs"]
mod tests;
