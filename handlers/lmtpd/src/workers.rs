//! The processes that deliver: one for each owner of mailboxes, which is that owner and nobody else.
//!
//! Root starts such a worker with the message and a pipe. Before it touches a path that a user can change
//! it becomes that user, with the user's groups, and proves that there is no way back. It reports on the
//! pipe what it has done ([`crate::outcome`]) and ends. Whatever happens to it, its owner's mailboxes are
//! all that it can have touched.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant, SystemTime};

use delivery::deliver::{self, Deliverer};
use delivery::failure::{Code, Failure};
use delivery::spool::Spool;
use maildir::{Host, Names};
use os::children::STOP_LIMIT;
use os::poll::For;
use os::process::Side;

use crate::outcome::{self, Outcome, Reader};
use crate::plan::{Owner, Part};
use crate::record::RecipientStatus;

/// What its own clock cannot end, such as a file system that hangs, is ended from outside so much later.
pub const GRACE: Duration = Duration::from_secs(20);

/// How long one may take to end when it has told everything.
const LAST_MOMENTS: Duration = Duration::from_secs(5);

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

/// Delivers one part as who this process is; each outcome is given to `report`.
pub fn deliver(job: Job<'_>, part: Part, report: &mut dyn FnMut(Outcome)) {
    let mut deliverer = Deliverer {
        uid: os::identity::effective_uid(),
        names: Names::new(Host::new(job.host), std::process::id(), os::process::random),
        clock: SystemTime::now,
        deadline: job.deadline,
    };
    match deliver::deliver(&mut deliverer, job.sender, part.targets, job.message) {
        Ok(copies) => {
            for copy in copies {
                report(Outcome::Copy {
                    path: copy.message.path,
                    size: copy.message.size,
                    taken: copy.taken,
                });
            }
            report(Outcome::Delivered);
        }
        Err(failure) => report(refused(&failure)),
    }
}

/// What a failure means to the client and to the log.
pub fn refused(failure: &Failure) -> Outcome {
    let (permanent, enhanced, text) = failure.reply();
    Outcome::Refused {
        status: RecipientStatus::refused(permanent, enhanced, &text),
        reason: failure.reason.as_bytes().to_vec(),
    }
}

/// Says that nobody knows what became of a part.
pub fn lost(why: String) -> Outcome {
    Outcome::Refused {
        status: RecipientStatus::refused(
            false,
            "4.3.0",
            "sorry, the delivery did not come to an end",
        ),
        reason: why.into_bytes(),
    }
}

/// A process that delivers as an owner.
#[derive(Debug)]
pub struct Worker {
    pid: i32,
    pipe: PipeReader,
    reader: Reader,
    reported: Vec<(usize, Outcome)>,
    /// Since when it was seen to be stopped, by whom its owner is.
    stopped: Option<Instant>,
    /// It will tell nothing more: it is done, or why not.
    over: Option<Result<(), String>>,
    /// The numbers of its parts.
    pub parts: Vec<usize>,
}

impl Worker {
    /// Starts one for these parts, which are numbered and of one owner.
    pub fn start(job: Job<'_>, owner: &Owner, parts: Vec<(usize, Part)>) -> io::Result<Worker> {
        let (pipe, writer) = io::pipe()?;
        match os::process::fork()? {
            Side::Parent(pid) => Ok(Worker {
                pid,
                pipe,
                reader: Reader::default(),
                reported: Vec::new(),
                stopped: None,
                over: None,
                parts: parts.into_iter().map(|(number, _)| number).collect(),
            }),
            Side::Child => {
                let end = catch_unwind(AssertUnwindSafe(|| work(job, owner, parts, writer)));
                os::process::end_now(end.map_or(101, |()| 0));
            }
        }
    }

    /// Takes what it has told by now.
    fn hear(&mut self) {
        let mut buffer = [0; READ_BYTES];
        self.over = match self.pipe.read(&mut buffer) {
            Ok(0) => Some(Ok(())),
            Ok(count) => {
                self.reported.extend(self.reader.feed(&buffer[..count]));
                None
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => None,
            Err(error) => Some(Err(os::reason(&error).into_owned())),
        };
    }

    /// Sees whether it is stopped. Its owner could, and would hold up the others of this message and the place of
    /// the whole session.
    fn look(&mut self, now: Instant) {
        let since = os::children::is_stopped(self.pid).then(|| self.stopped.unwrap_or(now));
        self.stopped = since;
        if since.is_some_and(|since| now >= since + STOP_LIMIT) {
            self.over = Some(Err("it was stopped".to_owned()));
        }
    }

    /// All that it told, once it has ended; it is ended where it is not done, or has told everything and does not end. Where
    /// it ended otherwise than it should, the second value says how.
    pub fn finish(self, by: Instant) -> (Vec<(usize, Outcome)>, Option<String>) {
        let why = match self.over {
            Some(Ok(())) => None,
            Some(Err(why)) => Some(why),
            None => Some("it took too long".to_owned()),
        };
        // Whoever belongs to the same user can have stopped it at the very end.
        let last = by.min(Instant::now() + LAST_MOMENTS);
        let ended = match why {
            None => os::process::wait_until(self.pid, last).ok().flatten(),
            Some(_) => None,
        };
        let Some(status) = ended else {
            let _ = os::process::kill_at_once(self.pid);
            let _ = os::process::wait(self.pid);
            return (
                self.reported,
                why.or_else(|| Some("it did not end".to_owned())),
            );
        };
        let why = match (status.code(), status.signal()) {
            (Some(0), _) => None,
            (Some(code), _) => Some(format!("it ended with {code}")),
            (None, Some(signal)) => Some(format!("it was ended by signal {signal}")),
            (None, None) => Some("it ended in an unknown way".to_owned()),
        };
        (self.reported, why)
    }
}

/// Waits until one of `workers`, at most `N`, has told something, and parts those that go on from those that are
/// over; past `by` all are. It comes back after [`STOP_LIMIT`] at the latest.
pub fn listen<const N: usize>(mut workers: Vec<Worker>, by: Instant) -> (Vec<Worker>, Vec<Worker>) {
    let mut wanted = [None; N];
    for (place, worker) in wanted.iter_mut().zip(&workers) {
        *place = Some((worker.pipe.as_fd(), For::Reading));
    }
    let now = Instant::now();
    let is_late = now >= by;
    match os::poll::wait_any(wanted, Some(by.min(now + STOP_LIMIT))) {
        Ok(ready) if ready.iter().all(|ready| !ready) => {
            let now = Instant::now();
            workers.iter_mut().for_each(|worker| worker.look(now));
        }
        Ok(ready) => {
            for (worker, _) in workers.iter_mut().zip(ready).filter(|(_, ready)| *ready) {
                worker.hear();
            }
        }
        Err(error) => {
            let why = os::reason(&error).into_owned();
            workers
                .iter_mut()
                .for_each(|worker| worker.over = Some(Err(why.clone())));
        }
    }
    workers
        .into_iter()
        .partition(|worker| worker.over.is_none() && !is_late)
}

/// The process of an owner.
fn work(job: Job<'_>, owner: &Owner, parts: Vec<(usize, Part)>, mut pipe: PipeWriter) {
    let entered = enter(job, owner, pipe.as_fd());
    for (number, part) in parts {
        let mut frames = Vec::new();
        let mut report = |outcome: Outcome| frames.extend(outcome::write(number, &outcome));
        match &entered {
            Ok(_alarm) => deliver(job, part, &mut report),
            Err(reason) => report(refused(&Failure::new(Code::Home, reason.clone()))),
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
