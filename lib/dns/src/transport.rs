//! The sockets of one question to one server: a datagram first, TCP where the answer is too long
//! for that (RFC 1035 section 4.2, RFC 7766).
//!
//! Each question to each server has a socket of its own, connected, on a port that the kernel
//! picks at random, and an identifier from the kernel's random numbers; so a forged answer has to
//! guess both, and only the server that was asked is heard. A second try goes out by the same
//! socket with the same identifier: it gives a forger no second chance, and a late answer to the
//! first try still counts.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use mio::net::{TcpStream, UdpSocket};
use mio::{Interest, Token};

use crate::Trouble;
use crate::message::{self, Question, Verdict};
use crate::shell::Shell;

/// A datagram longer than this is no answer to a query without EDNS (512 bytes at most).
const DATAGRAM_LIMIT: usize = 4_096;

/// A server, or a forger, that has sent so many messages that answer something else is not
/// listened to any longer.
pub(crate) const WRONG_ANSWERS_LIMIT: u32 = 32;

/// What came of an event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Nothing that counts.
    Nothing,
    /// The verdict on a message; never [`Verdict::NotOurs`].
    Message(Verdict),
    /// This way to the server is of no use.
    Trouble(Trouble),
}

fn random_id() -> io::Result<u16> {
    let mut id = [0; 2];
    os::process::random(&mut id)?;
    Ok(u16::from_be_bytes(id))
}

/// The datagram socket to one server.
#[derive(Debug)]
pub(crate) struct Datagram {
    socket: UdpSocket,
    pub(crate) token: Token,
    id: u16,
    wrong: u32,
}

impl Datagram {
    pub(crate) fn open<C: Copy>(
        server: SocketAddr,
        shell: &mut Shell<C>,
        owner: C,
    ) -> io::Result<Self> {
        let any = match server {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        let mut socket = UdpSocket::bind(any)?;
        socket.connect(server)?;
        let id = random_id()?;
        let token = shell.watch(&mut socket, Interest::READABLE, owner)?;
        Ok(Datagram {
            socket,
            token,
            id,
            wrong: 0,
        })
    }

    pub(crate) fn send(&self, question: &Question) -> io::Result<()> {
        self.socket
            .send(&message::query(question, self.id))
            .map(|_| ())
    }

    pub(crate) fn receive(&mut self, question: &Question) -> Heard {
        let mut buffer = [0; DATAGRAM_LIMIT];
        loop {
            let message = match self.socket.recv(&mut buffer) {
                Ok(length) => &buffer[..length],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Heard::Nothing,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Heard::Trouble(Trouble::from(&error)),
            };
            match message::examine(message, self.id, question) {
                Verdict::NotOurs => self.wrong += 1,
                verdict => return Heard::Message(verdict),
            }
            if self.wrong >= WRONG_ANSWERS_LIMIT {
                return Heard::Trouble(Trouble::Protocol);
            }
        }
    }

    pub(crate) fn close<C: Copy>(mut self, shell: &mut Shell<C>) {
        shell.forget(&mut self.socket, self.token);
    }
}

/// A connection to one server, for one question.
#[derive(Debug)]
pub(crate) struct Stream {
    stream: TcpStream,
    pub(crate) token: Token,
    /// The server's number in the question's list.
    pub(crate) server: usize,
    id: u16,
    /// The query behind its length, as far as it has not been sent.
    unsent: Vec<u8>,
    /// The answer behind its length, as far as it has come.
    received: Vec<u8>,
}

impl Stream {
    pub(crate) fn open<C: Copy>(
        (server, address): (usize, SocketAddr),
        question: &Question,
        shell: &mut Shell<C>,
        owner: C,
    ) -> io::Result<Stream> {
        let id = random_id()?;
        let query = message::query(question, id);
        let length = u16::try_from(query.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let unsent = [&length.to_be_bytes()[..], &query].concat();
        let mut stream = TcpStream::connect(address)?;
        let token = shell.watch(&mut stream, Interest::READABLE | Interest::WRITABLE, owner)?;
        Ok(Stream {
            stream,
            token,
            server,
            id,
            unsent,
            received: Vec::new(),
        })
    }

    pub(crate) fn go_on(&mut self, question: &Question) -> Heard {
        match self.try_to_go_on() {
            Ok(None) => Heard::Nothing,
            Ok(Some(message)) => match message::examine(&message, self.id, question) {
                // Cut short even here, or about something else: there is no further way.
                Verdict::NotOurs | Verdict::Truncated => Heard::Trouble(Trouble::Protocol),
                verdict => Heard::Message(verdict),
            },
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected => Heard::Nothing,
                _ => Heard::Trouble(Trouble::from(&error)),
            },
        }
    }

    /// Sends what is left to be sent, then reads; the message once all of it is there.
    fn try_to_go_on(&mut self) -> io::Result<Option<Vec<u8>>> {
        send_unsent(&mut self.stream, &mut self.unsent)?;
        loop {
            let wanted = match self.received.first_chunk() {
                Some(&length) => 2 + usize::from(u16::from_be_bytes(length)),
                None => 2,
            };
            if self.received.len() >= 2 && self.received.len() == wanted {
                return Ok(Some(self.received.split_off(2)));
            }
            let mut buffer = [0; 4_096];
            let room = buffer.len().min(wanted - self.received.len());
            match retry(|| self.stream.read(&mut buffer[..room]))? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => self.received.extend(&buffer[..count]),
            }
        }
    }

    pub(crate) fn close<C: Copy>(mut self, shell: &mut Shell<C>) {
        shell.forget(&mut self.stream, self.token);
    }
}

/// Sends all of `unsent`, or what goes now (then `WouldBlock`); takes out what is sent. A connection
/// that could not be made is the error that it failed with.
pub fn send_unsent(stream: &mut TcpStream, unsent: &mut Vec<u8>) -> io::Result<()> {
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    while !unsent.is_empty() {
        let sent = retry(|| stream.write(unsent))?;
        unsent.drain(..sent);
    }
    Ok(())
}

/// Calls again where a signal has come between.
pub fn retry(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
