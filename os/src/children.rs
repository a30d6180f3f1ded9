//! Waiting for children who may be stopped.
//!
//! Whoever has the user of a process can stop it, and it would keep the place that it has for ever. A stop by
//! a debugger is none: the kernel tells it to the debugger and not to the parent.

use std::io;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use crate::process::{Status, kill_at_once};

/// How long a child may be stopped. Whoever stops a service and lets it go on, with job control say, lets its
/// children go on in the same moment.
pub const STOP_LIMIT: Duration = Duration::from_secs(1);

/// How often a child that is stopped is looked at.
const STEP: Duration = Duration::from_millis(50);

/// What has become of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It has ended and is no more.
    Ended(Status),
    /// It was stopped.
    Stopped,
    /// It goes on.
    Continued,
}

impl Change {
    fn of(status: i32) -> Change {
        if libc::WIFSTOPPED(status) {
            Change::Stopped
        } else if libc::WIFCONTINUED(status) {
            Change::Continued
        } else {
            Change::Ended(Status(status))
        }
    }
}

/// Takes the next change of any child without waiting: its pid and the change; `None` where nothing has changed
/// or there is no child. Of a child that was stopped and went on since, only the last is told.
pub fn next_change() -> io::Result<Option<(i32, Change)>> {
    change_of(-1, libc::WNOHANG | libc::WUNTRACED | libc::WCONTINUED)
}

/// Whether the child `pid` is stopped now. This takes nothing from those who wait for it.
pub fn is_stopped(pid: i32) -> bool {
    let Ok(id) = libc::id_t::try_from(pid) else {
        return false;
    };
    // SAFETY: an all-zero siginfo is a valid value of that plain C structure.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let flags = libc::WSTOPPED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: `info` is a local that lives through the call.
    let found = unsafe { libc::waitid(libc::P_PID, id, &raw mut info, flags) };
    found == 0 && info.si_signo == libc::SIGCHLD
}

/// Waits for the child `pid` to end. One that is stopped for longer than [`STOP_LIMIT`] is ended; then `None`.
pub fn wait_moving(pid: i32) -> io::Result<Option<Status>> {
    loop {
        match change_of(pid, libc::WUNTRACED)? {
            Some((_, Change::Ended(status))) => return Ok(Some(status)),
            Some((_, Change::Stopped)) => {}
            Some((_, Change::Continued)) | None => continue,
        }
        let limit = Instant::now() + STOP_LIMIT;
        loop {
            let flags = libc::WNOHANG | libc::WUNTRACED | libc::WCONTINUED;
            match change_of(pid, flags)? {
                Some((_, Change::Ended(status))) => return Ok(Some(status)),
                Some((_, Change::Continued)) => break,
                Some((_, Change::Stopped)) | None => {}
            }
            if Instant::now() >= limit {
                kill_at_once(pid)?;
                crate::process::wait(pid)?;
                return Ok(None);
            }
            std::thread::sleep(STEP);
        }
    }
}

fn change_of(pid: i32, flags: libc::c_int) -> io::Result<Option<(i32, Change)>> {
    let mut status = 0;
    loop {
        // SAFETY: `status` is a local that lives through the call.
        let found = unsafe { libc::waitpid(pid, &raw mut status, flags) };
        match found {
            0 => return Ok(None),
            1.. => return Ok(Some((found, Change::of(status)))),
            _ => match Errno::last() {
                Errno::EINTR => {}
                Errno::ECHILD if pid == -1 => return Ok(None),
                error => return Err(error.into()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command, Stdio};

    fn cat() -> (Child, i32) {
        let command = Command::new("/bin/cat").stdin(Stdio::piped()).spawn();
        let child = command.expect("started");
        let pid = child.id().cast_signed();
        (child, pid)
    }

    fn signal(pid: i32, signal: nix::sys::signal::Signal) {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).expect("sent");
    }

    fn eventually(what: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !what() {
            assert!(Instant::now() < deadline, "it never became so");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    #[test]
    fn a_child_is_stopped_until_it_goes_on() {
        let (mut child, pid) = cat();
        assert!(!is_stopped(pid));
        signal(pid, nix::sys::signal::SIGSTOP);
        eventually(|| is_stopped(pid));
        assert!(is_stopped(pid), "looking takes nothing away");
        signal(pid, nix::sys::signal::SIGCONT);
        eventually(|| !is_stopped(pid));
        drop(child.stdin.take());
        assert!(child.wait().expect("waited").success());
        assert!(!is_stopped(pid));
    }

    #[test]
    fn a_child_that_stays_stopped_is_ended_and_one_that_goes_on_is_waited_for() {
        let (_child, pid) = cat();
        signal(pid, nix::sys::signal::SIGSTOP);
        assert_eq!(wait_moving(pid).expect("waited"), None);
        let (mut child, pid) = cat();
        signal(pid, nix::sys::signal::SIGSTOP);
        let input = child.stdin.take();
        let other = std::thread::spawn(move || {
            std::thread::sleep(STOP_LIMIT / 4);
            signal(pid, nix::sys::signal::SIGCONT);
            std::thread::sleep(STOP_LIMIT * 2);
            drop(input);
        });
        assert_eq!(wait_moving(pid).expect("waited"), Some(Status(0)));
        other.join().expect("ended");
    }
}
