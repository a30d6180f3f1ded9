//! Writing to descriptor 2.
//!
//! Descriptor 2 is shared with every other program of the service, so it is never made
//! non-blocking. A program that serves a client must still never wait because nobody reads the
//! log: a [`Sink`] writes a line at once or says that it could not. Start-up and fatal messages
//! use [`say`], which waits as any command-line tool would.

use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::fcntl::{OFlag, SpliceFFlags, splice};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// The most bytes of one line that a [`Sink`] takes. POSIX promises that a pipe write of up to
/// PIPE_BUF bytes is not mixed with another writer's; Linux's PIPE_BUF is 4096.
pub const LINE_LIMIT: usize = libc::PIPE_BUF;

/// Writes `line` to descriptor 2 as it stands, waiting as long as it takes. A failure is not
/// reported: there is nowhere to report it to.
pub fn say(line: &[u8]) {
    let _ = io::stderr().write_all(line);
}

/// Writes `NAME: fatal: MESSAGE` and a newline to descriptor 2.
pub fn fatal(name: &str, message: &str) {
    say(format!("{name}: fatal: {message}\n").as_bytes());
}

/// Writes `NAME: warning: MESSAGE` and a newline to descriptor 2.
pub fn warning(name: &str, message: &str) {
    say(format!("{name}: warning: {message}\n").as_bytes());
}

/// What became of a line that was not to be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// It is written.
    Written,
    /// There was no room at once (or the line is longer than [`LINE_LIMIT`]); nothing is written.
    Full,
    /// The file takes nothing any more, or has taken a part of it.
    Broken,
}

/// A file to write lines to without ever waiting.
#[derive(Debug)]
pub struct Sink {
    file: OwnedFd,
    way: Way,
}

/// How a line gets into the file without waiting. (`pwritev2` with RWF_NOWAIT would be one way for
/// all kinds, but most kernels refuse it on a pipe.)
#[derive(Debug)]
enum Way {
    /// `file` is a second open of the pipe, with O_NONBLOCK for us alone.
    OwnOpen,
    /// The pipe may not be opened again (it belongs to somebody else): a line is written into a
    /// private pipe and moved over by splice(2), which can be told not to wait.
    Splice { take: OwnedFd, put: OwnedFd },
    /// send(2) can be told not to wait.
    Socket,
    /// A regular file always has room, or fails.
    File,
    /// A terminal or another device: asked for room first. Another writer may take it in between.
    Device,
}

impl Sink {
    /// A sink for the file that `fd` refers to.
    ///
    /// Where `fd` is a pipe of another user's, call this before giving up privileges: the way of
    /// the first choice needs the permission to open the pipe.
    pub fn of(fd: BorrowedFd<'_>) -> io::Result<Sink> {
        use std::os::unix::fs::FileTypeExt;
        let kind = std::fs::File::from(fd.try_clone_to_owned()?)
            .metadata()?
            .file_type();
        if kind.is_fifo() {
            return match open_again(fd) {
                Ok(file) => Ok(Sink {
                    file,
                    way: Way::OwnOpen,
                }),
                Err(_) => {
                    let (take, put) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
                    let (take, put) = (high(take.as_fd())?, high(put.as_fd())?);
                    let file = high(fd)?;
                    Ok(Sink {
                        file,
                        way: Way::Splice { take, put },
                    })
                }
            };
        }
        let way = if kind.is_socket() {
            Way::Socket
        } else if kind.is_file() {
            Way::File
        } else {
            Way::Device
        };
        Ok(Sink {
            file: high(fd)?,
            way,
        })
    }

    /// Writes `line` whole, or not at all. (A disk that is full may take the beginning of it.)
    pub fn write(&self, line: &[u8]) -> Said {
        if line.len() > LINE_LIMIT {
            return Said::Full;
        }
        match &self.way {
            Way::OwnOpen => outcome(nix::unistd::write(&self.file, line)),
            Way::File => match nix::unistd::write(&self.file, line) {
                Ok(count) if count < line.len() => Said::Broken,
                other => outcome(other),
            },
            Way::Socket => match crate::socket::send_nowait(self.file.as_fd(), line) {
                Ok(_) => Said::Written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Said::Full,
                Err(_) => Said::Broken,
            },
            Way::Device => {
                let mut wanted = [PollFd::new(self.file.as_fd(), PollFlags::POLLOUT)];
                match poll(&mut wanted, PollTimeout::ZERO) {
                    Ok(0) => Said::Full,
                    Ok(_) => outcome(nix::unistd::write(&self.file, line)),
                    Err(_) => Said::Broken,
                }
            }
            Way::Splice { take, put } => self.write_through(take, put, line),
        }
    }

    fn write_through(&self, take: &OwnedFd, put: &OwnedFd, line: &[u8]) -> Said {
        // The private pipe is empty, so it has room for a line, in one page.
        let written = nix::unistd::write(put, line);
        let flags = SpliceFFlags::SPLICE_F_NONBLOCK;
        let moved = written.and_then(|count| splice(take, None, &self.file, None, count, flags));
        if moved == Ok(line.len()) {
            return Said::Written;
        }
        let mut rest = [0; LINE_LIMIT];
        while nix::unistd::read(take, &mut rest).is_ok_and(|count| count > 0) {}
        outcome(moved)
    }

    /// Whether [`Sink::write`] can be made to wait after all: a terminal that has room for a byte
    /// says that it has room.
    pub fn may_wait(&self) -> bool {
        matches!(self.way, Way::Device) && std::io::IsTerminal::is_terminal(&self.file)
    }

    /// Waits until there seems to be room for a line, or nobody reads any more; `false` at the
    /// deadline.
    pub fn wait_until(&self, deadline: std::time::Instant) -> bool {
        crate::poll::wait_writable(self.file.as_fd(), deadline).unwrap_or(false)
    }

    /// Writes `line` whole, waiting for room as long as it takes.
    pub fn write_waiting(&self, line: &[u8]) -> io::Result<()> {
        let mut rest = line;
        while !rest.is_empty() {
            match nix::unistd::write(&self.file, rest) {
                Ok(count) => rest = &rest[count..],
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => {
                    let mut wanted = [PollFd::new(self.file.as_fd(), PollFlags::POLLOUT)];
                    match poll(&mut wanted, PollTimeout::NONE) {
                        Ok(_) | Err(Errno::EINTR) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// Writes `line` to descriptor 2 in one piece without waiting, or not at all.
pub fn say_nowait(line: &[u8]) -> Said {
    match SINK.get_or_init(|| Sink::of(io::stderr().as_fd()).ok()) {
        Some(sink) => sink.write(line),
        None => Said::Broken,
    }
}

fn outcome(written: nix::Result<usize>) -> Said {
    match written {
        Ok(_) => Said::Written,
        Err(Errno::EAGAIN) => Said::Full,
        Err(_) => Said::Broken,
    }
}

fn open_again(pipe: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    use std::os::unix::fs::OpenOptionsExt;
    let path = format!("/proc/self/fd/{}", pipe.as_raw_fd());
    let mut options = std::fs::OpenOptions::new();
    let file = options
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)?;
    high(file.as_fd())
}

/// What [`say_nowait`] writes to, once it has written.
static SINK: OnceLock<Option<Sink>> = OnceLock::new();

/// The descriptors that [`say_nowait`] remembers.
pub(crate) fn descriptors() -> Vec<BorrowedFd<'static>> {
    let Some(Some(sink)) = SINK.get() else {
        return Vec::new();
    };
    let mut all = vec![sink.file.as_fd()];
    if let Way::Splice { take, put } = &sink.way {
        all.extend([take.as_fd(), put.as_fd()]);
    }
    all
}

/// A duplicate out of the way of numbers that a copy of this process may be given, which logs too.
fn high(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    crate::fd::duplicate_from(fd, crate::fd::ABOVE_GIVEN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn splicing(pipe: BorrowedFd<'_>) -> Sink {
        let (take, put) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).expect("a pipe");
        let file = crate::fd::duplicate_high(pipe).expect("a descriptor");
        Sink {
            file,
            way: Way::Splice { take, put },
        }
    }

    /// Both ways into a pipe, and one into a socket, each with the end to read from.
    fn sinks() -> Vec<(&'static str, Box<dyn Read>, Sink)> {
        let (one, first) = io::pipe().expect("a pipe");
        let (other, second) = io::pipe().expect("a pipe");
        let (third, socket) = std::os::unix::net::UnixStream::pair().expect("a pair");
        let own_open = Sink::of(first.as_fd()).expect("a sink");
        assert!(matches!(own_open.way, Way::OwnOpen));
        let socket = Sink::of(socket.as_fd()).expect("a sink");
        assert!(matches!(socket.way, Way::Socket));
        vec![
            ("own open", Box::new(one), own_open),
            ("splice", Box::new(other), splicing(second.as_fd())),
            ("socket", Box::new(third), socket),
        ]
    }

    fn fill(sink: &Sink) {
        let line = [b'x'; LINE_LIMIT];
        for _ in 0..10_000 {
            if sink.write(&line) == Said::Full {
                return;
            }
        }
        panic!("it never filled up");
    }

    #[test]
    fn a_file_that_is_full_is_told_and_not_waited_for() {
        for (way, _reader, sink) in sinks() {
            fill(&sink);
            assert_eq!(sink.write(b"one line\n"), Said::Full, "{way}");
        }
    }

    #[test]
    fn a_file_that_is_read_again_takes_lines_again_and_none_is_half_written() {
        for (way, mut reader, sink) in sinks() {
            sink.write(b"first\n");
            fill(&sink);
            let mut first = [0; 6];
            reader.read_exact(&mut first).expect("the first line");
            assert_eq!(&first, b"first\n", "{way}");
            let mut some = vec![0; 4 * LINE_LIMIT];
            reader.read_exact(&mut some).expect("more lines");
            assert!(some.iter().all(|&byte| byte == b'x'), "{way}");
            assert_eq!(sink.write(b"one line\n"), Said::Written, "{way}");
        }
    }

    #[test]
    fn room_is_waited_for_until_a_deadline() {
        use std::time::{Duration, Instant};
        for (way, mut reader, sink) in sinks() {
            fill(&sink);
            assert!(!sink.wait_until(Instant::now() + Duration::from_millis(30)));
            let mut some = vec![0; 64 * LINE_LIMIT];
            let _ = reader.read(&mut some).expect("lines");
            assert!(
                sink.wait_until(Instant::now() + Duration::from_secs(20)),
                "{way}"
            );
        }
    }

    #[test]
    fn a_file_without_a_reader_is_broken() {
        for (way, reader, sink) in sinks() {
            drop(reader);
            assert_eq!(sink.write(b"one line\n"), Said::Broken, "{way}");
        }
    }

    #[test]
    fn a_line_of_the_limit_passes_and_one_byte_more_does_not() {
        for (way, _reader, sink) in sinks() {
            assert_eq!(sink.write(&[b'x'; LINE_LIMIT]), Said::Written, "{way}");
            assert_eq!(sink.write(&[b'x'; LINE_LIMIT + 1]), Said::Full, "{way}");
        }
    }

    #[test]
    fn the_blocking_mode_of_the_shared_pipe_is_left_alone() {
        let (_reader, writer) = io::pipe().expect("a pipe");
        let _sink = Sink::of(writer.as_fd()).expect("a sink");
        let flags = nix::fcntl::fcntl(&writer, nix::fcntl::FcntlArg::F_GETFL).expect("flags");
        assert_eq!(flags & libc::O_NONBLOCK, 0);
    }

    #[test]
    fn lines_go_to_a_regular_file_too() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let sink = Sink::of(file.as_file().as_fd()).expect("a sink");
        assert_eq!(sink.write(b"one line\n"), Said::Written);
        sink.write_waiting(b"another\n").expect("written");
        assert_eq!(
            std::fs::read(file.path()).expect("text"),
            b"one line\nanother\n"
        );
    }
}
