//! The loop: reads, and sends what waits.
//!
//! One thread, which never lets its input lie for more than [`HOLD`]: whoever writes the log must not
//! wait for syslog. What syslog has no room for waits in memory. Once that is full, reading stops
//! for as long as nobody notices, which is enough for any burst; then lines are dropped.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant, SystemTime};

use os::Exit;
use os::poll::{For, wait_any};

use crate::lines::Lines;
use crate::outlet::{Outlet, PAUSE};

/// How long the input may lie unread because there is no room for it.
pub const HOLD: Duration = Duration::from_millis(900);

/// As much as a pipe holds.
const CHUNK: usize = 1 << 16;

/// Less than this is not worth a read, while there is hope for more room.
const LEAST: usize = 1 << 12;

/// Carries everything that comes from `input` to its end; 111 if a line was lost, or the input could
/// not be read. `name` is the program's.
pub fn run(name: &str, mut input: File, mut lines: Lines, mut outlet: Outlet) -> Exit {
    let mut buffer = vec![0; CHUNK];
    let failure = loop {
        let room = match wait(&input, &mut outlet) {
            Ok(room) => room.min(CHUNK),
            Err(error) => break Some(error),
        };
        match input.read(&mut buffer[..room]) {
            Ok(0) => break None,
            Ok(count) => {
                let now = Instant::now();
                lines.feed(&buffer[..count], &mut |piece| {
                    outlet.carry(piece, SystemTime::now(), now);
                });
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Somebody who shares the input has made it so.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if let Err(error) = wait_any([Some((input.as_fd(), For::Reading))], None) {
                    break Some(error);
                }
            }
            Err(error) => break Some(error),
        }
    };
    lines.finish(&mut |piece| outlet.carry(piece, SystemTime::now(), Instant::now()));
    let is_whole = outlet.finish();
    if let Some(error) = &failure {
        let reason = format!("unable to read descriptor 0: {}", os::reason(error));
        os::log::fatal(name, &reason);
    }
    if failure.is_none() && is_whole {
        Exit::OK
    } else {
        Exit::TEMPORARY
    }
}

/// Waits until the input is to be read, sending meanwhile what waits. How much is to be read.
fn wait(input: &File, outlet: &mut Outlet) -> io::Result<usize> {
    let hold = Instant::now() + HOLD;
    loop {
        if outlet.backlog().is_empty() {
            // There is nothing to do but to read, however long that takes.
            return Ok(outlet.backlog().room().max(LEAST));
        }
        let now = Instant::now();
        let backlog = outlet.backlog();
        let reads = backlog.room() >= LEAST || backlog.is_dropping() || now >= hold;
        let readable = |wanted: bool| -> Option<(BorrowedFd<'_>, For)> {
            wanted.then(|| (input.as_fd(), For::Reading))
        };
        let (room, next) = outlet.wanted(now);
        let next = if reads { next } else { next.min(hold) };
        let [is_readable, _] = wait_any([readable(reads), room], Some(next))?;
        let moved = outlet.drain(Instant::now());
        if is_readable {
            let room = outlet.backlog().room();
            return Ok(if room < LEAST { CHUNK } else { room });
        }
        if !moved {
            // Not a busy loop, whatever the socket says.
            wait_any([readable(reads)], Some(Instant::now() + PAUSE))?;
        }
    }
}
