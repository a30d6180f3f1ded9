//! The place to listen: from words to a bound, listening socket.

use std::ffi::OsStr;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use os::names::services::service_port;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::numbers::number;

/// What the word for the host means before anything is looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// An address, or all of them.
    Address(Ipv4Addr),
    /// A name for the hosts file and DNS.
    Name(Vec<u8>),
    /// An IPv6 address, which this version does not listen on.
    V6,
}

/// `0` and the empty word are every IPv4 address; dotted decimal, also in brackets, is itself.
///
/// The original lets octets wrap (`127.0.0.256` is 127.0.0.0); here such a word is a name.
pub fn host(word: &[u8]) -> Host {
    if word.is_empty() || word == b"0" {
        return Host::Address(Ipv4Addr::UNSPECIFIED);
    }
    let inner = word
        .strip_prefix(b"[")
        .and_then(|rest| rest.strip_suffix(b"]"))
        .unwrap_or(word);
    match std::str::from_utf8(inner).ok().and_then(dotted) {
        Some(address) => Host::Address(address),
        None if word.contains(&b':') => Host::V6,
        None => Host::Name(word.to_vec()),
    }
}

/// Four octets; unlike std's parser this takes leading zeros, which are decimal here.
fn dotted(text: &str) -> Option<Ipv4Addr> {
    let mut octets = [0u8; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        let part = parts.next()?;
        if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *octet = part.parse().ok()?;
    }
    parts.next().is_none().then(|| Ipv4Addr::from(octets))
}

/// The port: digits are a number, anything else the name of a TCP service.
///
/// The error is a sentence without the program's name.
pub fn port(word: &OsStr) -> Result<u16, (String, os::Exit)> {
    let bytes = word.as_bytes();
    if bytes.is_empty() || bytes.iter().all(u8::is_ascii_digit) {
        let range = 0..=u16::MAX;
        return number("the port", word, range).map_err(|told| (told, os::Exit::PERMANENT));
    }
    match service_port(bytes, b"tcp") {
        Ok(Some(port)) => Ok(port),
        Ok(None) => {
            let name = bytes.escape_ascii();
            Err((
                format!("unable to figure out port number for {name}"),
                os::Exit::TEMPORARY,
            ))
        }
        Err(error) => {
            let why = os::reason(&error);
            Err((
                format!("unable to read /etc/services: {why}"),
                os::Exit::TEMPORARY,
            ))
        }
    }
}

/// A listening socket, non-blocking and close-on-exec.
#[derive(Debug)]
pub struct Listener {
    /// The socket.
    pub socket: OwnedFd,
    /// What it is bound to.
    pub bound: Bound,
}

/// What a listener is bound to.
#[derive(Clone, Debug)]
pub enum Bound {
    /// An address, perhaps the one that stands for all, and the port as the kernel gave it.
    Tcp(SocketAddr),
    /// A UNIX socket.
    Unix {
        /// Its path, as given.
        path: Arc<PathBuf>,
        /// Device and inode of its file.
        file: Option<(u64, u64)>,
    },
}

/// Which step failed; `Display` is the original's text.
#[derive(Debug)]
pub enum ListenError {
    /// socket(2).
    Create(io::Error),
    /// bind(2) to a TCP address.
    Bind(io::Error),
    /// bind(2) to a path.
    BindPath(PathBuf, io::Error),
    /// There is a file of that name that is no socket.
    NoSocket(PathBuf),
    /// listen(2).
    Listen(io::Error),
    /// The owner of a UNIX socket.
    Owner(PathBuf, io::Error),
}

impl std::fmt::Display for ListenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ListenError::Create(e) => write!(f, "unable to create socket: {}", os::reason(e)),
            ListenError::Bind(e) => write!(f, "unable to bind: {}", os::reason(e)),
            ListenError::BindPath(path, e) => {
                write!(f, "unable to bind {}: {}", path.display(), os::reason(e))
            }
            ListenError::NoSocket(path) => {
                write!(
                    f,
                    "unable to bind {}: it is there and no socket",
                    path.display()
                )
            }
            ListenError::Listen(e) => write!(f, "unable to listen: {}", os::reason(e)),
            ListenError::Owner(path, e) => {
                write!(
                    f,
                    "unable to set owner of {}: {}",
                    path.display(),
                    os::reason(e)
                )
            }
        }
    }
}

/// Listens on an IPv4 address.
pub fn tcp(address: Ipv4Addr, port: u16, backlog: i32) -> Result<Listener, ListenError> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM.cloexec().nonblocking(), None)
        .map_err(ListenError::Create)?;
    socket
        .set_reuse_address(true)
        .map_err(ListenError::Create)?;
    let wanted = SocketAddr::new(IpAddr::V4(address), port);
    socket
        .bind(&SockAddr::from(wanted))
        .map_err(ListenError::Bind)?;
    let bound = socket.local_addr().map_err(ListenError::Bind)?;
    let bound = bound.as_socket().unwrap_or(wanted);
    socket.listen(backlog).map_err(ListenError::Listen)?;
    Ok(Listener {
        socket: socket.into(),
        bound: Bound::Tcp(bound),
    })
}

/// Listens on a UNIX socket at `path`, which gets `mode` (as the umask says where `None`) and the
/// owner and group given by number.
///
/// A socket that nobody listens on any more is replaced; one that somebody does is "already used",
/// and so is anything else of that name. Mode and owner are set before the first client can
/// connect, and never on anything but the socket, whatever is done to its folder meanwhile.
///
/// Only for the start, while there is one thread: the umask is the process's.
pub fn unix(
    path: &Path,
    backlog: i32,
    mode: Option<u32>,
    owner: Option<(u32, Option<u32>)>,
) -> Result<Listener, ListenError> {
    let bind_error = |error| ListenError::BindPath(path.to_owned(), error);
    let address = SockAddr::unix(path).map_err(bind_error)?;
    if std::fs::symlink_metadata(path).is_ok_and(|meta| !is_socket(&meta)) {
        return Err(ListenError::NoSocket(path.to_owned()));
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM.cloexec().nonblocking(), None)
        .map_err(ListenError::Create)?;
    // The socket is born with its mode: a chmod of the name afterwards could hit another file.
    let umask = mode.map(|mode| os::process::umask(0o777 & !mode));
    let bound = bind_in_place_of_a_stale_one(&socket, path, &address);
    if let Some(umask) = umask {
        os::process::umask(umask);
    }
    bound.map_err(bind_error)?;
    if let Some((uid, gid)) = owner {
        os::file::give_socket(path, uid, gid)
            .map_err(|error| ListenError::Owner(path.to_owned(), error))?;
    }
    socket.listen(backlog).map_err(ListenError::Listen)?;
    let file = file_number(path);
    let bound = Bound::Unix {
        path: Arc::new(path.to_owned()),
        file,
    };
    Ok(Listener {
        socket: socket.into(),
        bound,
    })
}

fn bind_in_place_of_a_stale_one(
    socket: &Socket,
    path: &Path,
    address: &SockAddr,
) -> io::Result<()> {
    match socket.bind(address) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_stale(path, address) => {
            std::fs::remove_file(path)?;
            socket.bind(address)
        }
        other => other,
    }
}

fn is_socket(meta: &std::fs::Metadata) -> bool {
    std::os::unix::fs::FileTypeExt::is_socket(&meta.file_type())
}

/// Device and inode of what is at `path`.
fn file_number(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    std::fs::symlink_metadata(path)
        .ok()
        .map(|meta| (meta.dev(), meta.ino()))
}

impl Bound {
    /// Removes the socket file at the end, unless another server's has taken its place. After the
    /// drop of privileges this may not be permitted; the next start replaces the file.
    pub fn remove_file(&self) {
        if let Bound::Unix { path, file } = self
            && file.is_some()
            && file_number(path) == *file
        {
            let _ = std::fs::remove_file(&**path);
        }
    }
}

/// A socket file that refuses a connection belongs to nobody.
fn is_stale(path: &Path, address: &SockAddr) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|meta| is_socket(&meta))
        && Socket::new(Domain::UNIX, Type::STREAM.cloexec().nonblocking(), None)
            .and_then(|probe| probe.connect(address))
            .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn zero_and_nothing_are_every_address() {
        assert_eq!(host(b"0"), Host::Address(Ipv4Addr::UNSPECIFIED));
        assert_eq!(host(b""), Host::Address(Ipv4Addr::UNSPECIFIED));
    }

    #[test]
    fn dotted_decimal_is_an_address_also_in_brackets_and_with_leading_zeros() {
        for word in ["127.0.0.1", "[127.0.0.1]", "127.000.000.001"] {
            assert_eq!(
                host(word.as_bytes()),
                Host::Address(Ipv4Addr::LOCALHOST),
                "{word}"
            );
        }
    }

    #[test]
    fn anything_else_is_a_name_and_octets_do_not_wrap() {
        for word in [
            "127.1",
            "0x7f000001",
            "127.0.0.256",
            "127.0.0.1.",
            "localhost",
        ] {
            assert_eq!(host(word.as_bytes()), Host::Name(word.into()), "{word}");
        }
        assert_eq!(host(b"::1"), Host::V6);
    }

    #[test]
    fn a_port_is_a_number_or_a_service() {
        assert_eq!(port("25".as_ref()), Ok(25));
        assert_eq!(port("65535".as_ref()), Ok(65535));
        for wrong in ["65536", "", "99999999999"] {
            assert_eq!(
                port(wrong.as_ref()).expect_err(wrong).1,
                os::Exit::PERMANENT
            );
        }
        let (sentence, exit) = port("no-such-service".as_ref()).expect_err("unknown");
        assert_eq!(
            sentence,
            "unable to figure out port number for no-such-service"
        );
        assert_eq!(exit, os::Exit::TEMPORARY);
    }

    #[test]
    fn a_port_that_is_taken_is_told_in_the_originals_words() {
        let first = tcp(Ipv4Addr::LOCALHOST, 0, 5).expect("any port");
        let Bound::Tcp(bound) = first.bound else {
            panic!("TCP")
        };
        let error = tcp(Ipv4Addr::LOCALHOST, bound.port(), 5).expect_err("taken");
        assert_eq!(error.to_string(), "unable to bind: address already used");
    }

    #[test]
    fn a_unix_socket_gets_its_mode_and_a_stale_one_is_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        drop(unix(&path, 5, None, None).expect("bound"));
        assert!(path.exists(), "the first one leaves its file");
        let _second = unix(&path, 5, Some(0o640), None).expect("the stale one is replaced");
        let mode = std::fs::metadata(&path)
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o640);
        let error = unix(&path, 5, None, None).expect_err("somebody listens");
        let expected = format!("unable to bind {}: address already used", path.display());
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn at_the_end_the_socket_of_a_successor_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        let first = unix(&path, 5, None, None).expect("bound");
        std::fs::remove_file(&path).expect("removed");
        let second = unix(&path, 5, None, None).expect("bound");
        first.bound.remove_file();
        assert!(path.exists());
        second.bound.remove_file();
        assert!(!path.exists());
    }

    #[test]
    fn a_file_that_is_no_socket_is_not_touched() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("precious");
        std::fs::write(&path, "text").expect("written");
        let error = unix(&path, 5, None, None).expect_err("somebody's file");
        assert!(
            error
                .to_string()
                .ends_with("precious: it is there and no socket"),
            "{error}"
        );
        assert_eq!(std::fs::read(&path).expect("still there"), b"text");
    }
}
