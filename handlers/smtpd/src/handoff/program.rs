//! The writing side of qmail-queue's interface.
//!
//! The program gets the message on descriptor 0 and the envelope on descriptor 1, both pipes; the
//! final NUL of the envelope is what commits it. It may say a reply of its own on descriptor 6
//! (notqmail) or 4 (older patches), for exit code 82 or 88. A program that stops reading does not
//! stop us: the client is read to its dot, then the exit code tells what happened.
//!
//! Our maildir-queue can wait before its last step ([`delivery::hold`]): it says on descriptor 5 that every
//! copy is on the disk, and one more byte behind the envelope lets it go on.

use std::borrow::Cow;
use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use chain::child::{Child, Command, Program};
use delivery::hold;
use os::process::Status;

use super::{Failure, ProgramContext};
use crate::replies::queue as texts;
use crate::sanitize;
use crate::transport::shown;

/// How long a program that was given up may take to end before it is killed.
const ABORT_TIME: Duration = Duration::from_secs(10);

/// The most bytes of a reply of the program's own that are looked at, as with notqmail.
const TEXT_BYTES: usize = 255;

/// Where it may say it.
const TEXT_NUMBERS: [i32; 2] = [4, 6];

/// A program that was started.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Child,
    /// `None` once it has ended or broken.
    message: Option<PipeWriter>,
    envelope: Option<PipeWriter>,
    text: PipeReader,
    /// Where one that waits before its last step says that it is there.
    ready: Option<PipeReader>,
    /// It has got the envelope, but for what commits the message.
    prepared: bool,
    patience: Duration,
    timed_out: bool,
    broken: bool,
}

impl Running {
    /// Starts `program`; with `hold`, which only ours understands, it will wait before its last step.
    pub fn start(
        program: &Program,
        context: ProgramContext<'_>,
        hold: bool,
    ) -> Result<Running, Failure> {
        let name = shown(program);
        let trouble = |reply: &'static str, what: &str, error: &io::Error| Failure {
            reply: reply.into(),
            reason: format!("unable to {what}: {}", os::reason(error)),
        };
        let pipes = || -> io::Result<_> {
            let (message_end, message) = io::pipe()?;
            let (envelope_end, envelope) = io::pipe()?;
            let (text, text_end) = io::pipe()?;
            // So that a program that does not read is waited for with a limit, and one that has
            // left others behind that hold its end is not waited for.
            os::fd::set_nonblocking(message.as_fd())?;
            os::fd::set_nonblocking(envelope.as_fd())?;
            os::fd::set_nonblocking(text.as_fd())?;
            Ok((message_end, message, envelope_end, envelope, text, text_end))
        };
        let (message_end, message, envelope_end, envelope, text, text_end) =
            pipes().map_err(|error| trouble(texts::CANNOT_START, "make a pipe", &error))?;
        let ready = hold.then(io::pipe).transpose();
        let ready = ready.map_err(|error| trouble(texts::CANNOT_START, "make a pipe", &error))?;
        let (ready, ready_end) = ready.unzip();
        let [first, second] = TEXT_NUMBERS;
        let mut descriptors = vec![
            (message_end.as_fd(), 0),
            (envelope_end.as_fd(), 1),
            (text_end.as_fd(), first),
            (text_end.as_fd(), second),
        ];
        let mut words = Vec::new();
        if let Some(end) = &ready_end {
            descriptors.push((end.as_fd(), hold::READY));
            words.push(hold::OPTION.into());
        }
        let started = Command {
            program,
            words: &words,
            env: context.env,
            folder: context.folder,
            descriptors: &descriptors,
        }
        .start();
        let child = started.map_err(|error| {
            let reply = match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory => texts::CANNOT_START,
                _ => texts::CANNOT_EXEC,
            };
            trouble(reply, &format!("run {name}"), &error)
        })?;
        Ok(Running {
            name,
            child,
            message: Some(message),
            envelope: Some(envelope),
            text,
            ready,
            prepared: false,
            patience: context.patience,
            timed_out: false,
            broken: false,
        })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Whether it does not read on.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Adds to the message.
    pub fn write(&mut self, bytes: &[u8]) {
        let Some(message) = &self.message else { return };
        let deadline = Instant::now() + self.patience;
        if let Err(error) = os::fd::write_all_until(message.as_fd(), bytes, deadline) {
            self.message = None;
            self.broken = true;
            self.timed_out = error.kind() == io::ErrorKind::TimedOut;
        }
    }

    /// Tells it the envelope but for what commits the message, and sees, within `limit`, that it is ready for
    /// that as far as it can tell.
    pub fn prepare(
        &mut self,
        sender: &[u8],
        recipients: &[Vec<u8>],
        limit: Duration,
    ) -> Result<(), Failure> {
        self.message = None;
        let deadline = Instant::now() + limit;
        let mut envelope = envelope(sender, recipients);
        if self.ready.is_none() {
            envelope.pop();
        }
        self.tell(&envelope, deadline);
        self.prepared = true;
        if !self.broken && self.is_ready(deadline) {
            return Ok(());
        }
        self.envelope = None;
        self.end(deadline)?;
        Err(Failure {
            reply: texts::READ_ERROR.into(),
            reason: format!("{} ended before it was told to go on", self.name),
        })
    }

    /// Whether one that says so is ready. Any other has taken what it was given, so it runs.
    fn is_ready(&mut self, deadline: Instant) -> bool {
        let Some(ready) = &self.ready else {
            return true;
        };
        let mut word = [0; 1];
        match os::fd::read_until(ready.as_fd(), &mut word, deadline) {
            Ok(count) => word[..count] == *hold::WORD,
            Err(error) => {
                self.timed_out = error.kind() == io::ErrorKind::TimedOut;
                false
            }
        }
    }

    /// Tells it the envelope, or what is left of that, and waits for what it says, for `limit` at most.
    pub fn commit(
        mut self,
        sender: &[u8],
        recipients: &[Vec<u8>],
        limit: Duration,
    ) -> Result<(), Failure> {
        self.message = None;
        let deadline = Instant::now() + limit;
        match (self.prepared, &self.ready) {
            (false, _) => self.tell(&envelope(sender, recipients), deadline),
            (true, None) => self.tell(b"\0", deadline),
            (true, Some(_)) => self.tell(hold::WORD, deadline),
        }
        // Programs may read the envelope to its end, so it must have one.
        self.envelope = None;
        self.end(deadline)
    }

    /// Adds to the envelope.
    fn tell(&mut self, bytes: &[u8], deadline: Instant) {
        if self.broken {
            return;
        }
        let Some(pipe) = &self.envelope else { return };
        if let Err(error) = os::fd::write_all_until(pipe.as_fd(), bytes, deadline) {
            self.broken = true;
            self.timed_out = error.kind() == io::ErrorKind::TimedOut;
        }
    }

    /// Waits for its end and what that means.
    fn end(&mut self, deadline: Instant) -> Result<(), Failure> {
        let until = if self.timed_out {
            Instant::now()
        } else {
            deadline
        };
        let waited = self.child.wait_until(until);
        let text = match &waited {
            Ok(Some(_)) => self.said(),
            _ => Vec::new(),
        };
        self.verdict(waited, &text)
    }

    /// What it has said for the client.
    fn said(&self) -> Vec<u8> {
        let mut text = vec![0; TEXT_BYTES];
        // The pipe is never waited for.
        let count = os::fd::read_until(self.text.as_fd(), &mut text, Instant::now()).unwrap_or(0);
        text.truncate(count);
        text
    }

    /// What its end means. `Ok(None)` is a program that did not end in time.
    fn verdict(&self, waited: io::Result<Option<Status>>, text: &[u8]) -> Result<(), Failure> {
        let failure = |reply: Cow<'static, str>, what: String| {
            Err(Failure {
                reply,
                reason: format!("{} {what}", self.name),
            })
        };
        let status = match waited {
            Ok(Some(status)) => status,
            Ok(None) => return failure(texts::TIMEOUT.into(), "took too long".to_owned()),
            Err(error) => {
                let what = format!("cannot be waited for: {}", os::reason(&error));
                return failure(texts::SURPRISE.into(), what);
            }
        };
        let Some(code) = status.code() else {
            let signal = status.signal().unwrap_or_default();
            return failure(
                texts::CRASHED.into(),
                format!("was ended by signal {signal}"),
            );
        };
        if matches!(code, 82 | 88)
            && let Some(reply) = own_reply(text)
        {
            return failure(reply.into(), format!("exited {code}"));
        }
        match texts::for_exit(code.into()) {
            Some(reply) => failure(reply.into(), format!("exited {code}")),
            None if self.broken => failure(
                texts::READ_ERROR.into(),
                "did not read everything".to_owned(),
            ),
            None => Ok(()),
        }
    }
}

/// Gives the message up where it was not committed: the program sees its end before an envelope.
impl Drop for Running {
    fn drop(&mut self) {
        self.message = None;
        self.envelope = None;
        let deadline = Instant::now() + ABORT_TIME.min(self.patience);
        // What does not end is killed when the child is dropped.
        let _ = self.child.wait_until(deadline);
    }
}

/// `F` sender NUL, `T` recipient NUL for each, NUL. No address has a NUL: command lines have none.
fn envelope(sender: &[u8], recipients: &[Vec<u8>]) -> Vec<u8> {
    let bytes: usize = recipients.iter().map(|one| one.len() + 2).sum();
    let mut envelope = Vec::with_capacity(sender.len() + bytes + 3);
    envelope.push(b'F');
    envelope.extend_from_slice(sender);
    envelope.push(0);
    for recipient in recipients {
        envelope.push(b'T');
        envelope.extend_from_slice(recipient);
        envelope.push(0);
    }
    envelope.push(0);
    envelope
}

/// The reply in what a program has said: a letter, `D` for one that is meant for good, and a text. As
/// with qmail-smtpd a text of up to two bytes is none. Only its first line counts, and what is
/// printable of that.
fn own_reply(text: &[u8]) -> Option<String> {
    let (&letter, rest) = text.split_first()?;
    if rest.len() < 2 {
        return None;
    }
    let code = if letter == b'D' { "554" } else { "451" };
    Some(format!("{code} {}", sanitize::line(rest)?))
}

#[cfg(test)]
#[path = "program_tests.rs"]
mod tests;
