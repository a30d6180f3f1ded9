//! IDLE (RFC 2177): telling changes as they come.
//!
//! The directories of the mailbox are watched. Where the system has no watches left (or sees nothing,
//! as on a network file system) they are looked at every second instead.

use std::os::fd::AsFd;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use os::watch::Watch;
use wire::conn::Ready;
use wire::{Line, Trouble};

use crate::answer::Answer;
use crate::session::Session;

/// How often a mailbox that is watched is looked at nonetheless: not all file systems tell.
const LOOK: Duration = Duration::from_secs(15);

/// How often one that cannot be watched is.
const LOOK_UNWATCHED: Duration = Duration::from_secs(1);

/// How soon after a change the mailbox is looked at once more: another change may have hidden in the
/// same tick of the clock.
const LOOK_AFTER_CHANGE: Duration = Duration::from_millis(1100);

/// A sign of life, so that nothing on the way forgets the connection, and a dead client is found.
const ALIVE: Duration = Duration::from_secs(120);

/// Changes that come together are told together.
const GATHER: Duration = Duration::from_millis(30);

/// The most octets of the line that ends it; DONE is 4.
const LINE_LIMIT: usize = 1024;

impl Session {
    /// None if the selected mailbox is no more.
    pub(crate) fn idle(&mut self) -> Result<Option<Answer>, Trouble> {
        let watch = self.watch();
        self.out.extend_from_slice(b"+ idling\r\n");
        self.look_around(true, false);
        if self.lost {
            return Ok(None);
        }
        self.pass_on();
        let end = Instant::now() + self.settings.timeout;
        let mut alive = Instant::now() + ALIVE;
        let rest = match (&watch, &self.selected) {
            (None, Some(_)) => LOOK_UNWATCHED,
            _ => LOOK,
        };
        let mut pause = rest.min(LOOK_AFTER_CHANGE);
        loop {
            let until = end.min(alive).min(Instant::now() + pause);
            let other = watch.as_ref().map(AsFd::as_fd);
            match self.conn.wait(other, until)? {
                Ready::Input => break,
                Ready::Other => {
                    pause = rest.min(LOOK_AFTER_CHANGE);
                    thread::sleep(GATHER);
                    if let Some(watch) = &watch {
                        let _ = watch.drain();
                    }
                }
                Ready::Time if Instant::now() >= end => return Err(Trouble::Timeout),
                Ready::Time if Instant::now() >= alive => {
                    self.out.extend_from_slice(b"* OK Still here.\r\n");
                }
                Ready::Time => pause = rest,
            }
            self.look_around(true, false);
            if self.lost {
                return Ok(None);
            }
            if !self.out.is_empty() {
                alive = Instant::now() + ALIVE;
                self.pass_on();
            }
        }
        let mut line = Vec::new();
        let is_whole = self.conn.read_line(&mut line, LINE_LIMIT)? == Line::Whole;
        Ok(Some(match is_whole && line.eq_ignore_ascii_case(b"DONE") {
            true => Answer::ok("Done idling."),
            false => Answer::bad("DONE was expected."),
        }))
    }

    fn watch(&mut self) -> Option<Watch> {
        let watched: Vec<PathBuf> = match &self.selected {
            Some(selection) => selection.watched(),
            // Nothing can change.
            None => return None,
        };
        match Watch::new(watched.iter().map(PathBuf::as_path)) {
            Ok(watch) => Some(watch),
            Err(error) => {
                let reason = format!(
                    "unable to watch a mailbox, so it is polled: {}",
                    os::reason(&error)
                );
                self.say_fault(&reason);
                None
            }
        }
    }
}
