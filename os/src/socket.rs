//! What std and socket2 lack for sockets that are handed to other programs.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::sys::socket::{self, MsgFlags, SockaddrStorage, sockopt};

/// The far end of a connection as accept tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A TCP client.
    Tcp(SocketAddr),
    /// A client of a UNIX socket, which has no address worth the name.
    Unix,
}

/// Takes one connection from `listener`: close-on-exec and **blocking**, as programs expect it.
///
/// (mio's own accept leaves O_NONBLOCK on the open file that the program would share.)
pub fn accept(listener: BorrowedFd<'_>) -> io::Result<(OwnedFd, Peer)> {
    // SAFETY: an all-zero sockaddr_storage is a valid value of that plain C structure.
    let mut address: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let mut length = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    // SAFETY: both pointers are to locals that live through the call, and `length` says how much
    // room the address has.
    let fd = unsafe {
        libc::accept4(
            listener.as_raw_fd(),
            (&raw mut address).cast(),
            &raw mut length,
            libc::SOCK_CLOEXEC,
        )
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just returned this number as a new descriptor; nothing else knows it.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    let peer = match i32::from(address.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says that the kernel filled in a sockaddr_in, which is smaller
            // than and as aligned as the storage.
            let v4 = unsafe { &*(&raw const address).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            Peer::Tcp(SocketAddr::V4(SocketAddrV4::new(
                ip,
                u16::from_be(v4.sin_port),
            )))
        }
        libc::AF_INET6 => {
            // SAFETY: as above, for a sockaddr_in6.
            let v6 = unsafe { &*(&raw const address).cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            let port = u16::from_be(v6.sin6_port);
            Peer::Tcp(SocketAddr::V6(SocketAddrV6::new(
                ip,
                port,
                0,
                v6.sin6_scope_id,
            )))
        }
        _ => Peer::Unix,
    };
    Ok((fd, peer))
}

/// Whether accept failed for the sake of one client, who is gone, so that the next one can be
/// taken at once; accept(2) lists these. Anything else (descriptors or memory used up, a policy of
/// the system) is likely to happen again at once.
pub fn is_one_clients_trouble(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::ECONNABORTED
                | libc::EINTR
                | libc::ENETDOWN
                | libc::EPROTO
                | libc::ENOPROTOOPT
                | libc::EHOSTDOWN
                | libc::ENONET
                | libc::EHOSTUNREACH
                | libc::EOPNOTSUPP
                | libc::ENETUNREACH
        )
    )
}

/// The local address of a TCP socket.
pub fn local_address(fd: BorrowedFd<'_>) -> io::Result<SocketAddr> {
    let address: SockaddrStorage = socket::getsockname(fd.as_raw_fd())?;
    if let Some(v4) = address.as_sockaddr_in() {
        return Ok(SocketAddr::V4(SocketAddrV4::new(v4.ip(), v4.port())));
    }
    if let Some(v6) = address.as_sockaddr_in6() {
        return Ok(SocketAddr::V6(SocketAddrV6::new(
            v6.ip(),
            v6.port(),
            0,
            v6.scope_id(),
        )));
    }
    Err(io::Error::from_raw_os_error(libc::EAFNOSUPPORT))
}

/// Who connected to a UNIX socket, as the kernel noted it at connect time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The client's process.
    pub pid: i32,
    /// Its effective user.
    pub uid: u32,
    /// Its effective group.
    pub gid: u32,
}

/// The credentials of the other end of a UNIX socket.
pub fn peer_credentials(fd: BorrowedFd<'_>) -> io::Result<Credentials> {
    let found = socket::getsockopt(&fd, sockopt::PeerCredentials)?;
    Ok(Credentials {
        pid: found.pid(),
        uid: found.uid(),
        gid: found.gid(),
    })
}

/// Connects to the UNIX socket at `path`; where its queue is full, it is tried again until `deadline`,
/// `ErrorKind::TimedOut`. The connection is close-on-exec and non-blocking.
pub fn connect_unix_until(
    path: &std::path::Path,
    deadline: std::time::Instant,
) -> io::Result<OwnedFd> {
    use socket::{AddressFamily, SockFlag, SockType, UnixAddr};
    /// How long to wait for a place in the queue.
    const PAUSE: std::time::Duration = std::time::Duration::from_millis(20);
    let address = UnixAddr::new(path)?;
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket::socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    loop {
        match socket::connect(fd.as_raw_fd(), &address) {
            Ok(()) => return Ok(fd),
            // unix(7) has no waiting for a full queue: the call says so and nothing has happened.
            Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        if std::time::Instant::now() >= deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
        std::thread::sleep(PAUSE);
    }
}

/// Sends what fits at once; `ErrorKind::WouldBlock` where nothing does. Never raises SIGPIPE.
/// The blocking mode of the socket is left as it is.
pub fn send_nowait(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    Ok(socket::send(fd.as_raw_fd(), bytes, flags)?)
}

/// Sends all of `bytes` on a socket of either mode, waiting for room until `deadline` at the latest
/// (`ErrorKind::TimedOut`). The usual case is one system call.
pub fn send_all_until(
    fd: BorrowedFd<'_>,
    bytes: &[u8],
    deadline: std::time::Instant,
) -> io::Result<()> {
    let mut left = bytes;
    while !left.is_empty() {
        match send_nowait(fd, left) {
            Ok(count) => left = &left[count..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if !crate::poll::wait_writable(fd, deadline)? {
                    return Err(io::ErrorKind::TimedOut.into());
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Receives what is there; `ErrorKind::WouldBlock` where nothing is, 0 at the end.
pub fn receive_nowait(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    Ok(socket::recv(
        fd.as_raw_fd(),
        buffer,
        MsgFlags::MSG_DONTWAIT,
    )?)
}

/// Shows what has arrived on a socket and leaves it there, after waiting for it until `deadline`;
/// 0 is the end of the stream. `ErrorKind::TimedOut` means the deadline passed.
pub fn peek_until(
    fd: BorrowedFd<'_>,
    buffer: &mut [u8],
    deadline: std::time::Instant,
) -> io::Result<usize> {
    loop {
        if !crate::poll::wait_readable(fd, deadline)? {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match nix::sys::socket::recv(
            std::os::fd::AsRawFd::as_raw_fd(&fd),
            buffer,
            MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT,
        ) {
            Err(nix::errno::Errno::EINTR | nix::errno::Errno::EAGAIN) => {}
            other => return Ok(other?),
        }
    }
}

/// Whether `fd` is a socket of any kind.
pub fn is_socket(fd: BorrowedFd<'_>) -> bool {
    socket::getsockopt(&fd, sockopt::SockType).is_ok()
}

/// How long the next message of a [`message_pair`] is, which is left there; 0 is the end.
/// `ErrorKind::WouldBlock` where there is none now.
pub fn next_message_length(fd: BorrowedFd<'_>) -> io::Result<usize> {
    let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_TRUNC | MsgFlags::MSG_DONTWAIT;
    Ok(socket::recv(fd.as_raw_fd(), &mut [], flags)?)
}

/// A connected pair that keeps message boundaries; both ends close-on-exec.
pub fn message_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    use socket::{AddressFamily, SockFlag, SockType, socketpair};
    let kind = SockType::SeqPacket;
    Ok(socketpair(
        AddressFamily::Unix,
        kind,
        None,
        SockFlag::SOCK_CLOEXEC,
    )?)
}

/// Removes IP options (a source route) that came with the connection, so that answers go the
/// ordinary way. IPv4 only.
pub fn drop_ip_options(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: a null value of length 0 is the documented way (ip(7), IP_OPTIONS) to clear them.
    let done = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_OPTIONS,
            std::ptr::null(),
            0,
        )
    };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Turns Nagle's algorithm off.
pub fn set_nodelay(fd: BorrowedFd<'_>) -> io::Result<()> {
    Ok(socket::setsockopt(&fd, sockopt::TcpNoDelay, &true)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn a_full_queue_is_waited_for_until_the_deadline() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        let soon = || std::time::Instant::now() + std::time::Duration::from_millis(60);
        let error = connect_unix_until(&path, soon()).expect_err("nothing is there");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        let flags = socket::SockFlag::SOCK_CLOEXEC;
        let kind = socket::SockType::Stream;
        let listener = socket::socket(socket::AddressFamily::Unix, kind, flags, None);
        let listener = listener.expect("a socket");
        let address = socket::UnixAddr::new(&path).expect("an address");
        socket::bind(listener.as_raw_fd(), &address).expect("bound");
        let none = socket::Backlog::new(0).expect("a number");
        socket::listen(&listener, none).expect("listening");
        let _first = connect_unix_until(&path, soon()).expect("the queue has one place");
        let error = connect_unix_until(&path, soon()).expect_err("the queue is full");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn an_accepted_connection_is_blocking_even_from_a_non_blocking_listener() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
        listener.set_nonblocking(true).expect("a mode");
        let client = std::net::TcpStream::connect(listener.local_addr().expect("bound"));
        let client = client.expect("a connection");
        let (fd, peer) = accept(listener.as_fd()).expect("the connection");
        assert_eq!(peer, Peer::Tcp(client.local_addr().expect("connected")));
        let flags = nix::fcntl::fcntl(&fd, nix::fcntl::FcntlArg::F_GETFL).expect("flags");
        assert_eq!(flags & libc::O_NONBLOCK, 0);
    }

    #[test]
    fn accepting_with_nobody_there_would_block() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
        listener.set_nonblocking(true).expect("a mode");
        let error = accept(listener.as_fd()).expect_err("nobody connects");
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn ip_options_can_be_cleared_and_nagle_turned_off() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
        let client = std::net::TcpStream::connect(listener.local_addr().expect("bound"));
        let client = client.expect("a connection");
        drop_ip_options(client.as_fd()).expect("cleared");
        set_nodelay(client.as_fd()).expect("set");
        assert!(client.nodelay().expect("the option"));
    }

    #[test]
    fn the_other_end_of_a_unix_pair_is_this_process() {
        let (one, _other) = std::os::unix::net::UnixStream::pair().expect("a pair");
        let who = peer_credentials(one.as_fd()).expect("credentials");
        assert_eq!(who.pid, i32::try_from(std::process::id()).expect("a pid"));
    }

    #[test]
    fn messages_keep_their_boundaries() {
        let (one, other) = message_pair().expect("a pair");
        send_nowait(one.as_fd(), b"first").expect("sent");
        send_nowait(one.as_fd(), b"second").expect("sent");
        let mut buffer = [0; 32];
        assert_eq!(next_message_length(other.as_fd()).expect("there"), 5);
        assert_eq!(
            receive_nowait(other.as_fd(), &mut buffer).expect("there"),
            5
        );
        assert_eq!(next_message_length(other.as_fd()).expect("there"), 6);
        drop(one);
        receive_nowait(other.as_fd(), &mut buffer).expect("there");
        assert_eq!(next_message_length(other.as_fd()).expect("the end"), 0);
    }
}
