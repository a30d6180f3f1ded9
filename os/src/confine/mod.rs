//! Keeping a process that reads the network to itself.
//!
//! All such processes share one unprivileged user, and the kernel lets a user's processes kill, stop, slow
//! down and limit each other. So each of them gives that up before it reads its first byte: a seccomp(2)
//! filter answers EPERM to every system call that reaches into another process. It is for processes that
//! have no children and start no programs: what is given up is given up for those, too.
//!
//! The filter is made here, as a search tree, and not by a crate: the kernel runs a new filter once for each
//! system call that there is, so a list of comparisons costs a login 100 microseconds where the tree costs 27 (of
//! which 12 are any filter's). Landlock's scope of signals would cost 5, but says nothing of priorities and limits
//! and needs Linux 6.12.

mod filter;

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Gives up every way to more privileges and to other processes: their memory, their signals, their
/// priorities and limits. Where the kernel has no filters ([`is_available`]) signals and priorities stay.
///
/// For a process without children; it cannot even signal itself.
pub fn keep_to_itself() -> io::Result<()> {
    crate::process::no_new_privileges()?;
    crate::process::not_dumpable()?;
    if !is_available() {
        return Ok(());
    }
    let mut instructions: Vec<libc::sock_filter> = filter::program().iter().map(raw).collect();
    let count = u16::try_from(instructions.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let program = libc::sock_fprog {
        len: count,
        filter: instructions.as_mut_ptr(),
    };
    // SAFETY: the pointer leads to a structure that leads to `count` instructions; the kernel copies all of
    // them before the call returns.
    let failed = unsafe {
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &raw const program,
        )
    };
    if failed == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Gives up signals and debugging of all processes but those that this one will start, which give the same up. For
/// root that is about to become somebody else, and is to keep what setuid programs need: with that privilege Landlock
/// (Linux 6.12 or later) asks for no `no_new_privs`. False where the kernel has no such scope, or root is too weak
/// for it.
pub fn signal_only_own() -> io::Result<bool> {
    let scopes = RulesetAttributes {
        handled_access_fs: 0,
        handled_access_net: 0,
        scoped: SCOPE_SIGNAL,
    };
    let size = size_of::<RulesetAttributes>();
    // SAFETY: the pointer leads to a structure of `size` bytes, which the kernel copies before the call returns.
    let made = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            &raw const scopes,
            size,
            0,
        )
    };
    let made = match i32::try_from(made) {
        Ok(number) if number >= 0 => number,
        _ => return absent(io::Error::last_os_error()),
    };
    // SAFETY: the number is that of a descriptor that the call before has opened, and nobody else knows of it.
    let ruleset = unsafe { OwnedFd::from_raw_fd(made) };
    // SAFETY: the call takes two numbers, and the descriptor is open while it runs.
    let failed = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0) };
    if failed == 0 {
        Ok(true)
    } else {
        absent(io::Error::last_os_error())
    }
}

/// What `landlock_create_ruleset` is told (landlock(7)), as of its sixth version.
#[repr(C)]
struct RulesetAttributes {
    handled_access_fs: u64,
    handled_access_net: u64,
    scoped: u64,
}

/// LANDLOCK_SCOPE_SIGNAL.
const SCOPE_SIGNAL: u64 = 1 << 1;

/// Whether an error of Landlock says that it is not to be had: not in this kernel, not switched on, not with scopes, not
/// for this process.
fn absent(error: io::Error) -> io::Result<bool> {
    match error.raw_os_error() {
        Some(libc::ENOSYS | libc::EOPNOTSUPP | libc::E2BIG | libc::EINVAL | libc::EPERM) => {
            Ok(false)
        }
        _ => Err(error),
    }
}

/// Whether this kernel, on this processor, has filters of system calls.
pub fn is_available() -> bool {
    if filter::ARCHITECTURE.is_none() {
        return false;
    }
    let nothing: *const libc::sock_fprog = std::ptr::null();
    // SAFETY: a null pointer is what the call is asked about: where there are filters it is a wrong address,
    // and elsewhere the whole call is wrong (seccomp(2)).
    let answer = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, nothing) };
    answer == -1 && io::Error::last_os_error().raw_os_error() == Some(libc::EFAULT)
}

fn raw(instruction: &filter::Instruction) -> libc::sock_filter {
    libc::sock_filter {
        code: instruction.code,
        jt: instruction.if_so,
        jf: instruction.if_not,
        k: instruction.value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process of its own, for what is given up is not had again.
    const PART: &str = "OS_CONFINE_PART";

    #[test]
    fn a_process_that_keeps_to_itself_reaches_no_other_and_works_on() {
        let test = "confine::tests::reaches_no_other";
        let mut other = std::process::Command::new("/bin/cat")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .expect("started");
        let done = std::process::Command::new(std::env::current_exe().expect("this program"))
            .args(["--quiet", "--exact", test])
            .env(PART, other.id().to_string())
            .output()
            .expect("started");
        let text = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success(), "{text}");
        assert!(text.contains("1 passed"), "{text}");
        drop(other.stdin.take());
        assert!(other.wait().expect("waited").success(), "it was reached");
    }

    #[test]
    fn reaches_no_other() {
        let Some(pid) = std::env::var(PART).ok().and_then(|pid| pid.parse().ok()) else {
            return;
        };
        assert!(crate::process::exists(pid));
        keep_to_itself().expect("given up");
        if !is_available() {
            return;
        }
        let error = crate::process::kill_at_once(pid).expect_err("killed");
        assert_eq!(error.raw_os_error(), Some(libc::EPERM));
        let error = crate::process::kill_group_at_once(pid).expect_err("killed");
        assert_eq!(error.raw_os_error(), Some(libc::EPERM));
        // Its own limits, descriptors and files are its own.
        crate::fd::descriptor_limits().expect("known");
        crate::process::no_children().expect("set");
        let (one, _other) = crate::socket::message_pair().expect("a pair");
        crate::fd::set_nonblocking(std::os::fd::AsFd::as_fd(&one)).expect("set");
        std::fs::read("/etc/passwd").expect("read");
    }
}
