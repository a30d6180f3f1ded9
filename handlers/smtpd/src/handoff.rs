//! Handing a message over: the writing side of qmail-queue's interface.
//!
//! The program is started before 354 is said, so that trouble with it is told at once. It gets
//! the message on descriptor 0 and the envelope on descriptor 1, both pipes; the final NUL of the
//! envelope is what commits it. Dropping the pipes before that is how a message is given up, and
//! is all that a killed smtpd would do, too. A program that stops reading does not stop us: the
//! client is read to its dot, then the exit code tells what happened.
//!
//! **Two programs.** A message for local and other users goes to maildir-queue and to the
//! remotequeue program, and 250 is said only if both have taken it. The local one is committed
//! first: if it fails, nothing has left this host. If then the remote one fails, the client is
//! told so and sends again, and local users get the message a second time: nothing is lost, and
//! what is doubled stays here. To make that rare the remote program must still be running, with
//! all of the message written to it, when the local one is told to go on.

use std::io::{self, PipeWriter};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::replies::queue as replies;

/// How long a program that was given up may take to end before it is killed.
const ABORT_TIME: Duration = Duration::from_secs(10);

/// A program and the recipients that it is responsible for.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// The program.
    pub program: &'a Path,
    /// Its recipients.
    pub recipients: &'a [Vec<u8>],
}

/// Why a program did not take the message: the reply, and a sentence for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// To the client.
    pub reply: &'static str,
    /// To the log.
    pub reason: String,
}

/// A message on its way.
#[derive(Debug)]
pub struct Handoff {
    running: Vec<Running>,
    patience: Duration,
}

/// One program that was started.
#[derive(Debug)]
struct Running {
    program: PathBuf,
    child: Child,
    /// `None` once it has ended or broken.
    message: Option<PipeWriter>,
    envelope: PipeWriter,
    recipients: Vec<u8>,
    timed_out: bool,
    broken: bool,
}

impl Handoff {
    /// Starts the programs of `parts`, the one to be committed first first, in `home`. `patience`
    /// is how long one write to a program, and its work after the envelope, may take.
    pub fn start(home: &Path, parts: &[Part<'_>], patience: Duration) -> Result<Handoff, Failure> {
        let mut handoff = Handoff {
            running: Vec::with_capacity(parts.len()),
            patience,
        };
        for part in parts {
            match Running::start(home, part) {
                Ok(running) => handoff.running.push(running),
                Err(failure) => {
                    handoff.abort();
                    return Err(failure);
                }
            }
        }
        Ok(handoff)
    }

    /// The number in the reply: the process id of the first program.
    pub fn pid(&self) -> u32 {
        self.running.first().map_or(0, |running| running.child.id())
    }

    /// Adds to the message. What goes wrong is told at the end.
    pub fn write(&mut self, bytes: &[u8]) {
        for running in &mut self.running {
            running.write(bytes, self.patience);
        }
    }

    /// Gives the message up: no program has been told to take it.
    pub fn abort(self) {
        let children: Vec<Child> = self.running.into_iter().map(Running::close).collect();
        let deadline = Instant::now() + ABORT_TIME.min(self.patience);
        for mut child in children {
            if !matches!(wait(&mut child, deadline), Ok(Some(_))) {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }

    /// Commits the message. The failure of a later program than the first is told together with
    /// `true`: the ones before it have taken the message.
    pub fn finish(mut self, sender: &[u8]) -> Result<(), (Failure, bool)> {
        for running in &mut self.running {
            running.message = None;
        }
        // The one that was started last is committed last; if it is gone already, nothing is.
        if self.running.len() > 1
            && let Some(early) = self.running.last_mut().and_then(Running::ended_early)
        {
            self.abort();
            return Err((early, false));
        }
        let patience = self.patience;
        let mut rest = self.running.into_iter();
        let mut committed = false;
        while let Some(running) = rest.next() {
            if let Err(failure) = running.commit(sender, patience) {
                Handoff {
                    running: rest.collect(),
                    patience,
                }
                .abort();
                return Err((failure, committed));
            }
            committed = true;
        }
        Ok(())
    }
}

impl Running {
    fn start(home: &Path, part: &Part<'_>) -> Result<Running, Failure> {
        let shown = part.program.display();
        let trouble = |reply, what: &str, error: &io::Error| Failure {
            reply,
            reason: format!("unable to {what}: {}", os::reason(error)),
        };
        let pipes = || -> io::Result<_> {
            let (message_end, message) = io::pipe()?;
            let (envelope_end, envelope) = io::pipe()?;
            // So that a program that does not read is waited for with a limit.
            os::fd::set_nonblocking(message.as_fd())?;
            os::fd::set_nonblocking(envelope.as_fd())?;
            Ok((message_end, message, envelope_end, envelope))
        };
        let (message_end, message, envelope_end, envelope) =
            pipes().map_err(|error| trouble(replies::CANNOT_START, "make a pipe", &error))?;
        let mut command = Command::new(part.program);
        command
            .stdin(Stdio::from(message_end))
            .stdout(Stdio::from(envelope_end));
        if home.is_dir() {
            command.current_dir(home);
        }
        let child = command.spawn().map_err(|error| {
            let reply = match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory => replies::CANNOT_START,
                _ => replies::CANNOT_EXEC,
            };
            trouble(reply, &format!("run {shown}"), &error)
        })?;
        let mut recipients = Vec::new();
        for recipient in part.recipients {
            recipients.push(b'T');
            recipients.extend_from_slice(recipient);
            recipients.push(0);
        }
        Ok(Running {
            program: part.program.to_owned(),
            child,
            message: Some(message),
            envelope,
            recipients,
            timed_out: false,
            broken: false,
        })
    }

    fn write(&mut self, bytes: &[u8], patience: Duration) {
        let Some(message) = &self.message else { return };
        let deadline = Instant::now() + patience;
        if let Err(error) = os::fd::write_all_until(message.as_fd(), bytes, deadline) {
            self.message = None;
            self.broken = true;
            self.timed_out = error.kind() == io::ErrorKind::TimedOut;
        }
    }

    /// Closes both pipes.
    fn close(self) -> Child {
        self.child
    }

    fn failure(&self, reply: &'static str, what: &str) -> Failure {
        Failure {
            reply,
            reason: format!("{} {what}", self.program.display()),
        }
    }

    /// Whether it has ended or stopped reading before it was told the envelope.
    fn ended_early(&mut self) -> Option<Failure> {
        if self.timed_out {
            return Some(self.failure(replies::TIMEOUT, "does not read the message"));
        }
        match self.child.try_wait() {
            Ok(None) if !self.broken => None,
            Ok(None) => Some(self.failure(replies::READ_ERROR, "stopped reading the message")),
            Ok(Some(status)) => {
                let failure = self.verdict(Ok(Some(status))).err();
                let early = || self.failure(replies::TEMPORARY, "ended before the envelope");
                Some(failure.unwrap_or_else(early))
            }
            Err(error) => self.verdict(Err(error)).err(),
        }
    }

    /// Tells it the envelope and waits for what it says.
    fn commit(mut self, sender: &[u8], patience: Duration) -> Result<(), Failure> {
        let mut envelope = Vec::with_capacity(sender.len() + self.recipients.len() + 3);
        envelope.push(b'F');
        envelope.extend_from_slice(sender);
        envelope.push(0);
        envelope.append(&mut self.recipients);
        envelope.push(0);
        let deadline = Instant::now() + patience;
        if !self.broken {
            let written = os::fd::write_all_until(self.envelope.as_fd(), &envelope, deadline);
            if let Err(error) = written {
                self.broken = true;
                self.timed_out = error.kind() == io::ErrorKind::TimedOut;
            }
        }
        // Programs may read the envelope to its end, so it must have one.
        let (program, timed_out, broken) = (self.program.clone(), self.timed_out, self.broken);
        let mut child = self.close();
        let until = if timed_out { Instant::now() } else { deadline };
        let waited = wait(&mut child, until);
        if matches!(waited, Ok(None)) {
            let _ = child.kill();
            let _ = child.wait();
        }
        verdict(&program, broken, waited)
    }

    fn verdict(&self, waited: io::Result<Option<ExitStatus>>) -> Result<(), Failure> {
        verdict(&self.program, self.broken, waited)
    }
}

/// What the end of a program means. `Ok(None)` is a program that did not end in time.
fn verdict(
    program: &Path,
    broken: bool,
    waited: io::Result<Option<ExitStatus>>,
) -> Result<(), Failure> {
    let failure = |reply, what: String| {
        Err(Failure {
            reply,
            reason: format!("{} {what}", program.display()),
        })
    };
    let status = match waited {
        Ok(Some(status)) => status,
        Ok(None) => return failure(replies::TIMEOUT, "took too long".to_owned()),
        Err(error) => {
            let what = format!("cannot be waited for: {}", os::reason(&error));
            return failure(replies::SURPRISE, what);
        }
    };
    let Some(code) = status.code() else {
        return failure(replies::CRASHED, format!("was ended by {status}"));
    };
    match replies::for_exit(code) {
        Some(reply) => failure(reply, format!("exited {code}")),
        None if broken => failure(replies::READ_ERROR, "did not read everything".to_owned()),
        None => Ok(()),
    }
}

/// Waits for a child until `deadline`.
fn wait(child: &mut Child, deadline: Instant) -> io::Result<Option<ExitStatus>> {
    match os::process::wait_child_until(child, deadline) {
        Err(_) => wait_in_steps(child, deadline),
        done => done,
    }
}

/// The same without a descriptor for the child, which an old kernel or a sandbox does not give.
fn wait_in_steps(child: &mut Child, deadline: Instant) -> io::Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(test)]
#[path = "handoff_tests.rs"]
mod tests;
