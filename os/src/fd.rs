//! Descriptors: waiting with a deadline, inheritance, the guard of 0 to 2.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Instant;

use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};

pub use crate::poll::{is_broken, wait_readable, wait_writable};

/// Reads what is there, at most `buffer.len()` bytes, after waiting for it until `deadline`.
///
/// 0 is the end of the stream; `ErrorKind::TimedOut` means the deadline passed. The descriptor
/// may be a socket, a pipe or a terminal, blocking or not.
pub fn read_until(fd: BorrowedFd<'_>, buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
    loop {
        if !wait_readable(fd, deadline)? {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match nix::unistd::read(fd, buffer) {
            Err(nix::errno::Errno::EINTR | nix::errno::Errno::EAGAIN) => {}
            other => return Ok(other?),
        }
    }
}

/// Writes all of `bytes`, waiting for room until `deadline` at the latest.
///
/// `ErrorKind::TimedOut` means the deadline passed with bytes left. On a blocking descriptor each
/// write is small enough (PIPE_BUF) not to wait after the poll has said that there is room.
pub fn write_all_until(fd: BorrowedFd<'_>, bytes: &[u8], deadline: Instant) -> io::Result<()> {
    if crate::socket::is_socket(fd) {
        return crate::socket::send_all_until(fd, bytes, deadline);
    }
    let most = if is_nonblocking(fd)? {
        usize::MAX
    } else {
        libc::PIPE_BUF
    };
    let mut left = bytes;
    while !left.is_empty() {
        if most < usize::MAX && !wait_writable(fd, deadline)? {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match nix::unistd::write(fd, &left[..left.len().min(most)]) {
            Ok(count) => left = &left[count..],
            Err(nix::errno::Errno::EINTR) => {}
            Err(nix::errno::Errno::EAGAIN) => {
                if !wait_writable(fd, deadline)? {
                    return Err(io::ErrorKind::TimedOut.into());
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn is_nonblocking(fd: BorrowedFd<'_>) -> io::Result<bool> {
    let flags = OFlag::from_bits_truncate(fcntl(fd, FcntlArg::F_GETFL)?);
    Ok(flags.contains(OFlag::O_NONBLOCK))
}

/// Switches the open file description of `fd` to non-blocking. It is shared with every duplicate.
pub fn set_nonblocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    let flags = OFlag::from_bits_truncate(fcntl(fd, FcntlArg::F_GETFL)?);
    fcntl(fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}

/// No number that a convention between programs names is this or above.
pub(crate) const ABOVE_GIVEN: RawFd = 16;

/// A second descriptor for the same open file, close-on-exec, numbered 3 or above.
pub fn duplicate_high(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let new = fcntl(fd, FcntlArg::F_DUPFD_CLOEXEC(3))?;
    // SAFETY: the number was just returned by the kernel as a new descriptor and nothing else
    // knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(new) })
}

/// The same, numbered `lowest` or above.
pub(crate) fn duplicate_from(fd: BorrowedFd<'_>, lowest: RawFd) -> io::Result<OwnedFd> {
    let new = fcntl(fd, FcntlArg::F_DUPFD_CLOEXEC(lowest))?;
    // SAFETY: the number was just returned by the kernel as a new descriptor and nothing else
    // knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(new) })
}

/// Makes `fd` the descriptor `number` of the next program: a duplicate that is not close-on-exec,
/// in place of whatever had that number.
///
/// For 0 to 2 and for numbers that a convention between programs names, such as 3 of checkpassword;
/// nothing in this process may own `number`.
pub fn place(fd: BorrowedFd<'_>, number: RawFd) -> io::Result<()> {
    if fd.as_raw_fd() == number {
        fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty()))?;
        return Ok(());
    }
    // SAFETY: dup2 replaces `number` atomically, and the contract says that nothing owns it.
    let done = unsafe { libc::dup2(fd.as_raw_fd(), number) };
    if done == number {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Duplicates of `descriptors` numbered 16 or above, close-on-exec.
pub(crate) fn out_of_the_way(
    descriptors: &[(BorrowedFd<'_>, RawFd)],
) -> io::Result<Vec<(OwnedFd, RawFd)>> {
    descriptors
        .iter()
        .map(|&(fd, number)| Ok((duplicate_from(fd, ABOVE_GIVEN)?, number)))
        .collect()
}

/// Takes over the descriptor `number`, which a convention between programs gives to this one: it is
/// closed, and what it was open on comes back under another number, close-on-exec. An error where
/// it is not open.
///
/// Nothing in this process may own `number`.
pub fn take(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: the number is only asked about; F_DUPFD_CLOEXEC makes a new descriptor or fails.
    let new = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3) };
    if new < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the contract says that nothing owns the number.
    unsafe { libc::close(number) };
    // SAFETY: the kernel just returned this number as a new descriptor; nothing else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(new) })
}

/// [`take`] for the writing end of a pipe; `None` where the descriptor `number` is something else, which is
/// then left alone, or is not open.
///
/// Nothing in this process may own `number`.
pub fn take_pipe_writer(number: RawFd) -> io::Result<Option<OwnedFd>> {
    // SAFETY: all zeros is a value of this plain struct.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: `stat` is a local that lives through the call; a bad number is an error value.
    if unsafe { libc::fstat(number, &raw mut stat) } != 0
        || stat.st_mode & libc::S_IFMT != libc::S_IFIFO
    {
        return Ok(None);
    }
    // SAFETY: F_GETFL only reads flags.
    let flags = unsafe { libc::fcntl(number, libc::F_GETFL) };
    if flags < 0 || flags & libc::O_ACCMODE != libc::O_WRONLY {
        return Ok(None);
    }
    take(number).map(Some)
}

/// No program that this process starts from now on inherits a descriptor from 3 on that is open now, unless
/// it is given to it by its number.
pub fn keep_from_programs() -> io::Result<()> {
    // SAFETY: the call takes three numbers and changes a flag of descriptors; none is closed.
    let done = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            3,
            u32::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
    if done == 0 {
        return Ok(());
    }
    // A kernel before 5.11.
    let (limit, _) = descriptor_limits()?;
    let limit = i32::try_from(limit).unwrap_or(i32::MAX).min(1 << 20);
    for number in 3..limit {
        // SAFETY: as above; a bad number is an error value.
        unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    Ok(())
}

/// Points descriptor 0, 1 or 2 at `/dev/null`, whatever it was, or was not.
pub fn point_at_null(number: RawFd) -> io::Result<()> {
    use std::os::fd::IntoRawFd;
    let null: OwnedFd = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")?
        .into();
    if null.as_raw_fd() == number {
        // It was closed, and open has filled the gap. It stays there, also in programs.
        fcntl(&null, FcntlArg::F_SETFD(FdFlag::empty()))?;
        let _ = null.into_raw_fd();
        return Ok(());
    }
    // SAFETY: dup2 replaces the descriptor `number` atomically; the three standard descriptors
    // are owned by nobody (std only borrows them), so no owner is left with a wrong file.
    let done = unsafe { libc::dup2(null.as_raw_fd(), number) };
    if done == number {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Sees to it that 0, 1 and 2 are open, so that no socket can get one of these numbers.
///
/// Rust's runtime does the same before `main` on Linux; this states it and does not rely on it.
pub fn guard_standard() -> io::Result<()> {
    for number in 0..=2 {
        // SAFETY: F_GETFD reads a flag and cannot change anything; a bad number is an error value.
        let open = unsafe { libc::fcntl(number, libc::F_GETFD) } != -1;
        if !open {
            point_at_null(number)?;
        }
    }
    Ok(())
}

/// Descriptor 0 as a value to borrow, without the buffer that std's has.
pub fn standard_input() -> impl AsFd {
    borrow_standard(0)
}

/// Descriptor 1 likewise.
pub fn standard_output() -> impl AsFd {
    borrow_standard(1)
}

fn borrow_standard(number: RawFd) -> BorrowedFd<'static> {
    // SAFETY: the three standard descriptors are open from before `main` to the end (Rust's runtime
    // and `guard_standard` see to it) and are only ever replaced, never closed.
    unsafe { BorrowedFd::borrow_raw(number) }
}

/// Closes every descriptor from 3 on: what a careless or a generous caller left open is nothing to
/// a program that reads the network.
///
/// Only as the first thing of a program, while nothing in it has opened a descriptor.
pub fn close_inherited() -> io::Result<()> {
    close_all_but(&[])
}

/// Closes every descriptor from 3 on but those of `keep`, as [`close_inherited`] does.
///
/// For a child of fork that goes another way than its parent: nothing in the process may own or
/// remember any other descriptor from then on, so nothing may have been logged before.
pub fn close_all_but(keep: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut kept: Vec<u32> = keep
        .iter()
        .filter_map(|fd| u32::try_from(fd.as_raw_fd()).ok())
        .filter(|&number| number >= 3)
        .collect();
    kept.sort_unstable();
    let mut first = 3;
    for number in kept {
        if number > first {
            close_between(first, number - 1)?;
        }
        first = number.saturating_add(1);
    }
    close_between(first, u32::MAX)
}

fn close_between(first: u32, last: u32) -> io::Result<()> {
    // SAFETY: closing is wrong only for descriptors that something in this process owns, and the
    // contracts of the callers say that there is no such thing. The call goes by number because not
    // every C library has a wrapper for it.
    let done = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    if done == 0 {
        return Ok(());
    }
    // A kernel before 5.9.
    let (limit, _) = descriptor_limits()?;
    let limit = u32::try_from(limit).unwrap_or(u32::MAX).min(1 << 20);
    for number in first..=last.min(limit) {
        // SAFETY: as above.
        unsafe { libc::close(number.cast_signed()) };
    }
    Ok(())
}

/// How many descriptors this process may have: the soft and the hard limit.
pub fn descriptor_limits() -> io::Result<(u64, u64)> {
    use nix::sys::resource::{Resource, getrlimit};
    Ok(getrlimit(Resource::RLIMIT_NOFILE)?)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use std::io::Write;

    #[test]
    fn a_descriptor_that_is_taken_is_closed_under_its_old_number() {
        use std::os::fd::IntoRawFd;
        let (reader, mut writer) = io::pipe().expect("a pipe");
        let number = OwnedFd::from(reader).into_raw_fd();
        let taken = take(number).expect("it is open");
        assert_ne!(taken.as_raw_fd(), number);
        writer.write_all(b"x").expect("room");
        let mut buffer = [0; 4];
        let deadline = Instant::now() + Duration::from_secs(5);
        assert_eq!(
            read_until(taken.as_fd(), &mut buffer, deadline).expect("x"),
            1
        );
        assert!(take(1 << 20).is_err());
    }

    #[test]
    fn only_the_writing_end_of_a_pipe_is_taken_for_one() {
        use std::os::fd::IntoRawFd;
        let (reader, writer) = io::pipe().expect("a pipe");
        let file = std::fs::File::options().write(true).open("/dev/null");
        let file = OwnedFd::from(file.expect("there")).into_raw_fd();
        assert!(take_pipe_writer(file).expect("looked at").is_none());
        assert!(take(file).is_ok(), "it was left alone");
        let reader = OwnedFd::from(reader).into_raw_fd();
        assert!(take_pipe_writer(reader).expect("looked at").is_none());
        let writer = OwnedFd::from(writer).into_raw_fd();
        assert!(take_pipe_writer(writer).expect("looked at").is_some());
        assert!(take_pipe_writer(1 << 20).expect("looked at").is_none());
        drop(take(reader).expect("it was left alone"));
    }

    #[test]
    fn what_is_kept_from_programs_is_not_open_in_them() {
        use std::os::fd::IntoRawFd;
        let (reader, writer) = io::pipe().expect("a pipe");
        let number = OwnedFd::from(writer).into_raw_fd();
        // SAFETY: the number is ours; the flag is what a careless caller leaves.
        unsafe { libc::fcntl(number, libc::F_SETFD, 0) };
        keep_from_programs().expect("kept");
        let status = std::process::Command::new("/bin/sh")
            .args(["-c", &format!("test -e /proc/self/fd/{number}")])
            .status();
        assert_eq!(status.expect("run").code(), Some(1));
        drop((reader, take(number).expect("it is open here")));
    }

    #[test]
    fn reading_from_a_silent_pipe_ends_at_the_deadline() {
        let (reader, _writer) = io::pipe().expect("a pipe");
        let start = Instant::now();
        let deadline = start + Duration::from_millis(30);
        let error = read_until(reader.as_fd(), &mut [0; 8], deadline).expect_err("nothing came");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(start.elapsed() >= Duration::from_millis(30));
    }

    #[test]
    fn reading_gives_what_is_there_and_then_the_end() {
        let (reader, mut writer) = io::pipe().expect("a pipe");
        writer.write_all(b"abc").expect("room");
        drop(writer);
        let deadline = Instant::now() + Duration::from_secs(5);
        let mut buffer = [0; 8];
        assert_eq!(
            read_until(reader.as_fd(), &mut buffer, deadline).expect("bytes"),
            3
        );
        assert_eq!(
            read_until(reader.as_fd(), &mut buffer, deadline).expect("the end"),
            0
        );
    }

    #[test]
    fn writing_into_a_pipe_or_socket_that_nobody_reads_ends_at_the_deadline() {
        let (_reader, writer) = io::pipe().expect("a pipe");
        let (_peer, socket) = std::os::unix::net::UnixStream::pair().expect("a pair");
        for fd in [writer.as_fd(), socket.as_fd()] {
            let deadline = Instant::now() + Duration::from_millis(30);
            let error = write_all_until(fd, &[0; 1 << 22], deadline).expect_err("nobody reads");
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        }
    }

    #[test]
    fn a_descriptor_is_broken_when_nobody_can_read_from_it_any_more() {
        use std::os::unix::net::UnixStream;
        let (reader, writer) = io::pipe().expect("a pipe");
        assert!(!is_broken(writer.as_fd()));
        drop(reader);
        assert!(is_broken(writer.as_fd()));
        let (peer, socket) = UnixStream::pair().expect("a pair");
        peer.shutdown(std::net::Shutdown::Write).expect("open");
        assert!(!is_broken(socket.as_fd()), "it can still read");
        drop(peer);
        assert!(is_broken(socket.as_fd()));
        let file = tempfile::tempfile().expect("a file");
        assert!(!is_broken(file.as_fd()));
    }

    #[test]
    fn a_connection_by_tcp_is_broken_when_what_was_written_came_back_or_it_was_reset() {
        use std::io::Read;
        use std::net::{Shutdown, TcpListener, TcpStream};
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let address = listener.local_addr().expect("bound");
        let connect = || {
            let peer = TcpStream::connect(address).expect("connected");
            (peer, listener.accept().expect("a connection").0)
        };
        let (mut peer, mut socket) = connect();
        assert!(!is_broken(socket.as_fd()));
        peer.shutdown(Shutdown::Write).expect("open");
        assert_eq!(socket.read(&mut [0]).expect("the end"), 0);
        socket.write_all(b"x").expect("room");
        assert_eq!(peer.read(&mut [0]).expect("x"), 1);
        assert!(!is_broken(socket.as_fd()), "it can still read");
        drop(peer);
        // The end that is seen is the same, so a peer that has closed looks like one that only does not send.
        assert!(!is_broken(socket.as_fd()));
        socket
            .write_all(b"y")
            .expect("sent, and refused by the other side");
        assert!(is_broken(socket.as_fd()));

        let (peer, mut socket) = connect();
        socket.write_all(b"never read").expect("room");
        wait_readable(peer.as_fd(), Instant::now() + Duration::from_secs(5)).expect("it came");
        drop(peer);
        assert!(
            is_broken(socket.as_fd()),
            "closed with bytes unread is a reset"
        );
    }

    #[test]
    fn closed_standard_descriptors_are_opened_on_the_null_device() {
        as_program("guard");
    }

    /// Runs one part in a child of its own: the runner's descriptors are everybody's.
    fn as_program(part: &str) {
        let mut shell = std::process::Command::new("/bin/sh");
        let program = std::env::current_exe().expect("this one");
        shell.args([
            "-c",
            "exec \"$0\" fd::tests::as_a_child --nocapture >\"$1\" 2>&1",
        ]);
        let told = tempfile::NamedTempFile::new().expect("a file");
        shell.arg(program).arg(told.path()).env("OS_FD_CHILD", part);
        let status = shell.status().expect("started");
        let text = std::fs::read_to_string(told.path()).expect("text");
        assert!(status.success(), "{text}");
    }

    #[test]
    fn as_a_child_without_descriptor_0() {
        if std::env::var_os("OS_FD_CHILD").is_none_or(|part| part != "guard") {
            return;
        }
        // SAFETY: this process has nothing but this test, which never reads descriptor 0.
        unsafe { libc::close(0) };
        guard_standard().expect("guarded");
        let target = std::fs::read_link("/proc/self/fd/0").expect("it is open");
        assert_eq!(target, std::path::Path::new("/dev/null"));
    }

    #[test]
    fn all_descriptors_are_closed_but_those_to_keep() {
        as_program("all_but");
    }

    #[test]
    fn as_a_child_that_keeps_two() {
        if std::env::var_os("OS_FD_CHILD").is_none_or(|part| part != "all_but") {
            return;
        }
        let open: Vec<OwnedFd> = (0..6)
            .map(|_| duplicate_high(standard_input().as_fd()).expect("a descriptor"))
            .collect();
        let numbers: Vec<RawFd> = open.iter().map(AsRawFd::as_raw_fd).collect();
        close_all_but(&[open[4].as_fd(), open[1].as_fd()]).expect("closed");
        for (at, number) in numbers.into_iter().enumerate() {
            // SAFETY: the number is only asked about.
            let is_open = unsafe { libc::fcntl(number, libc::F_GETFD) } != -1;
            assert_eq!(is_open, at == 1 || at == 4, "{at}");
        }
        // Their owners must not close them a second time.
        std::mem::forget(open);
    }

    #[test]
    fn a_duplicate_is_above_the_standard_descriptors() {
        let copy = duplicate_high(standard_input().as_fd()).expect("a descriptor");
        assert!(copy.as_raw_fd() >= 3);
    }
}
