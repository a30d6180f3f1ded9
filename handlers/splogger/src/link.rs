//! The socket of syslog: found, lost and found again, and never waited for.
//!
//! Datagrams are what every syslogd takes; where the socket is one for streams, a message ends in a
//! NUL, as syslog(3) does it.

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use socket2::{Domain, SockAddr, Socket, Type};

/// How long to wait before another try to connect.
pub const RETRY: Duration = Duration::from_secs(1);

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Syslog has it.
    Yes,
    /// Syslog has no room now. The next message must be this one again.
    Full,
    /// There is no syslog now. The next message must be this one again.
    Gone,
}

/// The way to syslog.
#[derive(Debug)]
pub struct Link {
    path: PathBuf,
    socket: Option<(Socket, Type)>,
    /// How much of the present message a stream has taken.
    taken: usize,
    next_try: Option<Instant>,
    /// Since when nothing could be sent for want of a syslog.
    gone_since: Option<Instant>,
    why: Option<io::Error>,
}

impl Link {
    /// To the socket at `path`; nothing is done yet.
    pub fn to(path: PathBuf) -> Link {
        Link {
            path,
            socket: None,
            taken: 0,
            next_try: None,
            gone_since: None,
            why: None,
        }
    }

    /// Sends `message` if that can be done at once, connecting first where it is time to.
    pub fn send(&mut self, message: &[u8], now: Instant) -> Sent {
        // At most one new connection for a message: the one at hand may turn out to be dead.
        for _ in 0..2 {
            if let Err(error) = self.connect(now) {
                self.why = Some(error);
                break;
            }
            match self.send_on(message) {
                Ok(()) => {
                    self.gone_since = None;
                    return Sent::Yes;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.gone_since = None;
                    return Sent::Full;
                }
                Err(error) => {
                    self.why = Some(error);
                    self.socket = None;
                    self.taken = 0;
                }
            }
        }
        self.gone_since.get_or_insert(now);
        Sent::Gone
    }

    /// Where there is a connection: what to wait on for room.
    pub fn socket(&self) -> Option<BorrowedFd<'_>> {
        self.socket.as_ref().map(|(socket, _)| socket.as_fd())
    }

    /// When to try again where there is no connection.
    pub fn next_try(&self) -> Option<Instant> {
        self.next_try.filter(|_| self.socket.is_none())
    }

    /// How long there has been no syslog.
    pub fn gone_for(&self, now: Instant) -> Duration {
        self.gone_since
            .map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    /// Why the last message was not sent.
    pub fn trouble(&self) -> String {
        if self.socket.is_some() {
            return format!("syslog at {} takes no more", self.path.display());
        }
        let why = self.why.as_ref().map(os::reason);
        let why = why.unwrap_or("unknown reason".into());
        format!("unable to reach syslog at {}: {why}", self.path.display())
    }

    fn connect(&mut self, now: Instant) -> io::Result<()> {
        if self.socket.is_some() {
            return Ok(());
        }
        if self.next_try.is_some_and(|next| now < next) {
            return Err(self.why.take().unwrap_or(ErrorKind::NotConnected.into()));
        }
        self.next_try = now.checked_add(RETRY);
        for kind in [Type::DGRAM, Type::STREAM] {
            let socket = Socket::new(Domain::UNIX, kind, None)?;
            socket.set_nonblocking(true)?;
            // Not even this waits: a listener whose queue is full is an error.
            match socket.connect(&SockAddr::unix(&self.path)?) {
                Err(_) if kind == Type::DGRAM => {}
                Err(error) => return Err(error),
                Ok(()) => {
                    self.socket = Some((socket, kind));
                    break;
                }
            }
        }
        Ok(())
    }

    fn send_on(&mut self, message: &[u8]) -> io::Result<()> {
        let Some((socket, kind)) = &self.socket else {
            return Err(ErrorKind::NotConnected.into());
        };
        if *kind == Type::DGRAM {
            // A datagram goes whole or not at all.
            os::socket::send_nowait(socket.as_fd(), message)?;
            return Ok(());
        }
        let whole = [message, b"\0"].concat();
        while self.taken < whole.len() {
            self.taken += os::socket::send_nowait(socket.as_fd(), &whole[self.taken..])?;
        }
        self.taken = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::net::{UnixDatagram, UnixListener};

    fn place() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("log");
        (dir, path)
    }

    #[test]
    fn a_message_is_a_datagram() {
        let (_dir, path) = place();
        let syslog = UnixDatagram::bind(&path).expect("bound");
        let mut link = Link::to(path);
        assert_eq!(link.send(b"<22>x", Instant::now()), Sent::Yes);
        let mut buffer = [0; 100];
        let count = syslog.recv(&mut buffer).expect("a message");
        assert_eq!(&buffer[..count], b"<22>x");
    }

    #[test]
    fn on_a_stream_a_message_ends_in_a_nul() {
        let (_dir, path) = place();
        let syslog = UnixListener::bind(&path).expect("bound");
        let mut link = Link::to(path);
        assert_eq!(link.send(b"<22>x", Instant::now()), Sent::Yes);
        assert_eq!(link.send(b"<22>y", Instant::now()), Sent::Yes);
        drop(link);
        let (mut stream, _) = syslog.accept().expect("a connection");
        let mut all = Vec::new();
        stream.read_to_end(&mut all).expect("the end");
        assert_eq!(all, b"<22>x\0<22>y\0");
    }

    #[test]
    fn a_stream_that_takes_a_part_gets_the_rest_and_nothing_twice() {
        let (_dir, path) = place();
        let syslog = UnixListener::bind(&path).expect("bound");
        let mut link = Link::to(path);
        let big = vec![b'x'; 1 << 20];
        assert_eq!(link.send(&big, Instant::now()), Sent::Full);
        let (mut stream, _) = syslog.accept().expect("a connection");
        let reader = std::thread::spawn(move || {
            let mut all = Vec::new();
            stream.read_to_end(&mut all).expect("the end");
            all
        });
        let start = Instant::now();
        while link.send(&big, Instant::now()) == Sent::Full {
            assert!(start.elapsed() < Duration::from_secs(20));
        }
        assert_eq!(link.send(b"y", Instant::now()), Sent::Yes);
        drop(link);
        let all = reader.join().expect("read");
        assert_eq!(all.len(), big.len() + 3);
        assert!(all.ends_with(b"x\0y\0"));
    }

    #[test]
    fn a_syslog_that_was_started_anew_is_found_with_the_same_message() {
        let (_dir, path) = place();
        let first = UnixDatagram::bind(&path).expect("bound");
        let mut link = Link::to(path.clone());
        let start = Instant::now();
        assert_eq!(link.send(b"1", start), Sent::Yes);
        drop(first);
        std::fs::remove_file(&path).expect("removed");
        let later = start + RETRY;
        assert_eq!(link.send(b"2", later), Sent::Gone);
        assert!(link.trouble().ends_with("log: file does not exist"));
        let second = UnixDatagram::bind(&path).expect("bound");
        // It is not tried before its time.
        assert_eq!(link.send(b"2", later), Sent::Gone);
        assert_eq!(link.gone_for(later + RETRY), RETRY);
        assert_eq!(link.send(b"2", later + RETRY), Sent::Yes);
        assert_eq!(link.gone_for(later + RETRY), Duration::ZERO);
        drop(second);
        std::fs::remove_file(&path).expect("removed");
        let third = UnixDatagram::bind(&path).expect("bound");
        assert_eq!(link.send(b"3", later + 3 * RETRY), Sent::Yes);
        assert_eq!(third.recv(&mut [0; 9]).expect("a message"), 1);
    }

    #[test]
    fn a_syslog_without_room_is_told_from_one_that_is_gone() {
        let (_dir, path) = place();
        let _syslog = UnixDatagram::bind(&path).expect("bound");
        let mut link = Link::to(path);
        let now = Instant::now();
        let full = (0..100_000).find(|_| link.send(b"x", now) == Sent::Full);
        assert!(full.is_some());
        assert_eq!(link.gone_for(now + RETRY), Duration::ZERO);
        assert!(link.socket().is_some() && link.next_try().is_none());
    }
}
