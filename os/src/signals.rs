//! Signals as something to read, and the dispositions that programs are to get back.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// The signals that superd itself acts upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A child has ended (or several have).
    Child,
    /// The service is to end.
    Terminate,
    /// A signal that means nothing yet, by its name.
    Meaningless(&'static str),
}

/// Signals that would end a process and are not to end a service by mistake.
const MEANINGLESS: [(Signal, &str); 2] = [(Signal::SIGHUP, "SIGHUP"), (Signal::SIGUSR1, "SIGUSR1")];

/// Child and terminate signals, and those without a meaning, to be read instead of interrupting anything.
///
/// The signals are blocked in the calling thread and in every thread that it starts later; the
/// mask as it was before is kept for the programs. A signalfd costs one read where a handler costs
/// an interrupted call, a pipe write and a pipe read.
#[derive(Debug)]
pub struct Signals {
    fd: SignalFd,
    inherited: SigSet,
}

impl Signals {
    /// Blocks the signals and opens the descriptor. Call it before the first thread is started.
    ///
    /// SIGTERM that was blocked when this process was started stays without effect, as it would
    /// under the original; so do SIGHUP and SIGUSR1 that were blocked or ignored. A write over the limit of file
    /// sizes is the error EFBIG from here on.
    pub fn watch() -> io::Result<Signals> {
        let mut inherited = SigSet::empty();
        sigprocmask(SigmaskHow::SIG_BLOCK, None, Some(&mut inherited))?;
        let mut watched = SigSet::empty();
        watched.add(Signal::SIGCHLD);
        if !inherited.contains(Signal::SIGTERM) {
            watched.add(Signal::SIGTERM);
        }
        for (signal, _) in MEANINGLESS {
            if !inherited.contains(signal) && is_default(signal as libc::c_int) {
                watched.add(signal);
            }
        }
        ignore_file_size()?;
        // An ignored signal is thrown away even while it is blocked: give both a disposition.
        default_disposition(Signal::SIGCHLD)?;
        default_disposition(Signal::SIGTERM)?;
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&watched), None)?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        Ok(Signals {
            fd: SignalFd::with_flags(&watched, flags)?,
            inherited,
        })
    }

    /// The next signal that has come; `None` where there is none now.
    pub fn take(&mut self) -> io::Result<Option<Event>> {
        match self.fd.read_signal()? {
            None => Ok(None),
            Some(info) if info.ssi_signo == Signal::SIGTERM as u32 => Ok(Some(Event::Terminate)),
            Some(info) => {
                let is_it = |known: &&(Signal, _)| known.0 as u32 == info.ssi_signo;
                let known = MEANINGLESS.iter().find(is_it);
                Ok(Some(
                    known.map_or(Event::Child, |known| Event::Meaningless(known.1)),
                ))
            }
        }
    }

    /// The mask for programs: as this process was started, but with SIGCHLD let through.
    pub fn mask_for_programs(&self) -> Mask {
        let mut mask = self.inherited;
        mask.remove(Signal::SIGCHLD);
        Mask(mask)
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A signal mask that a program is to start with.
#[derive(Clone, Copy, Debug)]
pub struct Mask(pub(crate) SigSet);

/// Gives SIGCHLD its default back. A program that was started with it ignored could not learn how its
/// children end.
pub fn default_child() -> io::Result<()> {
    default_disposition(Signal::SIGCHLD)
}

/// Lets SIGALRM end this process, also where it was started with that signal ignored or blocked.
pub(crate) fn default_alarm() -> io::Result<()> {
    default_disposition(Signal::SIGALRM)?;
    let alarm = SigSet::from(Signal::SIGALRM);
    Ok(sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&alarm), None)?)
}

/// Gives SIGPIPE its default back, which Rust's runtime takes from every program before `main`.
pub fn default_pipe() -> io::Result<()> {
    default_disposition(Signal::SIGPIPE)
}

/// Whether this process has changed SIGXFSZ, which it had found at its default.
static FILE_SIZE_CHANGED: AtomicBool = AtomicBool::new(false);

/// Gives SIGXFSZ back as it was, for a program that is started with it.
pub(crate) fn restore_file_size() -> io::Result<()> {
    if FILE_SIZE_CHANGED.load(Ordering::Relaxed) {
        default_disposition(Signal::SIGXFSZ)?;
    }
    Ok(())
}

/// Whether a program that is started is to get SIGXFSZ back.
pub(crate) fn is_file_size_changed() -> bool {
    FILE_SIZE_CHANGED.load(Ordering::Relaxed)
}

/// Whether `signal` is at its default in this process.
pub(crate) fn is_default(signal: libc::c_int) -> bool {
    // SAFETY: an all-zero sigaction is a valid value of that plain C structure.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: without a new action the call only reads; `action` lives through it.
    let read = unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut action) };
    read == 0 && action.sa_sigaction == libc::SIG_DFL
}

/// Ignores the signals that mean nothing to a service yet: for its helpers that start no programs.
pub fn ignore_meaningless() -> io::Result<()> {
    MEANINGLESS
        .iter()
        .try_for_each(|(signal, _)| ignore(*signal))
}

/// Blocks the signals that mean nothing to a service yet; the mask as it was, for programs.
pub fn block_meaningless() -> io::Result<Mask> {
    let mut before = SigSet::empty();
    let mut set = SigSet::empty();
    MEANINGLESS.iter().for_each(|(signal, _)| set.add(*signal));
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set), Some(&mut before))?;
    Ok(Mask(before))
}

impl Mask {
    /// Puts the mask in force in this process.
    pub fn restore(&self) -> io::Result<()> {
        Ok(sigprocmask(SigmaskHow::SIG_SETMASK, Some(&self.0), None)?)
    }
}

fn default_disposition(signal: Signal) -> io::Result<()> {
    use nix::sys::signal::{SaFlags, SigAction, SigHandler, sigaction};
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: the default disposition runs no code of this process.
    unsafe { sigaction(signal, &default) }?;
    Ok(())
}

/// Ignores SIGPIPE, so that a write to a closed pipe is an error value. (std's `Command` gives a
/// child the default back.)
pub fn ignore_pipe() -> io::Result<()> {
    ignore(Signal::SIGPIPE)
}

/// Ignores SIGXFSZ, so that a write over the limit of file sizes is the error EFBIG and the writer
/// can clean up. Programs that are started later get it back as it was.
pub fn ignore_file_size() -> io::Result<()> {
    if is_default(Signal::SIGXFSZ as libc::c_int) {
        ignore(Signal::SIGXFSZ)?;
        FILE_SIZE_CHANGED.store(true, Ordering::Relaxed);
    }
    Ok(())
}

/// Ignores SIGALRM.
#[cfg(test)]
pub(crate) fn ignore_alarm() -> io::Result<()> {
    ignore(Signal::SIGALRM)
}

fn ignore(signal: Signal) -> io::Result<()> {
    use nix::sys::signal::{SaFlags, SigAction, SigHandler, sigaction};
    let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    // SAFETY: ignoring a signal runs no code of this process.
    unsafe { sigaction(signal, &ignore) }?;
    Ok(())
}
