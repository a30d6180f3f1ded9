//! One connection as values: its two ends, and the names that were found for them.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::sync::Arc;

use os::socket::Credentials;

/// The two ends of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ends {
    /// TCP over IPv4.
    Tcp {
        /// The address and port that the client connected to.
        local: SocketAddr,
        /// The client's address and port.
        remote: SocketAddr,
    },
    /// A UNIX socket.
    Unix {
        /// The socket's path, as given on the command line.
        path: Arc<PathBuf>,
        /// Who connected; `None` where the kernel does not say.
        peer: Option<Credentials>,
    },
}

/// What is known about a connection beyond its numbers. A name that is not known is `None`; an
/// ident server's empty answer is known and empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// The local host name.
    pub local: Option<Vec<u8>>,
    /// The client's host name.
    pub remote: Option<Vec<u8>>,
    /// What the client's ident server said.
    pub info: Option<Vec<u8>>,
    /// What is wanted of the client is not known because nobody could be asked; that it has no name may not
    /// be true. Rules must not be asked about such a one.
    pub lost: bool,
}

/// The text of an address as variables, rules and log lines have it.
pub fn ip_text(address: IpAddr) -> String {
    address.to_string()
}

/// What is set on the socket of a TCP connection.
#[derive(Clone, Copy, Debug)]
pub struct SocketOptions {
    /// `-o`: IP options that came with the connection stay.
    pub keep_ip_options: bool,
    /// `-D`: TCP_NODELAY.
    pub nodelay: bool,
}

impl SocketOptions {
    /// Sets them. That one cannot be set is no reason to lose a client.
    pub fn set(self, socket: BorrowedFd<'_>) {
        if !self.keep_ip_options {
            let _ = os::socket::drop_ip_options(socket);
        }
        if self.nodelay {
            let _ = os::socket::set_nodelay(socket);
        }
    }
}
