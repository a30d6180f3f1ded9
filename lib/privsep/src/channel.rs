//! What two processes of one program tell each other, as values of two types.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use record::{Malformed, Message};
use zeroize::Zeroizing;

/// Records of a type that has no longer ones are received without asking for their length first.
const SMALL: usize = 2048;

/// One end of a connection that carries records of `Send` there and records of `Receive` back: a socket pair that keeps
/// their boundaries. A record may have one descriptor with it.
pub struct Channel<Send, Receive> {
    socket: OwnedFd,
    kinds: PhantomData<fn(&Send) -> Receive>,
}

/// Why nothing was received. The other side is not to be listened to any more.
#[derive(Debug)]
pub enum Fault {
    /// A message that is no record of the type.
    Malformed(Malformed),
    /// A message that is longer than any record of the type.
    TooLong,
    /// Nothing came in time, or the connection has failed.
    Stuck(io::Error),
}

impl<Send, Receive> Channel<Send, Receive> {
    fn over(socket: OwnedFd) -> Channel<Send, Receive> {
        Channel {
            socket,
            kinds: PhantomData,
        }
    }

    /// The two ends; what one sends the other receives.
    pub fn pair() -> io::Result<(Channel<Send, Receive>, Channel<Receive, Send>)> {
        let (one, other) = os::socket::message_pair()?;
        Ok((Channel::over(one), Channel::over(other)))
    }
}

impl<Send: Message, Receive: Message> Channel<Send, Receive> {
    /// Sends one record, waiting for room until `deadline`. `ErrorKind::InvalidInput` where the message makes none.
    pub fn send(&self, message: &Send, deadline: Instant) -> io::Result<()> {
        os::socket::send_all_until(self.as_fd(), &to_record(message)?, deadline)
    }

    /// Sends one record and a descriptor with it, waiting for room.
    pub fn send_with(&self, message: &Send, fd: BorrowedFd<'_>) -> io::Result<()> {
        os::sibling::send_with(self.as_fd(), &to_record(message)?, fd)
    }

    /// The next record, which is waited for until `deadline`; `None` at the end. A descriptor that comes with it is closed,
    /// and a fault.
    pub fn receive(&self, deadline: Instant) -> Result<Option<Receive>, Fault> {
        if !os::fd::wait_readable(self.as_fd(), deadline).map_err(Fault::Stuck)? {
            return Err(Fault::Stuck(io::ErrorKind::TimedOut.into()));
        }
        without_descriptor(self.take()?)
    }

    /// The record that is there, and the descriptor that came with it; `None` at the end. An empty message is not told
    /// from the end.
    pub fn take(&self) -> Result<Option<(Receive, Option<OwnedFd>)>, Fault> {
        let room = if Receive::LIMIT <= SMALL {
            Receive::LIMIT
        } else {
            match os::socket::next_message_length(self.as_fd()) {
                Ok(0) => return Ok(None),
                Ok(length) if length > Receive::LIMIT => return Err(Fault::TooLong),
                Ok(length) => length,
                Err(error) => return end_or_stuck(error),
            }
        };
        // A record may hold a password.
        let mut buffer = Zeroizing::new(vec![0; room]);
        match os::sibling::receive_with(self.as_fd(), &mut buffer) {
            Ok((0, _)) => Ok(None),
            Ok((count, fd)) => match Receive::from_record(&buffer[..count]) {
                Ok(message) => Ok(Some((message, fd))),
                Err(error) => Err(Fault::Malformed(error)),
            },
            Err(error) => end_or_stuck(error),
        }
    }
}

/// A record where none may have a descriptor with it.
pub(crate) fn without_descriptor<T>(
    taken: Option<(T, Option<OwnedFd>)>,
) -> Result<Option<T>, Fault> {
    match taken {
        Some((_, Some(_))) => Err(Fault::Malformed(Malformed::Unknown)),
        Some((message, None)) => Ok(Some(message)),
        None => Ok(None),
    }
}

fn to_record(message: &impl Message) -> io::Result<Zeroizing<Vec<u8>>> {
    let record = message.to_record();
    record.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
}

fn end_or_stuck<T>(error: io::Error) -> Result<Option<T>, Fault> {
    match error.kind() {
        // The other side is gone and has not read all.
        io::ErrorKind::ConnectionReset => Ok(None),
        io::ErrorKind::InvalidData => Err(Fault::TooLong),
        _ => Err(Fault::Stuck(error)),
    }
}

impl<Send, Receive> AsFd for Channel<Send, Receive> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl<Send, Receive> fmt::Debug for Channel<Send, Receive> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Channel").field(&self.socket).finish()
    }
}

#[cfg(test)]
#[path = "channel_tests.rs"]
pub(crate) mod tests;
