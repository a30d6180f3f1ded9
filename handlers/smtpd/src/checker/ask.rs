//! Asking a checker: the record on descriptor 3, and an exit code.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::path::Path;
use std::time::Instant;

use auth::attempt::{Method, RECORD_LIMIT};
use auth::{Attempt, Checker, Verdict};
use chain::child::{Command, Program};
use chain::{Applet, Call, Env, Kind};
use os::Exit;
use os::process::Status;
use zeroize::Zeroizing;

use super::{Answer, shown};

/// The descriptor of the record.
const RECORD_NUMBER: RawFd = 3;

/// The descriptor on which a checker of ours answers.
const ANSWER_NUMBER: RawFd = 4;

/// The most bytes of its answer: the name of an account, or a sentence.
const ANSWER_LIMIT: usize = 1024;

/// A pipe with the record in it and its end behind it: a new pipe has room for it, so nobody who
/// does not read can make this wait.
fn record_pipe(record: Zeroizing<Vec<u8>>) -> io::Result<io::PipeReader> {
    let (reader, mut writer) = io::pipe()?;
    writer.write_all(&record)?;
    Ok(reader)
}

/// What a checker of ours is run as.
const ASKED: Applet = Applet {
    name: "smtpd-auth",
    kind: Kind::Last,
    run: answer,
    before_entry: None,
};

/// How a checker is to be asked.
pub(super) struct Question<'a> {
    /// Its environment.
    pub(super) env: &'a Env,
    /// Where it is run.
    pub(super) home: &'a Path,
    /// Until when it may take.
    pub(super) deadline: Instant,
}

impl Question<'_> {
    /// Asks a checker of ours, in a copy of this process.
    pub(super) fn ask_ours(
        &self,
        words: &[OsString],
        record: Zeroizing<Vec<u8>>,
    ) -> io::Result<Answer> {
        let record = record_pipe(record)?;
        let (nothing, log) = (nothing()?, io::stderr());
        let program = Program::Ours(&ASKED);
        let told = Command {
            program: &program,
            words,
            env: self.env,
            folder: self.home,
            descriptors: &descriptors(nothing.as_fd(), log.as_fd(), record.as_fd()),
        }
        .ask(ANSWER_NUMBER, ANSWER_LIMIT, self.deadline)?;
        let sentence = || String::from_utf8_lossy(&told.text).into_owned();
        Ok(match told.status.map(Status::code) {
            Some(Some(0)) => Answer::Accepted { user: told.text },
            Some(Some(1)) => Answer::Refused(sentence()),
            Some(Some(2 | 111)) => Answer::Trouble(sentence()),
            _ => Answer::Trouble(ended(&shown(&words[0]), told.status)),
        })
    }

    /// Runs somebody else's; `login` is who it lets in.
    pub(super) fn ask_foreign(
        &self,
        file: &Path,
        words: &[OsString],
        record: Zeroizing<Vec<u8>>,
        login: Vec<u8>,
    ) -> io::Result<Answer> {
        let record = record_pipe(record)?;
        let (nothing, log) = (nothing()?, io::stderr());
        let program = Program::File(file.to_owned());
        let mut child = Command {
            program: &program,
            words,
            env: self.env,
            folder: self.home,
            descriptors: &descriptors(nothing.as_fd(), log.as_fd(), record.as_fd()),
        }
        .start()?;
        drop(record);
        let status = child.wait_until(self.deadline)?;
        let name = shown(file.as_os_str());
        Ok(match status.map(Status::code) {
            Some(Some(0)) => Answer::Accepted { user: login },
            // 3 is what vpopmail's vchkpw says for 1.
            Some(Some(1 | 3)) => Answer::Refused(format!("{name} said no")),
            _ => Answer::Trouble(ended(&name, status)),
        })
    }
}

/// In the copy of this process: reads the record, decides, and says whose account it is, or why not.
fn answer(call: Call) -> Exit {
    let verdict = match read_record() {
        Ok(record) => decide(&call.args, &record, &call.env),
        Err(error) => {
            let reason = os::reason(&error);
            Verdict::Temporary(format!("unable to read descriptor 3: {reason}"))
        }
    };
    let (exit, text) = match verdict {
        Verdict::Yes(entry) => (Exit::OK, entry.user),
        Verdict::No(why) => (Exit::NO, why.into_bytes()),
        Verdict::Temporary(why) => (Exit::TEMPORARY, why.into_bytes()),
        Verdict::Permanent(why) => (Exit(2), why.into_bytes()),
    };
    let written = os::fd::take(ANSWER_NUMBER).and_then(|fd| File::from(fd).write_all(&text));
    // An account whose name is lost is nobody's.
    if written.is_ok() {
        exit
    } else {
        Exit::TEMPORARY
    }
}

fn read_record() -> io::Result<Zeroizing<Vec<u8>>> {
    // Room for all of it at once: a vector that grows leaves copies behind.
    let mut record = Zeroizing::new(Vec::with_capacity(RECORD_LIMIT + 1));
    let limit = u64::try_from(RECORD_LIMIT).unwrap_or(u64::MAX);
    let fd = os::fd::take(RECORD_NUMBER)?;
    File::from(fd).take(limit).read_to_end(&mut record)?;
    Ok(record)
}

pub(super) fn decide(words: &[OsString], record: &[u8], env: &Env) -> Verdict {
    let method = env.bytes("AUTH").and_then(Method::of_auth);
    let Some((checker, _)) = Checker::of(words) else {
        return Verdict::Permanent("no checker of ours has these words".to_owned());
    };
    match Attempt::parse(record, method.unwrap_or(Method::Password)) {
        Ok(attempt) => checker.check(&attempt, env),
        Err(error) => Verdict::No(error.to_string()),
    }
}

/// The conversation is no business of a checker, nor of what it becomes.
fn descriptors<'d>(
    nothing: BorrowedFd<'d>,
    log: BorrowedFd<'d>,
    record: BorrowedFd<'d>,
) -> [(BorrowedFd<'d>, RawFd); 3] {
    [(nothing, 0), (log, 1), (record, RECORD_NUMBER)]
}

/// What there is to read for a program that is to read nothing.
pub(crate) fn nothing() -> io::Result<File> {
    File::open("/dev/null")
}

/// How a program ended that did not end as it should; `None` is out of time.
pub(crate) fn ended(name: &str, status: Option<Status>) -> String {
    match status.map(|status| (status.code(), status.signal())) {
        None => format!("{name} did not end in time"),
        Some((Some(code), _)) => format!("{name} ended with {code}"),
        Some((None, Some(signal))) => format!("{name} was ended by signal {signal}"),
        Some((None, None)) => format!("{name} ended in an unknown way"),
    }
}
