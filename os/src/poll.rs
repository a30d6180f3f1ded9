//! Waiting until a descriptor, or one of several, can be read or written.
//!
//! It is poll(2), for files, pipes and sockets in any mixture; epoll refuses files.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Waits until `fd` has bytes, is at its end, or is broken; `false` at the deadline.
pub fn wait_readable(fd: BorrowedFd<'_>, deadline: Instant) -> io::Result<bool> {
    wait(fd, PollFlags::POLLIN, deadline)
}

/// Waits until `fd` takes bytes or is broken; `false` at the deadline.
pub fn wait_writable(fd: BorrowedFd<'_>, deadline: Instant) -> io::Result<bool> {
    wait(fd, PollFlags::POLLOUT, deadline)
}

/// Whether nobody can take bytes from `fd` any more, as far as is known now: a connection that was
/// reset or closed from both sides, a socket pair or a pipe without its other end. A peer that has
/// only stopped sending can still read; by TCP one that has closed looks like that until something is
/// written to it.
pub fn is_broken(fd: BorrowedFd<'_>) -> bool {
    let broken = PollFlags::POLLERR | PollFlags::POLLHUP | PollFlags::POLLNVAL;
    let mut asked = [PollFd::new(fd, PollFlags::empty())];
    loop {
        match poll(&mut asked, PollTimeout::ZERO) {
            Err(Errno::EINTR) => {}
            Err(_) => return true,
            Ok(_) => break,
        }
    }
    asked[0]
        .revents()
        .is_none_or(|told| told.intersects(broken))
}

fn wait(fd: BorrowedFd<'_>, what: PollFlags, deadline: Instant) -> io::Result<bool> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        // Rounded up, or the last millisecond would be a busy loop.
        let left = left + Duration::from_nanos(999_999);
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(fd, what)], timeout) {
            Ok(0) if Instant::now() >= deadline => return Ok(false),
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(true),
            Err(error) => return Err(error.into()),
        }
    }
}

/// What a descriptor is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// Bytes, or the end.
    Reading,
    /// Room.
    Writing,
}

/// Waits until one of `wanted` can be read or written without waiting, or is broken; says for each
/// whether it is one of those. `None` is no deadline; past a deadline none of them is ready.
pub fn wait_any<const N: usize>(
    wanted: [Option<(BorrowedFd<'_>, For)>; N],
    deadline: Option<Instant>,
) -> io::Result<[bool; N]> {
    let mut places = [None; N];
    let mut list = Vec::with_capacity(N);
    for (place, wanted) in places.iter_mut().zip(wanted) {
        if let Some((fd, what)) = wanted {
            *place = Some(list.len());
            let what = match what {
                For::Reading => PollFlags::POLLIN,
                For::Writing => PollFlags::POLLOUT,
            };
            list.push(PollFd::new(fd, what));
        }
    }
    loop {
        let timeout = deadline.map_or(PollTimeout::NONE, |deadline| {
            let left = deadline.saturating_duration_since(Instant::now());
            // Rounded up, or the last millisecond would be a busy loop.
            let left = left + Duration::from_nanos(999_999);
            PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
        });
        match poll(&mut list, timeout) {
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
            Ok(0) if deadline.is_none_or(|deadline| Instant::now() < deadline) => {}
            Ok(_) => break,
        }
    }
    let is_ready = |at: usize| list[at].any().unwrap_or(true);
    Ok(places.map(|place| place.is_some_and(is_ready)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsFd;

    #[test]
    fn those_that_are_ready_are_told_from_those_that_are_not() {
        let (reader, mut writer) = io::pipe().expect("a pipe");
        let (silent, kept) = io::pipe().expect("a pipe");
        let soon = || Some(Instant::now() + Duration::from_secs(20));
        let wanted = |first| {
            [
                first,
                Some((silent.as_fd(), For::Reading)),
                Some((reader.as_fd(), For::Reading)),
            ]
        };
        writer.write_all(b"x").expect("room");
        let ready = wait_any(wanted(None), soon()).expect("waited");
        assert_eq!(ready, [false, false, true]);
        let room = Some((kept.as_fd(), For::Writing));
        let ready = wait_any(wanted(room), soon()).expect("waited");
        assert_eq!(ready, [true, false, true]);
        drop(writer);
        // What was written, and behind it the end.
        let ready = wait_any(wanted(None), soon()).expect("waited");
        assert_eq!(ready, [false, false, true]);
    }

    #[test]
    fn nothing_is_ready_at_the_deadline_and_not_before_it() {
        let (reader, _writer) = io::pipe().expect("a pipe");
        let start = Instant::now();
        let deadline = Some(start + Duration::from_millis(30));
        let ready = wait_any([Some((reader.as_fd(), For::Reading))], deadline).expect("waited");
        assert_eq!(ready, [false]);
        assert!(start.elapsed() >= Duration::from_millis(30));
    }

    #[test]
    fn a_regular_file_can_always_be_read() {
        let file = tempfile::tempfile().expect("a file");
        let ready = wait_any([Some((file.as_fd(), For::Reading))], None).expect("waited");
        assert_eq!(ready, [true]);
    }
}
