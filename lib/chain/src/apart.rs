//! The process that reads the network, apart from the one that has privileges (design: before a login
//! nobody is root and reads the network).
//!
//! A program that is started as root forks once. The child gives everything up ([`give_up`]) and speaks
//! with the client; the parent keeps the privileges, reads bounded records of that child and nothing
//! else, and sees it as its [`Speaker`].

use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use os::Exit;
use os::children::STOP_LIMIT;
use os::identity::Identity;

/// How often a child that sends nothing is looked at.
const LOOK: Duration = Duration::from_secs(10);

/// How long a child may take to end after its last record.
const LAST_MOMENTS: Duration = Duration::from_secs(1);

/// Becomes `who`, and nothing that this process could do for somebody else is left: of its descriptors
/// only 0 to 2 and `keep`, no way to more privileges or to another process, be it of the same user, and an end with
/// its parent.
/// An error is a sentence.
pub fn give_up(who: Identity, keep: &[BorrowedFd<'_>]) -> Result<(), String> {
    let failed = |error: io::Error| format!("unable to give up privileges: {}", os::reason(&error));
    os::fd::close_all_but(keep).map_err(failed)?;
    os::identity::become_user(who).map_err(|error| error.to_string())?;
    os::process::no_children().map_err(failed)?;
    os::process::end_with_parent().map_err(failed)?;
    os::confine::keep_to_itself().map_err(failed)
}

/// The child that speaks with the client, as its parent sees it.
#[derive(Debug)]
#[must_use = "it goes on until it is ended or waited for"]
pub struct Speaker(i32);

impl Speaker {
    /// The child `pid`, which nobody has waited for.
    pub fn new(pid: i32) -> Speaker {
        Speaker(pid)
    }

    /// Waits until `records`, the descriptor on which it sends, has something to read or is at its end, or the
    /// deadline has come: then `false`. A child that somebody has stopped is no child to wait for: an error of
    /// `ErrorKind::Other`.
    pub fn wait_readable(&self, records: BorrowedFd<'_>, deadline: Instant) -> io::Result<bool> {
        let mut stopped = None;
        loop {
            let now = Instant::now();
            let look = match stopped {
                None => now + LOOK,
                Some(since) => since + STOP_LIMIT,
            };
            if os::fd::wait_readable(records, look.min(deadline))? {
                return Ok(true);
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
            if !os::children::is_stopped(self.0) {
                stopped = None;
            } else if stopped.is_some() {
                return Err(io::Error::other("it was stopped"));
            } else {
                stopped = Some(Instant::now());
            }
        }
    }

    /// Ends it, whatever it is doing.
    pub fn end(self) {
        let _ = os::process::kill_at_once(self.0);
        let _ = os::process::wait(self.0);
    }

    /// It sends no more records. Where it has ended as it should, its exit code is that of the whole;
    /// where it has not ended (an empty record is not told from the end of all) it is ended here. An
    /// error is a sentence.
    pub fn gone(self) -> Result<Exit, String> {
        let Ok(Some(status)) = os::process::wait_until(self.0, Instant::now() + LAST_MOMENTS)
        else {
            self.end();
            return Err(
                "the process that speaks with the client sends nothing any more".to_owned(),
            );
        };
        let how = match (status.code(), status.signal()) {
            (Some(code @ (0 | 1 | 111)), _) => return Ok(Exit(code)),
            (Some(code), _) => format!("with {code}"),
            (None, Some(signal)) => format!("by signal {signal}"),
            (None, None) => "in an unknown way".to_owned(),
        };
        Err(format!(
            "the process that speaks with the client ended {how}"
        ))
    }
}
