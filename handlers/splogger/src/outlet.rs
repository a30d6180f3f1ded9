//! What becomes of a line: it is sent, or waits, or goes to descriptor 2, or is counted.
//!
//! Nothing here waits but [`Outlet::finish`], and that not for long.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant, SystemTime};

use os::log::Said;
use os::poll::{For, wait_any};

use crate::backlog::{Backlog, LIMIT};
use crate::lines::Piece;
use crate::link::{Link, Sent};
use crate::message::{Messages, for_people};

/// How long a syslog that is being started anew is waited for before descriptor 2 gets the lines.
pub const GRACE: Duration = Duration::from_secs(5);

/// How long, once there is no more input, a syslog is waited for that is there and takes nothing.
pub const LAST_ROOM: Duration = Duration::from_secs(5);

/// How long, once there is no more input, a syslog is waited for that is not there.
pub const LAST_SYSLOG: Duration = Duration::from_millis(1500);

/// How long, once there is no more input, a syslog is waited for in all.
pub const LAST_TIME: Duration = Duration::from_secs(60);

/// How long to wait where poll and send do not agree about room.
pub const PAUSE: Duration = Duration::from_millis(20);

/// The way out of lines.
#[derive(Debug)]
pub struct Outlet {
    name: String,
    messages: Messages,
    link: Link,
    backlog: Backlog,
    scratch: Vec<u8>,
    /// Whether descriptor 2 gets the lines now.
    spilling: bool,
    /// Whether a line was dropped at any time.
    lossy: bool,
}

impl Outlet {
    /// Lines become `messages` and go over `link`; `name` is the program's, for descriptor 2.
    pub fn new(name: &str, messages: Messages, link: Link) -> Outlet {
        let backlog = Backlog::new(LIMIT, messages.beside());
        Outlet {
            name: name.to_owned(),
            messages,
            link,
            backlog,
            scratch: Vec::new(),
            spilling: false,
            lossy: false,
        }
    }

    /// What waits, and for how much more there is room.
    pub fn backlog(&self) -> &Backlog {
        &self.backlog
    }

    /// What to wait for before [`Outlet::drain`] is worth while: room, or a moment.
    pub fn wanted(&self, now: Instant) -> (Option<(BorrowedFd<'_>, For)>, Instant) {
        let room = self.link.socket().map(|fd| (fd, For::Writing));
        (room, self.link.next_try().unwrap_or(now + GRACE))
    }

    /// Sends one piece, or keeps it for later.
    pub fn carry(&mut self, piece: Piece<'_>, at: SystemTime, now: Instant) {
        self.tell_dropped(at);
        let mut message = std::mem::take(&mut self.scratch);
        self.messages.write(piece, at, &mut message);
        if self.backlog.is_empty() && self.link.send(&message, now) == Sent::Yes {
            self.spilling = false;
        } else {
            self.backlog.push(&message, piece.continued);
            if self.spilling {
                self.spill(now);
            }
        }
        self.scratch = message;
    }

    /// Where lines were dropped and there is room again, says how many.
    fn tell_dropped(&mut self, at: SystemTime) {
        if let Some(count) = self.backlog.take_dropped() {
            self.lossy = true;
            let mut message = Vec::new();
            self.messages.write_dropped(count, at, &mut message);
            self.backlog.push(&message, false);
        }
    }

    /// Sends what waits as far as there is room. `false`: nothing moved, though there is a syslog.
    pub fn drain(&mut self, now: Instant) -> bool {
        let mut moved = false;
        loop {
            self.tell_dropped(SystemTime::now());
            let Some(message) = self.backlog.first() else {
                return true;
            };
            match self.link.send(message, now) {
                Sent::Yes => {
                    self.spilling = false;
                    self.backlog.pop();
                    moved = true;
                }
                Sent::Full => return moved,
                Sent::Gone => {
                    self.spill(now);
                    return true;
                }
            }
        }
    }

    /// Where there has been no syslog for long enough, writes what waits to descriptor 2.
    fn spill(&mut self, now: Instant) {
        if self.link.gone_for(now) < GRACE {
            return;
        }
        if !self.spilling {
            self.spilling = true;
            self.warn("its lines follow");
        }
        self.empty();
    }

    fn warn(&self, what: &str) {
        let warning = format!("{}: warning: {}; {what}\n", self.name, self.link.trouble());
        os::log::say_nowait(warning.as_bytes());
    }

    /// Writes what waits to descriptor 2, as far as that does not wait.
    fn empty(&mut self) {
        let mut line = Vec::new();
        loop {
            self.tell_dropped(SystemTime::now());
            let Some(message) = self.backlog.first() else {
                return;
            };
            line.clear();
            line.extend_from_slice(for_people(message));
            line.push(b'\n');
            match os::log::say_nowait(&line) {
                Said::Written => self.backlog.pop(),
                Said::Full | Said::Broken => return,
            }
        }
    }

    /// The end of the input: sends what waits, for as long as it is worth while; descriptor 2 gets
    /// what is left then. Whether every line has gone somewhere.
    pub fn finish(&mut self) -> bool {
        let mut moved = Instant::now();
        let end = moved + LAST_TIME;
        let mut left = self.backlog.bytes();
        loop {
            let now = Instant::now();
            if !self.drain(now) {
                std::thread::sleep(PAUSE);
            }
            if self.backlog.is_empty() {
                return !self.lossy;
            }
            if self.backlog.bytes() < left {
                moved = now;
            }
            left = self.backlog.bytes();
            let (room, next) = self.wanted(now);
            let patience = if room.is_some() {
                LAST_ROOM
            } else {
                LAST_SYSLOG
            };
            let deadline = end.min(moved + patience);
            if now >= deadline || wait_any([room], Some(next.min(deadline))).is_err() {
                break;
            }
        }
        self.warn("its last lines follow");
        self.empty();
        self.backlog.is_empty() && !self.lossy
    }
}
