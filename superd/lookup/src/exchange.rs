//! The ident conversation with a client's host: the socket around [`crate::ident`].
//!
//! The connection goes out from the local address of the client's connection (any port), because
//! the far ident server knows connections by both addresses (RFC 1413 section 2).

use std::io::{self, Read};
use std::net::SocketAddr;
use std::task::Poll;

use dns::transport::{retry, send_unsent};
use mio::net::TcpStream;
use mio::{Interest, Token};
use socket2::{Domain, Protocol, Socket, Type};

use crate::ident::{Progress, Reply, request};
use crate::watch::{Concern, Shell};

/// One conversation.
#[derive(Debug)]
pub(crate) struct Exchange {
    stream: TcpStream,
    token: Token,
    unsent: Vec<u8>,
    reply: Reply,
}

impl Exchange {
    /// Begins to ask port `ident_port` of `remote` about the connection from there to `local`.
    pub(crate) fn start(
        (local, remote): (SocketAddr, SocketAddr),
        ident_port: u16,
        shell: &mut Shell,
        owner: Concern,
    ) -> io::Result<Exchange> {
        let socket = Socket::new(
            Domain::for_address(remote),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        socket.set_nonblocking(true)?;
        let (mut from, mut to) = (local, remote);
        from.set_port(0);
        to.set_port(ident_port);
        socket.bind(&from.into())?;
        // "In progress" is an error, too, and std has no stable name for it. Whatever else went
        // wrong comes out at once: such a socket is ready, and the first write to it fails.
        let _ = socket.connect(&to.into());
        let mut stream = TcpStream::from_std(socket.into());
        let token = shell.watch(&mut stream, Interest::READABLE | Interest::WRITABLE, owner)?;
        let unsent = request(remote.port(), local.port());
        Ok(Exchange {
            stream,
            token,
            unsent,
            reply: Reply::default(),
        })
    }

    /// Goes on as far as it goes; ready with the information, or without any.
    pub(crate) fn go_on(&mut self) -> Poll<Option<Vec<u8>>> {
        match self.try_to_go_on() {
            Ok(info) => Poll::Ready(info),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected => Poll::Pending,
                _ => Poll::Ready(None),
            },
        }
    }

    fn try_to_go_on(&mut self) -> io::Result<Option<Vec<u8>>> {
        send_unsent(&mut self.stream, &mut self.unsent)?;
        loop {
            let mut buffer = [0; 512];
            let count = retry(|| self.stream.read(&mut buffer))?;
            if count == 0 {
                return Ok(None);
            }
            match self.reply.push(&buffer[..count]) {
                Progress::More => {}
                Progress::Done(info) => return Ok(Some(info)),
                Progress::TooLong => return Ok(None),
            }
        }
    }

    pub(crate) fn close(mut self, shell: &mut Shell) {
        shell.forget(&mut self.stream, self.token);
    }
}
