//! Processes: waiting for children, and the small facts of this one.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, RawFd};

use nix::errno::Errno;
use nix::unistd::Pid;

/// How a child ended, in the raw form of wait(2): exit code times 256, or the number of the signal
/// (plus 128 with a core dump).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub i32);

impl Status {
    /// The exit code, `None` after a signal.
    pub fn code(self) -> Option<u8> {
        libc::WIFEXITED(self.0).then(|| libc::WEXITSTATUS(self.0).to_le_bytes()[0])
    }

    /// The signal that ended it, `None` after an exit.
    pub fn signal(self) -> Option<i32> {
        libc::WIFSIGNALED(self.0).then(|| libc::WTERMSIG(self.0))
    }
}

/// Waits until `child` has ended, and takes its status; `None` at the deadline.
pub fn wait_child_until(
    child: &mut std::process::Child,
    deadline: std::time::Instant,
) -> io::Result<Option<std::process::ExitStatus>> {
    if let Some(status) = child.try_wait()? {
        return Ok(Some(status));
    }
    // The child is not waited for yet, so its pid cannot be anybody else's.
    if has_ended_by(child.id().cast_signed(), deadline)? {
        return child.wait().map(Some);
    }
    Ok(None)
}

/// Waits until the child `pid` has ended, and takes its status; `None` at the deadline.
pub fn wait_until(pid: i32, deadline: std::time::Instant) -> io::Result<Option<Status>> {
    if has_ended_by(pid, deadline)? {
        return wait(pid).map(Some);
    }
    Ok(None)
}

/// Whether the child `pid`, which nobody has waited for yet, ends before the deadline.
fn has_ended_by(pid: i32, deadline: std::time::Instant) -> io::Result<bool> {
    use std::os::fd::{FromRawFd, OwnedFd};
    // SAFETY: the call takes two numbers and returns a new descriptor or an error. It goes by
    // number because not every C library has a wrapper for it.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let Ok(fd) = i32::try_from(fd) else {
        return Err(io::ErrorKind::Unsupported.into());
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just returned this number as a new descriptor; nothing else knows it.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    crate::poll::wait_readable(fd.as_fd(), deadline)
}

/// Takes the status of the child `pid` if it has ended already.
pub fn try_wait(pid: i32) -> io::Result<Option<Status>> {
    let mut status = 0;
    // SAFETY: `status` is a local that lives through the call.
    let found = unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) };
    match found {
        0 => Ok(None),
        1.. => Ok(Some(Status(status))),
        _ => Err(Errno::last().into()),
    }
}

/// Waits for the child `pid` to end.
pub fn wait(pid: i32) -> io::Result<Status> {
    let mut status = 0;
    loop {
        // SAFETY: `status` is a local that lives through the call.
        let found = unsafe { libc::waitpid(pid, &raw mut status, 0) };
        if found == pid {
            return Ok(Status(status));
        }
        match Errno::last() {
            Errno::EINTR => {}
            error => return Err(error.into()),
        }
    }
}

/// Ends process `pid` with SIGKILL.
pub fn kill_at_once(pid: i32) -> io::Result<()> {
    Ok(nix::sys::signal::kill(
        Pid::from_raw(pid),
        nix::sys::signal::Signal::SIGKILL,
    )?)
}

/// Ends all processes of the group that [`lead_group`] made in process `pid`, with SIGKILL.
pub fn kill_group_at_once(pid: i32) -> io::Result<()> {
    Ok(nix::sys::signal::killpg(
        Pid::from_raw(pid),
        nix::sys::signal::Signal::SIGKILL,
    )?)
}

/// Makes this process the first of a group of its own, which its children will belong to.
pub fn lead_group() -> io::Result<()> {
    Ok(nix::unistd::setpgid(Pid::from_raw(0), Pid::from_raw(0))?)
}

/// Whether there is a process `pid`, be it somebody else's.
pub fn exists(pid: i32) -> bool {
    nix::sys::signal::kill(Pid::from_raw(pid), None) != Err(Errno::ESRCH)
}

/// Which side of a [`fork`] this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The process that forked, with the child's pid.
    Parent(i32),
    /// The new process.
    Child,
}

/// Makes a second process like this one.
///
/// Refused with `ErrorKind::Unsupported` in a process that has threads: in the child only one of
/// them would go on, and what the others had locked would stay locked.
pub fn fork() -> io::Result<Side> {
    copy(0)
}

/// fork(2) with more flags of clone(2). The C library's own fork prepares for other threads, and
/// touches pages for that; there are none.
pub(crate) fn copy(flags: libc::c_int) -> io::Result<Side> {
    if has_threads() {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let flags = libc::c_long::from(flags | libc::SIGCHLD);
    // SAFETY: without a stack of its own the child goes on here, as after fork(2), on a copy of this
    // one; there is no other thread whose locks it could find taken. The call goes by number because
    // no C library has a wrapper for this form; its last three words are not looked at.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    match i32::try_from(pid) {
        Ok(0) => Ok(Side::Child),
        Ok(pid @ 1..) => Ok(Side::Parent(pid)),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Whether this process has more than one thread; where that cannot be told, it has.
pub(crate) fn has_threads() -> bool {
    // SAFETY: the call takes a number. CLONE_THREAD alone changes nothing in a process of one
    // thread, and is refused in any other (unshare(2)).
    if unsafe { libc::unshare(libc::CLONE_THREAD) } == 0 {
        return false;
    }
    // A sandbox may refuse the call itself.
    std::fs::read_dir("/proc/self/task").map_or(true, |tasks| tasks.count() > 1)
}

/// Gives a copy of this process (a child of fork) these descriptors under these numbers, which are below 16, and
/// closes all others from 3 on but those of the log. 0 to 2 stay where they are not given.
///
/// For a copy that never returns to its parent's code: nothing in it may own or remember any other
/// descriptor from then on, as with [`crate::fd::close_all_but`].
pub fn place_in_copy(descriptors: &[(BorrowedFd<'_>, RawFd)]) -> io::Result<()> {
    let given = crate::fd::out_of_the_way(descriptors)?;
    let log = crate::log::descriptors();
    let keep: Vec<BorrowedFd<'_>> = given.iter().map(|(fd, _)| fd.as_fd()).chain(log).collect();
    crate::fd::close_all_but(&keep)?;
    for (fd, number) in &given {
        crate::fd::place(fd.as_fd(), *number)?;
    }
    Ok(())
}

/// Becomes the program `file` with these words and this environment (`NAME=VALUE` each), with all
/// signals as they are now, but for SIGPIPE at its default and SIGXFSZ as it was. Returns only the error.
pub fn exec(
    file: &std::ffi::CStr,
    words: &[std::ffi::CString],
    environment: &[std::ffi::CString],
) -> io::Error {
    // Rust's runtime ignores SIGPIPE, and an ignored signal stays ignored in the program.
    let restored =
        crate::signals::default_pipe().and_then(|()| crate::signals::restore_file_size());
    if let Err(error) = restored {
        return error;
    }
    match nix::unistd::execve(file, words, environment) {
        Err(error) => error.into(),
    }
}

/// Ends this process at once, without unwinding: what a child of [`fork`] does, so that the
/// parent's values are not dropped twice.
pub fn end_now(code: u8) -> ! {
    // SAFETY: _exit takes a number and does not return.
    unsafe { libc::_exit(i32::from(code)) }
}

/// Does `work` and ends this process at once with the exit code of that, or 101 where it panicked: a child of [`fork`]
/// must never come back into what its parent was doing, also not by a bug.
pub fn end_with(work: impl FnOnce() -> crate::Exit) -> ! {
    let end = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    end_now(end.map_or(101, |exit| exit.0))
}

/// Sets the file mode creation mask; the old one is returned.
pub fn umask(mask: u32) -> u32 {
    let mask = nix::sys::stat::Mode::from_bits_truncate(mask);
    nix::sys::stat::umask(mask).bits()
}

/// No program that this process or its children start can gain privileges from its file any more.
pub fn no_new_privileges() -> io::Result<()> {
    Ok(nix::sys::prctl::set_no_new_privs()?)
}

/// No core file is written of this process and nobody of the same user may trace it.
pub fn not_dumpable() -> io::Result<()> {
    Ok(nix::sys::prctl::set_dumpable(false)?)
}

/// This process can start no other any more, whatever becomes of it. It does not bind the superuser.
pub fn no_children() -> io::Result<()> {
    use nix::sys::resource::{Resource, setrlimit};
    Ok(setrlimit(Resource::RLIMIT_NPROC, 0, 0)?)
}

/// This process ends with the one that forked it. To be called after a change of identity, which
/// undoes it.
pub fn end_with_parent() -> io::Result<()> {
    Ok(nix::sys::prctl::set_pdeathsig(
        nix::sys::signal::Signal::SIGKILL,
    )?)
}

/// An alarm that was set by [`alarm`] and is called off when this is dropped.
#[derive(Debug)]
#[must_use = "an alarm that is dropped is called off"]
pub struct Alarm(());

impl Drop for Alarm {
    fn drop(&mut self) {
        let _ = nix::unistd::alarm::cancel();
    }
}

/// Lets SIGALRM end this process after so many seconds (1 at least), unless that is called off before:
/// for work in the kernel that takes no deadline, such as opening a file where a file system hangs.
///
/// A process has one alarm. Processes that it starts meanwhile have none; a program that it
/// becomes keeps it.
pub fn alarm(seconds: u32) -> io::Result<Alarm> {
    // It may have been inherited ignored or blocked.
    crate::signals::default_alarm()?;
    let _ = nix::unistd::alarm::set(seconds.max(1));
    Ok(Alarm(()))
}

/// Fills `buffer` with random bytes that nobody can guess.
pub fn random(buffer: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while filled < buffer.len() {
        let rest = &mut buffer[filled..];
        // SAFETY: the pointer and the length describe `rest`, which the call fills in part.
        let count = unsafe { libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), 0) };
        match usize::try_from(count) {
            Ok(count) => filled += count,
            Err(_) => match Errno::last() {
                Errno::EINTR => {}
                error => return Err(error.into()),
            },
        }
    }
    Ok(())
}

/// The name of this host, as uname(2) tells it.
pub fn host_name() -> Vec<u8> {
    use std::os::unix::ffi::OsStringExt;
    nix::unistd::gethostname()
        .map(OsStringExt::into_vec)
        .unwrap_or_default()
}

/// No process can have a number above this, whatever `kernel.pid_max` is set to (proc(5)).
pub const GREATEST_PID: u32 = 1 << 22;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_exists_also_where_it_is_somebody_elses() {
        assert!(exists(1));
        assert!(!exists(GREATEST_PID.cast_signed() + 1));
    }

    #[test]
    fn statuses_are_read_as_wait_gives_them() {
        assert_eq!(Status(25_600).code(), Some(100));
        assert_eq!((Status(9).code(), Status(9).signal()), (None, Some(9)));
        assert_eq!(Status(139).signal(), Some(libc::SIGSEGV));
    }

    #[test]
    fn a_child_is_waited_for_until_it_ends_or_the_deadline_comes() {
        use std::time::{Duration, Instant};
        let mut child = std::process::Command::new("/bin/cat")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .expect("started");
        let soon = Instant::now() + Duration::from_millis(30);
        assert!(
            wait_child_until(&mut child, soon)
                .expect("waited")
                .is_none()
        );
        drop(child.stdin.take());
        let later = Instant::now() + Duration::from_secs(20);
        let status = wait_child_until(&mut child, later)
            .expect("waited")
            .expect("an end");
        assert!(status.success());
    }

    /// Names the part of a test that a process of its own does; without it that part has nothing
    /// to do.
    const PART: &str = "OS_PROCESS_PART";

    fn is_part(name: &str) -> bool {
        std::env::var_os(PART).is_some_and(|part| part == name)
    }

    /// Lets a process of its own do the part `name`.
    fn status_of(name: &str) -> Status {
        use std::os::unix::process::ExitStatusExt;
        let test = format!("process::tests::{name}");
        let status = std::process::Command::new(std::env::current_exe().expect("this program"))
            .args(["--quiet", "--exact", &test])
            .env(PART, name)
            .stdout(std::process::Stdio::null())
            .status();
        Status(status.expect("started").into_raw())
    }

    #[test]
    fn an_alarm_ends_the_process_unless_it_is_called_off() {
        let ended = status_of("sleeps_longer_than_its_alarm");
        assert_eq!(ended.signal(), Some(libc::SIGALRM));
        let went_on = status_of("calls_its_alarm_off");
        assert_eq!(went_on.code(), Some(0));
    }

    #[test]
    fn sleeps_longer_than_its_alarm() {
        if !is_part("sleeps_longer_than_its_alarm") {
            return;
        }
        use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
        // As a careless starter leaves it. This is a thread of its own, and whoever is left takes
        // the signal; its disposition is that of all.
        let set = SigSet::from(Signal::SIGALRM);
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set), None).expect("blocked");
        crate::signals::ignore_alarm().expect("ignored");
        let _alarm = alarm(1).expect("set");
        std::thread::sleep(std::time::Duration::from_secs(30));
    }

    #[test]
    fn calls_its_alarm_off() {
        if !is_part("calls_its_alarm_off") {
            return;
        }
        drop(alarm(1).expect("set"));
        std::thread::sleep(std::time::Duration::from_millis(1300));
    }

    #[test]
    fn a_child_is_waited_for_by_its_number() {
        use std::time::{Duration, Instant};
        let mut child = std::process::Command::new("/bin/cat")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .expect("started");
        let pid = child.id().cast_signed();
        let soon = Instant::now() + Duration::from_millis(30);
        assert_eq!(wait_until(pid, soon).expect("waited"), None);
        drop(child.stdin.take());
        let later = Instant::now() + Duration::from_secs(20);
        assert_eq!(wait_until(pid, later).expect("waited"), Some(Status(0)));
        // Its status is taken.
        assert!(child.wait().is_err());
    }

    #[test]
    fn a_process_with_threads_is_not_forked() {
        let (end, wait) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || wait.recv());
        let error = fork().expect_err("the test's own thread is a second one");
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
        drop(end);
        assert!(thread.join().expect("ended").is_err());
    }

    #[test]
    fn random_bytes_differ() {
        let (mut one, mut other) = ([0; 16], [0; 16]);
        random(&mut one).expect("random bytes");
        random(&mut other).expect("random bytes");
        assert_ne!(one, other);
    }
}
