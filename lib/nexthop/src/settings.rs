//! What a client needs to know besides the hop.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use dns::servers::Source;
use dns::settings::{PORT, ROUNDS};
use zeroize::Zeroizing;

/// What a client needs to know besides the hop.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What we call ourselves in EHLO and LHLO.
    pub name: Vec<u8>,
    /// For AUTH; they go only to a server that has proved its name, or into a UNIX socket.
    pub credentials: Option<Credentials>,
    /// The certificates that are trusted (PEM), instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// How long it may take.
    pub limits: Limits,
    /// Who knows the addresses of names that are not in /etc/hosts.
    pub dns: dns::settings::Settings,
}

impl Settings {
    /// With the usual limits and the system's certificates. `dnscacheip` is the value of
    /// $DNSCACHEIP, if it is set.
    pub fn new(name: &[u8], dnscacheip: Option<&[u8]>) -> Settings {
        let limits = Limits::default();
        Settings {
            name: name.to_vec(),
            credentials: None,
            ca_file: None,
            limits,
            dns: dns::settings::Settings {
                servers: Source::of_variable(dnscacheip),
                port: PORT,
                rounds: ROUNDS,
                deadline: limits.connect,
            },
        }
    }
}

/// A name and its password.
#[derive(Clone)]
pub struct Credentials {
    /// The name.
    pub user: Vec<u8>,
    /// The password.
    pub password: Zeroizing<Vec<u8>>,
}

impl Credentials {
    /// Reads `user:password`; the first colon decides. `None` where one of them is missing or has a
    /// NUL, which no mechanism can send.
    pub fn parse(line: &[u8]) -> Option<Credentials> {
        let colon = memchr::memchr(b':', line)?;
        let (user, password) = (&line[..colon], &line[colon + 1..]);
        if user.is_empty() || password.is_empty() || line.contains(&0) {
            return None;
        }
        Some(Credentials {
            user: user.to_vec(),
            password: Zeroizing::new(password.to_vec()),
        })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.user.escape_ascii())
    }
}

/// How long things may take. Our own client waits meanwhile: five minutes for the reply to a
/// command and ten for that to its message (RFC 5321 section 4.5.3.2).
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// To find the addresses of a name and to connect to one of them.
    pub connect: Duration,
    /// For the banner, a handshake, and each reply but the last.
    pub reply: Duration,
    /// For all of it from the banner to the last word before MAIL.
    pub opening: Duration,
    /// For the replies after the end of data, together.
    pub data_end: Duration,
    /// For one write.
    pub write: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connect: Duration::from_secs(30),
            reply: Duration::from_secs(60),
            opening: Duration::from_secs(2 * 60),
            data_end: Duration::from_secs(7 * 60),
            write: Duration::from_secs(2 * 60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_colon_ends_the_name() {
        let read = Credentials::parse(b"joe@h:pass:word ").expect("both");
        assert_eq!(read.user, b"joe@h");
        assert_eq!(read.password.as_slice(), b"pass:word ");
        for wrong in [&b""[..], b"joe", b":pass", b"joe:", b"j\0:p", b"j:\0"] {
            assert!(Credentials::parse(wrong).is_none());
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let shown = format!("{:?}", Credentials::parse(b"joe:secret").expect("both"));
        assert_eq!(shown, "Credentials(joe)");
    }
}
