//! Those who deliver: a process for each owner of mailboxes, which is that owner and nobody else.
//!
//! Such a process is started by root, with the message and a pipe. Before it touches a path in a user's
//! hands it becomes him, with his groups, and proves that there is no way back. It tells on the pipe
//! what it has done ([`crate::outcome`]) and ends. Whatever happens to it, its owner's mailboxes are
//! all that it can have touched.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant, SystemTime};

use maildir::{Host, Names};
use os::process::Side;
use queue::deliver::{self, Place};
use queue::failure::{Code, Failure};
use queue::spool::Spool;

use crate::outcome::{self, Outcome, Reader};
use crate::plan::{Owner, Part};
use crate::record::Verdict;

/// What its own clock cannot end, such as a file system that hangs, is ended from outside so much later.
const GRACE: Duration = Duration::from_secs(20);

/// How much of what it tells is read at once.
const READ_BYTES: usize = 4096;

/// What all parts of a message share.
#[derive(Clone, Copy, Debug)]
pub struct Job<'j> {
    /// The sender of the envelope.
    pub sender: &'j [u8],
    /// The message, our own header included.
    pub message: &'j Spool,
    /// This host's name, for the names of files.
    pub host: &'j [u8],
    /// When to give up what is not visible yet.
    pub deadline: Instant,
}

/// Delivers one part as who this process is; each outcome is given to `tell`.
pub fn deliver(job: Job<'_>, part: Part, tell: &mut dyn FnMut(Outcome)) {
    let mut place = Place {
        uid: os::identity::effective_uid(),
        names: Names::new(Host::new(job.host), std::process::id(), os::process::random),
        clock: SystemTime::now,
        deadline: job.deadline,
    };
    match deliver::deliver(&mut place, job.sender, part.targets, job.message) {
        Ok(copies) => {
            for copy in copies {
                tell(Outcome::Copy {
                    path: copy.message.path,
                    size: copy.message.size,
                    taken: copy.taken,
                });
            }
            tell(Outcome::Delivered);
        }
        Err(failure) => tell(refused(&failure)),
    }
}

/// What a failure means to the client and to the log.
pub fn refused(failure: &Failure) -> Outcome {
    let (permanent, enhanced, text) = failure.reply();
    Outcome::Refused {
        verdict: Verdict::refused(permanent, enhanced, &text),
        reason: failure.reason.as_bytes().to_vec(),
    }
}

/// Says that nobody knows what became of a part.
pub fn lost(why: String) -> Outcome {
    Outcome::Refused {
        verdict: Verdict::refused(false, "4.3.0", "sorry, the delivery did not come to an end"),
        reason: why.into_bytes(),
    }
}

/// A process that delivers as an owner.
#[derive(Debug)]
pub struct Hand {
    pid: i32,
    pipe: PipeReader,
    /// The numbers of its parts.
    pub parts: Vec<usize>,
}

impl Hand {
    /// Starts one for these parts, which are numbered and of one owner.
    pub fn start(job: Job<'_>, owner: &Owner, parts: Vec<(usize, Part)>) -> io::Result<Hand> {
        let (pipe, writer) = io::pipe()?;
        match os::process::fork()? {
            Side::Parent(pid) => Ok(Hand {
                pid,
                pipe,
                parts: parts.into_iter().map(|(number, _)| number).collect(),
            }),
            Side::Child => {
                let end = catch_unwind(AssertUnwindSafe(|| work(job, owner, parts, writer)));
                os::process::end_now(end.map_or(101, |()| 0));
            }
        }
    }

    /// All that it told, once it has ended; it is ended where it takes too long. Where it ended
    /// otherwise than it should, the second value says how.
    pub fn finish(mut self, deadline: Instant) -> (Vec<(usize, Outcome)>, Option<String>) {
        let mut reader = Reader::default();
        let mut told = Vec::new();
        let mut buffer = [0; READ_BYTES];
        let by = deadline + GRACE;
        let why = loop {
            match os::fd::wait_readable(self.pipe.as_fd(), by) {
                Ok(true) => {}
                Ok(false) => break Some("it took too long".to_owned()),
                Err(error) => break Some(os::reason(&error).into_owned()),
            }
            match self.pipe.read(&mut buffer) {
                Ok(0) => break None,
                Ok(count) => told.extend(reader.feed(&buffer[..count])),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Some(os::reason(&error).into_owned()),
            }
        };
        if why.is_some() {
            let _ = os::process::kill_at_once(self.pid);
        }
        let ended = os::process::wait(self.pid);
        let why = why.or_else(|| match ended {
            Ok(status) if status.code() == Some(0) => None,
            Ok(status) => Some(match (status.code(), status.signal()) {
                (Some(code), _) => format!("it ended with {code}"),
                (None, Some(signal)) => format!("it was ended by signal {signal}"),
                (None, None) => "it ended in an unknown way".to_owned(),
            }),
            Err(error) => Some(os::reason(&error).into_owned()),
        });
        (told, why)
    }
}

/// The process of an owner.
fn work(job: Job<'_>, owner: &Owner, parts: Vec<(usize, Part)>, mut pipe: PipeWriter) {
    let entered = enter(job, owner, pipe.as_fd());
    for (number, part) in parts {
        let mut frames = Vec::new();
        let mut tell = |outcome: Outcome| frames.extend(outcome::write(number, &outcome));
        match &entered {
            Ok(_alarm) => deliver(job, part, &mut tell),
            Err(reason) => tell(refused(&Failure::new(Code::Home, reason.clone()))),
        }
        // Where it cannot be told, the reader finds a part without an outcome.
        let _ = pipe.write_all(&frames);
    }
}

/// Becomes the owner, with nothing open but what the work needs. The error is a sentence.
fn enter(job: Job<'_>, owner: &Owner, pipe: BorrowedFd<'_>) -> Result<os::process::Alarm, String> {
    let failed =
        |error: io::Error| format!("unable to become uid {}: {}", owner.uid, os::reason(&error));
    if owner.uid == 0 {
        return Err("unable to deliver as the superuser".to_owned());
    }
    let keep: Vec<BorrowedFd<'_>> = [Some(pipe), job.message.descriptor()]
        .into_iter()
        .flatten()
        .collect();
    os::fd::close_all_but(&keep).map_err(failed)?;
    os::identity::become_member(owner.uid, owner.gid, &owner.groups)
        .map_err(|error| error.to_string())?;
    // Who started it may be gone by then.
    let left = job.deadline.saturating_duration_since(Instant::now()) + 2 * GRACE;
    let seconds = u32::try_from(left.as_secs()).unwrap_or(u32::MAX);
    os::process::alarm(seconds).map_err(failed)
}
