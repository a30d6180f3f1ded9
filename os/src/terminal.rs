//! The terminal: what is typed and not shown.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// Whether `fd` is a terminal.
pub fn is_terminal(fd: BorrowedFd<'_>) -> bool {
    io::IsTerminal::is_terminal(&fd)
}

/// While this exists, the terminal does not show what is typed.
///
/// A signal that would end the process in this time is held back, so that the terminal is not left
/// behind in this state: [`Hidden::read`] notices it, restores everything and lets it through.
#[derive(Debug)]
pub struct Hidden<'t> {
    terminal: BorrowedFd<'t>,
    before: Option<libc::termios>,
    signals: SignalFd,
    mask: SigSet,
}

impl Hidden<'_> {
    /// Stops the echo of `terminal`; what was typed ahead is thrown away.
    pub fn new(terminal: BorrowedFd<'_>) -> io::Result<Hidden<'_>> {
        let before = attributes(terminal)?;
        let mut held = SigSet::empty();
        for signal in [
            Signal::SIGINT,
            Signal::SIGQUIT,
            Signal::SIGTERM,
            Signal::SIGHUP,
        ] {
            held.add(signal);
        }
        let mut mask = SigSet::empty();
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&held), Some(&mut mask))?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let signals = SignalFd::with_flags(&held, flags);
        let Ok(signals) = signals else {
            sigprocmask(SigmaskHow::SIG_SETMASK, Some(&mask), None)?;
            return Err(io::ErrorKind::Unsupported.into());
        };
        let hidden = Hidden {
            terminal,
            before: Some(before),
            signals,
            mask,
        };
        let mut silent = before;
        silent.c_lflag &= !(libc::ECHO | libc::ECHOE | libc::ECHOK);
        // The end of the line is shown, so that the cursor does not stay behind the prompt.
        silent.c_lflag |= libc::ECHONL | libc::ICANON | libc::ISIG;
        // A process that is stopped could not restore the terminal; 0 means that no key does it.
        silent.c_cc[libc::VSUSP] = 0;
        set_attributes(terminal, &silent)?;
        Ok(hidden)
    }

    /// A line or what fits of it, after waiting for it until `deadline`; 0 is the end.
    /// `ErrorKind::Interrupted` means that a signal came which the process has outlived.
    pub fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            let mut wanted = [
                PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.terminal, PollFlags::POLLIN),
            ];
            match poll(&mut wanted, timeout) {
                Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
            let readable = wanted[1].any().unwrap_or(false);
            if let Some(info) = self.signals.read_signal()? {
                self.restore();
                if let Ok(signal) = Signal::try_from(info.ssi_signo.cast_signed()) {
                    nix::sys::signal::raise(signal)?;
                }
                return Err(io::ErrorKind::Interrupted.into());
            }
            if readable {
                return Ok(nix::unistd::read(self.terminal, buffer)?);
            }
        }
    }

    fn restore(&mut self) {
        if let Some(before) = self.before.take() {
            // There is nothing to be done about a terminal that is gone.
            let _ = set_attributes(self.terminal, &before);
            let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&self.mask), None);
        }
    }
}

impl Drop for Hidden<'_> {
    fn drop(&mut self) {
        self.restore();
    }
}

fn attributes(terminal: BorrowedFd<'_>) -> io::Result<libc::termios> {
    // SAFETY: termios is a plain C structure, for which all zeros is a valid value.
    let mut attributes: libc::termios = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a local that lives through the call.
    let done = unsafe { libc::tcgetattr(terminal.as_raw_fd(), &raw mut attributes) };
    if done == 0 {
        Ok(attributes)
    } else {
        Err(io::Error::last_os_error())
    }
}

fn set_attributes(terminal: BorrowedFd<'_>, attributes: &libc::termios) -> io::Result<()> {
    let number = terminal.as_raw_fd();
    // SAFETY: the pointer is to a value that lives through the call, which only reads it.
    let done = unsafe { libc::tcsetattr(number, libc::TCSAFLUSH, attributes) };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_is_no_terminal_and_cannot_be_silenced() {
        let (reader, _writer) = io::pipe().expect("a pipe");
        assert!(!is_terminal(reader.as_fd()));
        let error = Hidden::new(reader.as_fd()).expect_err("no terminal");
        assert_eq!(error.raw_os_error(), Some(libc::ENOTTY));
    }
}
