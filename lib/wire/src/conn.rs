//! A conversation: two descriptors, a bounded buffer, collected replies, deadlines.
//!
//! The descriptors may be a socket, a socket pair or two pipes, blocking or not; their modes are
//! not touched. They can be replaced in mid-session, as STARTTLS by a helper process needs it.
//!
//! - **Replies travel together.** They are collected and written before any read, so the answers
//!   to pipelined commands are one write, and the answer to a complete command goes out even if
//!   half of the next one has arrived (both as observed on qmail-smtpd).
//! - **Every wait has an end.** A line must be complete within the read limit, counted from the
//!   moment its missing part is waited for: one byte a minute does not keep a session open. A
//!   block of data and a write have the same limit each. Nothing goes on past the session's end.
//! - **Every line has a limit.** A longer one is read to its end and reported, in no more memory
//!   than the buffer; one that does not end within [`FLOOD_LIMIT`] ends the conversation.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use memchr::memchr;
use os::poll::For;
use zeroize::Zeroize;

use crate::codec::{Codec, Coded};

/// How much is read at once, and the most that is read ahead.
const BUFFER_BYTES: usize = 16 * 1024;

/// The room for that in the beginning; it grows for a client that fills it. Most never do, and there
/// may be thousands of them.
const FIRST_BYTES: usize = 2 * 1024;

/// The most bytes that a conversation can have read ahead.
pub const AHEAD_LIMIT: usize = BUFFER_BYTES;

/// Collected replies are written out when there are more of them, read or no read.
const REPLY_BYTES: usize = 8 * 1024;

/// The most bytes that are thrown away in search of the end of a line that is too long.
pub const FLOOD_LIMIT: usize = 1024 * 1024;

/// The limits in time of a conversation.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For one line, one block of data, or one write.
    pub read: Duration,
    /// When the conversation ends, whatever it is doing.
    pub session_end: Instant,
}

/// Why a conversation cannot go on.
#[derive(Debug)]
pub enum Trouble {
    /// The client was silent, or took no bytes, for too long.
    Timeout,
    /// The session's time is over.
    SessionOver,
    /// The client closed its side.
    Closed,
    /// A line did not end within [`FLOOD_LIMIT`] bytes.
    Flood,
    /// A descriptor failed.
    Io(io::Error),
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Trouble::Timeout => write!(f, "the client was silent for too long"),
            Trouble::SessionOver => write!(f, "the session took too long"),
            Trouble::Closed => write!(f, "the client closed the connection"),
            Trouble::Flood => write!(f, "the client sent a line without end"),
            Trouble::Io(error) => write!(f, "the connection failed: {}", os::reason(error)),
        }
    }
}

/// What [`Conn::read_line`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// A line within the limit.
    Whole,
    /// A line over the limit; it was thrown away.
    TooLong,
}

/// The server's side of a conversation.
#[derive(Debug)]
pub struct Conn {
    input: OwnedFd,
    output: OwnedFd,
    output_is_socket: bool,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    replies: Vec<u8>,
    /// Why replies were lost: from then on there is no conversation any more.
    lost: Option<io::ErrorKind>,
    limits: Limits,
    traffic: Traffic,
    /// Where not a byte may be read ahead: how that is done.
    exact: Option<Exact>,
    coded: Option<Coded>,
}

/// How many bytes have passed, as they are on the descriptors; with TLS that is what is inside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// From the client.
    pub received: u64,
    /// To the client, as far as that is known: of a reply that was cut by an error nothing is counted.
    pub sent: u64,
}

/// What a wait ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// The client has sent something, or has gone.
    Input,
    /// The other descriptor.
    Other,
    /// The time has come.
    Time,
}

/// What is read for, where nothing behind it may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// The end of a line.
    LineEnd,
    /// So many bytes, at least one.
    Octets(usize),
}

/// How to read a line and nothing behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exact {
    /// A socket shows what has arrived without giving it away.
    Peek,
    /// Anything else is read byte by byte.
    Bytes,
}

impl Conn {
    /// Over `input` and `output`, which may be the same socket.
    pub fn new(input: OwnedFd, output: OwnedFd, limits: Limits) -> Conn {
        Conn {
            input,
            output_is_socket: os::socket::is_socket(output.as_fd()),
            output,
            buffer: vec![0; FIRST_BYTES],
            start: 0,
            end: 0,
            replies: Vec::new(),
            lost: None,
            limits,
            traffic: Traffic::default(),
            exact: None,
            coded: None,
        }
    }

    /// From now on nothing behind the line that is asked for is read: a program that takes the
    /// conversation over by exec must find all of it. Slower, so only where that may happen.
    pub fn read_exactly(&mut self) {
        let socket = os::socket::is_socket(self.input.as_fd());
        self.exact = Some(if socket { Exact::Peek } else { Exact::Bytes });
    }

    /// Puts bytes that another side of the same program had read ahead before what comes next. At
    /// most [`AHEAD_LIMIT`] of them; a caller with more has not kept to the limit of its own record.
    pub fn resume(&mut self, ahead: &[u8]) {
        debug_assert_eq!(
            self.start, self.end,
            "a conversation is resumed at its beginning"
        );
        let count = ahead.len().min(BUFFER_BYTES);
        if count > self.buffer.len() {
            self.grow();
        }
        self.buffer[..count].copy_from_slice(&ahead[..count]);
        self.start = 0;
        self.end = count;
    }

    /// The bytes that were read and not asked for, at most [`AHEAD_LIMIT`].
    pub fn ahead(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Overwrites everything that was read, secrets among it; what was read ahead is lost.
    pub fn wipe(&mut self) {
        self.buffer.as_mut_slice().zeroize();
        self.start = 0;
        self.end = 0;
    }

    /// Over descriptors 0 and 1, by close-on-exec duplicates of them.
    pub fn standard(limits: Limits) -> io::Result<Conn> {
        let input = os::fd::duplicate_high(os::fd::standard_input().as_fd())?;
        let output = os::fd::duplicate_high(os::fd::standard_output().as_fd())?;
        Ok(Conn::new(input, output, limits))
    }

    /// Goes on over other descriptors. Bytes that were read ahead are dropped: what a client sent
    /// in the clear must not count as sent after the switch (CVE-2011-0411). Flush first.
    pub fn replace(&mut self, input: OwnedFd, output: OwnedFd) {
        self.input = input;
        self.output_is_socket = os::socket::is_socket(output.as_fd());
        self.output = output;
        if self.exact.is_some() {
            self.read_exactly();
        }
        self.start = 0;
        self.end = 0;
        self.replies.clear();
        self.lost = None;
        self.coded = None;
    }

    /// From now on everything goes through `codec`, both ways; so does what was read ahead. Replies
    /// that were added before go out as they are.
    pub fn encode_with(&mut self, codec: Box<dyn Codec>) -> Result<(), Trouble> {
        self.flush()?;
        self.coded = Some(Coded::new(codec, &self.buffer[self.start..self.end]));
        self.start = 0;
        self.end = 0;
        Ok(())
    }

    /// What has passed so far, on all descriptors together.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Whether a codec is in use.
    pub fn is_encoded(&self) -> bool {
        self.coded.is_some()
    }

    /// Writes the replies; then waits for the client, for `other` to become readable, or until
    /// `until`. Nothing is read.
    pub fn wait(
        &mut self,
        other: Option<BorrowedFd<'_>>,
        until: Instant,
    ) -> Result<Ready, Trouble> {
        self.flush()?;
        if self.start < self.end || self.decode_more()? > 0 {
            return Ok(Ready::Input);
        }
        let until = until.min(self.limits.session_end);
        let wanted = [
            Some((self.input.as_fd(), For::Reading)),
            other.map(|fd| (fd, For::Reading)),
        ];
        match os::poll::wait_any(wanted, Some(until)).map_err(Trouble::Io)? {
            [true, _] => Ok(Ready::Input),
            [false, true] => Ok(Ready::Other),
            [false, false] if Instant::now() >= self.limits.session_end => {
                Err(Trouble::SessionOver)
            }
            [false, false] => Ok(Ready::Time),
        }
    }

    /// Decodes into the empty buffer what was read already; how much.
    fn decode_more(&mut self) -> Result<usize, Trouble> {
        let Some(coded) = &mut self.coded else {
            return Ok(0);
        };
        let made = coded.decode(&mut self.buffer).map_err(Trouble::Io)?;
        self.start = 0;
        self.end = made;
        Ok(made)
    }

    /// Whether bytes of the client's are there, and not just the end of what it sends.
    pub fn has_input(&mut self) -> bool {
        self.start < self.end || matches!(self.data(), Ok(bytes) if !bytes.is_empty())
    }

    /// The session ends at `end`, whatever it is doing.
    pub fn end_at(&mut self, end: Instant) {
        self.limits.session_end = end;
    }

    /// How long the session may still last.
    pub fn time_left(&self) -> Duration {
        self.limits
            .session_end
            .saturating_duration_since(Instant::now())
    }

    /// Adds a complete reply, line ends included. It goes out before the next read.
    pub fn reply(&mut self, bytes: &[u8]) {
        self.replies.extend_from_slice(bytes);
    }

    /// Writes the collected replies.
    pub fn flush(&mut self) -> Result<(), Trouble> {
        self.flush_until(self.deadline())
    }

    /// Writes `bytes` as far as that can be done without waiting, to a client that is given up: replies that it has
    /// not taken are lost.
    pub fn last_words(&mut self, bytes: &[u8]) {
        self.replies.clear();
        self.reply(bytes);
        let _ = self.flush_until(Instant::now());
    }

    /// Whether all replies so far have gone out. Where one has not, nothing that comes next may be done as
    /// if the client had heard it, whoever has seen the error when it happened.
    fn check_output(&self) -> Result<(), Trouble> {
        match self.lost {
            None => Ok(()),
            Some(kind) => Err(self.trouble(kind.into())),
        }
    }

    fn flush_until(&mut self, deadline: Instant) -> Result<(), Trouble> {
        self.check_output()?;
        if self.replies.is_empty() {
            return Ok(());
        }
        let output = self.output.as_fd();
        let bytes = match &mut self.coded {
            None => &self.replies,
            Some(coded) => {
                coded.out.clear();
                let Coded { codec, out, .. } = coded;
                codec.encode(&self.replies, out).map_err(Trouble::Io)?;
                out
            }
        };
        let written = if self.output_is_socket {
            os::socket::send_all_until(output, bytes, deadline)
        } else {
            os::fd::write_all_until(output, bytes, deadline)
        };
        let count = bytes.len() as u64;
        self.replies.clear();
        if let Err(error) = written {
            self.lost = Some(error.kind());
            return Err(self.trouble(error));
        }
        self.traffic.sent += count;
        Ok(())
    }

    /// Whether the client cannot get what is written any more, as far as is known now.
    pub fn is_broken(&self) -> bool {
        os::fd::is_broken(self.output.as_fd())
    }

    /// Writes the replies, and sees whether the client can still get the next one: what is done for one that
    /// cannot is done again, for it asks again. A client that has only stopped sending can.
    pub fn reach(&mut self) -> Result<(), Trouble> {
        self.flush()?;
        if self.is_broken() {
            return Err(Trouble::Closed);
        }
        Ok(())
    }

    /// Reads the next line into `line`, without its LF and without one CR before that.
    ///
    /// `limit` is for the line without its end. A bare LF ends a line: people speak these
    /// protocols through nc. Bytes without LF before the end of the stream are no line.
    pub fn read_line(&mut self, line: &mut Vec<u8>, limit: usize) -> Result<Line, Trouble> {
        self.check_output()?;
        if self.replies.len() > REPLY_BYTES {
            self.flush()?;
        }
        line.clear();
        let mut deadline = None;
        let mut too_long = 0;
        loop {
            let unread = &self.buffer[self.start..self.end];
            let found = memchr(b'\n', unread);
            let piece = &unread[..found.unwrap_or(unread.len())];
            // One byte over the limit may be the CR of a line of just the limit.
            if too_long > 0 || line.len() + piece.len() > limit + 1 {
                too_long += line.len() + piece.len();
                line.clear();
            } else {
                line.extend_from_slice(piece);
            }
            self.start += piece.len() + usize::from(found.is_some());
            if too_long > FLOOD_LIMIT {
                return Err(Trouble::Flood);
            }
            if found.is_some() {
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                if too_long > 0 || line.len() > limit {
                    line.clear();
                    return Ok(Line::TooLong);
                }
                return Ok(Line::Whole);
            }
            let by = *deadline.get_or_insert_with(|| self.deadline());
            self.fill(by, Wanted::LineEnd)?;
        }
    }

    /// Reads the next `count` bytes, whatever they are, into `octets` in the place of what it holds. They must all
    /// be there within the read limit, as a line must.
    pub fn read_octets(&mut self, octets: &mut Vec<u8>, count: usize) -> Result<(), Trouble> {
        octets.clear();
        if octets.capacity() < count {
            // What it held may have been a password, and it is going to be moved.
            octets.zeroize();
            octets.reserve_exact(count);
        }
        self.take_octets(count, |piece| octets.extend_from_slice(piece))
    }

    /// Throws the next `count` bytes away.
    pub fn skip_octets(&mut self, count: usize) -> Result<(), Trouble> {
        self.take_octets(count, |_| ())
    }

    fn take_octets(&mut self, count: usize, mut give: impl FnMut(&[u8])) -> Result<(), Trouble> {
        let mut deadline = None;
        let mut left = count;
        loop {
            let taken = left.min(self.end - self.start);
            give(&self.buffer[self.start..self.start + taken]);
            self.start += taken;
            left -= taken;
            if left == 0 {
                return Ok(());
            }
            let by = *deadline.get_or_insert_with(|| self.deadline());
            self.fill(by, Wanted::Octets(left))?;
        }
    }

    /// The bytes that are there, after waiting for at least one. [`Conn::consume`] takes them.
    pub fn data(&mut self) -> Result<&[u8], Trouble> {
        self.check_output()?;
        if self.start == self.end {
            let by = self.deadline();
            self.fill(by, Wanted::LineEnd)?;
        }
        Ok(&self.buffer[self.start..self.end])
    }

    /// Takes `count` of the bytes that [`Conn::data`] showed.
    pub fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
    }

    /// Reads what is there into the empty buffer, after writing the replies.
    fn fill(&mut self, deadline: Instant, wanted: Wanted) -> Result<(), Trouble> {
        debug_assert_eq!(self.start, self.end, "unread bytes would be lost");
        self.flush()?;
        // Bytes that are there already would be read without any wait that could end.
        if Instant::now() >= self.limits.session_end {
            return Err(Trouble::SessionOver);
        }
        // It was full at the last read: there is more where that came from.
        if self.end == self.buffer.len() && self.end < BUFFER_BYTES {
            self.grow();
        }
        self.start = 0;
        self.end = 0;
        if self.coded.is_some() {
            return self.fill_coded(deadline);
        }
        let room = match (self.exact, wanted) {
            (None, _) => self.buffer.len(),
            (Some(_), Wanted::Octets(count)) => count.min(self.buffer.len()),
            (Some(Exact::Bytes), Wanted::LineEnd) => 1,
            (Some(Exact::Peek), Wanted::LineEnd) => {
                let seen = os::socket::peek_until(self.input.as_fd(), &mut self.buffer, deadline)
                    .map_err(|error| self.trouble(error))?;
                memchr(b'\n', &self.buffer[..seen]).map_or(seen.max(1), |at| at + 1)
            }
        };
        match os::fd::read_until(self.input.as_fd(), &mut self.buffer[..room], deadline) {
            Ok(0) => Err(Trouble::Closed),
            Ok(count) => {
                self.end = count;
                self.traffic.received += count as u64;
                Ok(())
            }
            Err(error) => Err(self.trouble(error)),
        }
    }

    fn fill_coded(&mut self, deadline: Instant) -> Result<(), Trouble> {
        while self.decode_more()? == 0 {
            let Some(coded) = &mut self.coded else {
                break;
            };
            match os::fd::read_until(self.input.as_fd(), coded.room(), deadline) {
                Ok(0) => return Err(Trouble::Closed),
                Ok(count) => {
                    self.traffic.received += count as u64;
                    coded.filled(count);
                }
                Err(error) => return Err(self.trouble(error)),
            }
        }
        Ok(())
    }

    /// Makes room for as much as is ever read at once; what was read is kept.
    fn grow(&mut self) {
        let mut larger = vec![0; BUFFER_BYTES];
        larger[..self.buffer.len()].copy_from_slice(&self.buffer);
        // Passwords may have been in it.
        self.buffer.as_mut_slice().zeroize();
        self.buffer = larger;
    }

    fn deadline(&self) -> Instant {
        let now = Instant::now();
        now.checked_add(self.limits.read)
            .map_or(self.limits.session_end, |by| {
                by.min(self.limits.session_end)
            })
    }

    fn trouble(&self, error: io::Error) -> Trouble {
        match error.kind() {
            io::ErrorKind::TimedOut if Instant::now() >= self.limits.session_end => {
                Trouble::SessionOver
            }
            io::ErrorKind::TimedOut => Trouble::Timeout,
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Trouble::Closed,
            _ => Trouble::Io(error),
        }
    }
}

#[cfg(test)]
#[path = "conn_tests.rs"]
mod tests;
